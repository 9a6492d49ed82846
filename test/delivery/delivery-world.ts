/**
 * Delivery over real sockets: scheduler, pools and connections as the app builds them, with small times, and everything
 * counted that must not be left over.
 */
import net from 'node:net';
import { systemClock } from '../../src/core/clock.js';
import { DeadlineWheel } from '../../src/core/deadline-wheel.js';
import { Delivery, type DeliveryOptions } from '../../src/delivery/delivery.js';
import type { Site, SiteHost, SiteHosts } from '../../src/delivery/site.js';
import { opportunistic } from '../../src/delivery/tls-policy.js';
import type { Dial, WireEvents } from '../../src/delivery/wire.js';
import type { Envelope } from '../../src/message/envelope.js';
import { dial } from '../../src/net/dial.js';
import type { DestinationQueue } from '../../src/queue/destination-queue.js';
import { QueuedMessage } from '../../src/queue/queued-message.js';
import { Scheduler } from '../../src/queue/scheduler.js';
import { envelope, facts } from '../helpers/mail.js';
import { MemorySpool } from '../helpers/memory-spool.js';
import { until } from '../helpers/smtp-peer.js';

export interface DeliveryWorldOptions extends Partial<DeliveryOptions> {
  readonly order?: 'balance' | 'preference';
  /** Most connections in all. */
  readonly limit?: number;
  readonly resolve?: () => Promise<SiteHosts>;
  readonly retryMin?: number;
}

export function hostAt(port: number, more: Partial<SiteHost> = {}): SiteHost {
  return { name: `peer${port}`, address: '127.0.0.1', port, weight: 1, limit: 10, tls: opportunistic(''), ...more };
}

/** A port of loopback where nobody listens. */
export async function closedPort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class DeliveryWorld {
  readonly spool = new MemorySpool();
  /** Fine enough that small deadlines are kept to. */
  readonly wheel = new DeadlineWheel(() => systemClock.now(), 20, 20);
  readonly scheduler: Scheduler;
  readonly delivery: Delivery;
  hosts: SiteHost[];
  /** `subject status` of every outcome. */
  readonly outcomes: string[] = [];
  readonly replies: string[] = [];
  readonly failures: string[] = [];
  readonly sourceFailures: string[] = [];
  readonly tls: string[] = [];
  readonly refusals: string[] = [];
  readonly throttlings: string[] = [];
  /** Enhanced codes of outcomes. */
  readonly codes: string[] = [];
  uncertain = 0;
  resolves = 0;
  dials = 0;
  connects = 0;
  /** Sockets dialled and not closed yet. */
  openWires = 0;
  readonly queues = new Set<DestinationQueue>();
  private nextId = 1;

  constructor(hosts: SiteHost[], options: DeliveryWorldOptions = {}) {
    this.hosts = hosts;
    const site: Site = {
      resolve: async () => {
        this.resolves++;
        if (options.resolve !== undefined) return options.resolve();
        const { order = 'balance', limit = 10 } = options;
        return { kind: 'hosts', hosts: this.hosts, order, limit, expires: Number.POSITIVE_INFINITY };
      },
    };
    const counted: Dial = (address, port, policy, events, from) => {
      this.dials++;
      this.openWires++;
      let open = true;
      const closed = () => {
        if (open) this.openWires--;
        open = false;
      };
      const told: WireEvents = {
        connected: () => events.connected(),
        received: (chunk, start, end) => events.received(chunk, start, end),
        drained: () => events.drained(),
        secured: (state) => events.secured(state),
        tlsFailed: (failure) => {
          closed();
          events.tlsFailed(failure);
        },
        lost: (...why) => {
          closed();
          events.lost(...why);
        },
      };
      const wire = dial(address, port, policy, told, from);
      return {
        write: (data) => wire.write(data),
        get unsent() {
          return wire.unsent;
        },
        writeText: (text, encoding) => wire.writeText(text, encoding),
        startTls: () => wire.startTls(),
        end: () => wire.end(),
        destroy: () => {
          closed();
          wire.destroy();
        },
      };
    };
    this.scheduler = new Scheduler({
      spool: this.spool,
      clock: systemClock,
      retry: { min: options.retryMin ?? 60_000, max: 600_000, expire: 86_400_000 },
      delayWarning: 0,
      memory: 10_000_000,
      notifier: { notify: async () => {} },
      events: {
        outcome: (message, index, outcome, status) => {
          this.outcomes.push(`${message.envelope.envelopeId}/${index} ${status}`);
          this.replies.push(outcome.reply);
          this.codes.push(outcome.enhanced);
        },
        removed: () => undefined,
        unreadable: () => {},
        notNotified: () => {},
      },
      destinationOf: ({ address }) => address.slice(address.indexOf('@') + 1),
      wake: (queue) => {
        this.queues.add(queue);
        this.delivery.wake(queue);
      },
    });
    this.delivery = new Delivery(
      {
        clock: systemClock,
        wheel: this.wheel,
        connection: {
          hostname: 'me.example',
          connectTimeout: 500,
          replyTimeout: 300,
          dataTimeout: 400,
          tlsTimeout: 300,
        },
        messagesPerConnection: 100,
        connectionAge: 60_000,
        idleTime: 5000,
        maxRecipients: 100,
        hostRest: 50,
        events: {
          attempt: () => {},
          uncertain: () => this.uncertain++,
          unreadable: () => {},
          tlsResult: (_destination, _host, result) =>
            this.tls.push(
              result.kind === 'secured'
                ? `secured ${result.state.verified ? 'verified' : 'unverified'}${result.state.resumed ? ' resumed' : ''}`
                : result.kind === 'failed'
                  ? `failed ${result.failure.kind}`
                  : 'clear',
            ),
          connected: () => this.connects++,
          sourceFailed: (source, reason) => this.sourceFailures.push(`${source}: ${reason}`),
          credentialsRefused: (_host, reason) => this.refusals.push(reason),
          throttled: (_host, reason) => this.throttlings.push(reason),
          hostFailed: (_host, reason) => this.failures.push(reason),
        },
        siteOf: () => site,
        ...options,
        dial: counted,
      },
      this.scheduler,
    );
  }

  /** Stores a message and queues it; its subject is `m` and a number. */
  async send(addresses: readonly string[] = ['r@dest.example'], more: Partial<Envelope> = {}): Promise<string> {
    const id = this.nextId++;
    const subject = `m${id}`;
    const bytes = Buffer.from(`Subject: ${subject}\r\n\r\n${'body '.repeat(20)}\r\n`);
    const content = facts({ size: bytes.length, ...more.content });
    const message = envelope(id, addresses, { receivedAt: systemClock.now(), envelopeId: subject, ...more, content });
    const body = {
      copyOut: (from: number, to: number, target: Uint8Array, at: number) => target.set(bytes.subarray(from, to), at),
    };
    const [stored] = await this.spool.store([
      { envelope: message, header: new Uint8Array(0), body, bodyFrom: 0, bodyTo: bytes.length },
    ]);
    this.scheduler.add(new QueuedMessage(message, stored!, null));
    return subject;
  }

  async sendMany(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.send();
  }

  /** Waits until so many recipients have an outcome. */
  decided(count: number, limit?: number): Promise<void> {
    return until(`${count} outcomes (${this.outcomes.length} so far)`, () => this.outcomes.length >= count, limit);
  }

  count(status: string): number {
    return this.outcomes.filter((one) => one.endsWith(` ${status}`)).length;
  }

  /** Jobs that wait. */
  get waiting(): number {
    let count = 0;
    for (const queue of this.queues) count += queue.length;
    return count;
  }

  /** Ends everything, and tells what is left over of connections, sockets, jobs and deadlines. */
  async end(): Promise<Record<string, number>> {
    this.scheduler.stop();
    await this.delivery.drain(1000);
    await until('the last message is settled', () => this.scheduler.active.size === this.waiting);
    const left = {
      connections: this.delivery.connections,
      sockets: this.openWires,
      deadlines: this.wheel.size,
      jobs: this.waiting,
      memory: this.waiting > 0 ? 0 : this.scheduler.memoryInUse,
    };
    this.wheel.stop();
    return left;
  }
}

export const NOTHING_LEFT = { connections: 0, sockets: 0, deadlines: 0, jobs: 0, memory: 0 };
