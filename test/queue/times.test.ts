/** Mail with times of its own: FUTURERELEASE, DELIVERBY, what was put off. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { formatQueueId } from '../../src/core/queue-id.js';
import { type Handling, PLAIN_HANDLING } from '../../src/message/envelope.js';
import { outcome, RETRY, World } from './world.js';

beforeEach(() => {
  vi.useFakeTimers({ now: 1_700_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Handling with times relative to now, ms. */
function handling(more: { holdFor?: number; by?: { in: number; mode: 'R' | 'N' }; lane?: Handling['lane'] }): Handling {
  const now = Date.now();
  return {
    ...PLAIN_HANDLING,
    lane: more.lane ?? 'bulk',
    holdUntil: more.holdFor === undefined ? 0 : now + more.holdFor,
    deliverBy: more.by === undefined ? null : { at: now + more.by.in, mode: more.by.mode, trace: false },
  };
}

function kindsOf(world: World): [string, string, string][] {
  return world.notices.flatMap(({ notices }) =>
    notices.map(({ kind, outcome: { enhanced, reply } }) => [kind, enhanced, reply] as [string, string, string]),
  );
}

describe('FUTURERELEASE', () => {
  it('keeps a message in the spool until its time, over a restart, and counts no attempt', async () => {
    const world = new World();
    const id = await world.add(['a@x.net'], { handling: handling({ holdFor: 60_000, lane: 'immediate' }) });
    expect([world.waitingJobs, world.scheduler.active.size, world.scheduler.memoryInUse]).toEqual([0, 0, 0]);
    expect(world.scheduler.laneCounts()).toEqual({ immediate: 1, bulk: 0, deferred: 0 });
    expect(world.scheduler.explain(id)[0]).toMatchObject({ kind: 'schedule', until: Date.now() + 60_000 });
    await world.turn(30_000);
    await world.restart(true);
    expect(world.scheduler.laneCounts()).toEqual({ immediate: 1, bulk: 0, deferred: 0 });
    await world.turn(29_900);
    expect([world.waitingJobs, world.spool.loads]).toEqual([0, 0]);
    await world.turn(200);
    const job = world.take()!;
    expect([job.message.id, job.message.lane, job.message.attempts]).toEqual([id, 'immediate', 0]);
  });

  it('is not ended by holding and releasing, nor by retrying all; by retrying it', async () => {
    const world = new World();
    const id = formatQueueId(await world.add(['a@x.net'], { handling: handling({ holdFor: 60_000 }) }));
    await world.commands.hold(id);
    expect(await world.commands.release(id)).toBe(1);
    expect(await world.commands.retry('all')).toBe(0);
    await world.turn(59_000);
    expect(world.waitingJobs).toBe(0);
    expect(await world.commands.retry(id)).toBe(1);
    await world.turn();
    expect(world.waitingJobs).toBe(1);
  });
});

describe('DELIVERBY', () => {
  it('R: is tried once more shortly before the time, and then returned with 5.4.7', async () => {
    const world = new World();
    await world.add(['a@x.net'], { handling: handling({ by: { in: 30_000, mode: 'R' } }) });
    const started = Date.now();
    const attempts: number[] = [];
    while (world.spool.size > 0 && Date.now() < started + 60_000) {
      for (let job = world.take(); job !== undefined; job = world.take()) {
        attempts.push(Date.now() - started);
        world.finish(job, ['deferred']);
      }
      await world.turn(100);
    }
    expect(Math.max(...attempts)).toBeGreaterThan(20_000);
    expect(Math.max(...attempts)).toBeLessThan(30_000);
    expect(kindsOf(world)).toEqual([['failed', '5.4.7', expect.stringContaining('deferred by test')]]);
    expect(Date.now() - started).toBeLessThan(31_000);
  });

  it('R: is returned when it never had its turn, whether in memory, in the spool or under way', async () => {
    const world = new World({ memory: 12_000 });
    const by = handling({ by: { in: 5000, mode: 'R' } });
    const busy = await world.add(['a@x.net'], { handling: by });
    const job = world.take()!;
    for (let i = 0; i < 9; i++) await world.add(['a@x.net'], { handling: by });
    await world.add(['plain@x.net']);
    expect(world.scheduler.active.size).toBeLessThan(11);
    await world.turn(6500);
    expect(kindsOf(world).map(([kind, enhanced]) => `${kind} ${enhanced}`)).toEqual(Array(9).fill('failed 5.4.7'));
    expect(world.spool.size).toBe(2);
    world.finish(job, ['deferred']);
    await world.turn();
    expect([world.notices.length, world.spool.stateOf(busy)]).toEqual([10, undefined]);
    expect(world.take()!.message.envelope.recipients[0]!.address).toBe('plain@x.net');
  });

  it('R: what was delivered in time is, and what is delivered by an attempt begun in time too', async () => {
    const world = new World();
    await world.add(['a@x.net', 'b@y.net'], { handling: handling({ by: { in: 5000, mode: 'R' } }) });
    world.finish(world.take()!, ['delivered']);
    const late = world.take()!;
    await world.turn(8000);
    world.finish(late, ['delivered']);
    await world.turn();
    expect([world.notices.length, world.spool.size]).toEqual([0, 0]);
  });

  it('N: the sender is told once when the time passes, and delivery goes on', async () => {
    const world = new World();
    const blocked = await world.add(['a@x.net'], { handling: handling({ by: { in: 5000, mode: 'N' } }) });
    const tried = await world.add(['b@y.net'], { handling: handling({ by: { in: 5000, mode: 'N' } }) });
    const queue = world.woken.get('y.net')!;
    world.scheduler.finish(queue.take()!, [outcome('deferred', { putOff: Date.now() + 50_000 })]);
    await world.turn(4900);
    expect(world.notices).toEqual([]);
    await world.turn(1500);
    expect(world.notices.map(({ message }) => message.id).sort()).toEqual([blocked, tried]);
    expect(kindsOf(world).map(([kind, enhanced]) => [kind, enhanced])).toEqual(Array(2).fill(['delayed', '4.4.7']));
    await world.turn(60_000);
    expect([world.notices.length, world.waitingJobs]).toEqual([2, 2]);
    for (let job = world.take(); job !== undefined; job = world.take()) world.finish(job, ['delivered']);
    expect(world.spool.size).toBe(0);
  });

  it('N: does not spin while the notice cannot be stored', async () => {
    const world = new World();
    world.failNotices = 3;
    await world.add(['a@x.net'], { handling: handling({ by: { in: 5000, mode: 'N' } }) });
    for (let i = 0; i < 40; i++) await world.turn(1000);
    expect(world.notices.length).toBe(1);
    expect(world.spool.loads).toBeLessThan(12);
  });
});

describe('what was put off', () => {
  it('is due at the earliest time given, keeps its lane, and no attempt is counted', async () => {
    const world = new World();
    const id = await world.add(['a@x.net', 'b@y.net'], { handling: handling({ lane: 'immediate' }) });
    const now = Date.now();
    world.putOff(world.take()!, now + 90_000);
    world.putOff(world.take()!, now + 50_000);
    await world.turn();
    expect(world.spool.stateOf(id)).toMatchObject({ attempts: 0, due: now + 50_000 });
    expect(world.scheduler.laneCounts()).toEqual({ immediate: 1, bulk: 0, deferred: 0 });
    await world.restart(true);
    await world.turn(49_000);
    expect(world.waitingJobs).toBe(0);
    await world.turn(1100);
    expect(world.take()!.message.lane).toBe('immediate');
  });

  it('a real deferral beside it decides, and counts', async () => {
    const world = new World();
    const id = await world.add(['a@x.net', 'b@y.net']);
    world.putOff(world.take()!, Date.now() + 90_000);
    world.finish(world.take()!, ['deferred']);
    await world.turn();
    const state = world.spool.stateOf(id)!;
    expect(state.attempts).toBe(1);
    expect(state.due - Date.now()).toBeLessThanOrEqual(RETRY.min * 1.2);
  });

  it('is not looked at again within a second, and expires for all that', async () => {
    const world = new World({ expire: 20_000 });
    const id = await world.add(['a@x.net']);
    const other = await world.add(['b@y.net']);
    world.putOff(world.take()!, 0);
    world.putOff(world.take()!, Number.POSITIVE_INFINITY);
    await world.turn();
    expect(world.spool.stateOf(id)!.due).toBe(Date.now() + 1000);
    expect(world.spool.stateOf(other)!.due).toBe(Date.now() + 20_000);
    await world.turn(20_100);
    for (let job = world.take(); job !== undefined; job = world.take()) world.putOff(job, Number.POSITIVE_INFINITY);
    await world.turn();
    expect([world.spool.size, kindsOf(world).map(([kind]) => kind)]).toEqual([0, ['expired', 'expired']]);
  });
});
