/** Memory of ready mail, shared between lanes and destinations; what waits in the spool, and why. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { formatQueueId } from '../../src/core/queue-id.js';
import { PLAIN_HANDLING } from '../../src/message/envelope.js';
import { IdRing } from '../../src/queue/id-ring.js';
import { ReadyMemory } from '../../src/queue/ready-memory.js';
import { outcome, RETRY, World } from './world.js';

const IMMEDIATE = { handling: { ...PLAIN_HANDLING, lane: 'immediate' as const } };

beforeEach(() => {
  vi.useFakeTimers({ now: 1_700_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('ReadyMemory', () => {
  it('gives each lane its reserve whatever the others do, and never more than there is', () => {
    const size = 1_000_000;
    const step = fc.record({
      lane: fc.nat(2),
      cost: fc.integer({ min: 1000, max: 30_000 }),
      bytes: fc.nat(400_000),
      fresh: fc.boolean(),
      free: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
        const memory = new ReadyMemory(size);
        const held: number[][] = [[], [], []];
        const used = (lane: number): number => held[lane]!.reduce((sum, cost) => sum + cost, 0);
        for (const { lane, cost, bytes, fresh, free } of steps) {
          if (free) {
            const gone = held[lane]!.pop();
            if (gone !== undefined) memory.free(lane, gone);
          } else if (fresh ? memory.fits(lane, cost, bytes) : memory.fitsReadBack(lane, cost, bytes)) {
            memory.hold(lane, cost);
            held[lane]!.push(cost);
          }
          const inUse = used(0) + used(1) + used(2);
          expect(memory.inUse).toBe(inUse);
          // A lane that has nothing may always have one message.
          expect(inUse).toBeLessThanOrEqual(size + 2 * 30_000);
          [1 / 4, 1 / 4, 1 / 16].forEach((part, each) => {
            if (used(each) + 1000 <= part * size - 60_000) expect(memory.fits(each, 1000, 0)).toBe(true);
          });
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('IdRing', () => {
  it('is a queue, and finds what is in it', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 400, size: 'max' }), (steps) => {
        const ring = new IdRing();
        const model: number[] = [];
        let id = 1.7e15;
        for (const push of steps) {
          if (push || model.length === 0) {
            ring.push(++id);
            model.push(id);
          } else expect(ring.shift()).toBe(model.shift());
          expect([ring.length, ring.indexOf(id), ring.indexOf(1)]).toEqual([model.length, model.indexOf(id), -1]);
        }
      }),
    );
  });
});

describe('a flood', () => {
  it('of bulk leaves an immediate message in memory, to go at once', async () => {
    const world = new World({ memory: 100_000 });
    for (let i = 0; i < 300; i++) await world.add([`a@d${i % 5}.net`]);
    const loads = world.spool.loads;
    const urgent = await world.add(['boss@d3.net'], IMMEDIATE);
    expect(world.scheduler.active.has(urgent)).toBe(true);
    expect(world.woken.get('d3.net')!.take()!.message.id).toBe(urgent);
    expect(world.spool.loads).toBe(loads);
    expect(world.scheduler.laneCounts()).toEqual({ immediate: 1, bulk: 300, deferred: 0 });
    await world.restart(true);
    expect(world.scheduler.laneCounts()).toEqual({ immediate: 1, bulk: 300, deferred: 0 });
    expect(world.scheduler.active.has(urgent)).toBe(true);
  });

  it('of retries leaves room for new mail, and goes on itself', async () => {
    const world = new World({ memory: 100_000 });
    for (let i = 0; i < 300; i++) await world.add(['a@x.net']);
    const queue = world.woken.get('x.net')!;
    while (world.spool.size > 0 && world.scheduler.laneCounts().deferred < 300) {
      for (let job = world.take(); job !== undefined; job = world.take()) world.finish(job, ['deferred']);
      await world.turn(1);
    }
    await world.turn(RETRY.min * 1.3);
    expect(queue.lengthOf('deferred')).toBeGreaterThan(20);
    const fresh = await world.add(['b@y.net']);
    expect(world.scheduler.active.has(fresh)).toBe(true);
    for (let i = 0; i < 200; i++) await world.add(['a@x.net']);
    let retried = 0;
    for (let i = 0; i < 250; i++) {
      const job = queue.take();
      if (job?.message.lane === 'deferred') retried++;
      if (job !== undefined) world.scheduler.finish(job, [outcome('delivered')]);
      await world.turn(1);
    }
    expect(retried).toBeGreaterThanOrEqual(30);
  });
});

describe('a destination that is blocked', () => {
  it('keeps its share in memory and the rest as ids, and others go on, after a restart too', async () => {
    const world = new World({ memory: 100_000 });
    for (let i = 0; i < 500; i++) await world.add(['a@blocked.net']);
    const check = async (): Promise<void> => {
      const blocked = world.woken.get('blocked.net')!;
      expect(blocked.length + blocked.cold).toBeLessThanOrEqual(500);
      expect(world.scheduler.memoryInUse).toBeLessThan(70_000);
      const { loads } = world.spool;
      for (let round = 0; round < 40; round++) {
        const id = await world.add(['b@open.net']);
        await world.turn(1);
        const job = world.woken.get('open.net')!.take()!;
        expect(job.message.id).toBe(id);
        world.scheduler.finish(job, [outcome('delivered')]);
      }
      // What is blocked is not read again and again meanwhile.
      const before = world.spool.loads;
      await world.turn(5000);
      expect(world.spool.loads).toBe(before);
      expect(before - loads).toBeLessThanOrEqual(40);
    };
    expect(world.woken.get('blocked.net')!.coldOf('bulk')).toBeGreaterThan(400);
    await check();
    await world.restart(true);
    await world.turn(2000);
    // Each once to learn where it goes, and once more for those that are in memory now.
    expect(world.spool.loads).toBeLessThanOrEqual(500 + world.woken.get('blocked.net')!.length);
    await check();
    expect([...world.scheduler.counts()].map((queue) => [queue.key, queue.length + queue.cold])).toContainEqual([
      'blocked.net',
      500,
    ]);
  });

  it('mail of others that is due behind its own is found and goes', async () => {
    const world = new World({ memory: 50_000 });
    for (let i = 0; i < 400; i++) await world.add(['a@blocked.net']);
    const other = await world.add(['b@open.net']);
    await world.restart(true);
    await world.turn(3000);
    expect(world.woken.get('open.net')?.take()?.message.id).toBe(other);
  });

  it('has its own order when it goes on, and loses none', async () => {
    const world = new World({ memory: 60_000 });
    for (let i = 0; i < 300; i++) await world.add(['a@x.net']);
    const order: number[] = [];
    for (let i = 0; i < 2000 && world.spool.size > 0; i++) {
      const job = world.take();
      if (job !== undefined) {
        order.push(job.message.id);
        world.finish(job, ['delivered']);
      }
      await world.turn(1);
    }
    expect(order).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
    expect(world.spool.loads).toBeLessThan(300);
    expect([...world.scheduler.counts()].every((queue) => queue.length + queue.cold === 0)).toBe(true);
  });

  it('does not hold up the other recipients of a message', async () => {
    const world = new World({ memory: 60_000 });
    for (let i = 0; i < 100; i++) await world.add(['a@blocked.net']);
    const id = await world.add(['a@blocked.net', 'b@open.net']);
    const job = world.woken.get('open.net')!.take()!;
    expect([job.message.id, job.recipients]).toEqual([id, [1]]);
    world.scheduler.finish(job, [outcome('delivered')]);
    await world.turn(10);
    expect(world.spool.stateOf(id)).toMatchObject({ attempts: 0 });
    expect(world.scheduler.explain(id)[0]).toMatchObject({ kind: 'memory', destination: 'blocked.net' });
  });
});

describe('explain', () => {
  it('names the place in the lane, the share of memory, the time, and that it is held', async () => {
    const world = new World({ memory: 20_000 });
    const ids: number[] = [];
    for (let i = 0; i < 30; i++) ids.push(await world.add(['a@x.net']));
    expect(world.scheduler.explain(ids[2]!)).toMatchObject([
      {
        kind: 'turn',
        destination: 'x.net',
        recipients: [0],
        reason: expect.stringMatching(/^2 before it in lane bulk/),
      },
    ]);
    expect(world.scheduler.explain(ids[29]!)).toMatchObject([
      { kind: 'memory', destination: 'x.net', reason: expect.stringContaining('before it there') },
    ]);
    world.scheduler.active.get(ids[1]!)!.held = true;
    expect(world.scheduler.explain(ids[1]!).map(({ kind }) => kind)).toEqual(['held', 'turn']);
    world.finish(world.take()!, ['deferred']);
    await world.turn();
    const [wait] = world.scheduler.explain(ids[0]!);
    expect(wait!.kind).toBe('schedule');
    expect(wait!.until - Date.now()).toBeGreaterThan(RETRY.min * 0.7);
    expect(world.scheduler.explain(999)).toEqual([]);
  });
});

describe('commands for one', () => {
  it('hold and remove reach a job whose destination is blocked', async () => {
    const world = new World();
    const ids = [await world.add(['a@x.net', 'b@y.net']), await world.add(['a@x.net'])];
    expect(await world.commands.hold(formatQueueId(ids[0]!))).toBe(1);
    expect(await world.commands.remove(formatQueueId(ids[1]!))).toBe(1);
    await world.turn();
    expect([world.waitingJobs, world.scheduler.active.size, world.spool.size]).toEqual([0, 0, 1]);
    expect(world.spool.stateOf(ids[0]!)).toMatchObject({ held: true, attempts: 0 });
  });
});

describe('when routes change', () => {
  it('waiting jobs go to where they belong now, cold ones when it is their turn', async () => {
    const world = new World({ memory: 40_000 });
    for (let i = 0; i < 60; i++) await world.add(['a@x.net', 'b@y.net']);
    const before = world.woken.get('x.net')!;
    const { length } = before;
    const inHand = before.take()!;
    world.routes.set('x.net', 'z.net');
    expect(world.scheduler.resplit(({ destination }) => destination === 'x.net')).toBe(length - 1);
    expect(before.length).toBe(0);
    expect(world.woken.get('z.net')!.length).toBe(length - 1);
    world.scheduler.finish(inHand, [outcome('delivered')]);
    const seen = new Set<string>();
    for (let i = 0; i < 5000 && world.spool.size > 0; i++) {
      const job = world.take(i);
      if (job !== undefined) {
        for (const recipient of job.recipients) {
          const key = `${job.message.id}/${recipient}`;
          expect([key, seen.has(key)]).toEqual([key, false]);
          seen.add(key);
        }
        expect(job.destination).not.toBe('x.net');
        world.finish(job, ['delivered']);
      }
      await world.turn(1);
    }
    expect([world.spool.size, seen.size]).toEqual([0, 119]);
  });
});

describe('commands for many', () => {
  it('bounce, delete, hold and release by recipient, in memory, cold, deferred and under way', async () => {
    const world = new World({ memory: 20_000 });
    const waiting: number[] = [];
    waiting.push(await world.add(['a@x.net']));
    world.finish(world.take()!, ['deferred']);
    for (let i = 0; i < 20; i++) waiting.push(await world.add(['a@x.net']));
    const both = await world.add(['a@x.net', 'b@y.net']);
    const busy = world.woken.get('x.net')!.take()!;
    const isX = ({ recipients }: { recipients: readonly { address: string }[] }, i: number): boolean =>
      recipients[i]!.address.endsWith('@x.net');
    expect(await world.until(world.commands.apply(isX, 'hold'))).toBe(22);
    world.scheduler.finish(busy, [outcome('deferred')]);
    await world.turn(RETRY.max * 2);
    expect(world.waitingJobs).toBe(0);
    expect(await world.until(world.commands.apply(isX, 'release'))).toBe(22);
    await world.turn(1);
    expect(world.waitingJobs).toBeGreaterThan(0);
    const again = world.woken.get('x.net')!.take()!;
    expect(await world.until(world.commands.apply(isX, 'bounce', 'no more of this'))).toBe(22);
    world.scheduler.finish(again, [outcome('deferred')]);
    // Its other recipient's attempt goes on.
    const other = world.woken.get('y.net')!.take()!;
    expect(other.message.id).toBe(both);
    world.scheduler.finish(other, [outcome('deferred')]);
    await world.turn(1);
    expect(world.notices.length).toBe(22);
    for (const { notices } of world.notices)
      expect(notices).toMatchObject([{ kind: 'failed', outcome: { enhanced: '5.7.0', reply: 'no more of this' } }]);
    expect(waiting.map((id) => world.spool.stateOf(id))).toEqual(waiting.map(() => undefined));
    expect(world.spool.stateOf(both)?.recipients.map(({ status }) => status)).toEqual(['failed', 'pending']);
    expect(await world.until(world.commands.apply(() => true, 'delete'))).toBe(1);
    await world.turn(1);
    expect([world.spool.size, world.notices.length]).toEqual([0, 22]);
    expect(world.scheduler.laneCounts()).toEqual({ immediate: 0, bulk: 0, deferred: 0 });
  });
});
