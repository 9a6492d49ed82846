/** Routes that change while mail waits, in any order of events: no recipient is lost, none gets its mail twice. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Routes } from '../../../src/delivery/routes/routes.js';
import { addressSet } from '../../../src/net/address-set.js';
import type { DestinationQueue } from '../../../src/queue/destination-queue.js';
import type { OutcomeKind } from '../../../src/queue/outcome.js';
import { type DeliveryJob, QueuedMessage } from '../../../src/queue/queued-message.js';
import { Scheduler } from '../../../src/queue/scheduler.js';
import { envelope } from '../../helpers/mail.js';
import { MemorySpool } from '../../helpers/memory-spool.js';
import { OPEN_ROUTE } from './open-route.js';

const DOMAINS = ['a.example', 'b.example', 'c.example'];
const TARGETS = ['one', 'two', ''] as const;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A target for each domain; '' is the mail hosts of the domain. */
function routesTo(targets: readonly string[]): Routes {
  return new Routes({
    routes: targets.flatMap((group, i) =>
      group === ''
        ? []
        : [
            {
              ...OPEN_ROUTE,
              name: `r${i}`,
              recipients: [`@${DOMAINS[i]!}`],
              target: { kind: 'upstream', group } as const,
            },
          ],
    ),
    fallback: 'mx',
    egressOf: () => '',
    tenantsHaveEgress: false,
    addressSet,
  });
}

/** A queue whose destinations follow routes that can be replaced. */
class World {
  readonly spool = new MemorySpool();
  readonly delivered: string[] = [];
  readonly inHand: DeliveryJob[] = [];
  readonly scheduler: Scheduler;
  private routes: Routes;
  private readonly woken = new Map<string, DestinationQueue>();
  private next = 1;

  constructor(targets: readonly string[], memory: number) {
    this.routes = routesTo(targets);
    this.scheduler = new Scheduler({
      spool: this.spool,
      clock: { now: () => Date.now(), wall: () => Date.now() },
      retry: { min: 1000, max: 1000, expire: 1_000_000_000 },
      delayWarning: 0,
      memory,
      notifier: { notify: async () => {} },
      events: {
        outcome: (message, index, _outcome, status) => {
          if (status === 'delivered') this.delivered.push(`${message.id}/${index}`);
        },
        removed: () => undefined,
        unreadable: () => {},
        notNotified: () => {},
      },
      destinationOf: (recipient, message) => this.routes.destinationOf(recipient, message),
      wake: (queue) => this.woken.set(queue.key, queue),
    });
  }

  async add(domains: readonly string[]): Promise<void> {
    const id = this.next++;
    const message = envelope(
      id,
      domains.map((domain, i) => `r${i}@${domain}`),
      { receivedAt: Date.now() },
    );
    const [content] = await this.spool.store([
      { envelope: message, header: new Uint8Array(0), body: { copyOut: () => {} }, bodyFrom: 0, bodyTo: 0 },
    ]);
    this.scheduler.add(new QueuedMessage(message, content!, null));
  }

  change(targets: readonly string[]): void {
    this.routes = routesTo(targets);
    this.scheduler.resplit((job) => this.keysOf(job).some((key) => key !== job.destination));
    // What waits is where it belongs.
    const waiting: DeliveryJob[] = [];
    for (const queue of this.woken.values())
      for (let job = queue.take(); job !== undefined; job = queue.take()) {
        expect(new Set(this.keysOf(job))).toEqual(new Set([queue.key]));
        waiting.push(job);
      }
    for (const job of waiting) this.scheduler.requeue(job);
  }

  take(choice: number): void {
    const queues = [...this.woken.values()].filter(({ length }) => length > 0);
    const job = queues[choice % Math.max(1, queues.length)]?.take();
    if (job !== undefined) this.inHand.push(job);
  }

  finish(choice: number, kind: OutcomeKind): void {
    const [job] = this.inHand.splice(choice % Math.max(1, this.inHand.length), 1);
    if (job === undefined) return;
    const outcome = {
      kind,
      reply: kind,
      enhanced: kind === 'delivered' ? '2.0.0' : '4.0.0',
      host: 'h',
      relayed: false,
    };
    this.scheduler.finish(
      job,
      job.recipients.map(() => outcome),
    );
  }

  requeue(): void {
    const job = this.inHand.pop();
    if (job !== undefined) this.scheduler.requeue(job);
  }

  private keysOf({ message, recipients }: DeliveryJob): string[] {
    return recipients.map((i) => this.routes.destinationOf(message.envelope.recipients[i]!, message.envelope));
  }
}

describe('a change of routes', () => {
  it('loses no recipient and doubles none', async () => {
    const targets = fc.tuple(...DOMAINS.map(() => fc.constantFrom(...TARGETS)));
    const number = fc.nat(20);
    const step = fc.oneof(
      fc.record({ add: fc.array(fc.constantFrom(...DOMAINS), { minLength: 1, maxLength: 4 }) }),
      fc.record({ change: targets }),
      fc.record({ take: number }),
      fc.record({ finish: number, kind: fc.constantFrom<OutcomeKind>('delivered', 'deferred') }),
      fc.record({ requeue: fc.constant(true) }),
      fc.record({ wait: fc.constantFrom(1, 1500) }),
    );
    await fc.assert(
      fc.asyncProperty(
        targets,
        fc.constantFrom(3000, 1_000_000),
        fc.array(step, { maxLength: 40 }),
        async (first, memory, steps) => {
          const world = new World(first, memory);
          const expected: string[] = [];
          let id = 0;
          for (const one of steps) {
            if ('add' in one) {
              id++;
              expected.push(...one.add.map((_, i) => `${id}/${i}`));
              await world.add(one.add);
            } else if ('change' in one) world.change(one.change);
            else if ('take' in one) world.take(one.take);
            else if ('finish' in one) world.finish(one.finish, one.kind);
            else if ('requeue' in one) world.requeue();
            else await vi.advanceTimersByTimeAsync(one.wait);
          }
          for (let round = 0; round < 500 && world.spool.size > 0; round++) {
            for (let i = 0; i < 20; i++) world.take(i);
            while (world.inHand.length > 0) world.finish(0, 'delivered');
            await vi.advanceTimersByTimeAsync(1500);
          }
          expect(world.delivered.sort()).toEqual(expected.sort());
          expect(world.spool.size).toBe(0);
          world.scheduler.stop();
        },
      ),
      { numRuns: 150 },
    );
  });
});
