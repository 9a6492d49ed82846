/** Webhooks with a store in memory, a client that fails as it is told to, and a clock of the test's. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SluiceError } from '../../src/core/errors.js';
import type { HttpRequest, HttpResponse } from '../../src/core/http.js';
import type { NewMessage } from '../../src/spool/spool.js';
import { ALL_EVENTS } from '../../src/telemetry/event-filter.js';
import type { MailEvent } from '../../src/telemetry/mail-event.js';
import { keyOfSecret } from '../../src/webhooks/signature.js';
import type { ReadyWebhook } from '../../src/webhooks/webhook-settings.js';
import { Webhooks } from '../../src/webhooks/webhooks.js';
import { acceptedEvent, outcomeEvent } from '../helpers/mail-events.js';
import { SECRET } from '../helpers/webhook-receiver.js';
import { MemoryDisk, MemoryOutbox } from './memory-outbox.js';

const BEGIN = 1_800_000_000_000;
const HOOK: ReadyWebhook = {
  ...{ name: 'crm', url: 'https://crm.example/hook', keys: [keyOfSecret(SECRET)!], filter: ALL_EVENTS },
  ...{ batch: 3, delay: 100, timeout: 1000, maxAge: 3_600_000, maxBytes: 1024 * 1024 },
};

interface Asked {
  readonly url: string;
  readonly id: string;
  readonly events: readonly MailEvent[];
}

/** An engine without mail: webhooks, their store and the network. */
class World {
  readonly disk: MemoryDisk;
  readonly outbox: MemoryOutbox;
  readonly webhooks: Webhooks;
  readonly told: string[] = [];
  private alive = true;

  constructor(disk: MemoryDisk, answer: (asked: Asked) => number | Partial<HttpResponse> | null, hooks = [HOOK]) {
    this.disk = disk;
    this.outbox = new MemoryOutbox(disk);
    const note = (line: string): void => void this.told.push(line);
    this.webhooks = new Webhooks({
      table: this.outbox,
      http: {
        request: async ({ url, headers, body }: HttpRequest): Promise<HttpResponse> => {
          if (!this.alive) return new Promise(() => undefined);
          const { data } = JSON.parse(String(body)) as { data: MailEvent[] };
          const given = answer({ url, id: headers!['webhook-id']!, events: data });
          await new Promise((resolve) => setTimeout(resolve, 5));
          if (given === null) throw new SluiceError('http-timeout', 'no answer within 1000 ms', { temporary: true });
          const nothing = { headers: {}, body: Buffer.alloc(0) };
          return typeof given === 'number' ? { status: given, ...nothing } : { status: 200, ...nothing, ...given };
        },
      },
      clock: { now: () => Date.now(), wall: () => Date.now() },
      random: () => 1,
      acceptedOf: (message) => message as unknown as ReturnType<typeof acceptedEvent>,
      failed: (name, reason, retryIn) => note(`${name} failed: ${reason}, ${retryIn}`),
      recovered: (name, failures) => note(`${name} recovered after ${failures}`),
      disabled: (name, reason) => note(`${name} disabled: ${reason}`),
      dropped: (name, events, why) => note(`${name} dropped ${events}: ${why}`),
      broken: (name, error) => note(`${name} broken: ${String(error)}`),
      forgotten: (name) => note(`${name} forgotten`),
    });
    this.webhooks.configure(hooks);
  }

  /** Accepted mail: durable at the next commit, and settled after that. */
  accept(id: string): void {
    const message = acceptedEvent({ id, at: Date.now() }) as unknown as NewMessage;
    this.outbox.store([message], () => undefined);
  }

  tell(id: string, kind: 'delivered' | 'deferred' = 'delivered'): void {
    this.webhooks.tell(outcomeEvent(kind, { id, at: Date.now() }));
  }

  /** Time goes on, with commits as a store makes them. */
  async run(ms: number, step = 5): Promise<void> {
    for (const end = Date.now() + ms; Date.now() < end; ) {
      this.outbox.commit();
      await vi.advanceTimersByTimeAsync(step);
    }
  }

  crash(): void {
    this.alive = false;
    this.outbox.crash();
    this.webhooks.close();
  }

  get report() {
    return this.webhooks.reports()[0]!;
  }
}

beforeEach(() => {
  vi.useFakeTimers({ now: BEGIN });
});
afterEach(() => {
  vi.useRealTimers();
});

const idsOf = ({ events }: Asked): string[] => events.map((event) => ('id' in event ? event.id : ''));

describe('a webhook', () => {
  it('is told in batches, after a delay or when there are enough', async () => {
    const asked: Asked[] = [];
    const world = new World(new MemoryDisk(), (one) => asked.push(one) && 204);
    world.tell('A');
    await world.run(50);
    expect(asked).toEqual([]);
    await world.run(100);
    expect(asked.map(idsOf)).toEqual([['A']]);
    for (const id of ['B', 'C', 'D', 'E', 'F', 'G', 'H']) {
      world.tell(id);
      await world.run(5);
    }
    await world.run(20);
    expect(asked.map(idsOf).slice(0, 3)).toEqual([['A'], ['B', 'C', 'D'], ['E', 'F', 'G']]);
    await world.run(200);
    expect(asked.map(idsOf).slice(3)).toEqual([['H']]);
    expect(world.report).toMatchObject({ queued: 0, bytes: 0, oldest: 0, sent: 8, failures: 0 });
    expect(world.disk.rows.get('crm')?.size).toBe(0);
  });

  it('is tried again with the same id and growing pauses, and holds back what comes after', async () => {
    const times: number[] = [];
    const ids = new Set<string>();
    let status = 500;
    const world = new World(new MemoryDisk(), ({ id }) => {
      times.push(Date.now() - BEGIN);
      ids.add(id);
      return status;
    });
    world.tell('A');
    await world.run(200);
    world.tell('B');
    await world.run(16_000);
    expect(times.length).toBe(5);
    const pauses = times.slice(1).map((time, i) => Math.round((time - times[i]!) / 1000));
    expect(pauses).toEqual([1, 2, 4, 8]);
    expect(ids.size).toBe(1);
    expect(world.report).toMatchObject({ queued: 2, failures: 5, lastAnswer: 'HTTP 500' });
    expect(world.report.oldest).toBe(BEGIN);
    status = 200;
    await world.run(20_000);
    expect(ids.size).toBe(2);
    expect(world.told.at(-1)).toBe('crm recovered after 5');
    expect(world.report.queued).toBe(0);
  });

  it('asks for its time with Retry-After, and is not followed where it points elsewhere', async () => {
    const times: number[] = [];
    const answers: (Partial<HttpResponse> | number | null)[] = [
      { status: 429, headers: { 'retry-after': '30' } },
      { status: 503, headers: { 'retry-after': new Date(BEGIN + 90_000).toUTCString() } },
      { status: 307, headers: { location: 'http://10.0.0.1/' } },
      null,
      200,
    ];
    const world = new World(new MemoryDisk(), ({ url }) => {
      expect(url).toBe(HOOK.url);
      times.push(Date.now() - BEGIN);
      return answers.shift()!;
    });
    world.tell('A');
    await world.run(200_000);
    expect(times.map((time) => Math.round(time / 1000))).toEqual([0, 30, 90, 94, 102]);
    expect(world.told[2]).toMatch(/HTTP 307: redirects are not followed/);
    expect(world.told[3]).toMatch(/no answer within/);
  });

  it('that is gone is told nothing until it is resumed, also after a restart', async () => {
    const disk = new MemoryDisk();
    let asked = 0;
    let world = new World(disk, () => {
      asked++;
      return 410;
    });
    world.tell('A');
    await world.run(1000);
    world.tell('B');
    await world.run(60_000);
    expect(asked).toBe(1);
    expect(world.told).toEqual(['crm disabled: HTTP 410']);
    world.crash();
    const told: string[] = [];
    world = new World(disk, (one) => told.push(...idsOf(one)) && 200);
    await world.run(5000);
    expect(world.report).toMatchObject({ queued: 2, disabled: 'HTTP 410' });
    expect(told).toEqual([]);
    const resumed = world.webhooks.resume('crm');
    await world.run(1000);
    await resumed;
    expect(told).toEqual(['A', 'B']);
    expect(world.report).toMatchObject({ queued: 0, disabled: '' });
    expect(() => world.webhooks.resume('nobody')).toThrow(/no webhook "nobody"/);
  });

  it('drops what is too old, and the oldest of what is too much, and counts it', async () => {
    const world = new World(new MemoryDisk(), () => 500, [{ ...HOOK, maxAge: 60_000, maxBytes: 4000 }]);
    for (let i = 0; i < 40; i++) {
      world.tell(`A${i}`);
      await world.run(5);
    }
    await world.run(100);
    const { bytes, dropped, queued } = world.report;
    expect(bytes).toBeLessThanOrEqual(4000);
    expect(dropped).toBeGreaterThan(0);
    expect(dropped + queued).toBe(40);
    await world.run(300_000);
    expect(world.report).toMatchObject({ queued: 0, bytes: 0, dropped: 40 });
    expect(world.told.some((line) => line.endsWith('old'))).toBe(true);
    expect(world.disk.rows.get('crm')?.size).toBe(0);
  });

  it('that is dead holds up no other', async () => {
    const told: string[] = [];
    const dead = { ...HOOK, name: 'dead', url: 'https://dead.example/' };
    const world = new World(
      new MemoryDisk(),
      (one) => (one.url === dead.url ? null : told.push(...idsOf(one)) && 200),
      [dead, HOOK],
    );
    for (let i = 0; i < 10; i++) {
      world.accept(`A${i}`);
      await world.run(30);
    }
    await world.run(500);
    expect(told).toHaveLength(10);
    expect(world.webhooks.reports().map(({ name, queued }) => [name, queued])).toEqual([
      ['dead', 10],
      ['crm', 0],
    ]);
  });

  it('that is taken out of the configuration leaves nothing behind', async () => {
    const disk = new MemoryDisk();
    const world = new World(disk, () => 500);
    for (let i = 0; i < 300; i++) {
      world.tell(`A${i}`);
      await world.run(5);
    }
    world.webhooks.configure([]);
    await world.run(100);
    expect(disk.rows.get('crm')?.size).toBe(0);
    expect(world.told.at(-1)).toBe('crm forgotten');
  });
});

describe('events of webhooks', () => {
  it('are told in order for each message and never lost, whatever fails and whenever it crashes', async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant('accept' as const), wait: fc.nat(120) }) },
      { weight: 6, arbitrary: fc.record({ do: fc.constant('settle' as const), wait: fc.nat(120) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), wait: fc.nat(500) }) },
    );
    const answer = fc.constantFrom(200, 200, 204, 500, 429, 404, null);
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.array(answer, { maxLength: 40 }),
        async (steps, answers) => {
          const disk = new MemoryDisk();
          /** Messages in the store, as the engine's queue is: settled only with or after their events. */
          const stored = new Set<string>();
          const ended = new Set<string>();
          const everStored = new Set<string>();
          const received: { readonly id: string; readonly events: readonly string[] }[] = [];
          const take = (asked: Asked): number | null => {
            const status = answers.length > 0 ? answers.shift()! : 200;
            const events = asked.events.map((event) => `${event.kind} ${'id' in event ? event.id : ''}`);
            // An answer that is lost is no success to the sender, but it was received.
            if (status === null || status < 300) received.push({ id: asked.id, events });
            return status;
          };
          let world = new World(disk, take);
          let n = 0;
          for (const { do: what, wait } of steps) {
            if (what === 'accept') {
              const id = `M${n++}`;
              world.outbox.store([acceptedEvent({ id, at: Date.now() }) as unknown as NewMessage], () => undefined);
              world.outbox.submit({
                write: () => {
                  stored.add(id);
                  everStored.add(id);
                },
                done: () => undefined,
              });
            } else if (what === 'settle') {
              const [id] = stored;
              if (id !== undefined) {
                world.tell(id);
                world.outbox.submit({
                  write: () => {
                    stored.delete(id);
                    ended.add(id);
                  },
                  done: () => undefined,
                });
              }
            } else {
              world.crash();
              world = new World(disk, take);
            }
            await world.run(wait);
          }
          for (let i = 0; i < 50 && world.report.queued > 0; i++) await world.run(100_000, 1000);
          await world.run(1000);
          const first = new Map<string, readonly string[]>();
          for (const { id, events } of received) {
            // The same id is the same batch, whenever it comes.
            expect(events).toEqual(first.get(id) ?? events);
            first.set(id, events);
          }
          const told = [...first.values()].flat();
          for (const id of everStored) expect(told).toContain(`accepted ${id}`);
          for (const id of ended) expect(told).toContain(`delivered ${id}`);
          for (const id of ended) expect(told.indexOf(`accepted ${id}`)).toBeLessThan(told.indexOf(`delivered ${id}`));
          expect(told.filter((one, i) => told.indexOf(one) !== i && one.startsWith('accepted'))).toEqual([]);
          expect(world.report).toMatchObject({ queued: 0, bytes: 0, dropped: 0 });
          world.crash();
        },
      ),
      { numRuns: 40 },
    );
  }, 60_000);
});
