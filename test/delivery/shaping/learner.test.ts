/**
 * What is learnt of a site, in small simulations: a site with a capacity that the learner does not know, a sender with
 * more mail than it takes, time in steps.
 */
import { describe, expect, it } from 'vitest';
import { Learner, type Lesson } from '../../../src/delivery/shaping/learner.js';
import { START } from './shaping-world.js';

const STEP = 50;
const HOLD = 20_000;

function learner() {
  const lessons: Lesson[] = [];
  return { lessons, learner: new Learner(true, (lesson) => lessons.push(lesson)) };
}

/** A sender that would like to have `wanted` connections, at a site that takes `capacityAt(time)` of them. */
function simulateConnections(seconds: number, wanted: number, capacityAt: (ms: number) => number) {
  const { learner: subject, lessons } = learner();
  const opened: number[] = [];
  for (let ms = 0; ms < seconds * 1000; ms += STEP) {
    const now = START + ms;
    const open = Math.min(wanted, subject.connectionLimit(now));
    opened.push(open);
    const taken = Math.min(open, capacityAt(ms));
    if (open > taken) subject.crowded(open, '421 too many connections', now, HOLD);
    for (let i = 0; i < taken; i++) subject.succeeded(100, open, now);
  }
  const average = (from: number, to: number): number => {
    const part = opened.slice((from * 1000) / STEP, (to * 1000) / STEP);
    return part.reduce((sum, open) => sum + open, 0) / part.length;
  };
  return { subject, lessons, opened, average };
}

/** A sender with any number of messages, at a site that takes `capacityAt(time)` a second and refuses the others. */
function simulateRate(seconds: number, capacityAt: (ms: number) => number) {
  const { learner: subject, lessons } = learner();
  const sent: number[] = [];
  let refused = 0;
  let credit = 0;
  for (let ms = 0; ms < seconds * 1000; ms += STEP) {
    const now = START + ms;
    credit = Math.min(Math.max(1, capacityAt(ms)), credit + (capacityAt(ms) * STEP) / 1000);
    let count = 0;
    // The wire carries 1000 a second.
    while (count < STEP && subject.blocks('site', now) === null) {
      subject.book(now, 1);
      count++;
      if (credit >= 1) {
        credit--;
        subject.succeeded(100, 1, now);
      } else {
        refused++;
        subject.throttled('450 slow down', now, HOLD);
      }
    }
    sent.push(count);
  }
  const perSecond = (from: number, to: number): number => {
    const part = sent.slice((from * 1000) / STEP, (to * 1000) / STEP);
    return part.reduce((sum, count) => sum + count, 0) / (to - from);
  };
  return { subject, lessons, perSecond, refused };
}

describe('connections', () => {
  it('are not limited before there is a sign', () => {
    const { subject, lessons } = simulateConnections(60, 100, () => 100);
    expect(subject.connectionLimit(START + 60_000)).toBe(Number.POSITIVE_INFINITY);
    expect(lessons).toEqual([]);
  });

  it.each([1, 2, 5, 10, 30])('come near a capacity of %i and stay there', (capacity) => {
    const { average, opened } = simulateConnections(1800, 40, () => capacity);
    expect(average(300, 1800)).toBeLessThanOrEqual(capacity * 1.1 + 0.5);
    expect(average(300, 1800)).toBeGreaterThanOrEqual(capacity * 0.7);
    expect(Math.min(...opened)).toBeGreaterThanOrEqual(1);
  });

  it('recover when the site does, and the limit is forgotten', () => {
    const { subject, average, lessons, opened } = simulateConnections(1800, 40, (ms) => (ms < 600_000 ? 4 : 40));
    expect(average(300, 600)).toBeLessThan(6);
    expect(opened.at(-1)).toBe(40);
    expect(subject.isSet).toBe(false);
    expect(lessons.at(-1)).toMatchObject({ what: 'connections', limit: Number.POSITIVE_INFINITY });
  });

  it('are never fewer than one, whatever the site says', () => {
    const { subject } = simulateConnections(600, 40, () => 0);
    expect(subject.connectionLimit(START + 600_000)).toBe(1);
  });

  it('take signs that come together for one', () => {
    const { learner: subject, lessons } = learner();
    for (let i = 0; i < 40; i++) subject.crowded(40, '421', START + i, HOLD);
    expect(lessons).toHaveLength(1);
    expect(subject.connectionLimit(START + 100)).toBe(28);
  });

  it('do not grow while a rule says so', () => {
    const { learner: subject } = learner();
    subject.crowded(30, '421', START, 600_000);
    expect(subject.connectionLimit(START + 609_000)).toBe(21);
    expect(subject.connectionLimit(START + 621_000)).toBe(23);
  });

  it('explain themselves', () => {
    const { learner: subject } = learner();
    subject.crowded(10, '421 too many', START, 0);
    expect(subject.blocksConnection('site x', 7, START)).toMatchObject({
      kind: 'throttled',
      reason: 'site x: 7 connections, as learnt (421 too many)',
    });
    expect(subject.blocksConnection('site x', 6, START)).toBeNull();
    expect(subject.describe(START)).toEqual({ connections: 7, why: '421 too many' });
  });
});

describe('latency', () => {
  function run(latencyOf: (open: number, ms: number) => number, seconds = 900) {
    const { learner: subject, lessons } = learner();
    let open = 0;
    for (let ms = 0; ms < seconds * 1000; ms += STEP) {
      const now = START + ms;
      // Connections come one by one.
      open = Math.min(open + 1, 40, subject.connectionLimit(now));
      for (let i = 0; i < open; i++) subject.succeeded(latencyOf(open, ms) + i, open, now);
    }
    return { subject, lessons, open };
  }

  it('that grows with the connections makes fewer of them', () => {
    // Ten at once are served in 100 ms each; each more waits for its turn.
    const { open, lessons } = run((count) => (count <= 10 ? 100 : 100 + (count - 10) * 100));
    expect(open).toBeLessThan(20);
    expect(open).toBeGreaterThanOrEqual(10);
    expect(lessons[0]!.reason).toMatch(/transactions take \d+ ms, 100 ms at their best/);
  });

  it('that varies with the mail and not with the connections is no sign', () => {
    let turn = 0;
    const { lessons } = run(() => (turn++ % 8 === 0 ? 100 : 5000));
    expect(lessons).toEqual([]);
  });

  it('that is longer for good is taken for what it is after a while', () => {
    const { lessons, open } = run((_open, ms) => (ms < 60_000 ? 20 : 500), 3600);
    expect(lessons[0]).toMatchObject({ what: 'connections' });
    expect(open).toBe(40);
  });
});

describe('the rate of messages', () => {
  it('is not limited before there is a sign', () => {
    const { subject, perSecond } = simulateRate(30, () => 2000);
    expect(subject.messageRate(START + 30_000)).toBe(Number.POSITIVE_INFINITY);
    expect(perSecond(10, 30)).toBe(1000);
  });

  it.each([0.5, 3, 20, 200])('comes near a capacity of %d a second and stays there', (capacity) => {
    const { perSecond, refused } = simulateRate(3600, () => capacity);
    expect(perSecond(600, 3600)).toBeLessThanOrEqual(capacity * 1.1);
    expect(perSecond(600, 3600)).toBeGreaterThanOrEqual(capacity * 0.6);
    // Of all that was sent.
    expect(refused / (capacity * 3600)).toBeLessThan(0.1);
  });

  it('recovers when the site does', () => {
    const { subject, perSecond } = simulateRate(3600, (ms) => (ms < 600_000 ? 10 : 2000));
    expect(perSecond(300, 600)).toBeLessThan(13);
    expect(perSecond(3000, 3600)).toBe(1000);
    expect(subject.isSet).toBe(false);
  });

  it('is never less than one a minute', () => {
    const { subject } = simulateRate(3600, () => 0);
    expect(subject.messageRate(START + 3_600_000)).toBeGreaterThanOrEqual(1 / 60_000);
  });

  it('explains itself, and gives back what did not go', () => {
    const { learner: subject } = learner();
    for (let i = 0; i < 20; i++) subject.succeeded(1, 1, START + i * 50);
    subject.throttled('450 slow down', START + 1000, HOLD);
    const words: string[] = [];
    let booked = 0;
    for (; words.length === 0; booked++) {
      const wait = subject.blocks('site x', START + 1000);
      if (wait !== null) words.push(wait.reason);
      else subject.book(START + 1000, 1);
    }
    expect(booked).toBeLessThan(5);
    expect(words[0]).toBe('site x: 14 messages a second, as learnt (450 slow down)');
    subject.book(START + 1000, -1);
    expect(subject.blocks('site x', START + 1000)).toBeNull();
  });
});
