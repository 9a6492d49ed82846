/** Look-ups against a plain list of all events. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeptEvent } from '../../src/history/kept-event.js';
import { recipientsOf } from '../../src/history/kept-event.js';
import { accepted, complained, HistoryWorld, idAt, NOON, outcome } from './history-world.js';

const ANN = 'ann@b.example';
const addresses = [ANN, 'bob@b.example', 'cy@c.example'];
const senders = ['shop@a.example', 'news@a.example'];

interface Step {
  readonly message: number;
  readonly recipient: number;
  readonly what: number;
}

/** Some messages with several recipients, of each a few outcomes, in any order of time. */
function eventOf({ message, recipient, what }: Step, at: number): KeptEvent {
  const id = idAt(NOON, message);
  const sender = senders[message % 2]!;
  const tags = message % 3 === 0 ? ['spring'] : [];
  const to = addresses[(message + recipient) % 3]!;
  if (what === 0)
    return accepted(id, at, { sender, tags, recipients: [addresses[message % 3]!, addresses[(message + 1) % 3]!] });
  if (what === 1) return complained(id, at, to);
  if (what === 2) return outcome(id, at, { sender, tags, recipient: to, kind: 'deferred' });
  return outcome(id, at, { sender, tags, recipient: to });
}

describe('look-ups', () => {
  it('find every message once over all pages, with its last states, wherever its events are', async () => {
    const step = fc.record({ message: fc.nat(12), recipient: fc.nat(1), what: fc.nat(3), end: fc.nat(9) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 80 }),
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom(...addresses),
        async (steps, limit, recipient) => {
          const world = new HistoryWorld();
          await world.open();
          try {
            const events: KeptEvent[] = [];
            for (const [n, { end, ...one }] of steps.entries()) {
              events.push(eventOf(one, NOON + n));
              world.history.record(events.at(-1)!);
              if (end === 0) await world.history.endAll();
              else if (end < 4) world.history.closeBlock();
            }
            const to = events.filter((event) => recipientsOf(event).includes(recipient)).map(({ id }) => id);
            const found = await world.ids({ recipient, limit });
            // Where its last event is, the youngest first.
            expect(found).toEqual([...new Set(to.reverse())]);
            const tagged = events.filter((event) => 'tags' in event && event.tags.includes('spring'));
            expect((await world.ids({ tag: 'SPRING', limit })).sort()).toEqual(
              [...new Set(tagged.map(({ id }) => id))].sort(),
            );
            for (const id of new Set(events.map((event) => event.id)))
              expect((await world.desk.message(id))?.timeline).toEqual(events.filter((event) => event.id === id));
          } finally {
            await world.close();
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('go on where they were while mail flows', async () => {
    const world = new HistoryWorld();
    const history = await world.open();
    for (let n = 0; n < 10; n++) history.record(accepted(idAt(NOON, n), NOON + n));
    const query = {
      recipient: ANN,
      sender: '',
      tag: '',
      tenant: '',
      since: 0,
      until: 0,
      status: '' as const,
      limit: 4,
    };
    const first = await world.desk.find({ ...query, after: '' });
    // One of the next page is delivered meanwhile, and others come.
    history.record(outcome(idAt(NOON, 2), NOON + 50));
    history.record(accepted(idAt(NOON, 20), NOON + 51));
    await history.endAll();
    const second = await world.desk.find({ ...query, after: first.next! });
    const third = await world.desk.find({ ...query, after: second.next! });
    const all = [first, second, third].flatMap(({ items }) => items);
    expect(all.map(({ id }) => id)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((n) => idAt(NOON, n)));
    expect(all.find(({ id }) => id === idAt(NOON, 2))?.recipients[0]?.status).toBe('delivered');
    expect(third.next).toBeNull();
    await world.close();
  });

  it('narrow down by time and state', async () => {
    const world = new HistoryWorld();
    const history = await world.open();
    for (let n = 0; n < 4; n++) {
      const at = NOON + n * 1000;
      history.record(accepted(idAt(at), at));
      history.record(outcome(idAt(at), at + 5000, { kind: n % 2 === 0 ? 'bounced' : 'delivered' }));
    }
    const ids = (...places: readonly number[]): string[] => places.map((n) => idAt(NOON + n * 1000));
    expect(await world.ids({ since: NOON + 1000, until: NOON + 2000 })).toEqual(ids(2, 1));
    expect(await world.ids({ since: 1, status: 'bounced' })).toEqual(ids(2, 0));
    expect(await world.ids({ recipient: ANN, status: 'queued' })).toEqual([]);
    await expect(
      world.desk.find({
        ...{ recipient: ANN, sender: '', tag: '', tenant: '' },
        ...{ since: 0, until: 0, status: '', limit: 1, after: 'x y' },
      }),
    ).rejects.toThrow('"after" is not allowed');
    await world.close();
  });

  it('read a bounded number of blocks, say so, and go on', async () => {
    const world = new HistoryWorld();
    const history = await world.open();
    // Each block may have it: none has it.
    for (let n = 0; n < 300; n++) {
      history.record(accepted(idAt(NOON, n), NOON + n, { tags: ['spring'], tenant: 'a' }));
      history.closeBlock();
      if (n % 20 === 0) await world.settled();
    }
    await world.settled();
    const query = { ...{ recipient: '', sender: '', tag: 'spring', tenant: '', since: 0 }, until: 0, limit: 200 };
    const page = await world.desk.find({ ...query, status: 'bounced', after: '' });
    expect(page.items).toEqual([]);
    expect(page.next).not.toBeNull();
    expect(await world.ids({ tag: 'spring', status: 'bounced', limit: 200 })).toEqual([]);
    expect(await world.ids({ tag: 'spring', limit: 200 })).toHaveLength(300);
    await world.close();
  });

  it('are a few at a time', async () => {
    const world = new HistoryWorld();
    await world.open();
    const asked = Array.from({ length: 30 }, () =>
      world.desk.message('ABC').then(
        () => 'ok',
        (error) => error.code,
      ),
    );
    const answers = await Promise.all(asked);
    expect(answers.filter((one) => one === 'ok')).toHaveLength(18);
    expect(answers.filter((one) => one === 'history-busy')).toHaveLength(12);
    expect(await world.desk.message('ABC')).toBeNull();
    await world.close();
  });
});
