/** The outbox of the spool: in the commits of the mail it is about, in order, kept over a restart. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type OpenedSpool, openSpool } from '../../src/spool/open-spool.js';
import type { OutboxRow } from '../../src/spool/outbox-table.js';
import { smallMessage, temporaryDirectory } from './helpers.js';

let directory: ReturnType<typeof temporaryDirectory>;
let spool: OpenedSpool;
const open = (): Promise<OpenedSpool> => openSpool({ directory: directory.path, durability: 'fsync' });
beforeEach(async () => {
  directory = temporaryDirectory();
  spool = await open();
});
afterEach(async () => {
  await spool.close();
  directory.drop();
});

const row = (number: number, text = `row ${number}`): OutboxRow => ({ number, value: Buffer.from(text) });
const shown = (name: string, after = 0, limit = 100): string[] =>
  spool.outbox.read(name, after, limit).map(({ number, value }) => `${number} ${value}`);

describe('the outbox table', () => {
  it('keeps rows by name in order, and what is remembered, over a restart', async () => {
    const { outbox } = spool;
    const done: string[] = [];
    outbox.append(
      'b',
      () => [row(1), row(2)],
      () => done.push('b'),
    );
    outbox.append(
      'a',
      () => [row(300), row(70_000)],
      () => done.push('a'),
    );
    outbox.append(
      'a',
      () => [row(70_001)],
      () => done.push('a again'),
    );
    outbox.remove('ab', [], 'something', () => done.push('ab'));
    expect(shown('a')).toEqual([]);
    await spool.flush();
    expect(done).toEqual(['b', 'a', 'a again', 'ab']);
    await spool.close();
    spool = await open();
    expect(shown('a')).toEqual(['300 row 300', '70000 row 70000', '70001 row 70001']);
    expect(shown('a', 300, 1)).toEqual(['70000 row 70000']);
    expect([spool.outbox.last('a'), spool.outbox.last('b'), spool.outbox.last('ab'), spool.outbox.last('zz')]).toEqual([
      70_001, 2, 0, 0,
    ]);
    expect([spool.outbox.remembered('ab'), spool.outbox.remembered('a')]).toEqual(['something', '']);
    expect(spool.outbox.names(10)).toEqual(['a', 'ab', 'b']);
    expect(spool.outbox.names(2)).toEqual(['a', 'ab']);
    spool.outbox.remove('a', [300, 70_001], '', () => undefined);
    spool.outbox.remove('ab', [], '', () => undefined);
    await spool.flush();
    expect(shown('a')).toEqual(['70000 row 70000']);
    expect(spool.outbox.names(10)).toEqual(['a', 'b']);
  });

  it('appends inside of the transaction that stores a message, and tells when it is durable', async () => {
    const told: string[] = [];
    spool.outbox.companion = {
      storing: (batch, now) => {
        now.putNow('hook', row(batch[0]!.envelope.id));
        told.push('storing');
        return () => told.push('stored');
      },
    };
    const before = spool.usage().flushes;
    await spool.store([smallMessage(7), smallMessage(8)]);
    expect(spool.usage().flushes).toBe(before + 1);
    expect(told).toEqual(['storing', 'stored']);
    expect(shown('hook')).toEqual(['7 row 7']);
    // What is appended before a removal shares its commit.
    spool.outbox.append(
      'hook',
      () => [row(9)],
      () => told.push('appended'),
    );
    spool.remove(7);
    await spool.flush();
    expect(spool.usage().flushes).toBe(before + 2);
    expect(shown('hook')).toEqual(['7 row 7', '9 row 9']);
  });
});
