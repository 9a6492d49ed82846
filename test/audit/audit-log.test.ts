/** The audit log: chain, files, recovery, and that whatever is done to it is found. */
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chainedLine, ORIGIN, type Position } from '../../src/audit/audit-entry.js';
import { headPath, headText, linesOf } from '../../src/audit/audit-files.js';
import { AuditLog, type AuditLogOptions } from '../../src/audit/audit-log.js';
import { readEntries } from '../../src/audit/read-log.js';
import { verifyLog } from '../../src/audit/verify-log.js';

let folder: string;
let path: string;
const opened: AuditLog[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-audit-'));
  path = join(folder, 'audit.log');
});
afterEach(async () => {
  for (const log of opened.splice(0)) await log.close();
  rmSync(folder, { recursive: true, force: true });
});

function openLog(options: Partial<AuditLogOptions> = {}): AuditLog {
  const clock = { wall: () => 1_700_000_000_000 };
  const log = new AuditLog({ path, maxSize: 1 << 20, clock, acquireLock: async () => () => {}, ...options });
  opened.push(log);
  return log;
}

const event = (n: number) => ({ actor: 'uid 0 pid 1', action: 'queue.hold', details: { id: `M${n}` } });

async function write(count: number, options: Partial<AuditLogOptions> = {}): Promise<Position> {
  const log = openLog(options);
  for (let n = 0; n < count; n++) await log.append(event(n));
  await log.close();
  return log.head;
}

const verify = (head = '', after = '') => verifyLog(path, { head, after });

describe('a line', () => {
  it('has its hash over itself without the hash, and that of the line before', async () => {
    await write(2);
    const [first, second] = readFileSync(path, 'utf8').trimEnd().split('\n');
    const hash = (line: string) =>
      createHash('sha256')
        .update(line.replace(/,"hash":"[0-9a-f]{64}"/, ''))
        .digest('hex');
    expect(JSON.parse(first!)).toEqual({
      ...{ seq: 1, time: '2023-11-14T22:13:20.000Z', ...event(0), prev: '0'.repeat(64), hash: hash(first!) },
    });
    expect(JSON.parse(second!)).toMatchObject({ seq: 2, prev: hash(first!), hash: hash(second!) });
  });

  it('keeps the beginning of details that are too long', async () => {
    const log = openLog();
    await log.append({ actor: 'a', action: 'b', details: { long: '\u0001'.repeat(100_000) } });
    const [entry] = await readEntries(path, { after: 0, since: 0, limit: 10 });
    expect(String(entry!.details['shortened'])).toMatch(/^\{"long":/);
    expect((await verify()).finding).toBeNull();
  });
});

describe('the log', () => {
  it('writes what comes at once in one go, in order', async () => {
    const log = openLog();
    const places = await Promise.all(Array.from({ length: 200 }, (_, n) => log.append(event(n))));
    expect(places.map(({ seq }) => seq)).toEqual(Array.from({ length: 200 }, (_, n) => n + 1));
    expect(await verify()).toMatchObject({ lines: 200, finding: null, torn: 0 });
  });

  it('goes on after a start and across files', async () => {
    await write(5);
    const head = await write(300, { maxSize: 4096 });
    expect(readdirSync(folder).filter((name) => /\.\d+$/.test(name)).length).toBeGreaterThan(10);
    expect(await verify(head.hash)).toMatchObject({ lines: 305, last: head, finding: null });
    const all: number[] = [];
    for (let after = 0; ; ) {
      const page = await readEntries(path, { after, since: 0, limit: 50 });
      all.push(...page.map(({ seq }) => seq));
      if (page.length < 50) break;
      after = page.at(-1)!.seq;
    }
    expect(all).toEqual(Array.from({ length: 305 }, (_, n) => n + 1));
    expect(await readEntries(path, { after: 0, since: 1_700_000_000_001, limit: 50 })).toEqual([]);
  });

  it('is looked at from a hash on where older files are elsewhere', async () => {
    await write(100, { maxSize: 4096 });
    const [, second] = readFileSync(`${path}.1`, 'utf8').trimEnd().split('\n').slice(-2);
    unlinkSync(`${path}.1`);
    expect((await verify()).finding).toMatchObject({ flaw: 'removed', line: 1 });
    expect((await verify('', JSON.parse(second!).hash)).finding).toBeNull();
    expect((await verify('', 'f'.repeat(64))).finding).toMatchObject({ flaw: 'unknown-start' });
  });

  it('has one writer', async () => {
    const held = new Set<string>();
    const acquireLock = async (name: string) => {
      if (held.has(name)) throw new Error('the lock is held by another process');
      held.add(name);
      return () => void held.delete(name);
    };
    const first = openLog({ acquireLock });
    await first.append(event(1));
    const second = openLog({ acquireLock });
    await expect(second.append(event(2))).rejects.toMatchObject({
      code: 'audit-unwritable',
      message: expect.stringMatching(/held by another process; nothing was done/),
    });
    await first.close();
    expect((await second.append(event(3))).seq).toBe(2);
  });

  it('refuses what it cannot write, and goes on when it can', async () => {
    const log = openLog();
    await log.append(event(1));
    // A folder in its place.
    rmSync(path);
    const { mkdirSync } = await import('node:fs');
    mkdirSync(path);
    await expect(log.append(event(2))).rejects.toMatchObject({ code: 'audit-unwritable', temporary: true });
    rmSync(path, { recursive: true });
    await log.append(event(3));
    // That entries were taken away meanwhile is said, and stays to be seen.
    const entries = await readEntries(path, { after: 0, since: 0, limit: 10 });
    expect(entries.map(({ seq, action }) => [seq, action])).toEqual([
      [2, 'audit.damaged'],
      [3, 'queue.hold'],
    ]);
    expect((await verify()).finding).toMatchObject({ flaw: 'removed' });
  });
});

describe('a start', () => {
  it('takes away what a crash cut off, and says so', async () => {
    const { seq } = await write(3);
    const next = chainedLine({ seq, hash: (await verify()).last.hash }, event(9), 0).line;
    appendFileSync(path, next.slice(0, -20));
    expect(await verify()).toMatchObject({ lines: 3, finding: null, torn: next.length - 20 });
    await write(1);
    const entries = await readEntries(path, { after: 3, since: 0, limit: 10 });
    expect(entries).toMatchObject([
      { action: 'audit.repaired', details: { torn: { bytes: next.length - 20 } } },
      event(0),
    ]);
    expect(await verify()).toMatchObject({ lines: 5, finding: null, torn: 0 });
  });

  it('keeps whole lines that were written before their confirmation', async () => {
    await write(3);
    const { last } = await verify();
    appendFileSync(path, chainedLine(last, event(9), 0).line);
    expect((await write(1)).seq).toBe(5);
    expect(await verify()).toMatchObject({ lines: 5, finding: null });
  });

  it('goes on after a crash between two files', async () => {
    const head = await write(20);
    const { renameSync } = await import('node:fs');
    renameSync(path, `${path}.1`);
    expect((await write(1)).seq).toBe(head.seq + 1);
    expect(await verify(head.hash)).toMatchObject({ lines: 21, finding: null });
  });

  it.each([
    ['an end that is missing', () => truncateSync(path, 700), 'line 3 is not as it was written'],
    ['a log that is missing', () => unlinkSync(path), 'the log ends with'],
    ['a head that is missing', () => unlinkSync(headPath(path)), '.head is missing'],
    ['a line that was changed', () => writeFileSync(path, readFileSync(path, 'utf8').replace('M2', 'M7')), 'line 3'],
  ])('says of %s what it found, and hides nothing of it', async (_, change, words) => {
    await write(5);
    change();
    await write(1);
    const entries = await readEntries(path, { after: 0, since: 0, limit: 20 });
    expect(entries.find(({ action }) => action === 'audit.damaged')?.details['found']).toContain(words);
    // Without its head file, an untouched log is whole again.
    if (!words.startsWith('.head')) expect((await verify()).finding).not.toBeNull();
  });
});

describe('whatever is done to the log', () => {
  const COUNT = 12;
  let lines: string[];
  let head: Position;
  beforeEach(async () => {
    head = await write(COUNT);
    lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  });
  const put = (changed: readonly string[]) => writeFileSync(path, changed.map((line) => `${line}\n`).join(''));
  const line = fc.integer({ min: 0, max: COUNT - 1 });

  it('a changed byte is found at its line', async () => {
    await fc.assert(
      fc.asyncProperty(line, fc.nat(10_000), fc.integer({ min: 1, max: 255 }), async (at, place, change) => {
        const bytes = Buffer.from(lines[at]!);
        const offset = place % bytes.length;
        bytes[offset] = bytes[offset]! ^ change;
        const before = lines
          .slice(0, at)
          .map((one) => `${one}\n`)
          .join('');
        const after = lines
          .slice(at + 1)
          .map((one) => `${one}\n`)
          .join('');
        writeFileSync(path, Buffer.concat([Buffer.from(before), bytes, Buffer.from(`\n${after}`)]));
        const { finding } = await verify();
        expect(finding).toMatchObject({ flaw: 'changed', path, line: at + 1 });
      }),
    );
  });

  it('a removed run of lines is found, also at the end', async () => {
    await fc.assert(
      fc.asyncProperty(line, fc.integer({ min: 1, max: COUNT }), async (at, many) => {
        put([...lines.slice(0, at), ...lines.slice(at + many)]);
        const { finding } = await verify();
        if (at + many >= COUNT) expect(finding).toMatchObject({ flaw: 'truncated' });
        else expect(finding).toMatchObject({ flaw: 'removed', line: at + 1 });
      }),
    );
  });

  it('two lines that changed places are found', async () => {
    await fc.assert(
      fc.asyncProperty(line, line, async (a, b) => {
        fc.pre(a !== b);
        const changed = [...lines];
        [changed[a], changed[b]] = [lines[b]!, lines[a]!];
        put(changed);
        expect((await verify()).finding).toMatchObject({ flaw: 'reordered', line: Math.min(a, b) + 1 });
      }),
    );
  });

  it('a line that stands twice is found', async () => {
    await fc.assert(
      fc.asyncProperty(line, line, async (what, where) => {
        put([...lines.slice(0, where), lines[what]!, ...lines.slice(where)]);
        expect((await verify()).finding).not.toBeNull();
      }),
    );
  });

  it('an end that was cut off at any byte is found', async () => {
    const whole = readFileSync(path);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: whole.length - 1 }), async (length) => {
        writeFileSync(path, whole.subarray(0, length));
        expect((await verify()).finding).toMatchObject({ flaw: 'truncated' });
      }),
    );
  });

  it('a chain written anew from a line on is found by a hash kept elsewhere', async () => {
    await fc.assert(
      fc.asyncProperty(line, async (from) => {
        let at = from === 0 ? ORIGIN : { seq: from, hash: JSON.parse(lines[from - 1]!).hash as string };
        const forged = lines.slice(0, from);
        for (let n = from; n < COUNT; n++) {
          const next = chainedLine(at, { actor: 'nobody', action: 'nothing', details: {} }, 0);
          forged.push(next.line.trimEnd());
          at = next.at;
        }
        put(forged);
        expect((await verify()).finding).toMatchObject({ flaw: 'changed', line: COUNT });
        writeFileSync(headPath(path), headText(at));
        expect((await verify()).finding).toBeNull();
        expect((await verify(head.hash)).finding).toMatchObject({ flaw: 'unknown-head' });
        writeFileSync(headPath(path), headText(head));
      }),
      { numRuns: 12 },
    );
  });
});

describe('lines of a file', () => {
  it('are told apart whatever their length, with their offsets', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 400_000 }), { maxLength: 6 }),
        fc.boolean(),
        async (lengths, end) => {
          const text = lengths.map((length) => 'x'.repeat(length)).join('\n') + (end ? '\n' : '');
          writeFileSync(path, text);
          const found: number[] = [];
          for await (const { offset, number } of linesOf(path)) {
            found.push(offset);
            expect(number).toBe(found.length);
          }
          const expected: number[] = [];
          let at = 0;
          for (const part of text.split('\n')) {
            expected.push(at);
            at += part.length + 1;
          }
          if (expected.at(-1) === text.length) expected.pop();
          expect(found).toEqual(expected);
        },
      ),
      { numRuns: 30 },
    );
  });
});
