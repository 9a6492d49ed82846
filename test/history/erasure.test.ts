/** What is erased leaves no byte; what is past its time goes; what is asked is found. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { erase, erasing, forgetting } from '../../src/history/erasure.js';
import type { KeptEvent } from '../../src/history/kept-event.js';
import { Retention } from '../../src/history/retention.js';
import { accepted, DAY, failingFiles, HistoryWorld, idAt, NOON, outcome } from './history-world.js';

const ANN = 'ann@b.example';
let world: HistoryWorld;
beforeEach(() => {
  world = new HistoryWorld();
});
afterEach(() => world.close());

const eraseAnn = (address = ANN, tenant = '') =>
  erase(world.files, world.history, { address, tenant }, () => undefined);

describe('erasing an address', () => {
  it('leaves no byte of it in any file, wherever it stood', async () => {
    const history = await world.open();
    const [one, two, three, four] = [0, 1, 2, 3].map((n) => idAt(NOON, n)) as [string, string, string, string];
    history.record(accepted(one, NOON, { recipients: ['Ann@B.example', 'bob@b.example'] }));
    history.record(outcome(one, NOON + 1, { recipient: 'Ann@B.example' }));
    history.record(outcome(one, NOON + 1, { recipient: 'bob@b.example', reply: '250 also for <ANN@b.example>.' }));
    history.closeBlock();
    history.record(accepted(two, NOON + 2, { sender: ANN, recipients: ['bob@b.example'] }));
    await history.endAll();
    history.record(accepted(three, NOON + 3, { recipients: ['joann@b.example'], account: ANN }));
    history.record(accepted(four, NOON + 4, { recipients: ['ann@b.example.org'] }));
    await world.reopen();
    expect(world.everything().toLowerCase()).toMatch(/[^o]ann@b\.example[^.]/);
    expect(await eraseAnn()).toBe(5);
    const left = world.everything().toLowerCase().replaceAll('joann@b.example', '').replaceAll('ann@b.example.org', '');
    expect(left).not.toContain('ann@b.example');
    expect((await world.desk.message(one))?.recipients.map(({ address }) => address)).toEqual(['bob@b.example']);
    expect((await world.desk.message(one))?.recipients[0]?.reply).toBe('250 also for <[erased]>.');
    expect(await world.desk.message(two)).toBeNull();
    expect((await world.desk.message(three))?.timeline[0]).toMatchObject({ account: '[erased]' });
    expect(await world.ids({ recipient: 'ann@b.example.org' })).toEqual([four]);
    expect(world.names().filter((name) => name.endsWith('.new'))).toEqual([]);
    expect(await eraseAnn()).toBe(0);
    await world.reopen();
    expect(await world.ids({ sender: 'shop@a.example' })).toHaveLength(3);
  });

  it('leaves none over any events, blocks and segments', async () => {
    const address = fc.constantFrom(ANN, 'ANN@B.EXAMPLE', 'joann@b.example', 'bob@b.example', 'änn@bücher.example');
    const event = fc.record({ n: fc.nat(20), sender: address, recipient: address, told: address, end: fc.nat(9) });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 40 }), async (events) => {
        const own = new HistoryWorld();
        await own.open();
        try {
          for (const { n, sender, recipient, told, end } of events) {
            const id = idAt(NOON, n);
            own.history.record(accepted(id, NOON, { sender, recipients: [recipient, told] }));
            own.history.record(outcome(id, NOON, { sender, recipient, reply: `250 <${told}> ok` }));
            if (end === 0) await own.history.endAll();
            else if (end < 4) own.history.closeBlock();
          }
          for (const gone of [ANN, 'änn@bücher.example'])
            await erase(own.files, own.history, { address: gone, tenant: '' }, () => undefined);
          const left = Buffer.from(own.everything(), 'latin1').toString('utf8').toLowerCase();
          expect(left.replaceAll('joann@b.example', '')).not.toMatch(/ann@b\.example|änn@b/);
          expect(await own.ids({})).toHaveLength(new Set(events.filter(remains).map(({ n }) => n)).size);
        } finally {
          await own.close();
        }
      }),
      { numRuns: 15 },
    );
  });

  it('of a tenant leaves that of others', async () => {
    const history = await world.open();
    history.record(accepted(idAt(NOON, 0), NOON, { tenant: 'a' }));
    history.record(accepted(idAt(NOON, 1), NOON, { tenant: 'b' }));
    expect(await eraseAnn(ANN, 'a')).toBe(1);
    expect(await world.ids({ recipient: ANN })).toEqual([idAt(NOON, 1)]);
  });

  it('forgets what is still told of mail from before, and keeps what is new', () => {
    const change = forgetting({ address: ANN, tenant: '' }, NOON);
    expect(change(outcome(idAt(NOON - 1000), NOON + 5))).toBeNull();
    const later = outcome(idAt(NOON + 1000), NOON + 5);
    expect(change(later)).toBe(later);
    const other = outcome(idAt(NOON - 1000), NOON + 5, { recipient: 'bob@b.example' });
    expect(change(other)).toBe(other);
  });

  it('finds it as a word only', () => {
    const { apply } = erasing({ address: ANN, tenant: '' });
    const text = (reply: string): string =>
      (apply(outcome(idAt(NOON), NOON, { recipient: 'x@y.example', reply })) as KeptEvent & { reply: string }).reply;
    for (const kept of [
      'joann@b.example',
      'x.ann@b.example',
      'ann@b.example.org',
      'ann@b.example-x',
      '+ann@b.examples',
    ])
      expect(text(kept)).toBe(kept);
    for (const gone of [
      'ann@b.example',
      '<Ann@b.example>',
      'to ann@b.example.',
      'rcpt:ann@b.example, no',
      '"ann@b.example"',
    ])
      expect(text(gone)).toContain('[erased]');
  });

  it('that the disk stops halfway leaves all as it was, and can be done again', async () => {
    for (const broken of ['write', 'sync', 'rename', 'open']) {
      let on = false;
      const own = new HistoryWorld();
      own.files = failingFiles((action, path) => on && action === broken && path.endsWith('.new'));
      await own.open();
      own.history.record(accepted(idAt(NOON), NOON));
      own.history.record(accepted(idAt(NOON, 1), NOON, { recipients: ['bob@b.example'] }));
      await own.history.endAll();
      on = true;
      const run = () => erase(own.files, own.history, { address: ANN, tenant: '' }, () => undefined);
      await expect(run()).rejects.toThrow('ENOSPC');
      expect(await own.ids({ sender: 'shop@a.example' })).toHaveLength(2);
      on = false;
      expect(await run()).toBe(1);
      expect(own.everything()).not.toContain(ANN);
      await own.reopen();
      expect(await own.ids({ sender: 'shop@a.example' })).toHaveLength(1);
      await own.close();
    }
  });
});

/** Something of the message stays: it is neither from an erased address nor to such ones only. */
function remains({ sender, recipient, told }: { sender: string; recipient: string; told: string }): boolean {
  const gone = (who: string): boolean => /^ann@b|^änn/i.test(who);
  return !gone(sender) && !(gone(recipient) && gone(told));
}

describe('retention', () => {
  const ages = {
    usual: 7 * DAY,
    tenants: new Map([
      ['short', DAY],
      ['long', 30 * DAY],
    ]),
  };

  it('takes out what is past the time of its tenant, and whole segments past all', async () => {
    const history = await world.open();
    world.age = 365 * DAY;
    for (const [n, tenant] of ['short', '', 'long'].entries())
      history.record(accepted(idAt(NOON, n), NOON, { tenant }));
    await history.endAll();
    const retention = new Retention(world.files, history);
    const left = async (days: number): Promise<number> => {
      await retention.sweep(ages, NOON + days * DAY);
      return (await world.ids({ sender: 'shop@a.example' })).length;
    };
    expect(await left(0.5)).toBe(3);
    expect(await left(1.5)).toBe(2);
    expect(await left(6)).toBe(2);
    expect(await left(8)).toBe(1);
    expect(await left(29)).toBe(1);
    expect(await left(31)).toBe(0);
    expect(world.names()).toEqual(['journal']);
  });

  it('ends what grows too slowly to be full in time', async () => {
    const history = await world.open();
    history.record(accepted(idAt(NOON), NOON));
    const retention = new Retention(world.files, history);
    await retention.sweep(ages, NOON + DAY / 10);
    expect(history.segments.full).toHaveLength(0);
    await retention.sweep(ages, NOON + DAY / 5);
    expect(history.segments.full).toHaveLength(1);
    await retention.sweep({ usual: DAY, tenants: new Map() }, NOON + 2 * DAY);
    expect(world.everything()).not.toContain(ANN);
  });

  it('hides at once what is past its time', async () => {
    const history = await world.open();
    history.record(accepted(idAt(NOON), NOON));
    world.now = NOON + 8 * DAY;
    expect(await world.ids({ recipient: ANN })).toEqual([]);
    expect(await world.desk.message(idAt(NOON))).toBeNull();
  });
});
