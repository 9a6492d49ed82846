/**
 * The queue with everything around it, in memory: a spool that survives restarts, a delivery that does what the test says.
 * Timers and clock are vitest's.
 */
import { vi } from 'vitest';
import type { DestinationQueue } from '../../src/queue/destination-queue.js';
import type { LaneOptions } from '../../src/queue/lanes.js';
import type { Outcome, OutcomeKind } from '../../src/queue/outcome.js';
import { QueueCommands } from '../../src/queue/queue-commands.js';
import { type DeliveryJob, QueuedMessage } from '../../src/queue/queued-message.js';
import { Scheduler } from '../../src/queue/scheduler.js';
import type { Notice } from '../../src/queue/settlement.js';
import { envelope } from '../helpers/mail.js';
import { MemorySpool } from '../helpers/memory-spool.js';

export const RETRY = { min: 1000, max: 8000, expire: 100_000 };

export function outcome(kind: OutcomeKind, more: Partial<Outcome> = {}): Outcome {
  return { kind, reply: `${kind} by test`, enhanced: '4.0.0', host: 'up', relayed: false, ...more };
}

export interface WorldOptions {
  readonly memory?: number;
  readonly expire?: number;
  readonly delayWarning?: number;
  readonly lanes?: LaneOptions;
  tenantWeight?(tenant: string): number;
}

/** The queue with everything around it; `restart` is a crash and a start on the same spool. */
export class World {
  spool = new MemorySpool();
  scheduler!: Scheduler;
  commands!: QueueCommands;
  inHand: DeliveryJob[] = [];
  woken = new Map<string, DestinationQueue>();
  notices: { message: QueuedMessage; notices: readonly Notice[] }[] = [];
  outcomes: string[] = [];
  unreadable = 0;
  /** Notifications that fail before the next one is stored. */
  failNotices = 0;
  generation = 0;
  /** Destinations of domains that do not go to their own. */
  readonly routes = new Map<string, string>();
  readonly clock = { now: () => Date.now(), wall: () => Date.now() };
  private nextId = 1;
  private readonly options: WorldOptions;

  constructor(options: WorldOptions = {}) {
    this.options = options;
    this.build();
  }

  private build(): void {
    const generation = ++this.generation;
    this.woken = new Map();
    this.inHand = [];
    this.scheduler = new Scheduler({
      spool: this.spool,
      clock: this.clock,
      retry: { ...RETRY, expire: this.options.expire ?? RETRY.expire },
      delayWarning: this.options.delayWarning ?? 0,
      memory: this.options.memory ?? 1_000_000,
      notifier: {
        notify: async (message, notices) => {
          await null;
          if (this.failNotices > 0) {
            this.failNotices--;
            throw new Error('no room for a notice');
          }
          if (generation === this.generation) this.notices.push({ message, notices });
        },
      },
      events: {
        outcome: (message, index, _outcome, status) => this.outcomes.push(`${message.id}/${index} ${status}`),
        removed: () => undefined,
        unreadable: () => this.unreadable++,
        notNotified: () => {},
      },
      destinationOf: ({ address }) => {
        const domain = address.slice(address.indexOf('@') + 1);
        return this.routes.get(domain) ?? domain;
      },
      ...(this.options.lanes && { lanes: this.options.lanes }),
      ...(this.options.tenantWeight && { tenantWeight: this.options.tenantWeight }),
      wake: (queue) => this.woken.set(queue.key, queue),
    });
    this.commands = new QueueCommands(this.spool, this.scheduler, this.clock);
  }

  async restart(crash: boolean): Promise<void> {
    if (!crash) this.scheduler.stop();
    this.spool = this.spool.restarted();
    this.build();
    await this.scheduler.recover();
    await this.turn();
  }

  async turn(ms = 0): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms);
  }

  async add(addresses: readonly string[], more: Parameters<typeof envelope>[2] = {}): Promise<number> {
    const id = this.nextId++;
    const message = envelope(id, addresses, { receivedAt: this.clock.now(), ...more });
    const bytes = Buffer.from('Subject: x\r\n\r\nbody\r\n');
    const body = {
      copyOut: (from: number, to: number, target: Uint8Array, at: number) => target.set(bytes.subarray(from, to), at),
    };
    const [content] = await this.spool.store([
      { envelope: message, header: new Uint8Array(0), body, bodyFrom: 0, bodyTo: bytes.length },
    ]);
    this.scheduler.add(new QueuedMessage(message, content!, null));
    return id;
  }

  /** Takes a waiting job, as a pool does: those of held and deleted messages go back undone. */
  take(choice = 0): DeliveryJob | undefined {
    const waiting = [...this.woken.values()].filter((queue) => queue.length > 0);
    const queue = waiting[choice % Math.max(1, waiting.length)];
    for (let job = queue?.take(); job !== undefined; job = queue!.take()) {
      if (!job.message.removed && !job.message.held) {
        this.inHand.push(job);
        return job;
      }
      this.scheduler.finish(job, []);
    }
    return undefined;
  }

  finish(job: DeliveryJob, kinds: readonly OutcomeKind[]): void {
    this.inHand.splice(this.inHand.indexOf(job), 1);
    this.scheduler.finish(
      job,
      job.recipients.map((_, i) => outcome(kinds[i % kinds.length]!)),
    );
  }

  /** Every recipient of the job has to wait until then. */
  putOff(job: DeliveryJob, until: number): void {
    this.inHand.splice(this.inHand.indexOf(job), 1);
    const waits = outcome('deferred', { putOff: until });
    this.scheduler.finish(
      job,
      job.recipients.map(() => waits),
    );
  }

  /** Lets time go on until it is done. */
  async until<T>(work: Promise<T>): Promise<T> {
    let over = false;
    const end = (): void => {
      over = true;
    };
    work.then(end, end);
    for (let i = 0; i < 1000 && !over; i++) await this.turn(i === 0 ? 0 : 10);
    return work;
  }

  get waitingJobs(): number {
    let count = 0;
    for (const queue of this.woken.values()) count += queue.length;
    return count;
  }
}
