/**
 * Mail through engines that run on imported configurations: it comes where Postfix would have sent it, with the login it
 * would have used. The expectations are those that test/e2e/imported.ts holds against a real Postfix.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importPostfix } from '../../../src/compat/postfix/import-postfix.js';
import { type DnsServerHandle, startDnsServer } from '../../helpers/dns-server.js';
import { startEngine } from '../../helpers/engine.js';
import { StagedShape, shapes } from '../../helpers/postfix-shapes.js';
import { SmtpTestClient } from '../../helpers/smtp-client.js';
import { TestAuthority } from '../../helpers/test-authority.js';

const authority = new TestAuthority();
let folder: string;
let dns: DnsServerHandle;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-imported-'));
  const domains = shapes.flatMap(({ cases }) => cases.map(({ to }) => to.slice(to.indexOf('@') + 1)));
  const zone = Object.fromEntries(domains.map((domain) => [domain, { MX: [[10, 'localhost']] as [number, string][] }]));
  dns = await startDnsServer({ ...zone, localhost: { A: ['127.0.0.1'] } });
});
afterAll(async () => {
  await dns.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('an engine with an imported configuration', { timeout: 60_000 }, () => {
  it('is run for every fixture', () => {
    const run = new Set(shapes.map(({ fixture }) => fixture));
    expect([...run].sort()).toEqual(readdirSync('test/compat/postfix/fixtures').sort());
  });

  it.each(shapes.map((shape) => [shape.name, shape] as const))('%s', async (name, shape) => {
    const staged = await StagedShape.open(shape, join(folder, name.replace(/\W+/g, '-')), authority);
    const { env, toml } = importPostfix(staged.main(), staged.master(), staged.folder);
    const file = join(staged.folder, 'sluice.toml');
    writeFileSync(file, toml);
    const imported = Object.fromEntries(
      Object.entries(parseEnv(env)).filter((pair): pair is [string, string] => pair[1] !== undefined),
    );
    const engine = await startEngine({
      settings: {
        ...imported,
        SLUICE_LISTEN: 'smtp://127.0.0.1:0',
        ...(toml === '' ? {} : { SLUICE_CONFIG: file }),
        ...{ SLUICE_DNS_SERVERS: dns.address, SLUICE_MX_PORT: String(staged.mxPort), SLUICE_DANE: 'off' },
        ...{ SLUICE_MTA_STS: 'off', SLUICE_MX_TLS: 'opportunistic' },
      },
    });
    try {
      const client = await SmtpTestClient.open(engine.port);
      for (const { from, to } of shape.cases) {
        await client.expect(`MAIL FROM:<${from}>`, 250);
        if ((await client.command(`RCPT TO:<${to}>`)).code === 250) {
          await client.expect('DATA', 354);
          client.write('Subject: x\r\nX-Mailer: y\r\n\r\ntext\r\n.\r\n');
          expect((await client.reply()).code, to).toBe(250);
        } else await client.expect('RSET', 250);
      }
      const arrived = () => staged.arrivals().map(({ to, at, login }) => ({ to, at, login }));
      const expected = staged.expected();
      await expect
        .poll(arrived, { timeout: 20_000, interval: 50 })
        .toEqual(expected)
        .catch((error: unknown) => {
          throw new Error(`${String(error)}\n${engine.transcript().slice(-4000)}\n${env}\n${toml}`);
        });
      for (const { helo = '', to } of shape.cases)
        if (helo !== '') expect(staged.arrivals().find((one) => one.to === to)!.helo).toBe(helo);
      for (const { login, secure } of staged.arrivals()) if (login !== '') expect(secure).toBe(true);
      await client.quit();
    } finally {
      await engine.stop();
      await staged.close();
    }
    // What was refused, discarded or held has come nowhere, also not while the engine ended.
    expect(staged.arrivals().length).toBe(staged.expected().length);
  });
});
