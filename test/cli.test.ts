import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serveControl } from '../src/control/control-socket.js';
import type { EngineControl, MessageDetail, QueueEntry } from '../src/control/engine-control.js';
import { listenUnix, type UnixListener } from '../src/net/unix-socket.js';

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
    for (const command of ['start', 'check', 'status', 'queue', 'dkim', 'user']) {
      expect(general.out).toContain(`  ${command}`);
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

class FakeEngine implements EngineControl {
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
