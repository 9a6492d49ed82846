/** What a start refuses, and that it says why. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { open } from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkDataFile, DataFileDamage } from '../../src/spool/data-file-check.js';
import { packPlain } from '../../src/spool/envelope-codec.js';
import { readMarker } from '../../src/spool/generation-marker.js';
import { FORMAT_VERSION, migrate } from '../../src/spool/migrations.js';
import { DATA_NAME, openSpool } from '../../src/spool/open-spool.js';
import type { Spool } from '../../src/spool/spool.js';
import { openTables } from '../../src/spool/tables.js';
import { messageOf, patternBytes, smallMessage, stateOf, temporaryDirectory } from './helpers.js';

let directory: { path: string; drop: () => void };
let file: string;

beforeEach(() => {
  directory = temporaryDirectory();
  file = join(directory.path, DATA_NAME);
});
afterEach(() => directory.drop());

const start = (path = directory.path): Promise<Spool> => openSpool({ directory: path, durability: 'fsync' });

/** A closed spool with 400 messages, half of them deferred, and a large one. */
async function fill(): Promise<void> {
  const spool = await start();
  await spool.recover(() => {});
  await spool.store(Array.from({ length: 400 }, (_, n) => smallMessage(n + 1)));
  await spool.store([messageOf(500, patternBytes(400_000, 1))]);
  for (let id = 1; id <= 400; id += 2) spool.defer(id, stateOf(id));
  for (let id = 300; id <= 350; id++) spool.remove(id);
  await spool.close();
}

async function refusal(path = directory.path): Promise<{ code: string; message: string }> {
  const before = existsSync(file) ? readFileSync(file) : null;
  const error: unknown = await start(path).then(
    async (spool) => {
      await spool.close();
      return new Error('it opened');
    },
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ name: 'SluiceError' });
  if (before !== null) expect(readFileSync(file).equals(before)).toBe(true);
  // Refused, and let go of: nothing keeps the next start out.
  expect(existsSync(join(directory.path, 'sluice.pid'))).toBe(false);
  return error as { code: string; message: string };
}

describe('a data file that is not what it was', () => {
  it.each([
    ['page 0 garbled', () => patternBytes(4096, 3), 0],
    ['page 0 zeroed', () => Buffer.alloc(4096), 0],
    ['page 1 garbled', () => patternBytes(4096, 9), 4096],
  ])('%s', async (_, bytes, at) => {
    await fill();
    const whole = readFileSync(file);
    bytes().copy(whole, at);
    writeFileSync(file, whole);
    const { code, message } = await refusal();
    expect(code).toBe('spool-damaged');
    expect(message).toContain(file);
    expect(message).toMatch(/meta page [01]/);
  });

  it.each([100, 4096, 5000, 40_960, 0.5, 0.9])('cut to %d bytes (or that part of it)', async (length) => {
    await fill();
    const { length: whole } = readFileSync(file);
    truncateSync(file, length < 1 ? Math.floor(whole * length) : length);
    const { code, message } = await refusal();
    expect(code).toBe('spool-damaged');
    expect(message).toMatch(/short|garbled/);
    expect(message).toContain('move the whole directory aside');
  });

  it('every page garbled in turn: refused, or only contents of messages are hit and LMDB stays safe', async () => {
    await fill();
    const whole = readFileSync(file);
    const copy = join(directory.path, 'copy');
    const refused: number[] = [];
    for (let page = 0; page < whole.length / 4096; page++) {
      const garbled = Buffer.from(whole);
      patternBytes(4096, page + 1).copy(garbled, page * 4096);
      writeFileSync(copy, garbled);
      try {
        checkDataFile(copy);
      } catch (error) {
        expect(error).toBeInstanceOf(DataFileDamage);
        refused.push(page);
      }
    }
    writeFileSync(copy, whole);
    const { usedPages, pages } = checkDataFile(copy);
    expect(refused.length).toBeGreaterThan(10);
    expect(refused.length).toBeLessThanOrEqual(pages);
    expect(usedPages).toBeLessThanOrEqual(pages);
    // And with one of them in the way of the whole start.
    const garbled = Buffer.from(whole);
    patternBytes(4096, 1).copy(garbled, refused[refused.length - 1]! * 4096);
    writeFileSync(file, garbled);
    expect((await refusal()).code).toBe('spool-damaged');
  });

  it.each(['empty', 'missing'])('%s, while the marker says that there was one', async (how) => {
    await fill();
    if (how === 'empty') truncateSync(file, 0);
    else rmSync(file);
    const { code, message } = await refusal();
    expect(code).toBe('spool-missing');
    expect(message).toContain(how);
    expect(message).toContain('spool.json');
    // Knowingly: without the marker it starts empty.
    rmSync(join(directory.path, 'spool.json'));
    const spool = await start();
    expect(await spool.recover(() => {})).toMatchObject({ messages: 0 });
    await spool.close();
  });

  it('of another generation', async () => {
    await fill();
    const other = temporaryDirectory();
    await (await start(other.path)).close();
    copyFileSync(join(other.path, DATA_NAME), file);
    other.drop();
    const { code, message } = await refusal();
    expect(code).toBe('spool-damaged');
    expect(message).toContain('generation');
  });

  it('with a garbled lock file beside it opens, and a lost marker is written anew', async () => {
    await fill();
    const marker = readMarker(directory.path);
    writeFileSync(`${file}-lock`, patternBytes(8192, 5));
    rmSync(join(directory.path, 'spool.json'));
    const spool = await start();
    expect(await spool.recover(() => {})).toMatchObject({ messages: 350, quarantined: 0, greatestId: 500 });
    await spool.close();
    expect(readMarker(directory.path)).toEqual(marker);
  });

  it('with an unreadable marker', async () => {
    await fill();
    writeFileSync(join(directory.path, 'spool.json'), '{"format":');
    expect(await refusal()).toMatchObject({ code: 'spool-damaged', message: expect.stringContaining('spool.json') });
  });
});

describe('format versions', () => {
  const setVersion = async (version: number): Promise<void> => {
    const environment = open({ path: file, noSubdir: true, maxDbs: 8 });
    await environment.openDB({ name: 'meta', encoding: 'binary' }).put('format', packPlain({ version }));
    await environment.close();
  };

  it.each([
    [FORMAT_VERSION - 1, 'older Sluice'],
    [FORMAT_VERSION + 1, 'newer Sluice'],
  ])('%i is refused', async (version, word) => {
    await fill();
    await setVersion(version);
    const { code, message } = await refusal();
    expect(code).toBe('spool-format');
    expect(message).toContain(word);
    expect(message).toContain(`format ${version}`);
  });

  it('are migrated one by one where there is a way', async () => {
    await fill();
    const tables = openTables(file, 'fsync', 2 ** 30);
    const steps: number[] = [];
    const step = (from: number): [number, () => void] => [
      from,
      () => {
        steps.push(from);
        tables.meta.putSync(`was-${from}`, Buffer.from('x'));
      },
    ];
    migrate(tables, file, -2, new Map([step(-2), step(-1), step(0)]), 1);
    expect(steps).toEqual([-2, -1, 0]);
    expect(tables.meta.getBinary('format')).toEqual(packPlain({ version: 1 }));
    expect(() => migrate(tables, file, -2, new Map([step(-2)]), 1)).toThrow(/cannot read it/);
    expect(steps).toHaveLength(3);
    await tables.environment.close();
  });
});

describe('a directory that cannot be used', () => {
  it('because it is a file', async () => {
    const path = join(directory.path, 'a-file');
    writeFileSync(path, '');
    expect(await refusal(path)).toMatchObject({ code: 'spool-unusable', message: expect.stringContaining(path) });
    expect(await refusal(join(path, 'below'))).toMatchObject({ code: 'spool-unusable' });
  });

  it('because its path is too long', async () => {
    const path = join(directory.path, 'x'.repeat(300));
    expect(await refusal(path)).toMatchObject({
      code: 'spool-unusable',
      message: expect.stringContaining('ENAMETOOLONG'),
    });
  });

  it('because the data file is a directory', async () => {
    mkdirSync(file);
    const error: unknown = await start().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'spool-unusable', message: expect.stringContaining('not a regular file') });
  });

  it('but one that does not exist is made', async () => {
    const path = join(directory.path, 'var', 'spool');
    await (await start(path)).close();
    expect(existsSync(join(dirname(path), 'spool', DATA_NAME))).toBe(true);
    // Mail is for nobody else to read.
    for (const name of [DATA_NAME, 'spool.json']) expect(statSync(join(path, name)).mode & 0o077).toBe(0);
  });
});

it('changes durability from one start to the next', async () => {
  await fill();
  for (const durability of ['commit', 'commit', 'fsync', 'commit'] as const) {
    const spool = await openSpool({ directory: directory.path, durability });
    const { greatestId, messages } = await spool.recover(() => {});
    await spool.store([smallMessage(greatestId + 1)]);
    expect(spool.usage().messages).toBe(messages + 1);
    await spool.close();
    expect(readMarker(directory.path)!.durability).toBe(durability);
  }
  checkDataFile(file);
});
