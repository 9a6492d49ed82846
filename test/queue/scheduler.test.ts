/**
 * Scheduler and Settlement over a spool in memory, with a delivery that does what the test says. Timers and clock are
 * vitest's.
 */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { formatQueueId } from '../../src/core/queue-id.js';
import { NOTIFY_NEVER, NOTIFY_SUCCESS, PLAIN_HANDLING } from '../../src/message/envelope.js';
import type { OutcomeKind } from '../../src/queue/outcome.js';
import type { DeliveryJob } from '../../src/queue/queued-message.js';
import { recipient } from '../helpers/mail.js';
import { outcome, RETRY, World } from './world.js';

beforeEach(() => {
  vi.useFakeTimers({ now: 1_700_000_000_000 });
});

afterEach(() => {
  vi.useRealTimers();
});

describe('Scheduler', () => {
  it('makes one job of a destination, and removes the message when all are done', async () => {
    const world = new World();
    await world.add(['a@x.net', 'b@y.net', 'c@x.net']);
    const first = world.take()!;
    const second = world.take()!;
    expect([first.recipients, second.recipients]).toEqual([[0, 2], [1]]);
    world.finish(first, ['delivered']);
    expect(world.spool.size).toBe(1);
    world.finish(second, ['delivered']);
    await world.turn();
    expect([world.spool.size, world.scheduler.active.size, world.scheduler.memoryInUse]).toEqual([0, 0, 0]);
    expect(world.outcomes.sort()).toEqual(['1/0 delivered', '1/1 delivered', '1/2 delivered']);
  });

  it('tries again only those who are left, after the wait', async () => {
    const world = new World();
    await world.add(['a@x.net', 'b@x.net', 'c@x.net']);
    world.finish(world.take()!, ['delivered', 'deferred', 'failed']);
    await world.turn();
    expect(world.notices.map((each) => each.notices.map((notice) => notice.kind))).toEqual([['failed']]);
    expect([world.scheduler.active.size, world.scheduler.deferredCount]).toEqual([0, 1]);
    await world.turn(RETRY.min * 0.7);
    expect(world.take()).toBeUndefined();
    await world.turn(RETRY.min);
    expect(world.take()!.recipients).toEqual([1]);
  });

  it('gives up when the message expires, with a notice, and says nothing to the null sender', async () => {
    const world = new World({ expire: 20_000 });
    const attempts = new Map<number, number>();
    await world.add(['a@x.net']);
    await world.add(['b@x.net'], { sender: '' });
    for (let i = 0; i < 100 && world.spool.size > 0; i++) {
      for (let job = world.take(); job !== undefined; job = world.take()) {
        attempts.set(job.message.id, (attempts.get(job.message.id) ?? 0) + 1);
        world.finish(job, ['deferred']);
      }
      await world.turn(500);
    }
    expect([world.spool.size, world.scheduler.active.size]).toEqual([0, 0]);
    expect(world.notices.map(({ message, notices }) => [message.id, notices[0]!.kind])).toEqual([[1, 'expired']]);
    expect(attempts.get(1)).toBeGreaterThanOrEqual(4);
    expect(attempts.get(1)).toBeLessThan(12);
  });

  it('does not spin on expired mail whose notice cannot be stored, and ends it when it can', async () => {
    const world = new World({ expire: 5000 });
    world.failNotices = 3;
    await world.add(['a@x.net']);
    await world.turn(5000);
    let attempts = 0;
    for (let i = 0; i < 200 && world.spool.size > 0; i++) {
      const job = world.take();
      if (job !== undefined) {
        attempts++;
        world.finish(job, ['deferred']);
      }
      await world.turn(250);
    }
    expect([world.spool.size, attempts, world.notices.length]).toEqual([0, 4, 1]);
  });

  it('sends a notice of relay to whoever asked and a delay warning once', async () => {
    const world = new World({ delayWarning: 3000 });
    const asked = [recipient('a@x.net', { notify: NOTIFY_SUCCESS }), recipient('b@x.net', { notify: NOTIFY_NEVER })];
    await world.add([], { recipients: asked });
    const job = world.take()!;
    world.inHand = [];
    world.scheduler.finish(job, [outcome('delivered', { relayed: true }), outcome('delivered', { relayed: true })]);
    await world.turn();
    expect(world.notices.flatMap((each) => each.notices.map((notice) => [notice.recipient, notice.kind]))).toEqual([
      [0, 'relayed'],
    ]);
    await world.add(['slow@x.net']);
    for (let i = 0; i < 8; i++) {
      for (let each = world.take(); each !== undefined; each = world.take()) world.finish(each, ['deferred']);
      await world.turn(2000);
    }
    expect(world.notices.slice(1).map((each) => each.notices[0]!.kind)).toEqual(['delayed']);
  });

  it('writes down who has it while others are still being tried', async () => {
    const world = new World();
    const id = await world.add(['a@x.net', 'b@y.net']);
    world.finish(world.take()!, ['delivered']);
    await world.turn(60);
    expect(world.spool.stateOf(id)?.recipients.map((each) => each.status)).toEqual(['delivered', 'pending']);
    await world.restart(true);
    await world.turn(10);
    expect(world.take()!.recipients).toEqual([1]);
  });

  it('tells of each recipient once, and before its state is written down', async () => {
    const world = new World();
    const id = await world.add(['a@x.net', 'b@y.net']);
    world.finish(world.take()!, ['delivered']);
    expect(world.outcomes).toEqual([]);
    await world.turn(60);
    expect(world.outcomes).toEqual([`${id}/0 delivered`]);
    world.finish(world.take()!, ['delivered']);
    await world.turn(60);
    expect(world.outcomes).toEqual([`${id}/0 delivered`, `${id}/1 delivered`]);
    expect(world.spool.size).toBe(0);
  });

  it('goes on with a message that could not be read now', async () => {
    const world = new World();
    await world.add(['a@x.net']);
    await world.restart(true);
    world.finish(world.take()!, ['deferred']);
    world.spool.failLoad = new Error('not now');
    await world.turn(RETRY.min * 1.3);
    expect([world.unreadable, world.take()]).toEqual([1, undefined]);
    await world.turn(RETRY.min + 10);
    expect(world.take()).toBeDefined();
  });

  it('keeps to its memory, and reads nothing twice for it', async () => {
    const world = new World({ memory: 8000 });
    for (let i = 0; i < 100; i++) await world.add(['a@x.net']);
    expect(world.scheduler.memoryInUse).toBeLessThanOrEqual(8000);
    let done = 0;
    for (let i = 0; i < 300 && world.spool.size > 0; i++) {
      const job = world.take();
      if (job !== undefined) {
        done++;
        world.finish(job, ['delivered']);
      }
      await world.turn(1);
    }
    expect([done, world.spool.size, world.scheduler.memoryInUse]).toEqual([100, 0, 0]);
    expect(world.spool.loads).toBeLessThanOrEqual(100);
  });

  it('reads a message that is larger than what is left of memory once, not over and over', async () => {
    const world = new World({ memory: 17_500 });
    const many = Array.from({ length: 60 }, (_, i) => `r${i}@x.net`);
    await world.add(['a@x.net']);
    await world.add(many);
    await world.turn(100);
    expect(world.spool.loads).toBe(1);
  });

  it('hands nothing out any more once stopped', async () => {
    const world = new World();
    await world.add(['a@x.net']);
    world.finish(world.take()!, ['deferred']);
    await world.turn();
    world.scheduler.stop();
    await world.turn(60_000);
    expect([world.waitingJobs, vi.getTimerCount()]).toEqual([0, 0]);
  });
});

describe('commands', () => {
  const shown = formatQueueId;

  it('hold keeps a waiting message back, release lets it go at once', async () => {
    const world = new World();
    const id = await world.add(['a@x.net']);
    world.finish(world.take()!, ['deferred']);
    await world.turn();
    expect(await world.commands.hold(shown(id))).toBe(1);
    await world.turn(60_000);
    expect(world.take()).toBeUndefined();
    expect(await world.commands.release(shown(id))).toBe(1);
    await world.turn();
    expect(world.take()!.message.id).toBe(id);
  });

  it('hold reaches a job that waits and one that is under way', async () => {
    const world = new World();
    const waiting = await world.add(['a@x.net']);
    await world.commands.hold(shown(waiting));
    expect(world.take()).toBeUndefined();
    const busy = await world.add(['b@x.net']);
    const job = world.take()!;
    await world.commands.hold(shown(busy));
    world.finish(job, ['deferred']);
    await world.turn(60_000);
    expect([world.waitingJobs, world.scheduler.active.size]).toEqual([0, 0]);
    for (const id of [waiting, busy]) {
      expect(world.spool.stateOf(id)?.held).toBe(true);
      expect(await world.commands.release(shown(id))).toBe(1);
    }
    await world.turn();
    expect(world.waitingJobs).toBe(2);
  });

  it('remove lets nothing more go out, and what is under way ends without a notice', async () => {
    const world = new World();
    const id = await world.add(['a@x.net', 'b@y.net']);
    const job = world.take()!;
    await world.commands.remove(shown(id));
    expect(world.take()).toBeUndefined();
    world.finish(job, ['failed']);
    await world.turn();
    expect([world.spool.size, world.scheduler.active.size, world.notices.length]).toEqual([0, 0, 0]);
  });

  it('hold and remove win over a read that is under way', async () => {
    const world = new World();
    const ids = [await world.add(['a@x.net']), await world.add(['b@x.net'])];
    await world.restart(true);
    for (let job = world.take(); job !== undefined; job = world.take()) world.finish(job, ['deferred']);
    await world.turn();
    vi.setSystemTime(Date.now() + 60_000);
    // The commands look at the messages while both begin to be read for their next attempt.
    const done = Promise.all([world.commands.hold(shown(ids[0]!)), world.commands.remove(shown(ids[1]!))]);
    for (const id of ids) world.scheduler.await(id, Date.now());
    expect(await done).toEqual([1, 1]);
    await world.turn(60_000);
    expect([world.waitingJobs, world.scheduler.active.size, world.spool.size]).toEqual([0, 0, 1]);
    expect(world.spool.stateOf(ids[0]!)?.held).toBe(true);
  });

  it('retry sends one or all at once', async () => {
    const world = new World();
    for (const address of ['a@x.net', 'b@x.net', 'c@y.net']) await world.add([address]);
    for (let job = world.take(); job !== undefined; job = world.take()) world.finish(job, ['deferred']);
    await world.turn();
    expect(await world.commands.retry(shown(2))).toBe(1);
    await world.turn();
    expect(world.take()!.message.id).toBe(2);
    expect(await world.commands.retry('all')).toBe(2);
    await world.turn();
    expect(world.waitingJobs).toBe(2);
    expect(await world.commands.retry('NOSUCH')).toBe(0);
  });
});

describe('whatever happens', () => {
  const kinds = fc.array(fc.constantFrom<OutcomeKind>('delivered', 'delivered', 'deferred', 'failed'), {
    minLength: 1,
    maxLength: 3,
  });
  const pick = fc.nat(20);
  /** Times are ms from when the message is added. */
  const handling = fc.record({
    lane: fc.constantFrom('bulk' as const, 'bulk' as const, 'immediate' as const),
    tenant: fc.constantFrom('', '', 'a', 'b'),
    hold: fc.constantFrom(0, 0, 0, 4000),
    by: fc.constantFrom(null, null, null, { in: 3000, mode: 'R' as const }, { in: 6000, mode: 'N' as const }),
  });
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('add' as const),
        to: fc.array(fc.nat(2), { minLength: 1, maxLength: 5 }),
        handling,
      }),
    },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('take' as const), pick }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('finish' as const), pick, kinds }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('putOff' as const), pick, ms: fc.nat(9000) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('requeue' as const), pick }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('split' as const), pick, from: fc.nat(4) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(6000) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constantFrom('hold' as const, 'release' as const, 'remove' as const, 'retry' as const),
        pick,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('apply' as const),
        action: fc.constantFrom(
          'retry' as const,
          'bounce' as const,
          'delete' as const,
          'hold' as const,
          'release' as const,
        ),
        domain: fc.nat(2),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('reroute' as const), domain: fc.nat(2), to: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), crash: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const), notices: fc.nat(2) }) },
  );

  it('no message is lost, none is sent twice without a restart, and nothing is left over', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 80, size: 'max' }),
        fc.constantFrom(1, 4000, 12_000, 1_000_000),
        async (steps, memory) => {
          vi.setSystemTime(1_700_000_000_000);
          const world = new World({ memory, expire: 1e12 });
          /** `message/recipient` to the generations it was delivered in. */
          const delivered = new Map<string, number[]>();
          /** Those that need not be delivered: refused, bounced, or of a message with a time limit. */
          const ended = new Set<string>();
          const removed = new Set<number>();
          const added = new Map<number, readonly string[]>();
          const finish = (job: DeliveryJob, how: readonly OutcomeKind[]) => {
            job.recipients.forEach((recipientIndex, i) => {
              const key = `${job.message.id}/${recipientIndex}`;
              const kind = how[i % how.length];
              if (kind === 'failed') ended.add(key);
              if (kind !== 'delivered') return;
              const generations = delivered.get(key) ?? [];
              expect(generations).not.toContain(world.generation);
              delivered.set(key, [...generations, world.generation]);
            });
            world.finish(job, how);
          };
          for (const one of steps) {
            const job = 'pick' in one ? world.inHand[one.pick % Math.max(1, world.inHand.length)] : undefined;
            const id = 'pick' in one && added.size > 0 ? 1 + (one.pick % added.size) : 0;
            if (one.do === 'add') {
              const { lane, tenant, hold, by } = one.handling;
              const now = world.clock.now();
              const to = one.to.map((n, i) => `r${i}@d${n}.net`);
              const message = await world.add(to, {
                handling: {
                  ...PLAIN_HANDLING,
                  lane,
                  tenant,
                  holdUntil: hold === 0 ? 0 : now + hold,
                  deliverBy: by && { at: now + by.in, mode: by.mode, trace: false },
                },
              });
              added.set(message, to);
              if (by?.mode === 'R') for (const i of to.keys()) ended.add(`${message}/${i}`);
            } else if (one.do === 'take') {
              const taken = world.take(one.pick);
              const until = taken?.message.envelope.handling.holdUntil ?? 0;
              // Only an operator makes it go before its time.
              if (until > world.clock.now()) expect(steps.some((each) => each.do === 'retry')).toBe(true);
            } else if (one.do === 'finish' && job !== undefined) finish(job, one.kinds);
            else if (one.do === 'putOff' && job !== undefined) world.putOff(job, world.clock.now() + one.ms);
            else if (one.do === 'requeue' && job !== undefined) {
              world.inHand.splice(world.inHand.indexOf(job), 1);
              world.scheduler.requeue(job);
            } else if (one.do === 'split' && job !== undefined && job.recipients.length > 1)
              world.scheduler.splitOff(job, job.recipients.slice(1 + (one.from % (job.recipients.length - 1))));
            else if (one.do === 'wait') await world.turn(one.ms);
            else if (one.do === 'restart') await world.restart(one.crash);
            else if (one.do === 'fail') world.failNotices = one.notices;
            else if (one.do === 'remove') {
              if ((await world.commands.remove(formatQueueId(id))) > 0) removed.add(id);
            } else if (one.do === 'hold' || one.do === 'release' || one.do === 'retry')
              await world.commands[one.do](formatQueueId(id));
            else if (one.do === 'apply') {
              const domain = `@d${one.domain}.net`;
              if (one.action === 'bounce' || one.action === 'delete')
                for (const [message, to] of added)
                  to.forEach((address, i) => {
                    if (address.endsWith(domain)) ended.add(`${message}/${i}`);
                  });
              await world.until(
                world.commands.apply(({ recipients }, i) => recipients[i]!.address.endsWith(domain), one.action),
              );
            } else if (one.do === 'reroute') {
              world.routes.set(`d${one.domain}.net`, `d${one.to}.net`);
              world.scheduler.resplit(({ destination }) => destination === `d${one.domain}.net`);
            }
            expect(world.scheduler.memoryInUse >= 0).toBe(true);
            expect(world.scheduler.laneCounts()).toEqual(world.spool.lanes());
          }
          // Everything that is left is let go and delivered.
          world.failNotices = 0;
          for (let round = 0; round < 500 && (world.spool.size > 0 || world.inHand.length > 0); round++) {
            for (const id of added.keys()) await world.commands.release(formatQueueId(id));
            while (world.take() !== undefined);
            for (const job of [...world.inHand]) finish(job, ['delivered']);
            await world.turn(1000);
          }
          expect([world.spool.size, world.scheduler.active.size, world.scheduler.memoryInUse]).toEqual([0, 0, 0]);
          expect([world.waitingJobs, world.scheduler.laneCounts()]).toEqual([
            0,
            { immediate: 0, bulk: 0, deferred: 0 },
          ]);
          for (const [id, recipients] of added)
            for (let i = 0; i < recipients.length && !removed.has(id); i++)
              expect([id, i, delivered.has(`${id}/${i}`) || ended.has(`${id}/${i}`)]).toEqual([id, i, true]);
          world.scheduler.stop();
        },
      ),
      { numRuns: 200 },
    );
  });
});
