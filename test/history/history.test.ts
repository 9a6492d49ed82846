/** The store: what is told is kept, over restarts, torn ends and failing disks. */
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { eventOf, type KeptEvent, recordOf } from '../../src/history/kept-event.js';
import { filterOf, keyHash, mayHave } from '../../src/history/key-filter.js';
import { accepted, complained, failingFiles, HistoryWorld, idAt, NOON, outcome } from './history-world.js';

let world: HistoryWorld;
beforeEach(() => {
  world = new HistoryWorld();
});
afterEach(async () => {
  vi.useRealTimers();
  await world.close();
});

const text = fc.string({ unit: 'grapheme', maxLength: 20 });

describe('records', () => {
  it('are their events again', () => {
    const facts = { id: text, at: fc.nat(), sender: text, tenant: text, tags: fc.array(text), lane: text };
    const attempt = fc.option(fc.record({ host: text, address: text, tls: text, ms: fc.nat() }), { nil: null });
    const kept = fc.oneof(
      fc.record({
        ...{ kind: fc.constant('accepted' as const), ...facts, recipients: fc.array(text), size: fc.nat() },
        ...{ account: text, client: text, protocol: text, tls: text, signed: fc.array(text) },
      }),
      fc.record({
        kind: fc.constantFrom('delivered' as const, 'deferred', 'bounced', 'expired', 'dropped'),
        ...{ ...facts, recipient: text, reply: text, dsn: text, category: text, attempts: fc.nat() },
        ...{ delay: fc.nat(), due: fc.nat(), attempt },
      }),
      fc.record({
        kind: fc.constantFrom('complained' as const, 'returned'),
        ...{ id: text, at: fc.nat(), recipient: text, tenant: text, reply: text, category: text },
        verified: fc.boolean(),
      }),
    ) as fc.Arbitrary<KeptEvent>;
    fc.assert(
      fc.property(kept, (event) => {
        expect(eventOf(recordOf(event))).toEqual(event);
      }),
    );
  });
});

describe('filters', () => {
  it('never miss a key, in whatever case it is asked for', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 300 }), (keys) => {
        const filter = filterOf(new Set(keys.map((key) => keyHash('recipient', key))));
        for (const key of keys) {
          expect(mayHave(filter, keyHash('recipient', key))).toBe(true);
          expect(mayHave(filter, keyHash('recipient', key.toLowerCase()))).toBe(true);
        }
      }),
    );
    expect(keyHash('recipient', 'ANN@B.EXAMPLE')).toBe(keyHash('recipient', 'ann@b.example'));
    expect(keyHash('recipient', 'ÄNN@b.example')).toBe(keyHash('recipient', 'änn@b.example'));
    expect(keyHash('sender', 'ann@b.example')).not.toBe(keyHash('recipient', 'ann@b.example'));
  });

  it('take few others for their own', () => {
    const filter = filterOf(new Set(Array.from({ length: 600 }, (_, n) => keyHash('id', `id${n}`))));
    let wrong = 0;
    for (let n = 0; n < 20_000; n++) if (mayHave(filter, keyHash('id', `other${n}`))) wrong++;
    expect(wrong).toBeLessThan(20_000 * 0.01);
  });
});

describe('a history', () => {
  const id = idAt(NOON);

  it('keeps what it was told, in memory, in the journal and in segments', async () => {
    const history = await world.open();
    for (let n = 0; n < 1300; n++) history.record(accepted(idAt(NOON, n), NOON + n));
    history.record({ kind: 'suspended', at: NOON } as never);
    expect(await world.ids({ recipient: 'ann@b.example', limit: 200 })).toHaveLength(1300);
    await world.reopen();
    expect(world.names()).toEqual(['00000000000001.blocks', 'journal']);
    const ids = await world.ids({ recipient: 'ANN@b.example', limit: 7 });
    expect(new Set(ids).size).toBe(1300);
    expect(ids[0]).toBe(idAt(NOON, 1299));
    expect(ids.at(-1)).toBe(idAt(NOON, 0));
    expect(world.history.counts()).toMatchObject({ recorded: 0, lost: 0 });
  });

  it('writes what gathers into the journal within a second', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const history = await world.open();
    history.record(accepted(id, NOON));
    expect(readFileSync(join(world.folder, 'journal'))).toHaveLength(0);
    vi.advanceTimersByTime(1000);
    await world.settled();
    const bytes = readFileSync(join(world.folder, 'journal'));
    expect(bytes.length).toBeGreaterThan(0);
    history.record(outcome(id, NOON + 5));
    vi.advanceTimersByTime(1000);
    await world.settled();
    // As a process that is killed leaves it.
    const other = new HistoryWorld();
    await other.open();
    await other.history.close();
    writeFileSync(join(other.folder, 'journal'), readFileSync(join(world.folder, 'journal')));
    await other.open();
    expect((await other.desk.message(id))?.timeline.map(({ kind }) => kind)).toEqual(['accepted', 'delivered']);
    await other.close();
  });

  it('does not take what the journal has of a block that is written', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const history = await world.open();
    history.record(accepted(id, NOON));
    vi.advanceTimersByTime(1000);
    for (let n = 1; n < 512; n++) history.record(outcome(idAt(NOON, n), NOON + n));
    await world.settled();
    await world.reopen();
    expect((await world.desk.message(id))?.timeline).toHaveLength(1);
  });

  it('cuts off a torn end at every byte, and loses nothing before it', async () => {
    const history = await world.open();
    for (let n = 0; n < 3; n++) {
      history.record(accepted(idAt(NOON, n), NOON + n));
      history.closeBlock();
    }
    await history.close();
    const path = join(world.folder, '00000000000001.blocks');
    const bytes = readFileSync(path);
    const ends = [0];
    await world.open();
    for (const { offset } of world.history.segments.growing!.entries.slice(1)) ends.push(offset);
    ends.push(bytes.length);
    for (let length = 0; length <= bytes.length; length++) {
      await world.history.close();
      writeFileSync(path, bytes.subarray(0, length));
      await world.open();
      const whole = ends.filter((end) => end > 0 && end <= length).length;
      expect(world.history.segments.growing!.entries).toHaveLength(whole);
      expect(world.history.segments.cut).toBe(length - ends[whole]!);
    }
    world.history.record(accepted(idAt(NOON, 9), NOON + 9));
    world.history.closeBlock();
    await world.reopen();
    expect(await world.ids({ sender: 'shop@a.example' })).toHaveLength(4);
  });

  it('cuts a torn journal off at every byte', async () => {
    const history = await world.open();
    history.record(accepted(id, NOON));
    await history.close();
    const path = join(world.folder, 'journal');
    const bytes = readFileSync(path);
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(path, bytes.subarray(0, length));
      await world.open();
      expect(world.history.snapshot().recent.flatMap(({ events }) => events)).toEqual([]);
      expect(readFileSync(path)).toHaveLength(0);
      await world.history.close();
    }
    writeFileSync(path, Buffer.concat([bytes, Buffer.from('torn')]));
    await world.open();
    expect(await world.ids({ recipient: 'ann@b.example' })).toEqual([id]);
  });

  it('passes over a block that is damaged in the middle', async () => {
    world.size = 1;
    const history = await world.open();
    for (let n = 0; n < 3; n++) {
      history.record(accepted(idAt(NOON, n), NOON + n));
      history.closeBlock();
    }
    await history.alone(() => history.segments.seal());
    const path = world.history.segments.full[0]!.path;
    const bytes = readFileSync(path);
    bytes[bytes.indexOf('SHB1', 10) + 100]! ^= 0xff;
    writeFileSync(path, bytes);
    expect(await world.ids({ recipient: 'ann@b.example' })).toHaveLength(2);
    expect(world.desk.damaged).toBeGreaterThan(0);
  });

  it('goes by size, the oldest first', async () => {
    world.size = 1024 * 1024;
    const history = await world.open();
    const random = (n: number): string =>
      Buffer.from(Array.from({ length: 60 }, (_, i) => (n * 7919 + i * i * 31) % 251)).toString('hex');
    for (let n = 0; n < 60_000; n++) {
      history.record(outcome(idAt(NOON, n), NOON + n, { reply: random(n) }));
      if (n % 512 === 0) await world.settled();
    }
    await world.settled();
    expect(history.counts().lost).toBe(0);
    expect(history.counts().bytes).toBeLessThan(1024 * 1024 + 128 * 1024);
    expect(history.segments.full.length).toBeGreaterThan(5);
    expect(await world.desk.message(idAt(NOON, 0))).toBeNull();
    expect(await world.desk.message(idAt(NOON, 59_999))).not.toBeNull();
    await world.reopen();
    expect(await world.desk.message(idAt(NOON, 59_000))).not.toBeNull();
  });

  it('loses what a full disk does not take, tells it once, and goes on when there is room', async () => {
    let full = false;
    world.files = failingFiles((action) => full && (action === 'write' || action === 'sync'));
    const history = await world.open();
    const block = (at: number): void => {
      history.record(accepted(idAt(at), at));
      history.closeBlock();
    };
    block(NOON);
    await world.settled();
    full = true;
    block(NOON + 1);
    block(NOON + 2);
    await world.settled();
    expect(world.told).toHaveLength(1);
    expect(history.counts()).toMatchObject({ recorded: 3, lost: 2 });
    full = false;
    block(NOON + 3);
    await world.settled();
    full = true;
    block(NOON + 4);
    await world.settled();
    expect(world.told).toHaveLength(2);
    full = false;
    await world.reopen();
    expect(await world.ids({ recipient: 'ann@b.example' })).toEqual([idAt(NOON + 3), idAt(NOON)]);
  });

  it('is as if it had never been where a file cannot be read', async () => {
    let broken = false;
    world.files = failingFiles((action) => broken && (action === 'read' || action === 'open'));
    const history = await world.open();
    history.record(accepted(id, NOON));
    await history.endAll();
    broken = true;
    expect(await world.desk.message(id)).toBeNull();
    broken = false;
    expect(await world.desk.message(id)).not.toBeNull();
  });

  it('drops blocks rather than memory when the disk hangs', async () => {
    let go = (): void => {};
    const hangs = new Promise<void>((resolve) => {
      go = resolve;
    });
    const history = await world.open();
    void history.alone(() => hangs);
    for (let n = 0; n < 512 * 40; n++) history.record(outcome(idAt(NOON, n), NOON));
    expect(history.counts().lost).toBe(512 * 8);
    go();
    await world.settled();
    expect(world.told).toEqual(['the disk is slower than mail']);
  });

  it('shows what came back about a message', async () => {
    const history = await world.open();
    history.record(accepted(id, NOON));
    history.record(outcome(id, NOON + 1));
    await history.endAll();
    history.record(complained(id, NOON + 2, 'ann@b.example'));
    const message = await world.desk.message(id);
    expect(message?.recipients).toMatchObject([{ status: 'complained', category: 'abuse' }]);
    expect(message?.timeline).toHaveLength(3);
  });

  it('refuses a folder whose files cannot be read', async () => {
    await world.open();
    world.history.record(accepted(id, NOON));
    await world.history.endAll();
    await world.history.close();
    world.files = failingFiles((action) => action === 'read');
    await expect(world.open()).rejects.toThrow('cannot be read');
    world.files = failingFiles(() => false);
    truncateSync(join(world.folder, 'journal'));
    appendFileSync(join(world.folder, 'journal'), 'x');
    await world.open();
  });
});
