/**
 * The outside cases of next hops that misbehave, against one real engine that serves all of them: each case is a mail
 * domain with an address of its own on loopback, found through DNS, and is judged by what the hop wrote down and what the
 * engine logged. Cases that need TLS enforced get an engine of their own, with the hop as its upstream.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DnsServerHandle, startDnsServer, type Zone } from './helpers/dns-server.js';
import { type EngineProcess, startEngine } from './helpers/engine.js';
import { SmtpTestClient } from './helpers/smtp-client.js';
import { SmtpPeer, until } from './helpers/smtp-peer.js';
import { selfSigned } from './helpers/test-authority.js';

interface UpstreamCase {
  readonly id: string;
  readonly title: string;
  readonly expect: string;
  readonly max_accept?: number;
  readonly messages?: number;
  readonly recipients?: number;
  readonly policy?: string;
  readonly smtputf8?: boolean;
  readonly big?: boolean;
  readonly port_closed?: boolean;
}

/** A line the hop wrote: an event of a connection; `dot` is the end of a message. */
interface HopEvent {
  readonly ev: string;
  readonly accepted?: boolean;
  readonly ok?: readonly string[];
  readonly subject?: readonly string[];
  readonly after?: string;
  readonly tls?: boolean;
}

const FOLDER = join(process.cwd(), '../shared/conformance/upstream');
const missing = !existsSync(join(FOLDER, 'smtp-upstream-cases.json'))
  ? '../shared/conformance/upstream is not here'
  : spawnSync('python3', ['-c', '']).status !== 0
    ? 'there is no python3'
    : '';
const cases: UpstreamCase[] =
  missing === ''
    ? (JSON.parse(readFileSync(join(FOLDER, 'smtp-upstream-cases.json'), 'utf8')) as { cases: UpstreamCase[] }).cases
    : [];
const needsPolicy = (one: UpstreamCase) => one.policy !== undefined;
/** Mail of null senders among the messages of a case that gets many. */
const NULL_SENDERS = 10;

const messagesOf = (one: UpstreamCase) => one.messages ?? 1;
const recipientsOf = (one: UpstreamCase) => one.recipients ?? 1;

let folder = '';
let engine: EngineProcess;
/** Engines of cases with a policy, by id. */
const enforcing = new Map<string, EngineProcess>();
const engineOf = (one: UpstreamCase) => enforcing.get(one.id) ?? engine;
let dns: DnsServerHandle;
let origin: SmtpPeer;
const hops: ChildProcess[] = [];
let descriptors = 0;
let memory = 0;

/** A port that can be had at base + number for every case: one port, each case at its own address. */
const PORT = 24_000 + Math.floor(Math.random() * 8000);
const addressOf = (index: number) => `127.0.1.${10 + index}`;
const ORIGIN = '127.0.1.9';

function openDescriptors(): number {
  return existsSync('/proc') ? readdirSync(`/proc/${engine.pid}/fd`).length : 0;
}

function residentBytes(): number {
  if (!existsSync('/proc')) return 0;
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${engine.pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}

function hopEvents(id: string): HopEvent[] {
  const file = join(folder, `${id}.jsonl`);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as HopEvent);
}

/** Statuses of outcomes of a case, in order. */
function outcomes(one: UpstreamCase): string[] {
  const found: string[] = [];
  for (const line of engineOf(one).lines)
    if (line.msg === 'outcome' && String(line['to']).endsWith(`@${one.id}.up.example`))
      found.push(String(line['status']));
  return found;
}

/** A case has come to where it can be judged. */
function isSettled(one: UpstreamCase): boolean {
  const seen = outcomes(one);
  const final = seen.filter((status) => status !== 'deferred').length;
  if (final >= messagesOf(one) * recipientsOf(one)) return true;
  return (one.expect.includes('deferred') || one.expect === 'not-delivered') && seen.includes('deferred');
}

async function submit(one: UpstreamCase): Promise<void> {
  const client = await SmtpTestClient.open(engineOf(one).port);
  const local = one.smtputf8 ? 'ünï' : 'r';
  const to = Array.from({ length: recipientsOf(one) }, (_, i) => `<${local}${i}@${one.id}.up.example>`);
  for (let n = 0; n < messagesOf(one); n++) {
    const sender = messagesOf(one) > 100 && n < NULL_SENDERS ? '' : `${one.id}@origin.example`;
    const body = one.big ? 'x'.repeat(70).concat('\r\n').repeat(60_000) : 'Hello\r\n';
    const reply = await client.send(
      `<${sender}>${one.smtputf8 ? ' SMTPUTF8' : ''}`,
      to,
      `From: a@origin.example\r\nSubject: ${one.id} ${n}\r\n\r\n${body}`,
    );
    expect([one.id, reply.code]).toEqual([one.id, 250]);
    // Around the time at which a hop closes a connection that is kept.
    if (messagesOf(one) < 100) await new Promise((resolve) => setTimeout(resolve, 280 + 15 * n));
  }
  await client.quit();
}

describe.skipIf(missing !== '')('next hops that misbehave', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-upstream-'));
    const zone: Zone = { 'origin.example': { MX: [[10, 'mx.origin.example']] }, 'mx.origin.example': { A: [ORIGIN] } };
    const { cert, key } = selfSigned({ names: ['up.example'] });
    writeFileSync(join(folder, 'cert.pem'), cert);
    writeFileSync(join(folder, 'key.pem'), key);
    const started = cases.map((one, index) => {
      zone[`${one.id}.up.example`] = { MX: [[10, `mx.${one.id}.up.example`]] };
      zone[`mx.${one.id}.up.example`] = { A: [addressOf(index)] };
      const driver = join(FOLDER, 'fake-upstream.py');
      const args = [driver, String(PORT - index), folder, '--only', one.id, '--bind', addressOf(index)];
      args.push('--cert', join(folder, 'cert.pem'), '--key', join(folder, 'key.pem'));
      const hop = spawn('python3', args, { stdio: ['ignore', 'pipe', 'inherit'] });
      hops.push(hop);
      return new Promise<void>((resolve, reject) => {
        hop.stdout.once('data', () => resolve());
        hop.once('exit', () => reject(new Error(`the hop of ${one.id} does not run`)));
      });
    });
    await Promise.all(started);
    dns = await startDnsServer(zone);
    origin = await SmtpPeer.start(undefined, PORT, ORIGIN);
    const settings = {
      SLUICE_DNS_SERVERS: dns.address,
      SLUICE_MX_PORT: String(PORT),
      SLUICE_MAX_MESSAGES_PER_CONNECTION: '0',
      SLUICE_RETRY_MIN: '500ms',
      SLUICE_RETRY_MAX: '3s',
      SLUICE_UPSTREAM_CONNECT_TIMEOUT: '2s',
      SLUICE_UPSTREAM_REPLY_TIMEOUT: '2s',
      SLUICE_UPSTREAM_DATA_TIMEOUT: '3s',
      // Shorter than the waits between attempts, so that a hop which judges by connection sees a new one.
      SLUICE_UPSTREAM_IDLE: '400ms',
    };
    engine = await startEngine({ settings });
    for (const [index, one] of cases.entries())
      if (needsPolicy(one)) {
        const SLUICE_UPSTREAM = `smtp://${addressOf(index)}:${PORT}?tls=required`;
        enforcing.set(one.id, await startEngine({ settings: { ...settings, SLUICE_UPSTREAM } }));
      }
    descriptors = openDescriptors();
    memory = residentBytes();
    await Promise.all(cases.map(submit));
    const deadline = Date.now() + 25_000;
    while (!cases.every(isSettled) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
  }, 60_000);

  afterAll(async () => {
    for (const hop of hops) {
      hop.removeAllListeners('exit');
      hop.kill('SIGKILL');
    }
    await engine?.stop();
    for (const one of enforcing.values()) await one.stop();
    await dns?.close();
    await origin?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(cases)('$id: $title', async (one) => {
    const seen = outcomes(one);
    const dots = hopEvents(one.id).filter((event) => event.ev === 'dot');
    const taken = dots.filter((event) => event.accepted);
    const context = `${one.id}: outcomes ${seen.slice(0, 10).join(' ')}; ${JSON.stringify(dots.slice(0, 5))}`;
    const all = messagesOf(one) * recipientsOf(one);
    const delivered = seen.filter((status) => status === 'delivered').length;
    const failed = seen.filter((status) => status === 'failed').length;
    const allowed = one.expect.split(' or ');
    const results: Record<string, boolean> = {
      delivered: delivered === all,
      bounced: failed === all,
      deferred: seen.includes('deferred') && delivered + failed === 0,
      'not-delivered': delivered === 0 && seen.some((status) => status !== 'delivered'),
    };
    // Some of the recipients one way and some the other is fine where both are.
    const mixed = allowed.includes('delivered') && allowed.includes('bounced') && delivered + failed === all;
    expect(mixed || allowed.some((result) => results[result]), context).toBe(true);
    if (one.max_accept !== undefined) expect(taken.length, context).toBeLessThanOrEqual(one.max_accept);
    // Every recipient of every message once; only a lost reply could make it more, and then the hop did not accept.
    const copies = taken.flatMap(({ subject, ok }) => (ok ?? []).map((to) => `${subject?.[0]} ${to}`));
    expect(new Set(copies).size, context).toBe(copies.length);
    if (one.id === 'rcpt-452-many') expect(copies).toHaveLength(5);
    const notices = origin.messages.filter(({ recipients }) => recipients[0] === `${one.id}@origin.example`);
    if (delivered + failed === all) {
      const bounced = failed === 0 ? 0 : messagesOf(one) - (messagesOf(one) > 100 ? NULL_SENDERS : 0);
      await until(`notices of ${one.id}`, () => noticesOf(one.id) >= bounced, 3000);
      expect(noticesOf(one.id), context).toBe(bounced);
    } else expect(notices, context).toHaveLength(0);
    expect(hopEvents(one.id).filter((event) => event.ev === 'PIPELINED-WITHOUT-OFFER')).toEqual([]);
  });

  it('are reached by TLS where they can, and a policy is heeded', () => {
    const secure = (id: string) =>
      hopEvents(id)
        .filter((event) => event.ev === 'dot')
        .map((event) => event.tls);
    expect(secure('tls-selfsigned')).toEqual([true]);
    for (const [id, one] of enforcing) {
      expect(one.logged('TLS to the next hop failed').length, id).toBeGreaterThan(0);
      expect(
        one
          .logged('attempt')
          .map((line) => line['reply'])
          .join(' '),
        id,
      ).toMatch(/self-signed|STARTTLS/);
    }
  });

  it('leaves no connection, descriptor or memory behind, and the engine well', async () => {
    const held = await engine.command(['queue', 'list', '--json']);
    expect(held.code, held.err).toBe(0);
    for (const line of new Set(engine.logged('accepted').map((each) => String(each['id']))))
      if (held.out.includes(line)) await engine.command(['queue', 'hold', line]);
    const deadline = Date.now() + 12_000;
    let open = -1;
    while (open !== 0 && Date.now() < deadline) {
      const status = await engine.command(['status', '--json']);
      open = (JSON.parse(status.out) as { upstreamConnections: number }).upstreamConnections;
    }
    expect(open).toBe(0);
    await until('no descriptor is left open', () => openDescriptors() <= descriptors + 2, 5000);
    expect(residentBytes() - memory).toBeLessThan(160 * 1024 * 1024);
    expect(engine.logged((line) => Number(line['level']) >= 50)).toEqual([]);
    const client = await SmtpTestClient.open(engine.port);
    expect((await client.send('<x@origin.example>', ['<y@ok.up.example>'], 'Subject: last\r\n\r\nx\r\n')).code).toBe(
      250,
    );
    await client.quit();
    await until('it is delivered', () => hopEvents('ok').some((event) => event.subject?.[0] === 'Subject: last'), 5000);
    expect((await engine.stop()).code).toBe(0);
  }, 40_000);
});

function noticesOf(id: string): number {
  return origin.messages.filter(({ recipients }) => recipients[0] === `${id}@origin.example`).length;
}

describe.runIf(missing !== '')('next hops that misbehave', () => {
  it('are not here', (ctx) => {
    console.warn(`SKIPPED: ${ctx.task.name}: ${missing}`);
    ctx.skip(missing);
  });
});
