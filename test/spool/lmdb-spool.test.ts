import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acquireInstanceLock } from '../../src/net/instance-lock.js';
import { checkDataFile } from '../../src/spool/data-file-check.js';
import { DATA_NAME, openSpool, type SpoolOptions } from '../../src/spool/open-spool.js';
import { CHUNK_BYTES, INLINE_ROW_BYTES } from '../../src/spool/record-codec.js';
import type { Spool } from '../../src/spool/spool.js';
import { messageOf, patternBytes, readAll, smallMessage, stateOf, temporaryDirectory } from './helpers.js';

let directory: { path: string; drop: () => void };
let spool: Spool | undefined;
let damage: { id: number; reason: string }[];

const start = async (more: Partial<SpoolOptions> = {}): Promise<Spool> => {
  spool = await openSpool({
    directory: directory.path,
    durability: 'fsync',
    acquireLock: acquireInstanceLock,
    minFreeBytes: 1024 * 1024,
    onDamage: (id, reason) => damage.push({ id, reason }),
    ...more,
  });
  return spool;
};
const restart = async (more: Partial<SpoolOptions> = {}): Promise<Spool> => {
  await spool?.close();
  return start(more);
};
const recovered = async (from: Spool): Promise<[number, number, boolean][]> => {
  const found: [number, number, boolean][] = [];
  await from.recover((id, due, held) => found.push([id, due, held]));
  return found;
};

beforeEach(() => {
  directory = temporaryDirectory();
  damage = [];
});
afterEach(async () => {
  await spool?.close();
  spool = undefined;
  directory.drop();
});

describe('round trip', () => {
  const around = (size: number): number[] => [size - 1, size, size + 1];
  const sizes = [
    0,
    1,
    255,
    256,
    4096,
    ...around(INLINE_ROW_BYTES - 300),
    ...around(INLINE_ROW_BYTES),
    ...around(CHUNK_BYTES),
    ...around(4 * CHUNK_BYTES),
    ...around(16 * CHUNK_BYTES),
    17 * CHUNK_BYTES + 5,
  ];
  it('gives every content back byte for byte, at once and after a restart', { timeout: 60_000 }, async () => {
    const first = await start();
    const contents = sizes.map((size, n) => patternBytes(size, n));
    const batch = contents.map((content, n) => messageOf(n + 1, content, Math.min(content.length, 333), n % 2 === 0));
    const stored = await first.store(batch);
    for (const [n, content] of contents.entries()) {
      const end = n % 2 === 0 ? '.\r\n' : '\r\n.\r\n';
      expect(stored[n]!.size).toBe(content.length);
      expect((await readAll(stored[n]!)).equals(content)).toBe(true);
      const { inline } = stored[n]!;
      if (inline !== null) expect(inline.equals(Buffer.concat([content, Buffer.from(end)]))).toBe(true);
      else expect(content.length).toBeGreaterThan(4 * CHUNK_BYTES);
    }
    const second = await restart();
    expect(second.list(0, 100)).toEqual(sizes.map((_, n) => n + 1));
    for (const [n, content] of contents.entries()) {
      const message = (await second.load(n + 1))!;
      expect(message.envelope).toEqual(batch[n]!.envelope);
      expect(message.state).toBeNull();
      expect((await readAll(message.content)).equals(content)).toBe(true);
      if (message.content.inline !== null)
        expect(message.content.inline.subarray(content.length).toString()).toBe(n % 2 === 0 ? '.\r\n' : '\r\n.\r\n');
      second.remove(n + 1);
    }
    await second.flush();
    await second.close();
    const report = checkDataFile(join(directory.path, DATA_NAME));
    expect(report.usedPages).toBeLessThan(20);
  });

  it('fills overflow pages exactly at the chosen sizes', async () => {
    const first = await start();
    await first.store([messageOf(1, patternBytes(3 * CHUNK_BYTES, 1))]);
    await first.close();
    const environment = open({ path: join(directory.path, DATA_NAME), noSubdir: true, maxDbs: 8 });
    const chunk = environment.openDB({ name: 'chunk', encoding: 'binary' });
    expect((chunk.getStats() as { overflowPages: number }).overflowPages).toBe(3 * 16);
    await environment.close();
  });
});

describe('settlement', () => {
  it('keeps outcomes, gives them back, and recovers fresh and tried messages in order', async () => {
    const first = await start();
    await first.store([5, 2, 9, 4].map((id) => smallMessage(id)));
    first.defer(4, stateOf(4_000));
    first.defer(2, stateOf(2_000, true));
    first.defer(4, stateOf(4_500));
    first.remove(9);
    expect((await first.load(4))!.state).toEqual(stateOf(4_500));
    expect(await first.load(9)).toBeUndefined();
    expect(first.usage().messages).toBe(3);

    const second = await restart();
    expect(await recovered(second)).toEqual([
      [2, 2_000, true],
      [4, 4_500, false],
      [5, 0, false],
    ]);
    expect((await second.load(2))!.state).toEqual(stateOf(2_000, true));
    expect(second.usage().messages).toBe(3);
    second.remove(2);
    second.remove(5);
    second.remove(5);
    second.remove(77);
    await second.flush();
    expect(second.list(0, 10)).toEqual([4]);
    expect(second.usage().messages).toBe(1);
  });

  it('finds fresh messages that are older than a low-water id written before them', async () => {
    let now = 1_000_000;
    const clock = { now: () => now, wall: () => now };
    const first = await start({ clock });
    await first.store([smallMessage(100)]);
    now += 5_000;
    first.remove(100);
    await first.flush();
    now += 5_000;
    await first.store([smallMessage(200)]);
    await first.store([smallMessage(50)]);
    now += 5_000;
    await first.store([smallMessage(300)]);
    first.defer(200, stateOf(7));
    const second = await restart({ clock });
    expect(await recovered(second)).toEqual([
      [50, 0, false],
      [200, 7, false],
      [300, 0, false],
    ]);
  });

  it('recovers and lists more than one slice', async () => {
    const first = await start();
    const ids = Array.from({ length: 9_000 }, (_, n) => n + 1);
    await first.store(ids.map((id) => messageOf(id, patternBytes(10, id))));
    for (const id of ids) if (id % 2 === 0) first.defer(id, stateOf(id));
    const second = await restart();
    expect(await recovered(second)).toEqual(ids.map((id) => [id, id % 2 === 0 ? id : 0, false]));
    expect(second.list(8_995, 3)).toEqual([8_996, 8_997, 8_998]);
  });

  it('shares one commit between what is ready in one turn, and one more with what comes meanwhile', async () => {
    const first = await start();
    const before = first.usage().flushes;
    const stores = [1, 2, 3].map((id) => first.store([smallMessage(id)]));
    await Promise.all(stores);
    expect(first.usage().flushes - before).toBe(1);
    const opening = first.store([smallMessage(4)]);
    await new Promise((resolve) => setImmediate(resolve));
    const meanwhile = [5, 6, 7].map((id) => first.store([smallMessage(id)]));
    first.remove(1);
    await Promise.all([opening, ...meanwhile]);
    expect(first.usage().flushes - before).toBe(3);
    expect(first.list(0, 10)).toEqual([2, 3, 4, 5, 6, 7]);
  });
});

describe('large messages', () => {
  it('do not hold up small ones', async () => {
    const first = await start();
    let largeDone = false;
    const large = first.store([messageOf(1, patternBytes(12 * 1024 * 1024, 1))]).then((stored) => {
      largeDone = true;
      return stored;
    });
    for (let id = 2; id < 8; id++) {
      await first.store([smallMessage(id)]);
      expect(largeDone).toBe(false);
      expect(first.list(0, 1)).toEqual([2]);
    }
    const [content] = await large;
    expect((await readAll(content!)).equals(patternBytes(12 * 1024 * 1024, 1))).toBe(true);
    expect(first.list(0, 1)).toEqual([1]);
  });

  it('that were never completed are swept at the next start', async () => {
    const first = await start();
    await first.store([smallMessage(3)]);
    await first.close();
    const environment = open({ path: join(directory.path, DATA_NAME), noSubdir: true, maxDbs: 8 });
    const chunk = environment.openDB<Buffer, [number, number]>({ name: 'chunk', encoding: 'binary' });
    for (let n = 0; n < 40; n++) await chunk.put([9, n], patternBytes(CHUNK_BYTES, n));
    await chunk.put([1, 0], patternBytes(5, 0));
    await environment.close();
    const second = await start();
    await second.store([messageOf(12, patternBytes(2 * CHUNK_BYTES, 4))]);
    const third = await restart();
    expect(await recovered(third)).toHaveLength(2);
    await third.close();
    const after = open({ path: join(directory.path, DATA_NAME), noSubdir: true, maxDbs: 8 });
    const keys = after.openDB({ name: 'chunk', encoding: 'binary' }).getKeys();
    expect(Array.from(keys)).toEqual([
      [12, 0],
      [12, 1],
    ]);
    await after.close();
  });
});

describe('damage', () => {
  const garble = async (table: string, key: number | [number, number], at: number): Promise<void> => {
    const environment = open({ path: join(directory.path, DATA_NAME), noSubdir: true, maxDbs: 8 });
    const rows = environment.openDB<Buffer, number | [number, number]>({ name: table, encoding: 'binary' });
    const row = rows.getBinary(key)!;
    row[at < 0 ? row.length + at : at]! ^= 0x10;
    await rows.put(key, row);
    await environment.close();
  };

  it('sets one record aside, for good, and leaves the others alone', async () => {
    const first = await start();
    await first.store([1, 2, 3].map((id) => smallMessage(id)));
    first.defer(2, stateOf(5));
    await first.close();
    await garble('message', 2, 300);
    const second = await start();
    expect(await recovered(second)).toHaveLength(3);
    expect(await second.load(2)).toBeUndefined();
    expect(damage).toEqual([{ id: 2, reason: expect.stringContaining('checksum') }]);
    expect((await readAll((await second.load(3))!.content)).equals(patternBytes(900, 3))).toBe(true);
    expect(second.usage().messages).toBe(2);
    const third = await restart();
    const report: number[] = [];
    expect(await third.recover((id) => report.push(id))).toEqual({ messages: 2, quarantined: 1, greatestId: 3 });
    expect(report).toEqual([1, 3]);
    expect(third.list(0, 10)).toEqual([1, 3]);
    expect(damage).toHaveLength(1);
  });

  it.each([0, 3, 9, 12, 16, 24, 40, -1])('notices a changed byte at %i of a message row', async (at) => {
    const first = await start();
    await first.store([smallMessage(1)]);
    await first.close();
    await garble('message', 1, at);
    const second = await start();
    expect(await second.load(1)).toBeUndefined();
    expect(damage).toHaveLength(1);
  });

  it('rejects the read of a damaged chunk and quarantines its message', async () => {
    const first = await start();
    await first.store([messageOf(1, patternBytes(3 * CHUNK_BYTES, 1))]);
    await first.close();
    await garble('chunk', [1, 1], 1000);
    const second = await start();
    const message = (await second.load(1))!;
    expect(await message.content.read(0)).toHaveLength(CHUNK_BYTES);
    await expect(message.content.read(CHUNK_BYTES)).rejects.toMatchObject({ code: 'spool-damaged' });
    expect(damage).toEqual([{ id: 1, reason: expect.stringContaining('chunk 1') }]);
    expect(await second.load(1)).toBeUndefined();
  });

  it('tries a message again whose state or schedule row is damaged', async () => {
    const first = await start();
    await first.store([smallMessage(1), smallMessage(2)]);
    first.defer(1, stateOf(5_000));
    first.defer(2, stateOf(6_000));
    await first.close();
    await garble('state', 1, 12);
    await garble('schedule', 2, 4);
    const second = await start();
    expect(await recovered(second)).toEqual([
      [1, 5_000, false],
      [2, 1, false],
    ]);
    expect((await second.load(1))!.state).toBeNull();
    expect(damage).toEqual([{ id: 1, reason: expect.stringContaining('again') }]);
  });
});

it('refuses with spool-full at the end of the map, and goes on when mail has gone', async () => {
  const mapSize = 8 * 1024 * 1024;
  const first = await start({ mapSize });
  const fillUp = async (from: number): Promise<number> => {
    for (let id = from; ; id++) {
      try {
        await first.store([messageOf(id, patternBytes(11_000, id))]);
      } catch (error) {
        expect(error).toMatchObject({ code: 'spool-full', temporary: true });
        return id;
      }
    }
  };
  const end = await fillUp(1);
  expect(end).toBeGreaterThan(300);
  expect(first.usage().fileBytes).toBeLessThanOrEqual(mapSize);
  for (let id = 1; id < end; id++) first.remove(id);
  await first.flush();
  while (first.usage().availableBytes < mapSize / 2) await new Promise((resolve) => setTimeout(resolve, 50));
  expect((await fillUp(end)) - end).toBeGreaterThan(300);
  // LMDB raises its map rather than fail when free pages do not lie together, so the bound is not exact to the page.
  expect(first.usage().fileBytes).toBeLessThan(1.1 * mapSize);
});

it('leaves nothing open and no lock behind', async () => {
  const first = await start();
  await first.store([smallMessage(1)]);
  await first.close();
  expect(readdirSync(directory.path).sort()).toEqual(['spool.json', 'spool.mdb', 'spool.mdb-lock']);
  await expect(first.store([smallMessage(2)])).rejects.toMatchObject({ code: 'spool-failed' });
});
