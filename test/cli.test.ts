import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { COMMANDS } from '../src/cli-commands.js';
import { serveControl } from '../src/control/control-socket.js';
import type { EngineControl, MessageDetail, QueueEntry } from '../src/control/engine-control.js';
import { listenUnix, type UnixListener } from '../src/net/unix-socket.js';
import { FakeBrain } from './helpers/fake-control.js';

const CLI = join(process.cwd(), 'dist/src/cli.js');

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

let cwd: string;
let listener: UnixListener | undefined;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
});
afterEach(async () => {
  await listener?.close();
  listener = undefined;
  rmSync(cwd, { recursive: true, force: true });
});

/** Runs the built command in a folder of its own, without the settings of whoever runs the tests. */
function sluice(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
  const child = spawn(process.execPath, [CLI, ...args], { cwd, env: { ...Object.fromEntries(clean), ...env } });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    out += part;
  });
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    err += part;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

describe('sluice', () => {
  it('prints its version and a help with an example for every command', async () => {
    const version = await sluice(['--version']);
    expect(version).toEqual({ code: 0, out: `${JSON.parse(readFileSync('package.json', 'utf8')).version}\n`, err: '' });
    const general = await sluice(['--help']);
    expect(general.code).toBe(0);
    for (const { help: one } of COMMANDS) {
      const command = one.name;
      expect(general.out).toMatch(new RegExp(`^ {2}.*\\b${command}\\b`, 'm'));
      const help = await sluice([command, '--help']);
      expect(help.code, command).toBe(0);
      expect(help.out).toMatch(/^Usage: sluice /);
      expect(help.out).toMatch(/\nExample:\n {2}\S/);
    }
  });

  it.each([
    [['frob'], '"frob" is not a command'],
    [['start', 'now'], '"now" is one argument too many'],
    [['queue'], 'an action is missing'],
    [['queue', 'frob'], '"frob" is not an action'],
    [['queue', 'show'], '<ID> is missing'],
    [['queue', 'delete', 'all'], 'for retry only'],
    [['queue', 'list', '--limit', 'x'], '--limit "x"'],
    [['queue', 'list', '--frob'], '--frob'],
    [['dkim', 'generate', 'example.org'], '<selector> is missing'],
    [['dkim', 'generate', 'example.org', 's', '--type', 'dsa', '--dir', 'k'], 'allowed: rsa, ed25519'],
    [['dkim', 'generate', 'exa mple', 's', '--dir', 'k'], 'domain'],
  ])('refuses %j', async (args, message) => {
    const { code, out, err } = await sluice(args);
    expect(code).toBe(64);
    expect(out).toBe('');
    expect(err).toContain(message);
    expect(err).toMatch(/see: sluice .*--help/);
  });

  it.each([[['start']], [[]]])(
    '%j does not start with a wrong configuration: one line for each mistake',
    async (args) => {
      const { code, err } = await sluice(args, { SLUICE_WORKERS: 'x', SLUICE_EXPIRE: 'y' });
      expect(code).toBe(78);
      expect(err).toMatch(/SLUICE_WORKERS: "x" is not allowed; allowed: .*\n.*SLUICE_EXPIRE: "y" is not allowed/);
    },
  );
});

describe('sluice check', () => {
  it('prints effective values and where each came from', async () => {
    writeFileSync(join(cwd, '.env'), 'SLUICE_MX_PORT=2600\n');
    const { code, out, err } = await sluice(['check'], { SLUICE_RETRY_MIN: '90', SLUICE_LISTNE: 'x' });
    expect(code).toBe(0);
    expect(out).toContain('SLUICE_RETRY_MIN=90s  # environment\n');
    expect(out).toContain('SLUICE_MX_PORT=2600  # .env\n');
    expect(out).toContain('SLUICE_DURABILITY=fsync  # default\n');
    expect(err).toContain('did you mean SLUICE_LISTEN?');
  });

  it('ends with 78 and every mistake, bad signing keys among them', async () => {
    mkdirSync(join(cwd, 'keys/example.org'), { recursive: true });
    writeFileSync(join(cwd, 'keys/example.org/s1.pem'), 'no key');
    const env = { SLUICE_DKIM_DIR: 'keys', SLUICE_DURABILITY: 'no', SLUICE_RETRY_MIN: '5h' };
    const { code, err } = await sluice(['check'], env);
    expect(code).toBe(78);
    expect(err).toContain('SLUICE_DURABILITY: "no" is not allowed; allowed: fsync or commit');
    expect(err).toContain('SLUICE_RETRY_MIN');
    expect(err).toContain('s1.pem');
  });
});

describe('sluice dkim generate', () => {
  it('makes a key once and prints its record', async () => {
    const args = ['dkim', 'generate', 'example.org', 's1', '--type', 'ed25519'];
    expect((await sluice(args)).code).toBe(78);
    const env = { SLUICE_DKIM_DIR: 'keys' };
    const first = await sluice(args, env);
    expect(first.code).toBe(0);
    expect(first.out).toMatch(/^s1\._domainkey\.example\.org\. IN TXT \( "v=DKIM1; k=ed25519; p=[^"]+" \)\n$/);
    const path = join(cwd, 'keys/example.org/s1.pem');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const key = readFileSync(path, 'utf8');
    const second = await sluice(args, env);
    expect(second.code).toBe(73);
    expect(second.err).toContain('exists already');
    expect(readFileSync(path, 'utf8')).toBe(key);
    expect((await sluice(['check'], env)).code).toBe(0);
  });
});

function entry(number: number): QueueEntry {
  return {
    id: `F${String(number).padStart(4, '0')}`,
    sender: number === 0 ? '' : 'a@b.example',
    size: 10_240,
    receivedAt: Date.now() - 7_200_000,
    recipients: 1,
    attempts: 2,
    due: number === 0 ? 0 : Date.now() + 600_000,
    state: number === 2 ? 'held' : 'deferred',
    reason: '451 later\u001b[31m',
  };
}

class FakeEngine extends FakeBrain implements EngineControl {
  readonly calls: string[] = [];
  readonly entries: QueueEntry[] = Array.from({ length: 2500 }, (_, number) => entry(number));

  status() {
    return {
      version: '1.2.3',
      pid: 42,
      startedAt: Date.now() - 60_000,
      accepted: 10,
      delivered: 9,
      deferred: 1,
      failed: 0,
      queued: this.entries.length,
      flushes: 3,
      serverConnections: 2,
      upstreamConnections: 4,
      tls: {
        clientsFailed: 5,
        secured: 6,
        clear: 7,
        failed: 8,
        policyFailures: 9,
        certificateExpires: Date.now() + 20 * 86_400_000,
      },
      returned: { bounces: 0, complaints: 0, other: 0 },
      suppressed: 0,
      kpis: {},
    };
  }

  async list(after: string, limit: number): Promise<QueueEntry[]> {
    return this.entries.filter((one) => one.id > after).slice(0, limit);
  }

  async show(id: string): Promise<MessageDetail | undefined> {
    const found = this.entries.find((one) => one.id === id);
    const recipient = {
      address: 'x@y.example',
      status: 'pending',
      reply: '451 later',
      host: 'mx',
      lastAttempt: 1,
    } as const;
    return found && { ...found, clientAddress: '::1', helo: 'h\u001b]0;x', recipientDetails: [recipient] };
  }

  private async note(call: string, id: string): Promise<number> {
    this.calls.push(`${call} ${id}`);
    return id === 'all' ? 7 : this.entries.some((one) => one.id === id) ? 1 : 0;
  }

  retry = (id: string) => this.note('retry', id);
  hold = (id: string) => this.note('hold', id);
  release = (id: string) => this.note('release', id);
  remove = (id: string) => this.note('remove', id);
}

describe('sluice queue and status', () => {
  let engine: FakeEngine;
  const start = async (path = join(cwd, 'var/spool/control.sock')) => {
    engine = new FakeEngine();
    listener = await listenUnix(path, (socket) => void serveControl(socket, engine));
  };

  it('name the socket when no engine is there', async () => {
    const path = join(cwd, 'var/spool/control.sock');
    const { code, out, err } = await sluice(['queue', 'list']);
    expect(code).toBe(69);
    expect(out).toBe('');
    expect(err).toContain(`no engine is running here: cannot connect to ${path} (ENOENT)`);
  });

  it('list the queue in pages, with a limit, for people and as JSON', async () => {
    await start();
    const some = await sluice(['queue', 'list', '--limit', '3']);
    const lines = some.out.split('\n');
    expect(lines[0]).toMatch(/^ID +STATE +AGE +SIZE +RCPTS +TRIES +NEXT +SENDER +REASON$/);
    expect(lines[1]).toMatch(/^F0000 +deferred +2h +10k +1 +2 +now +<> +451 later\\u001b\[31m$/);
    expect(lines[2]).toMatch(/^F0001 +deferred +2h +10k +1 +2 +in 10m +a@b\.example/);
    expect(lines[3]).toMatch(/^F0002 +held .* never /);
    expect(lines[4]).toBe('there are more; --limit 0 shows all');
    const all = await sluice(['queue', 'list', '--limit', '0', '--json']);
    const ids = all.out
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as QueueEntry).id);
    expect(ids).toEqual(engine.entries.map((one) => one.id));
    engine.entries.length = 0;
    expect((await sluice(['queue', 'list'])).out).toBe('the queue is empty\n');
  });

  it('show one message with its recipients', async () => {
    await start();
    const { code, out } = await sluice(['queue', 'show', 'f0001']);
    expect(code).toBe(0);
    expect(out).toMatch(/<x@y\.example> pending, tried .* ago at mx: 451 later/);
    expect(out.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f]/);
    expect(JSON.parse((await sluice(['queue', 'show', 'F0001', '--json'])).out)).toMatchObject({ id: 'F0001' });
    const none = await sluice(['queue', 'show', 'F9999']);
    expect(none.code).toBe(66);
    expect(none.err).toContain('no message "F9999"');
  });

  it('retry, hold, release and delete', async () => {
    await start();
    expect((await sluice(['queue', 'retry', 'all'])).out).toBe('7 messages tried again\n');
    expect((await sluice(['queue', 'hold', 'F0001'])).out).toBe('1 message held\n');
    expect((await sluice(['queue', 'release', 'F0001'])).out).toBe('1 message released\n');
    expect((await sluice(['queue', 'delete', 'f0001'])).out).toBe('1 message deleted\n');
    expect((await sluice(['queue', 'delete', 'F9999'])).code).toBe(66);
    expect(engine.calls).toEqual(['retry all', 'hold F0001', 'release F0001', 'remove F0001', 'remove F9999']);
  });

  it('show the state, on the socket that is named', async () => {
    const path = join(cwd, 'other.sock');
    await start(path);
    const { code, out } = await sluice(['status', '--socket', path]);
    expect(code).toBe(0);
    expect(out).toMatch(/^sluice 1\.2\.3, process 42, up 60s\nqueued 2500\n/);
    const json = await sluice(['status', '--json'], { SLUICE_CONTROL_SOCKET: 'other.sock' });
    expect(JSON.parse(json.out)).toMatchObject({ pid: 42, queued: 2500 });
  });
});

describe('sluice why, route, destinations and orders', () => {
  let engine: FakeEngine;
  beforeEach(async () => {
    engine = new FakeEngine();
    listener = await listenUnix(join(cwd, 'var/spool/control.sock'), (socket) => void serveControl(socket, engine));
  });

  it('say why a message waits', async () => {
    const none = await sluice(['why', 'F9999']);
    expect([none.code, none.err]).toEqual([66, expect.stringContaining('no message "F9999"')]);
    engine.waiting = {
      id: 'F1',
      state: 'deferred',
      lane: 'bulk',
      tenant: 'acme',
      attempts: 2,
      nextAttempt: Date.now() + 600_000,
      waits: [
        {
          recipients: ['a@b.example', 'c@b.example'],
          destination: 'mx/b.example',
          kind: 'schedule',
          reason: '451 later\u001b[31m',
          until: Date.now() + 600_000,
        },
      ],
    };
    const { code, out } = await sluice(['why', 'f1']);
    expect(code).toBe(0);
    expect(out).toMatch(/^id +F1\nstate +deferred, lane bulk, tenant acme, 2 attempts so far\nnext attempt +in 10m \(/);
    expect(out).toContain(
      'mx/b.example\n  for   <a@b.example> and 1 more\n  waits (schedule) 451 later\\u001b[31m, again in 10m',
    );
    expect(JSON.parse((await sluice(['why', 'F1', '--json'])).out)).toEqual(engine.waiting);
  });

  it('show the way of mail without sending any', async () => {
    const { code, out } = await sluice(['route', '<a@b.example>', 'c@d.example', '--tenant', 'acme']);
    expect(code).toBe(0);
    expect(out).toMatch(/route +newsletters\ndestination +upstream\/ses\nlane +bulk\ntenant +acme\negress pool +warm/);
    expect(out).toContain(
      '  ses.example 192.0.2.1:587, TLS required\n  messages 100 a minute\n  waits (rate) site\\u001b[31m',
    );
    const json = await sluice(['route', '', 'c@d.example', '--json', '--tag', 'x', '--tag', 'y', '--header', 'X-A: b']);
    expect(JSON.parse(json.out)).toMatchObject({ sender: '', recipient: 'c@d.example', destination: 'upstream/ses' });
    expect(engine.asked.at(-1)).toMatchObject(['route', { tags: ['x', 'y'], fields: { 'x-a': 'b' } }]);
    expect((await sluice(['route', 'a@b.example', 'nowhere'])).code).toBe(64);
    expect((await sluice(['route', 'a@b.example', 'c@d.example', '--header', 'x'])).code).toBe(64);
  });

  it('list destinations, the longest queue first', async () => {
    engine.places = Array.from({ length: 1200 }, (_, number) => ({
      destination: `mx/d${String(number).padStart(4, '0')}.example`,
      site: '',
      queued: { immediate: 0, bulk: number, deferred: 0 },
      cold: 0,
      connections: 1,
      hosts: [{ name: 'mx.example', state: 'open' }],
      limits: {},
      waits: [],
    }));
    const { out } = await sluice(['destinations', '--limit', '2']);
    expect(out).toMatch(/^mx\/d1199\.example: 0 immediate, 1199 bulk, .*\n {2}name mx\.example, state open\nmx\/d1198/);
    expect(out).toContain('there are 1198 more');
    const json = await sluice(['destinations', '--limit', '0', '--json']);
    expect(json.out.split('\n')).toHaveLength(1201);
  });

  it('suspend, reroute, show and resume', async () => {
    const { code, out } = await sluice(['suspend', '--domain', '*.Example.ORG', '--for', '2h', '--reason', 'asked to']);
    expect(code).toBe(0);
    expect(out).toMatch(/^o1 {2}suspended for 2h more, by operator {2}domain \.example\.org: asked to\n$/);
    await sluice(['reroute', '--tenant', 'acme', '--to', 'upstream/ses']);
    const all = await sluice(['orders', '--json']);
    expect(
      all.out
        .split('\n')
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { to: string }).to),
    ).toEqual(['', 'upstream/ses']);
    expect((await sluice(['resume', 'o1'])).out).toContain('o1');
    expect((await sluice(['resume', 'o1'])).code).toBe(66);
    expect((await sluice(['resume', 'all'])).code).toBe(0);
    expect((await sluice(['orders'])).out).toBe('there are no orders\n');
    expect((await sluice(['bounce', '--campaign', 'spring'])).out).toBe('3 messages bounced\n');
  });

  it.each([
    [['suspend'], 'say whose mail'],
    [['bounce', '--reason', 'x'], 'say whose mail'],
    [['reroute', '--tenant', 'x'], '--to'],
    [['resume'], 'give the id'],
    [['resume', 'o1', '--tenant', 'x'], 'give the id'],
    [['suspend', '--tenant', 'x', '--for', 'ever'], 'is not a time'],
    [['suppression', 'frob'], 'not an action'],
    [['suppression', 'add'], '<address> is missing'],
  ])('%j is wrong use', async (args, words) => {
    const { code, err } = await sluice(args);
    expect(code).toBe(64);
    expect(err).toContain(words);
  });

  it('keep the suppression list', async () => {
    expect((await sluice(['suppression', 'list'])).out).toBe('the list is empty\n');
    expect((await sluice(['suppression', 'add', 'a@b.example', '--tenant', 'acme', '--for', '30d'])).code).toBe(0);
    expect(engine.asked.at(-1)).toEqual(['suppress', 'acme', 'a@b.example', 'operator', 30 * 86_400_000]);
    expect((await sluice(['suppression', 'remove', 'nobody@example.org'])).code).toBe(66);
    writeFileSync(join(cwd, 'list'), '# addresses\na@b.example\n\n c@d.example \n');
    expect((await sluice(['suppression', 'import', 'list'])).out).toBe('2 addresses are on the list\n');
    expect((await sluice(['suppression', 'import', 'absent'])).code).toBe(66);
    engine.suppressed = [{ tenant: '', address: 'a@b.example', reason: 'complaint', since: 1, until: 0 }];
    expect((await sluice(['suppression', 'list'])).out).toBe('a@b.example  complaint, for good\n');
  });
});

describe('sluice upstreams, tenants and figures', () => {
  let engine: FakeEngine;
  beforeEach(async () => {
    engine = new FakeEngine();
    listener = await listenUnix(join(cwd, 'var/spool/control.sock'), (socket) => void serveControl(socket, engine));
  });

  it('show hosts and how they do, without control characters of theirs', async () => {
    const { code, out } = await sluice(['upstreams']);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^upstream ses: 3 connections\n {2}ses\.example 192\.0\.2\.1:587 ejected for [45]s more: 3 of 20 connections \(1 idle\), 2 under way, 42 ms, 25\.0% fail\n/,
    );
    expect(out).toContain('because of 451 4.7.0 \\u001b[31mslow down');
    expect(out.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f]/);
    const json = await sluice(['upstreams', '--json', '--limit', '0']);
    expect(JSON.parse(json.out)).toMatchObject({ site: 'upstream ses', hosts: [{ state: 'ejected' }] });
    expect(engine.looked).toEqual([
      ['upstreams', '', 50, true],
      ['upstreams', '', 1000, false],
    ]);
  });

  it('show tenants of a span', async () => {
    const { code, out } = await sluice(['tenants', '--span', '24h', '--limit', '7']);
    expect(code).toBe(0);
    expect(out).toMatch(/^TENANT +MEMORY +DELIVERED .*\nacme\\u001b\[31m +4 +90 +5 +10 +10\.0% +- +0\n$/);
    expect(engine.looked).toEqual([['tenants', '24h', 7]]);
    expect(JSON.parse((await sluice(['tenants', '--json'])).out)).toMatchObject({ delivered: 90, bounceShare: 0.1 });
    const wrong = await sluice(['tenants', '--span', '2h']);
    expect([wrong.code, wrong.err]).toEqual([64, expect.stringContaining('allowed: 5m, 1h, 24h')]);
  });

  it('show figures over time', async () => {
    const { code, out } = await sluice(['figures']);
    expect(code).toBe(0);
    expect(out).toMatch(/^TIME +ACCEPTED .* LAG\n22:13:20 +0\.0 +1\.0 +2\.0 +3\.0 +21 +4 +5 +9 +10 +11 +-\n$/);
    expect(JSON.parse((await sluice(['figures', '--json', '--span', '1h'])).out)).toMatchObject({
      ...{ span: '1h', at: [1_700_000_000_000], series: { accepted: [0], lag: [null] } },
    });
    expect((await sluice(['figures', '--span', 'ever'])).code).toBe(64);
    expect((await sluice(['figures', '--limit', 'few'])).code).toBe(64);
  });
});
