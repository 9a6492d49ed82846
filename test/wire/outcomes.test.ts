/**
 * What becomes of mail, over real sockets: refusals put addresses on the suppression list and the next RCPT is refused;
 * bounces and complaints that come back to reverse-paths of ours are booked; all of it outlasts a restart.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EngineProcess, startEngine } from '../helpers/engine.js';
import { SmtpTestClient } from '../helpers/smtp-client.js';
import { SmtpPeer, until } from '../helpers/smtp-peer.js';
import { arf, exchangeDsn, personal } from '../outcomes/returned-mail.js';

const MAIL = 'From: news@acme.example\r\nSubject: news\r\n\r\nnews\r\n';
const CONFIG = `
[[tenant]]
name = "acme"
senders = ["@acme.example"]
verp = "b-*@acme.example"

[[tenant]]
name = "quiet"
senders = ["@quiet.example"]
suppression = "drop"
`;

let folder: string;
let peer: SmtpPeer;
let engine: EngineProcess;
const start = (): Promise<EngineProcess> =>
  startEngine({
    spoolDir: join(folder, 'spool'),
    settings: {
      SLUICE_UPSTREAM: `smtp://127.0.0.1:${peer.port}`,
      SLUICE_CONFIG: join(folder, 'sluice.toml'),
      SLUICE_LISTEN: 'smtp://127.0.0.1:0,smtp://127.0.0.1:0?proxy=v1',
      SLUICE_PROXY_NETWORKS: '127.0.0.1',
      SLUICE_RELAY_DOMAINS: 'inside.example',
      SLUICE_SUPPRESSION: 'all',
      SLUICE_BOUNCE_ADDRESSES: 'fbl@reports.example,bounces.example',
    },
  });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-outcomes-'));
  writeFileSync(join(folder, 'sluice.toml'), CONFIG);
  peer = await SmtpPeer.start((stage, _connection, _count, line) => {
    if (stage !== 'RCPT') return undefined;
    if (line.includes('dead')) return '550 5.1.1 <dead@example.com>: user unknown';
    return line.includes('later') ? '451 4.2.0 greylisted' : undefined;
  });
  engine = await start();
});
afterEach(async () => {
  await engine.stop();
  await peer.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Sends as a client that may relay; the reply to RCPT. */
async function rcpt(from: string, to: string, content: string | null = MAIL): Promise<string> {
  const client = await SmtpTestClient.open(engine.port);
  await client.expect(`MAIL FROM:<${from}>`, 250);
  const reply = await client.command(`RCPT TO:<${to}>`);
  if (reply.code === 250 && content !== null) {
    await client.expect('DATA', 354);
    client.write(`${content}.\r\n`);
    expect((await client.reply()).code).toBe(250);
  }
  await client.quit();
  return reply.text.trim();
}

/** The same as a stranger from somewhere else. */
async function fromOutside(to: string, content: string): Promise<string> {
  const client = await strangerTo(engine.ports[1]!);
  await client.expect('MAIL FROM:<>', 250);
  const reply = await client.command(`RCPT TO:<${to}>`);
  if (reply.code === 250) {
    await client.expect('DATA', 354);
    client.write(`${content}.\r\n`);
    expect((await client.reply()).code).toBe(250);
  }
  await client.quit();
  return reply.text.trim();
}

async function strangerTo(port: number): Promise<SmtpTestClient> {
  const client = await SmtpTestClient.connect(
    port,
    '127.0.0.1',
    10_000,
    'PROXY TCP4 203.0.113.9 192.0.2.1 4711 25\r\n',
  );
  await client.expect('EHLO stranger.example', 250);
  return client;
}

const list = async (tenant: string): Promise<string[]> => {
  const { out } = await engine.command(['suppression', 'list', '--tenant', tenant, '--json']);
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { address: string; reason: string })
    .map(({ address, reason }) => `${address} ${reason}`);
};

describe('suppression', { timeout: 60_000 }, () => {
  it('follows a hard bounce, for the tenant, over a restart, until the operator takes it back', async () => {
    expect(await rcpt('news@acme.example', 'dead@example.com')).toBe('250 2.1.5 Recipient ok');
    const outcome = await engine.waitForLog((line) => line.msg === 'outcome');
    expect(outcome).toMatchObject({ status: 'failed', dsn: '5.1.1', category: 'bad-mailbox' });
    await engine.waitForLog('address is on the suppression list from now on');
    expect(await rcpt('news@acme.example', 'Dead@Example.com')).toMatch(
      /^550 5\.1\.1 Recipient is on the suppression list of this relay since \d{4}-\d\d-\d\d: bad-mailbox$/,
    );
    expect(await rcpt('news@acme.example', 'ann@example.com', null)).toBe('250 2.1.5 Recipient ok');
    expect(await rcpt('news@other.example', 'dead@example.com', null)).toBe('250 2.1.5 Recipient ok');
    await engine.stop();
    engine = await start();
    expect(await rcpt('news@acme.example', 'dead@example.com')).toMatch(/^550 5\.1\.1/);
    expect(await list('acme')).toEqual(['dead@example.com bad-mailbox']);
    const removed = await engine.command(['suppression', 'remove', 'dead@example.com', '--tenant', 'acme']);
    expect(removed).toMatchObject({ code: 0 });
    expect(await rcpt('news@acme.example', 'dead@example.com', null)).toBe('250 2.1.5 Recipient ok');
  });

  it('drops with a line in the log where the tenant wants that, and refuses what was queued before', async () => {
    const added = await engine.command(['suppression', 'add', 'ann@example.com', '--reason', 'asked by phone']);
    expect(added.code).toBe(0);
    expect(await rcpt('news@quiet.example', 'ann@example.com')).toBe('250 2.1.5 Recipient ok');
    const dropped = await engine.waitForLog('dropped');
    expect(dropped).toMatchObject({ to: 'ann@example.com', reason: 'on the suppression list: asked by phone' });
    expect(await rcpt('news@acme.example', 'ann@example.com')).toMatch(/^550 5\.1\.1 .*: asked by phone$/);
    expect(peer.messages).toEqual([]);
    // Mail that waits: it goes no more, and its sender hears of it.
    await rcpt('news@acme.example', 'later@example.com');
    const deferred = await engine.waitForLog((line) => line.msg === 'outcome' && line['status'] === 'deferred');
    expect(deferred).toMatchObject({ category: 'greylisted' });
    await engine.command(['suppression', 'add', 'later@example.com', '--tenant', 'acme']);
    await engine.command(['queue', 'retry', 'all']);
    const failed = await engine.waitForLog((line) => line.msg === 'outcome' && line['status'] === 'failed');
    expect(failed).toMatchObject({ to: 'later@example.com', dsn: '5.1.1', category: 'suppressed' });
    const isNotice = ({ recipients }: { recipients: readonly string[] }) => recipients.includes('news@acme.example');
    await until('the notice is with the peer', () => peer.messages.some(isNotice));
  });
});

describe('what comes back', { timeout: 60_000 }, () => {
  /** Mail of acme to somebody, and the reverse-path it went out with. */
  async function sent(to: string): Promise<{ path: string; id: string }> {
    const before = peer.messages.length;
    await rcpt('news@acme.example', to);
    await until('the mail is with the peer', () => peer.messages.length > before);
    const { sender } = peer.messages.at(-1)!;
    const line = await engine.waitForLog((one) => one.msg === 'outcome' && one['to'] === to);
    return { path: sender.replace(/^<|>$/g, ''), id: String(line['id']) };
  }

  it('is a bounce: taken from a stranger, booked to message and tenant, its recipient suppressed', async () => {
    const { path, id } = await sent('ann@example.com');
    expect(path).toMatch(/^b-[a-z2-7]{39}@acme\.example$/);
    expect(peer.commands).toContain('RCPT TO:<ann@example.com> ORCPT=rfc822;ann@example.com');
    expect(await fromOutside(path, exchangeDsn())).toBe('250 2.1.5 Recipient ok');
    expect(await engine.waitForLog('bounced')).toMatchObject({
      id,
      to: 'ann@example.com',
      tenant: 'acme',
      verified: true,
      category: 'bad-mailbox',
      hard: true,
    });
    expect(await rcpt('news@acme.example', 'ann@example.com')).toMatch(/^550 5\.1\.1 .*bad-mailbox$/);
    const { out } = await engine.command(['status', '--json']);
    const status = JSON.parse(out) as {
      returned: unknown;
      suppressed: number;
      kpis: { all: Record<string, unknown>; tenants: Record<string, Record<string, unknown>> };
    };
    expect(status).toMatchObject({ returned: { bounces: 1, complaints: 0, other: 0 }, suppressed: 1 });
    expect(status.kpis.tenants['acme']?.['5m']).toMatchObject({ delivered: 1, bounced: 1, cameBack: 1 });
    expect(status.kpis.all['5m']).toMatchObject({
      connections: { share: 1, met: true },
      latency: { share: 1, met: true },
    });
    // Nothing of it was sent anywhere.
    expect(peer.messages).toHaveLength(1);
  });

  it('is a complaint to the address of a feedback loop', async () => {
    const { path, id } = await sent('ann@example.com');
    expect(await fromOutside('fbl@reports.example', arf({ mailFrom: path }))).toBe('250 2.1.5 Recipient ok');
    expect(await engine.waitForLog('complained')).toMatchObject({
      id,
      to: 'ann@example.com',
      tenant: 'acme',
      type: 'abuse',
    });
    expect(await list('acme')).toEqual(['ann@example.com abuse']);
  });

  it('is nothing to book, or forged: done with, and answered never', async () => {
    expect(await fromOutside('anything@bounces.example', personal())).toBe('250 2.1.5 Recipient ok');
    await engine.waitForLog('mail to a bounce address is nothing to book');
    expect(await fromOutside(`b-${'a'.repeat(39)}@acme.example`, exchangeDsn())).toBe('250 2.1.5 Recipient ok');
    expect(await engine.waitForLog('bounced')).toMatchObject({ verified: false, tenant: '' });
    // The rest of these domains is as closed as before.
    expect(await fromOutside('news@acme.example', personal())).toMatch(/^554 5\.7\.1 Relaying denied/);
    expect(await fromOutside('other@reports.example', personal())).toMatch(/^554 5\.7\.1 Relaying denied/);
    expect(await fromOutside('x@inside.example', personal())).toBe('250 2.1.5 Recipient ok');
    await until('what is for the inside is with the peer', () => peer.messages.length === 1);
    expect(await list('')).toEqual([]);
    expect(engine.logged((line) => line.msg === 'accepted')).toHaveLength(3);
  });
});
