/**
 * Many pools of one site under random limits, hosts and sources: whatever happens, the limits hold, every recipient ends
 * once, what was booked is accounted for, and nothing is left over.
 */
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { EgressPool, EgressSource } from '../../src/delivery/egress.js';
import { HostState } from '../../src/delivery/host-state.js';
import type { SiteHost } from '../../src/delivery/site.js';
import type { SiteControl } from '../../src/delivery/site-control.js';
import type { Wait } from '../../src/queue/wait.js';
import type { Temper } from './fake-hosts.js';
import { hostNamed, NOTHING_LEFT, SiteWorld } from './site-world.js';

/** A small generator of its own, so that a run is the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** So many in each window of `window` ms. */
class Rate {
  private readonly times: number[] = [];
  constructor(
    private readonly most: number,
    private readonly window: number,
    private readonly name: string,
  ) {}
  admit(now: number): Wait | null {
    while (this.times.length > 0 && this.times[0]! <= now - this.window) this.times.shift();
    if (this.times.length >= this.most) return { kind: 'rate', reason: this.name, until: this.times[0]! + this.window };
    this.times.push(now);
    return null;
  }
}

/** Sources that pause now and then. */
class Sources implements EgressPool {
  readonly sources: EgressSource[];
  private readonly pausedUntil = new Map<string, number>();
  private turn = 0;
  constructor(
    readonly name: string,
    count: number,
    private readonly random: () => number,
  ) {
    this.sources = Array.from({ length: count }, (_, n) => {
      return { name: `${name}${n}`, helo: `${name}${n}.example`, address4: `10.0.0.${n}`, address6: '', proxy: null };
    });
  }
  pick(_host: SiteHost, _site: string, now: number): EgressSource | Wait {
    let until = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < this.sources.length; tries++) {
      const source = this.sources[this.turn++ % this.sources.length]!;
      const paused = this.pausedUntil.get(source.name) ?? 0;
      if (paused <= now) return source;
      until = Math.min(until, paused);
    }
    return { kind: 'throttled', reason: 'sources pause', until };
  }
  admit({ name }: EgressSource, _site: string, now: number): Wait | null {
    if (this.random() < 0.02) this.pausedUntil.set(name, now + 50 + this.random() * 1000);
    const until = this.pausedUntil.get(name) ?? 0;
    return until > now ? { kind: 'throttled', reason: `source ${name} pauses`, until } : null;
  }
  reaches(): boolean {
    return true;
  }
  pause(): void {}
  describe(): Record<string, unknown> {
    return {};
  }
}

/** Limits that change, and books of everything it was told. */
class Control implements SiteControl {
  readonly site = 'provider';
  connections = 0;
  readonly maxMessages = 0;
  readonly maxRecipients = 0;
  limit: number;
  /** By source. */
  readonly open = new Map<string, number>();
  booked = 0;
  violations: string[] = [];
  asked = 0;
  private readonly messages: Rate;
  private readonly dials: Rate;
  private readonly perSource: number;

  constructor(limit: number, rate: number, dials: number, perSource: number) {
    this.limit = limit;
    this.messages = new Rate(rate, 100, 'messages');
    this.dials = new Rate(dials, 100, 'connections');
    this.perSource = perSource;
  }
  connectionLimit(): number {
    return this.limit;
  }
  admitConnection(...[, source, now]: Parameters<SiteControl['admitConnection']>): Wait | null {
    if (this.connections + 1 > this.limit) this.violations.push(`asks for ${this.connections + 1} of ${this.limit}`);
    const open = this.open.get(source) ?? 0;
    const full: Wait = { kind: 'connections', reason: 'source full', until: Number.POSITIVE_INFINITY };
    const wait = open >= this.perSource ? full : this.dials.admit(now);
    if (wait === null) this.open.set(source, open + 1);
    return wait;
  }
  admitJob(...[job, , now]: Parameters<SiteControl['admitJob']>): Wait | null {
    this.asked++;
    if (job.recipients.length > 5) this.violations.push(`${job.recipients.length} recipients`);
    const wait = this.messages.admit(now);
    if (wait === null) this.booked++;
    return wait;
  }
  refund(): void {
    this.booked--;
  }
  connected(): void {}
  connectFailed(...[, source]: Parameters<SiteControl['connectFailed']>): void {
    this.open.set(source, this.open.get(source)! - 1);
  }
  closed(...[, source]: Parameters<SiteControl['closed']>): void {
    this.open.set(source, this.open.get(source)! - 1);
  }
  finished(): void {}
  waits(): readonly Wait[] {
    return [];
  }
  describe(): Record<string, unknown> {
    return {};
  }
}

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const scenario = fc.record({
  seed: fc.integer(),
  pools: fc.integer({ min: 1, max: 40 }),
  hosts: fc.integer({ min: 1, max: 4 }),
  /** Hosts of their own for some pools. */
  own: fc.integer({ min: 0, max: 10 }),
  sources: fc.integer({ min: 0, max: 3 }),
  limit: fc.integer({ min: 1, max: 12 }),
  rate: fc.integer({ min: 1, max: 100 }),
  dials: fc.integer({ min: 1, max: 20 }),
  perSource: fc.integer({ min: 1, max: 12 }),
  messages: fc.integer({ min: 1, max: 300 }),
  trouble: fc.constantFrom(0, 0.02, 0.1, 0.3),
});

describe('many pools of one site', () => {
  it('keep to its limits, and end every recipient once', { timeout: 120_000 }, async () => {
    const began = vi.spyOn(HostState.prototype, 'transactionBegan');
    const ended = vi.spyOn(HostState.prototype, 'transactionEnded');
    await fc.assert(
      fc.asyncProperty(scenario, async (given) => {
        began.mockClear();
        ended.mockClear();
        const random = randomOf(given.seed);
        const control = new Control(given.limit, given.rate, given.dials, given.perSource);
        const egress = given.sources === 0 ? null : new Sources('s', given.sources, random);
        const temper = (): Temper => ({
          connect: random() < given.trouble ? (random() < 0.5 ? 'refuse' : 'hang') : 1 + random() * 20,
          delay: 1 + random() * 10,
          answer: (stage) => {
            if (random() >= given.trouble / 4) return undefined;
            if (stage === 'MAIL' && random() < 0.3) return '421 4.3.2 enough';
            if (stage === 'dot' && random() < 0.3) return '451 4.3.0 later';
            if (stage === 'RCPT' && random() < 0.3) return '452 4.5.3 too many';
            return random() < 0.2 ? 'hang' : 'close';
          },
        });
        const world = new SiteWorld({
          temper,
          maxRecipients: 5,
          controlOf: () => control,
          messagesPerConnection: 1 + Math.floor(random() * 30),
          idleTime: 200 + random() * 2000,
          siteOf: (key) => {
            const number = Number(key.slice(4));
            const names =
              number < given.own ? [`own${number}`] : Array.from({ length: given.hosts }, (_, n) => `mx${n}`);
            return {
              kind: 'hosts',
              hosts: names.map((name) => hostNamed(name, { limit: 4 })),
              order: random() < 0.5 ? 'balance' : 'preference',
              limit: 6,
              expires: random() < 0.5 ? Number.POSITIVE_INFINITY : Date.now() + 1500,
              ...(egress === null || number % 3 === 0 ? {} : { egress }),
            };
          },
        });
        world.hosts.changed = (by) => {
          if (by > 0 && world.hosts.open > control.limit) control.violations.push(`${world.hosts.open} are open`);
        };
        try {
          for (let n = 0; n < given.messages; n++) {
            const recipients = Array.from({ length: random() < 0.1 ? 12 : 1 }, (_, each) => `r${each}@x`);
            const lane = random() < 0.2 ? 'immediate' : 'bulk';
            world.send(`mx/d${Math.floor(random() * given.pools)}`, { recipients, lane });
            if (random() < 0.1) await vi.advanceTimersByTimeAsync(random() * 50);
            if (random() < 0.02) control.limit = Math.max(1, Math.round(given.limit * random() * 2));
          }
          await world.settled(given.trouble === 0 ? 60_000 : 600_000);
          expect(control.violations).toEqual([]);
          expect([world.ended.size, world.doubled, world.waiting]).toEqual([world.sent, [], 0]);
          expect(ended.mock.calls.length).toBe(began.mock.calls.length);
          // Nothing is asked over and over.
          expect(control.asked).toBeLessThan(100 * (world.sent + 1000));
        } finally {
          const left = await world.end();
          expect(left).toEqual(NOTHING_LEFT);
        }
        expect([control.connections, [...control.open.values()].filter((count) => count !== 0)]).toEqual([0, []]);
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });
});
