/**
 * Deliveries to MX hosts that policies of their domain ask for TLS: a whole engine, hosts that speak TLS, DNS and HTTPS
 * of the test.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Zone } from '../helpers/dns-server.js';
import type { EngineProcess } from '../helpers/engine.js';
import { startHttpsServer } from '../helpers/https-server.js';
import { SmtpPeer } from '../helpers/smtp-peer.js';
import { selfSigned, TestAuthority, type TestCertificate } from '../helpers/test-authority.js';
import { mail, Stage } from './stage.js';

const SIGNED = { authenticated: true };

let stage: Stage;
let authority: TestAuthority;
let folder: string;
const opened: { close(): Promise<unknown> }[] = [];

beforeAll(() => {
  authority = new TestAuthority();
  folder = mkdtempSync(join(tmpdir(), 'mx-tls-'));
  writeFileSync(join(folder, 'ca.pem'), authority.own.cert);
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  stage = new Stage();
});
afterEach(async () => {
  await stage.end();
  for (const each of opened.splice(0)) await each.close();
});

async function peer(certificate: TestCertificate | null): Promise<SmtpPeer> {
  const started = await SmtpPeer.start(undefined, 0, '127.0.0.1', certificate === null ? {} : { tls: certificate });
  opened.push(started);
  return started;
}

/** Sends a message to d.test through an engine that finds its way by `zone`. */
async function send(up: SmtpPeer, zone: Zone, more: Record<string, string> = {}): Promise<EngineProcess> {
  const dns = await stage.dns({
    'd.test': { MX: [[1, 'mx.d.test']], ...SIGNED },
    'mx.d.test': { A: ['127.0.0.1'], ...SIGNED },
    ...zone,
  });
  const engine = await stage.engine({
    SLUICE_DNS_SERVERS: dns.address,
    SLUICE_MX_PORT: String(up.port),
    SLUICE_MX_CA: join(folder, 'ca.pem'),
    ...more,
  });
  const client = await stage.client(engine);
  expect((await client.send('<ann@client.example>', ['<bob@d.test>'], mail())).code).toBe(250);
  return engine;
}

const outcome = (engine: EngineProcess) => engine.waitForLog((line) => line['dsn'] !== undefined);

describe('DANE', () => {
  const tlsa = (up: SmtpPeer, digest: Buffer): Zone => ({
    [`_${up.port}._tcp.mx.d.test`]: {
      TLSA: [{ usage: 3, selector: 1, matchingType: 1, certificate: digest }],
      ...SIGNED,
    },
  });

  it('lets mail go to a certificate of nobody known that matches', async () => {
    const certificate = selfSigned({ names: ['elsewhere.test'] });
    const up = await peer(certificate);
    const engine = await send(up, tlsa(up, createHash('sha256').update(certificate.spki).digest()));
    expect(await outcome(engine)).toMatchObject({ status: 'delivered' });
    expect(up.messages.map(({ secure }) => secure)).toEqual([true]);
  });

  it.each([
    ['a certificate that does not match', true],
    ['no TLS', false],
  ])('holds mail back from %s', async (_, speaksTls) => {
    const up = await peer(speaksTls ? authority.issue({ names: ['mx.d.test'] }) : null);
    const engine = await send(up, tlsa(up, Buffer.alloc(32, 1)));
    expect(await outcome(engine)).toMatchObject({ status: 'deferred', dsn: expect.stringMatching(/^4\.7\.\d/) });
    expect(up.commands.filter((line) => line.startsWith('MAIL'))).toEqual([]);
  });
});

describe('MTA-STS', () => {
  it.each([
    ['lets mail go to a certificate for the host', ['mx.d.test'], 'delivered'],
    ['holds mail back from a certificate for another name', ['d.test'], 'deferred'],
  ])('%s', async (_, names, status) => {
    const policyHost = await startHttpsServer(authority.issue({ names: ['mta-sts.d.test'] }), (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.end('version: STSv1\nmode: enforce\nmx: *.d.test\nmax_age: 86400\n');
    });
    opened.push(policyHost);
    const up = await peer(authority.issue({ names }));
    const engine = await send(
      up,
      { '_mta-sts.d.test': { TXT: ['v=STSv1; id=1;'] }, 'mta-sts.d.test': { A: ['127.0.0.1'] } },
      { SLUICE_MTA_STS_PORT: String(policyHost.port), SLUICE_MTA_STS_CA: join(folder, 'ca.pem') },
    );
    expect(await outcome(engine)).toMatchObject({ status });
    expect(up.messages.map(({ secure }) => secure)).toEqual(status === 'delivered' ? [true] : []);
  });
});

describe('without a policy', () => {
  it('any certificate will do', async () => {
    const up = await peer(selfSigned({ names: ['elsewhere.test'] }));
    await outcome(await send(up, {}));
    expect(up.messages.map(({ secure }) => secure)).toEqual([true]);
  });

  it('no TLS is a reason to wait where the setting says so', async () => {
    const up = await peer(null);
    expect(await outcome(await send(up, {}, { SLUICE_MX_TLS: 'required' }))).toMatchObject({ status: 'deferred' });
    expect(up.messages).toEqual([]);
  });
});
