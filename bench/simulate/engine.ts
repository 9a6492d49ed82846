/**
 * The engine in small: messages arrive, wait in one queue, go over kept connections, and come back later when they were
 * deferred, by the engine's own retry policy. Discrete events; the same seed gives the same figures.
 */
import { nextAttempt } from '../../src/queue/retry-policy.js';
import type { Algorithm, Chooser, Result } from './chooser.js';
import { EventQueue } from './event-queue.js';
import { NextHop } from './next-hop.js';
import { exponential, randomStream } from './random.js';
import type { Scenario } from './scenarios.js';

export interface Figures {
  /** Of the time in which messages arrive. */
  readonly deliveredPerSecond: number;
  /** From arrival to delivery, ms, of all messages; one that is not delivered at the end counts with its age. */
  readonly p99: number;
  /** Transactions that ended in a deferral. */
  readonly deferrals: number;
  /** Deferrals, lost connections with a message on them, and connections that were not made. */
  readonly wastedAttempts: number;
}

interface Message {
  readonly arrived: number;
  attempts: number;
  delivered: number;
}

/** The engine's defaults (SLUICE_RETRY_MIN, SLUICE_RETRY_MAX, SLUICE_EXPIRE), ms. */
const RETRY = { min: 60_000, max: 14_400_000, expire: 432_000_000 };
/** What is under way when no more arrives has so long to come through, ms. */
const AFTERWARDS = 300_000;
/** Streams of random numbers. */
const ARRIVALS = 1;
const RETRIES = 2;
const CHOICES = 3;
const HOSTS = 10;

export function simulate(scenario: Scenario, algorithm: Algorithm, seed: number): Figures {
  return new Engine(scenario, algorithm, seed).run();
}

class Engine {
  private readonly events = new EventQueue();
  private readonly scenario: Scenario;
  private readonly hosts: readonly NextHop[];
  private readonly chooser: Chooser;
  private readonly arrivals: () => number;
  private readonly retries: () => number;
  private readonly messages: Message[] = [];
  /** Ready messages; those before `head` are gone. */
  private queue: Message[] = [];
  private head = 0;
  private dialling = 0;
  private deferrals = 0;
  private wasted = 0;
  private asking = Number.POSITIVE_INFINITY;

  constructor(scenario: Scenario, algorithm: Algorithm, seed: number) {
    this.scenario = scenario;
    this.arrivals = randomStream(seed, ARRIVALS);
    this.retries = randomStream(seed, RETRIES);
    this.hosts = scenario.hosts.map((model, i) => new NextHop(model, randomStream(seed, HOSTS + i)));
    this.chooser = algorithm.create(scenario.hosts, randomStream(seed, CHOICES));
  }

  run(): Figures {
    const { duration } = this.scenario;
    this.nextArrival();
    this.events.runUntil(duration + AFTERWARDS);
    const end = this.events.now;
    const times = Float64Array.from(this.messages, ({ arrived, delivered }) => Math.min(delivered, end) - arrived);
    times.sort();
    return {
      deliveredPerSecond: this.messages.filter(({ delivered }) => delivered <= duration).length / (duration / 1000),
      p99: times[Math.min(times.length - 1, Math.floor(times.length * 0.99))] ?? 0,
      deferrals: this.deferrals,
      wastedAttempts: this.wasted,
    };
  }

  /** Arrivals are a Poisson process whose rate may change: thinning of one at the greatest rate (Lewis and Shedler). */
  private nextArrival(): void {
    const { duration, perSecond, greatest } = this.scenario;
    const at = this.events.now + exponential(this.arrivals, 1000 / greatest);
    if (at >= duration) return;
    this.events.at(at, () => {
      if (this.arrivals() * greatest < perSecond(at)) {
        const message = { arrived: at, attempts: 0, delivered: Number.POSITIVE_INFINITY };
        this.messages.push(message);
        this.ready(message);
      }
      this.nextArrival();
    });
  }

  private ready(message: Message): void {
    this.queue.push(message);
    this.dispatch();
  }

  /** As DestinationPool.dispatch. */
  private dispatch(): void {
    const { chooser } = this;
    const { now } = this.events;
    while (this.waiting > 0) {
      const host = chooser.pick(now, this.waiting > this.dialling);
      if (host < 0) break;
      if (chooser.places[host]!.idle.pop() === undefined) this.dial(host);
      else this.start(host);
    }
    if (this.waiting === 0) return;
    const again = chooser.askAgain(now);
    if (again >= this.asking && this.asking > now) return;
    if (again === Number.POSITIVE_INFINITY) return;
    this.asking = again;
    this.events.at(again, () => {
      if (this.asking <= this.events.now) this.asking = Number.POSITIVE_INFINITY;
      this.dispatch();
    });
  }

  private get waiting(): number {
    return this.queue.length - this.head;
  }

  private dial(host: number): void {
    const begunAt = this.events.now;
    const { ms, usable } = this.hosts[host]!.connect(begunAt);
    this.chooser.places[host]!.slots.connections++;
    this.dialling++;
    this.events.at(begunAt + ms, () => {
      const { now } = this.events;
      this.dialling--;
      if (usable) {
        this.chooser.connected(host, ms, now);
        this.release(host);
      } else {
        this.wasted++;
        this.chooser.places[host]!.slots.connections--;
        this.chooser.refused(host, begunAt, now);
      }
      this.dispatch();
    });
  }

  private start(host: number): void {
    const message = this.queue[this.head++]!;
    if (this.head > 4096 && this.head * 2 > this.queue.length) {
      this.queue = this.queue.slice(this.head);
      this.head = 0;
    }
    const began = this.events.now;
    message.attempts++;
    this.chooser.began(host, began);
    const { ms, reply } = this.hosts[host]!.transact(began);
    this.events.at(began + ms, () => this.end(host, message, reply, ms));
  }

  private end(host: number, message: Message, reply: Result, ms: number): void {
    const { now } = this.events;
    // A host that went down meanwhile took its connections with it.
    const result = reply === 'delivered' && this.hosts[host]!.isDown(now) ? 'lost' : reply;
    this.chooser.ended(host, result, ms, now);
    if (result === 'delivered') message.delivered = now;
    else {
      this.wasted++;
      if (result === 'deferred') this.deferrals++;
      const again = nextAttempt(RETRY, message.attempts, message.arrived, now, this.retries());
      this.events.at(again, () => this.ready(message));
    }
    if (result === 'lost') this.chooser.places[host]!.slots.connections--;
    else this.release(host);
    this.dispatch();
  }

  /** As DestinationPool.release. */
  private release(host: number): void {
    if (this.waiting > 0 && this.chooser.mayTake(host, this.events.now)) this.start(host);
    else this.chooser.places[host]!.idle.push(0);
  }
}
