/**
 * What a service manager hears: a real datagram socket of the Unix domain, made through koffi as the sender's is, in the
 * file system and in the abstract namespace; and the engine as a process under one.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Service } from '../../src/app-service.js';
import { takeNotifyEnvironment } from '../../src/config/inherited-environment.js';
import { ServiceManager } from '../../src/net/service-manager.js';
import { type EngineProcess, startEngine } from '../helpers/engine.js';

/** A receiver of datagrams that never waits. */
class Receiver {
  readonly heard: string[] = [];
  private readonly descriptor: number;
  private readonly receive: (...of: unknown[]) => number;
  private readonly end: (descriptor: number) => number;

  constructor(path: string) {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const library = koffi.load(null as unknown as string);
    const socket = library.func('int socket(int, int, int)') as (...of: number[]) => number;
    const bind = library.func('int bind(int, const void *, uint32_t)') as (...of: unknown[]) => number;
    this.receive = library.func('intptr_t recv(int, _Out_ uint8_t *, size_t, int)') as (...of: unknown[]) => number;
    this.end = library.func('int close(int)') as (descriptor: number) => number;
    // AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK
    this.descriptor = socket(1, 2 | 0o4000, 0);
    const name = path.startsWith('@') ? `\0${path.slice(1)}` : `${path}\0`;
    const address = Buffer.concat([Buffer.from(Uint16Array.of(1).buffer), Buffer.from(name)]);
    if (bind(this.descriptor, address, address.length) !== 0) throw new Error(`${path} could not be bound`);
  }

  /** All that came until now. */
  read(): string[] {
    for (;;) {
      const bytes = Buffer.alloc(4096);
      const length = this.receive(this.descriptor, bytes, bytes.length, 0);
      if (length < 0) return this.heard;
      this.heard.push(bytes.toString('utf8', 0, length));
    }
  }

  close(): void {
    this.end(this.descriptor);
  }
}

let dir: string;
let receiver: Receiver | undefined;
let engine: EngineProcess | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-notify-'));
});
afterEach(async () => {
  await engine?.stop();
  receiver?.close();
  [engine, receiver] = [undefined, undefined];
  rmSync(dir, { recursive: true, force: true });
});

const linux = process.platform === 'linux';

describe('the service manager', () => {
  it.each([
    ['a path', () => join(dir, 'notify')],
    ['an abstract address', () => `@sluice-test-${process.pid}`],
  ])('is told at %s', (_, where) => {
    if (!linux) {
      expect(ServiceManager.open(where())).toContain('on Linux only');
      return;
    }
    receiver = new Receiver(where());
    const manager = ServiceManager.open(where());
    expect(manager).toBeInstanceOf(ServiceManager);
    expect((manager as ServiceManager).tell('READY=1', 'STATUS=ü')).toBe(true);
    expect(receiver.read()).toEqual(['READY=1\nSTATUS=ü']);
  });

  it('that is not there costs nothing but what it would have heard', () => {
    const manager = ServiceManager.open(join(dir, 'nobody'));
    if (linux) expect((manager as ServiceManager).tell('READY=1')).toBe(false);
    expect(ServiceManager.open('relative')).toMatch(linux ? /neither a path/ : /Linux/);
    expect(ServiceManager.open(`/${'x'.repeat(200)}`)).toMatch(linux ? /longer than 107/ : /Linux/);
  });

  it('whose queue is full does not hold up the sender', () => {
    if (!linux) return;
    receiver = new Receiver(join(dir, 'notify'));
    const manager = ServiceManager.open(join(dir, 'notify')) as ServiceManager;
    let taken = 0;
    while (manager.tell('WATCHDOG=1') && taken < 100_000) taken++;
    expect(taken).toBeLessThan(100_000);
    receiver.read();
    expect(manager.tell('WATCHDOG=1')).toBe(true);
  });
});

describe('a service', () => {
  const quiet = { warn: () => undefined };

  it('warns once where it cannot be told', () => {
    const warnings: unknown[] = [];
    const text = { socket: 'relative', watchdogUsec: '1000', watchdogPid: '' };
    const service = new Service(
      { warn: (fields) => warnings.push(fields) },
      () => ({ healthy: true, status: '' }),
      text,
    );
    service.ready();
    service.stopping();
    service.close();
    expect(warnings).toHaveLength(1);
  });

  it('feeds the watchdog only while it is healthy and the watchdog is its own', async () => {
    if (!linux) return;
    receiver = new Receiver(join(dir, 'notify'));
    let healthy = true;
    const state = () => ({ healthy, status: 'fine\nline' });
    const socket = join(dir, 'notify');
    const service = new Service(quiet, state, { socket, watchdogUsec: '20000', watchdogPid: String(process.pid) });
    service.ready();
    await expect.poll(() => receiver!.read().filter((one) => one === 'WATCHDOG=1').length).toBeGreaterThan(2);
    expect(receiver.heard[0]).toBe('READY=1\nSTATUS=fine line');
    healthy = false;
    receiver.read();
    const before = receiver.heard.length;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(receiver.read().length).toBe(before);
    service.close();
    const other = new Service(quiet, state, { socket, watchdogUsec: '20000', watchdogPid: '1' });
    healthy = true;
    other.ready();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(receiver.read().slice(before)).toEqual(['READY=1\nSTATUS=fine line']);
    other.close();
  });

  it('takes what it is told out of the environment', () => {
    const env = { NOTIFY_SOCKET: '@x', WATCHDOG_USEC: '5', WATCHDOG_PID: '7', OTHER: 'y' };
    expect(takeNotifyEnvironment(env)).toEqual({ socket: '@x', watchdogUsec: '5', watchdogPid: '7' });
    expect(env).toEqual({ OTHER: 'y' });
  });
});

describe('the engine under a service manager', () => {
  it('is ready, reloads, feeds the watchdog, and stops', async () => {
    const socket = join(dir, 'notify');
    if (linux) receiver = new Receiver(socket);
    engine = await startEngine({
      settings: { SLUICE_UPSTREAM: 'smtp://127.0.0.1:9', NOTIFY_SOCKET: socket, WATCHDOG_USEC: '100000' },
    });
    if (!linux) {
      await engine.waitForLog('the service manager cannot be told how the engine is');
      return;
    }
    const heard = (): string => receiver!.read().join('\n');
    await expect.poll(heard).toMatch(/^READY=1\nSTATUS=queued 0; accepted 0/);
    await expect.poll(heard).toContain('WATCHDOG=1');
    engine.signal('SIGHUP');
    await expect.poll(heard).toMatch(/RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=reloading\n(WATCHDOG=1\n)*READY=1/);
    engine.signal('SIGTERM');
    await engine.exited;
    expect(heard()).toMatch(/STOPPING=1\nSTATUS=finishing what is under way/);
  });
});
