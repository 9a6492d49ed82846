/** Rules that change while running, and counts that outlast a restart. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { host, job, rule, ShapingWorld, START, verdict } from './shaping-world.js';

const MX = host('mx.example.test');
const HOUR = 3_600_000;
const perHour = (most: number) => ({ site: '*', rates: [{ counted: 'messages', span: 'hour', most }] as const });

function world(...rules: Parameters<typeof rule>[0][]) {
  const run = new ShapingWorld(rules);
  return { run, control: run.control('mx/example.test', 'mx.example.test') };
}

describe('rules that change', () => {
  it('keep what was counted', () => {
    const { run, control } = world(perHour(5));
    for (let i = 0; i < 5; i++) expect(control.admitJob(job(), '', run.now)).toBeNull();
    run.shaping.configure([rule(perHour(7))], 0.1);
    expect([1, 2, 3].map(() => control.admitJob(job(), '', run.now)?.reason)).toEqual([
      undefined,
      undefined,
      'site mx.example.test: 7 messages an hour',
    ]);
    run.shaping.configure([rule(perHour(3))], 0.1);
    expect(control.admitJob(job(), '', run.now)?.reason).toBe('site mx.example.test: 3 messages an hour');
    run.shaping.configure([], 0.1);
    expect(control.admitJob(job(), '', run.now)).toBeNull();
  });

  it('count the connections that are there', () => {
    const { run, control } = world();
    for (const source of ['a', 'a', 'b']) control.admitConnection(MX, source, run.now);
    run.shaping.configure([rule({ site: '*', source: '*', connections: 3 })], 0.1);
    expect([1, 2].map(() => control.admitConnection(MX, 'a', run.now) === null)).toEqual([true, false]);
    for (let i = 0; i < 3; i++) control.closed(MX, 'a', run.now);
    expect([1, 2, 3, 4].map(() => control.admitConnection(MX, 'a', run.now) === null)).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  it('say anew what holds for a site as a whole, and what is learnt', () => {
    const { run, control } = world();
    for (let i = 0; i < 10; i++) control.admitConnection(MX, '', run.now);
    const crowded = () => control.finished(job(), MX, '', [verdict('421 too many connections')], 10, run.now);
    crowded();
    expect(control.connectionLimit(run.now)).toBe(7);
    run.shaping.configure(
      [rule({ site: '*', adaptive: false, messagesPerConnection: 5, recipientsPerMessage: 6 })],
      0.1,
    );
    expect(control.admitJob(job(), '', run.now)).toBeNull();
    expect([control.maxMessages, control.maxRecipients]).toEqual([5, 6]);
    expect(control.connectionLimit(run.now)).toBe(Number.POSITIVE_INFINITY);
    crowded();
    expect(run.lessons).toHaveLength(1);
  });
});

describe('a restart', () => {
  it('leaves no window of an hour in which more goes than the limit', () => {
    const step = fc.record({ pause: fc.integer({ min: 0, max: HOUR / 4 }), restart: fc.integer({ min: 0, max: 5 }) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 80 }), (steps) => {
        let at = world(perHour(4));
        const sent: number[] = [];
        let now = START;
        for (const { pause, restart } of steps) {
          now += pause;
          if (restart === 0) {
            at.run.now = now;
            const kept: unknown = JSON.parse(JSON.stringify(at.run.shaping.scopes.kept()));
            at = world(perHour(4));
            at.run.shaping.scopes.restore(kept);
          }
          at.run.now = now;
          for (let i = 0; i < 3; i++) if (at.control.admitJob(job(), '', now) === null) sent.push(now);
        }
        for (const end of sent)
          expect(sent.filter((other) => other > end - HOUR && other <= end).length).toBeLessThanOrEqual(4);
      }),
    );
  });

  it('keeps what nobody has asked for yet over another restart', () => {
    const first = world(perHour(1));
    first.control.admitJob(job(), '', START);
    const second = new ShapingWorld([perHour(1)]);
    second.shaping.scopes.restore(first.run.shaping.scopes.kept());
    const third = world(perHour(1));
    third.run.shaping.scopes.restore(second.shaping.scopes.kept());
    expect(third.control.admitJob(job(), '', START)?.reason).toBe('site mx.example.test: 1 message an hour');
  });

  it('writes only what lasts an hour or longer, and only when something was counted', () => {
    const { run, control } = world({ site: '*', rates: [{ counted: 'messages', span: 'minute', most: 9 }] });
    control.admitJob(job(), '', START);
    expect([run.shaping.scopes.changed, run.shaping.scopes.kept()]).toEqual([false, []]);
    run.shaping.configure([rule(perHour(9))], 0.1);
    control.admitJob(job(), '', START);
    expect(run.shaping.scopes.changed).toBe(true);
    expect(run.shaping.scopes.kept()).toHaveLength(1);
    expect(run.shaping.scopes.changed).toBe(false);
  });

  it.each([null, 5, {}, [[]], [['a', 'messages/hour', ['x']]], [['a', 'messages/hour', [-1, 2]]], [[1, 2, 3]]])(
    'takes nothing from what is malformed: %j',
    (kept) => {
      const { run, control } = world(perHour(1));
      run.shaping.scopes.restore(kept);
      expect(run.shaping.scopes.kept()).toEqual([]);
      expect(control.admitJob(job(), '', START)).toBeNull();
    },
  );
});
