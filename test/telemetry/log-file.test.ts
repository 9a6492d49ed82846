import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog, type Log } from '../../src/telemetry/log.js';
import { addressPattern } from '../../src/telemetry/log-erasure.js';
import { LogFile, type LogFileOptions } from '../../src/telemetry/log-file.js';

let dir: string;
let path: string;
let now: number;
let log: Log;
const START = Date.UTC(2026, 10, 24, 17);
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-log-file-'));
  path = join(dir, 'sluice.log');
  now = START;
});
afterEach(async () => {
  await log?.close();
  rmSync(dir, { recursive: true, force: true });
});

function start(options: Partial<LogFileOptions> = {}): Log {
  const file = new LogFile({ path, size: 0, keep: 3, age: 0, ...options }, () => now);
  log = createLog({ level: 'info', format: 'json', file });
  return log;
}

/** One block: what follows goes into another. */
async function block(text: string, lines = 1): Promise<void> {
  for (let i = 0; i < lines; i++) log.info({ n: i }, text);
  await log.flush(5000);
}

const others = (): string[] =>
  readdirSync(dir)
    .filter((name) => name !== 'sluice.log')
    .sort();
const texts = (file: string): string[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { msg: string }).msg);

describe('a log file', () => {
  it('is for its owner and group, and goes on where it was', async () => {
    start();
    await block('one');
    expect(statSync(path).mode & 0o777 & ~process.umask()).toBe(0o640 & ~process.umask());
    await log.close();
    start();
    await block('two');
    expect(texts(path)).toEqual(['one', 'two']);
    expect(others()).toEqual([]);
  });

  it('is renamed when it is full, whole lines only, and the oldest go', async () => {
    start({ size: 200, keep: 2 });
    for (const text of ['a', 'b', 'c', 'd']) {
      now += 1000;
      await block(text, 4);
    }
    expect(texts(path)).toEqual(['d', 'd', 'd', 'd']);
    await expect.poll(others).toHaveLength(2);
    expect(others().map((name) => texts(join(dir, name))[0])).toEqual(['b', 'c']);
    expect(others()[1]).toMatch(/^sluice\.log\.20261124T170004000Z$/);
    const listed = await log.files();
    expect(listed.map(({ path: file }) => file)).toEqual([
      path,
      ...others()
        .reverse()
        .map((name) => join(dir, name)),
    ]);
  });

  it('keeps two that were renamed in the same moment apart', async () => {
    start({ size: 1 });
    for (const text of ['a', 'b', 'c']) await block(text);
    expect(others().map((name) => texts(join(dir, name)))).toEqual([['a'], ['b']]);
  });

  it('loses no line to rotations under load', async () => {
    start({ size: 10_000, keep: 1000 });
    for (let i = 0; i < 5000; i++) {
      log.info({}, `n${i}`);
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await log.flush(5000);
    const all = [...others().map((name) => join(dir, name)), path].flatMap(texts);
    expect(all).toEqual(Array.from({ length: 5000 }, (_, i) => `n${i}`));
    expect(others().length).toBeGreaterThan(1);
    expect(log.dropped).toBe(0);
  });

  it('is renamed when it is old, and renamed ones are removed when they are', async () => {
    start({ age: 60_000 });
    await block('a');
    now = Date.now() + 61_000;
    await block('b');
    expect(texts(path)).toEqual(['b']);
    // Its last line was written a minute ago by that clock.
    await expect.poll(others).toEqual([]);
  });

  it('is begun anew where somebody moved or removed it, at once when told', async () => {
    start();
    await block('a');
    renameSync(path, join(dir, 'moved'));
    await block('b');
    expect(texts(join(dir, 'moved'))).toEqual(['a', 'b']);
    log.reopen();
    await block('c');
    expect(texts(path)).toEqual(['c']);
    unlinkSync(path);
    now += 1000;
    await block('d');
    expect(texts(path)).toEqual(['d']);
  });

  it('names the path where it cannot be opened', () => {
    expect(() => new LogFile({ path: join(dir, 'none/x.log'), size: 0, keep: 1, age: 0 })).toThrow(
      /none\/x\.log cannot be written: .*; make its folder writable/,
    );
  });

  it('loses lines, and counts them, when the disk is full', async () => {
    const file = new LogFile({ path: '/dev/full', size: 0, keep: 1, age: 0 });
    log = createLog({ level: 'info', format: 'json', file });
    await block('a', 3);
    expect(log.dropped).toBe(3);
  });

  it('goes on in the old file where it cannot be renamed', async () => {
    start({ size: 1 });
    await block('a');
    rmSync(dir, { recursive: true });
    await block('b');
    await block('c');
    expect(log.dropped).toBe(0);
  });
});

describe('erasing an address', () => {
  it('takes it out of all lines, written ones and those under way, and leaves the rest', async () => {
    start({ size: 150, keep: 10 });
    for (const to of ['ann@shop.example', 'joann@shop.example', 'Ann@Shop.Example']) {
      now += 1000;
      log.info({ to, id: 'F1' }, 'outcome');
      await log.flush(5000);
    }
    log.info({ reply: '550 <ann@shop.example>: unknown', via: 'b+ann=shop.example@x.example' }, 'attempt');
    expect(await log.eraseFromLogs('ann@shop.example')).toBe(3);
    await block('after');
    const [first] = others();
    const all = [...others().map((name) => join(dir, name)), path].map((file) => readFileSync(file, 'utf8')).join('');
    expect(all).not.toMatch(/"ann@|<ann@|\+ann=/i);
    expect(all).toContain('"to":"joann@shop.example"');
    expect(all).toContain('"to":"(erased)","id":"F1"');
    expect(all.trim().split('\n')).toHaveLength(5);
    expect(statSync(join(dir, first!)).mode & 0o777).toBe(0o640 & ~process.umask());
    expect(await log.eraseFromLogs('ann@shop.example')).toBe(0);
    expect(others().filter((name) => name.endsWith('.erase'))).toEqual([]);
  });

  it('keeps bytes that are no lines of ours, times and the end of the file', async () => {
    start();
    await block('x');
    const file = `${path}.20261124T170000000Z`;
    const text = `a\u2028b\rc ann@shop.example\r\n\nlast without an end`;
    writeFileSync(file, text);
    const { mtimeMs } = statSync(file);
    expect(await log.eraseFromLogs('ann@shop.example')).toBe(1);
    expect(readFileSync(file, 'utf8')).toBe(text.replace('ann@shop.example', '(erased)'));
    expect(statSync(file).mtimeMs).toBeCloseTo(mtimeMs, -1);
  });

  it.each([
    ['ann@shop.example', 'to=ann@shop.example', true],
    ['ann@shop.example', '<ANN@SHOP.example>', true],
    ['ann@shop.example', 'ann@shop.example.', true],
    ['ann@shop.example', 'ann@shop.example.net', false],
    ['ann@shop.example', 'x.ann@shop.example', false],
    ['ann@shop.example', 'ann@shopxexample', false],
    ['a+b$(c)-d@x-y.example', '<a+b$(c)-d@x-y.example>', true],
    ['jürgen@exämple.de', '"JÜRGEN@exämple.de"', true],
  ])('%s in %s: %s', (address, text, found) => {
    expect(addressPattern(address).test(text)).toBe(found);
  });
});
