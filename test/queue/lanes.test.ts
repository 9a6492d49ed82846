/** What lanes and tenants are promised, under any order of arrival. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Lane, PLAIN_HANDLING } from '../../src/message/envelope.js';
import { DestinationQueue } from '../../src/queue/destination-queue.js';
import { DEFAULT_LANES, LaneShares, QUEUE_LANES, type QueueLane } from '../../src/queue/lanes.js';
import { type DeliveryJob, QueuedMessage } from '../../src/queue/queued-message.js';
import { envelope, facts, inlineContent } from '../helpers/mail.js';

let nextId = 1;

function jobOf(lane: QueueLane, tenant = '', size = 20): DeliveryJob {
  const handling = { ...PLAIN_HANDLING, lane: (lane === 'deferred' ? 'bulk' : lane) satisfies Lane, tenant };
  const state = { due: 0, attempts: 1, held: false, delayNotified: false, recipients: [] };
  const message = new QueuedMessage(
    envelope(nextId++, ['a@x.net'], { handling, content: facts({ size }) }),
    inlineContent('x'),
    lane === 'deferred' ? state : null,
  );
  return { message, destination: 'x.net', recipients: [0], requeued: 0 };
}

function drain(queue: DestinationQueue): DeliveryJob[] {
  const jobs: DeliveryJob[] = [];
  for (let job = queue.take(); job !== undefined; job = queue.take()) jobs.push(job);
  return jobs;
}

const lane = fc.constantFrom<QueueLane>(...QUEUE_LANES);
const weight = fc.integer({ min: 1, max: 200 });
const weights = fc.record({ immediate: weight, bulk: weight, deferred: weight });

describe('lanes', () => {
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('push' as const), lane, many: fc.integer({ min: 1, max: 20 }) }),
    },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('take' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('urgent' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('refuse' as const), lane, times: fc.nat(30) }) },
  );

  it('keep each job behind a bounded number of jobs of other lanes', () => {
    fc.assert(
      fc.property(weights, fc.array(step, { maxLength: 150, size: 'max' }), (given, steps) => {
        const queue = new DestinationQueue('x.net', new LaneShares({ weights: given }));
        const all = new Set<DeliveryJob>();
        /** Jobs of others that were taken since a job is here, and how many of its own lane were before it. */
        const behind = new Map<DeliveryJob, { ahead: number; others: Record<QueueLane, number> }>();
        const took = (job: DeliveryJob, refused: QueueLane | null): void => {
          expect(all.delete(job)).toBe(true);
          behind.delete(job);
          for (const [waiting, { others }] of behind) {
            // Who is refused a turn claims nothing for it afterwards, and has been promised nothing meanwhile.
            if (waiting.message.lane === refused) behind.delete(waiting);
            else if (waiting.message.lane !== job.message.lane) others[job.message.lane]++;
          }
          for (const [waiting, { ahead, others }] of behind)
            for (const other of QUEUE_LANES) {
              const own = waiting.message.lane;
              if (other === own) continue;
              const bound = Math.floor(((ahead + 1) * given[other]) / given[own] + 1e-6) + 1;
              if (others[other] > bound) expect([own, other, others[other]]).toEqual([own, other, `at most ${bound}`]);
            }
        };
        for (const one of steps) {
          if (one.do === 'push') {
            for (let i = 0; i < one.many; i++) {
              const job = jobOf(one.lane);
              behind.set(job, { ahead: queue.lengthOf(one.lane), others: { immediate: 0, bulk: 0, deferred: 0 } });
              all.add(job);
              queue.push(job);
            }
          } else if (one.do === 'take') {
            const job = queue.take();
            expect(job === undefined).toBe(all.size === 0);
            if (job !== undefined) took(job, null);
          } else if (one.do === 'urgent') {
            const waiting = queue.urgent;
            const job = queue.take(true);
            expect([job === undefined, job?.message.lane ?? 'immediate']).toEqual([waiting === 0, 'immediate']);
            // Beyond its share, on connections kept for it: others were promised nothing of those.
            if (job !== undefined) {
              all.delete(job);
              behind.delete(job);
            }
          } else
            for (let i = 0; i < one.times; i++) {
              const job = queue.take(false, ({ message }) => message.lane !== one.lane);
              if (job === undefined) break;
              expect(job.message.lane).not.toBe(one.lane);
              took(job, one.lane);
            }
          expect(queue.length).toBe(all.size);
          expect(QUEUE_LANES.reduce((sum, each) => sum + queue.lengthOf(each), 0)).toBe(all.size);
        }
        expect(new Set(drain(queue))).toEqual(all);
        expect([queue.length, queue.urgent, queue.isUnused]).toEqual([0, 0, true]);
      }),
      { numRuns: 100 },
    );
  });

  it('share by their weights while all have mail', () => {
    const queue = new DestinationQueue('x.net');
    for (const each of QUEUE_LANES) for (let i = 0; i < 1300; i++) queue.push(jobOf(each));
    const taken: Record<QueueLane, number> = { immediate: 0, bulk: 0, deferred: 0 };
    for (let i = 0; i < 1240; i++) taken[queue.take()!.message.lane]++;
    expect(taken).toEqual({ immediate: 1000, bulk: 200, deferred: 40 });
  });

  it('let an immediate job that comes into a flood go within three, and no flood of them stop the rest', () => {
    const queue = new DestinationQueue('x.net');
    for (let i = 0; i < 1000; i++) queue.push(jobOf(i % 2 === 0 ? 'bulk' : 'deferred'));
    for (let round = 0; round < 50; round++) {
      for (let i = 0; i < round % 7; i++) queue.take();
      const urgent = jobOf('immediate');
      queue.push(urgent);
      expect([queue.take(), queue.take(), queue.take()]).toContain(urgent);
    }
    let others = 0;
    for (let i = 0; i < 310; i++) {
      // One comes whenever one has gone, so that the lane is empty each time.
      if (queue.urgent === 0) queue.push(jobOf('immediate'));
      if (queue.take()!.message.lane !== 'immediate') others++;
    }
    expect(others).toBeGreaterThanOrEqual(59);
    expect(others).toBeLessThanOrEqual(62);
  });

  it('give a job put back before the others of its lane', () => {
    const queue = new DestinationQueue('x.net');
    const jobs = [jobOf('bulk'), jobOf('bulk'), jobOf('immediate')];
    for (const job of jobs) queue.push(job);
    expect(queue.take()).toBe(jobs[2]);
    const first = queue.take()!;
    queue.putBack(first);
    expect([first, queue.take(), queue.take(), queue.take()]).toEqual([jobs[0], jobs[0], jobs[1], undefined]);
  });

  it('refuse weights that are none', () => {
    const { weights: standard } = DEFAULT_LANES;
    for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => new LaneShares({ weights: { ...standard, bulk: bad } })).toThrow(/weight of lane bulk/);
  });
});

describe('tenants of a lane', () => {
  const tenant = fc.constantFrom('', 'a', 'b', 'c', 'd');

  it('none is lost, doubled or overtaken by its own, whatever is taken, refused, put back and withdrawn', () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ do: fc.constant('push' as const), tenant, size: fc.nat(9_000_000) }) },
      {
        weight: 4,
        arbitrary: fc.record({ do: fc.constant('take' as const), refused: fc.subarray(['', 'a', 'b', 'c']) }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('putBack' as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('extract' as const), tenant }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100, size: 'max' }), (steps) => {
        const queue = new DestinationQueue('x.net', new LaneShares(DEFAULT_LANES, (name) => (name === 'a' ? 3 : 0.5)));
        const model = new Map<string, DeliveryJob[]>();
        const of = (name: string): DeliveryJob[] => model.get(name) ?? model.set(name, []).get(name)!;
        let hand: DeliveryJob | undefined;
        for (const one of steps) {
          if (one.do === 'push') {
            const job = jobOf('bulk', one.tenant, one.size);
            of(one.tenant).push(job);
            queue.push(job);
          } else if (one.do === 'take') {
            hand = queue.take(false, ({ message }) => !one.refused.includes(message.envelope.handling.tenant));
            if (hand !== undefined) expect(of(hand.message.envelope.handling.tenant).shift()).toBe(hand);
            else expect([...model].every(([name, jobs]) => jobs.length === 0 || one.refused.includes(name))).toBe(true);
          } else if (one.do === 'putBack' && hand !== undefined) {
            of(hand.message.envelope.handling.tenant).unshift(hand);
            queue.putBack(hand);
            hand = undefined;
          } else if (one.do === 'extract') {
            const taken = queue.extract(({ message }) => message.envelope.handling.tenant === one.tenant);
            expect(taken).toEqual(of(one.tenant));
            model.set(one.tenant, []);
          }
          expect(queue.length).toBe([...model.values()].reduce((sum, jobs) => sum + jobs.length, 0));
        }
        for (const job of drain(queue)) expect(of(job.message.envelope.handling.tenant).shift()).toBe(job);
        expect([queue.length, queue.isUnused]).toEqual([0, true]);
      }),
      { numRuns: 300 },
    );
  });

  it('share by weight and by what their mail costs', () => {
    const shares = new LaneShares(DEFAULT_LANES, (name) => (name === 'heavy' ? 2 : 1));
    const queue = new DestinationQueue('x.net', shares);
    for (let i = 0; i < 400; i++) {
      queue.push(jobOf('bulk', 'large', 300_000));
      queue.push(jobOf('bulk', 'small', 2_000));
      queue.push(jobOf('bulk', 'heavy', 2_000));
    }
    const taken: Record<string, number> = { large: 0, small: 0, heavy: 0 };
    for (let i = 0; i < 320; i++) taken[queue.take()!.message.envelope.handling.tenant]!++;
    // A message of 300,000 bytes costs five: 1/5 : 1 : 2.
    expect(taken['small']).toBeGreaterThanOrEqual(98);
    expect(taken['small']).toBeLessThanOrEqual(102);
    expect(taken['heavy']).toBeGreaterThanOrEqual(196);
    expect(taken['large']).toBeGreaterThanOrEqual(18);
    expect(taken['large']).toBeLessThanOrEqual(22);
  });

  it('a tenant that comes later waits for one round, not for all that is there', () => {
    const queue = new DestinationQueue('x.net');
    for (let i = 0; i < 1000; i++) queue.push(jobOf('bulk', `t${i % 10}`));
    for (let i = 0; i < 55; i++) queue.take();
    const late = jobOf('bulk', 'late');
    queue.push(late);
    const next = Array.from({ length: 11 }, () => queue.take());
    expect(next).toContain(late);
  });

  it('many that are refused cost a bounded number of questions, and who may go is found by asking again', () => {
    const queue = new DestinationQueue('x.net');
    for (let i = 0; i < 300; i++) queue.push(jobOf('bulk', `t${i}`));
    const free = jobOf('bulk', 'free');
    queue.push(free);
    let asked = 0;
    const admits = ({ message }: DeliveryJob): boolean => {
      asked++;
      return message.envelope.handling.tenant === 'free';
    };
    let calls = 0;
    let found: DeliveryJob | undefined;
    for (; calls < 10 && found === undefined; calls++) {
      asked = 0;
      found = queue.take(false, admits);
      expect(asked).toBeLessThanOrEqual(64);
    }
    expect([found, calls]).toEqual([free, 5]);
  });
});
