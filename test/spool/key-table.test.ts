/**
 * The key table of the spool: seen at once, kept over a restart, in order, whatever the keys.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RowKey } from '../../src/spool/key-table.js';
import { type OpenedSpool, openSpool } from '../../src/spool/open-spool.js';

let directory: string;
let spool: OpenedSpool;
const open = (): Promise<OpenedSpool> => openSpool({ directory, durability: 'fsync' });
beforeEach(async () => {
  directory = join(mkdtempSync(join(tmpdir(), 'sluice-keys-')), 'spool');
  spool = await open();
});
afterEach(async () => {
  await spool.close();
  rmSync(join(directory, '..'), { recursive: true, force: true });
});

const value = (text: string): Buffer => Buffer.from(text);
const shown = (rows: readonly { key: RowKey; value: Buffer }[]): string[] =>
  rows.map(({ key, value }) => `${key.join('|')}=${value.toString()}`);

describe('the key table', () => {
  it('shows a change at once and keeps it over a restart', async () => {
    const { suppression } = spool;
    suppression.put(['', 'a@b.example'], value('1'));
    suppression.put(['acme', 'a@b.example'], value('2'));
    expect(suppression.get(['acme', 'a@b.example'])?.toString()).toBe('2');
    expect(suppression.size).toBe(2);
    await spool.flush();
    suppression.remove(['', 'a@b.example']);
    expect(suppression.get(['', 'a@b.example'])).toBeUndefined();
    expect(shown(suppression.page(['', ''], 10))).toEqual(['acme|a@b.example=2']);
    await spool.close();
    spool = await open();
    expect(spool.suppression.size).toBe(1);
    expect(shown(spool.suppression.page(['', ''], 10))).toEqual(['acme|a@b.example=2']);
    expect(spool.suppression.get(['', 'a@b.example'])).toBeUndefined();
  });

  it('is a map in order, with commits at any time', async () => {
    const tenant = fc.constantFrom('', 'a', 'ab', 'ä', '𝒜', 'zz');
    const name = fc.constantFrom('a', 'a@b', 'aa', 'ü@b', '\uffeeo', '😀', 'z', '"quoted x"@y');
    const key = fc.tuple(tenant, name);
    const step = fc.oneof(
      fc.record({ do: fc.constant('put' as const), key, value: fc.nat({ max: 9 }) }),
      fc.record({ do: fc.constant('remove' as const), key, value: fc.constant(0) }),
      fc.record({ do: fc.constant('flush' as const), key, value: fc.constant(0) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        key,
        fc.integer({ min: 1, max: 5 }),
        async (steps, from, limit) => {
          const { suppression } = spool;
          for (const { key } of suppression.page(['', ''], 1000)) suppression.remove(key);
          const model = new Map<string, { key: RowKey; value: Buffer }>();
          for (const { do: what, key, value: n } of steps) {
            if (what === 'flush') await spool.flush();
            else if (what === 'remove') {
              model.delete(key.join('\n'));
              suppression.remove(key);
            } else {
              model.set(key.join('\n'), { key, value: value(String(n)) });
              suppression.put(key, value(String(n)));
            }
            expect(suppression.get(key)?.toString()).toBe(model.get(key.join('\n'))?.value.toString());
            expect(suppression.size).toBe(model.size);
          }
          const order = (a: { key: RowKey }, b: { key: RowKey }): number =>
            Buffer.compare(Buffer.from(a.key[0]), Buffer.from(b.key[0])) ||
            Buffer.compare(Buffer.from(a.key[1]), Buffer.from(b.key[1]));
          const rows = [...model.values()].sort(order);
          expect(shown(suppression.page(['', ''], 1000))).toEqual(shown(rows));
          const behind = rows.filter((row) => order(row, { key: from }) > 0).slice(0, limit);
          expect(shown(suppression.page(from, limit))).toEqual(shown(behind));
        },
      ),
      { numRuns: 40 },
    );
  });
});
