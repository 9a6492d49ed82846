/**
 * Delivery over next hops that are no sockets, with fake timers, and a scheduler that only keeps the books: each
 * recipient of each job has to end exactly once.
 */
import { vi } from 'vitest';
import type { Clock } from '../../src/core/clock.js';
import { DeadlineWheel } from '../../src/core/deadline-wheel.js';
import { Delivery, type DeliveryOptions } from '../../src/delivery/delivery.js';
import type { SiteHost, SiteHosts } from '../../src/delivery/site.js';
import { opportunistic } from '../../src/delivery/tls-policy.js';
import { type Envelope, type Lane, PLAIN_HANDLING } from '../../src/message/envelope.js';
import { DestinationQueue } from '../../src/queue/destination-queue.js';
import type { Outcome } from '../../src/queue/outcome.js';
import { QueuedMessage } from '../../src/queue/queued-message.js';
import { envelope, facts, inlineContent } from '../helpers/mail.js';
import { FakeHosts, type Temper } from './fake-hosts.js';

export interface Sending {
  readonly lane?: Lane;
  readonly tenant?: string;
  readonly recipients?: readonly string[];
  readonly more?: Partial<Envelope>;
}

export interface SiteWorldOptions extends Partial<Omit<DeliveryOptions, 'siteOf'>> {
  readonly temper?: (address: string) => Temper;
  siteOf(destination: string): SiteHosts;
}

/** Mail hosts of a provider. */
export function hostNamed(name: string, more: Partial<SiteHost> = {}): SiteHost {
  return { name, address: name, port: 25, weight: 1, limit: 10, tls: { ...opportunistic(''), mode: 'none' }, ...more };
}

export function hostsOf(...hosts: SiteHost[]): Extract<SiteHosts, { kind: 'hosts' }> {
  return { kind: 'hosts', hosts, order: 'preference', limit: 10, expires: Number.POSITIVE_INFINITY };
}

export class SiteWorld {
  readonly clock: Clock = { now: () => Date.now(), wall: () => Date.now() };
  readonly hosts: FakeHosts;
  readonly delivery: Delivery;
  readonly wheel: DeadlineWheel;
  readonly queues = new Map<string, DestinationQueue>();
  /** By `id/recipient`. */
  readonly ended = new Map<string, Outcome>();
  /** Ended more than once. */
  readonly doubled: string[] = [];
  sent = 0;
  connects = 0;

  constructor(options: SiteWorldOptions) {
    vi.useFakeTimers();
    this.wheel = new DeadlineWheel(() => this.clock.now(), 20, 20);
    this.hosts = new FakeHosts(options.temper);
    this.delivery = new Delivery(
      {
        clock: this.clock,
        wheel: this.wheel,
        dial: this.hosts.dial,
        connection: { hostname: 'me', connectTimeout: 2000, replyTimeout: 2000, dataTimeout: 2000, tlsTimeout: 500 },
        messagesPerConnection: 1000,
        connectionAge: 600_000,
        idleTime: 5000,
        maxRecipients: 100,
        hostRest: 100,
        events: {
          attempt: () => {},
          uncertain: () => {},
          unreadable: () => {},
          tlsResult: () => {},
          credentialsRefused: () => {},
          throttled: () => {},
          hostFailed: () => {},
          sourceFailed: () => {},
          connected: () => this.connects++,
        },
        ...options,
        siteOf: (destination) => ({ resolve: async () => options.siteOf(destination) }),
      },
      {
        finish: (job, outcomes) => {
          for (const [n, recipient] of job.recipients.entries()) {
            const key = `${job.message.id}/${recipient}`;
            if (this.ended.has(key)) this.doubled.push(key);
            this.ended.set(key, outcomes[n]!);
          }
        },
        requeue: (job) => {
          const queue = this.queueOf(job.destination);
          queue.putBack(job);
          this.delivery.wake(queue);
        },
        splitOff: (job, recipients) => {
          const { message, destination } = job;
          job.recipients = job.recipients.filter((recipient) => !recipients.includes(recipient));
          const queue = this.queueOf(destination);
          queue.putBack({ message, destination, recipients, requeued: 0 });
          this.delivery.wake(queue);
        },
        forget: (queue) => {
          if (queue.length === 0 && this.queues.get(queue.key) === queue) this.queues.delete(queue.key);
        },
      },
    );
  }

  /** Puts a message into the queue of a destination; its recipients are counted in `sent`. */
  send(destination: string, { lane = 'bulk', tenant = '', recipients = ['r@x'], more = {} }: Sending = {}): void {
    const content = inlineContent('Subject: x\r\n\r\nbody\r\n');
    const message = new QueuedMessage(
      envelope(this.sent + 1, recipients, {
        handling: { ...PLAIN_HANDLING, lane, tenant },
        content: facts({ size: content.size }),
        ...more,
      }),
      content,
      null,
    );
    this.sent += recipients.length;
    const queue = this.queueOf(destination);
    queue.push({ message, destination, recipients: recipients.map((_, n) => n), requeued: 0 });
    this.delivery.wake(queue);
  }

  /** Lets time pass until every recipient has ended, `limit` ms at most. */
  async settled(limit = 60_000): Promise<void> {
    for (let passed = 0; this.ended.size < this.sent && passed < limit; passed += 10)
      await vi.advanceTimersByTimeAsync(10);
  }

  count(kind: Outcome['kind']): number {
    return [...this.ended.values()].filter((outcome) => outcome.kind === kind).length;
  }

  get waiting(): number {
    return [...this.queues.values()].reduce((sum, queue) => sum + queue.length, 0);
  }

  /** Ends everything; what is left over. */
  async end(): Promise<Record<string, number>> {
    const drained = this.delivery.drain(5000);
    await vi.advanceTimersByTimeAsync(6000);
    await drained;
    const left = { connections: this.delivery.connections, open: this.hosts.open, deadlines: this.wheel.size };
    this.wheel.stop();
    const timers = vi.getTimerCount();
    vi.useRealTimers();
    return { ...left, timers };
  }

  private queueOf(key: string): DestinationQueue {
    let queue = this.queues.get(key);
    if (queue === undefined) {
      queue = new DestinationQueue(key);
      this.queues.set(key, queue);
    }
    return queue;
  }
}

export const NOTHING_LEFT = { connections: 0, open: 0, deadlines: 0, timers: 0 };
