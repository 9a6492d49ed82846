/** Random histories of a spool against a map. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Lane } from '../../src/message/envelope.js';
import { checkDataFile } from '../../src/spool/data-file-check.js';
import { LmdbSpool } from '../../src/spool/lmdb-spool.js';
import { CHUNK_BYTES } from '../../src/spool/record-codec.js';
import { NO_SCHEDULE, readSchedule } from '../../src/spool/recovery.js';
import { openTables } from '../../src/spool/tables.js';
import { messageOf, patternBytes, readAll, stateOf, temporaryDirectory } from './helpers.js';

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('store' as const),
      sizes: fc.array(fc.constantFrom(0, 50, 4_000, 30_000, 33_000, 70_000, 5 * CHUNK_BYTES), {
        minLength: 1,
        maxLength: 3,
      }),
      backwards: fc.boolean(),
      lane: fc.constantFrom('bulk' as const, 'immediate' as const),
      holdUntil: fc.constantFrom(0, 0, 5e12),
      wait: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('remove' as const), which: fc.nat() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('defer' as const),
      which: fc.nat(),
      due: fc.integer({ min: 1, max: 9e12 }),
      held: fc.boolean(),
      attempts: fc.nat(1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('flush' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('later' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
);

interface Expected {
  size: number;
  due: number;
  held: boolean;
  newLane: Lane;
  /** null: no outcome was ever kept. */
  attempts: number | null;
}

it('behaves like a map that survives', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const directory = temporaryDirectory();
      const file = join(directory.path, 'spool.mdb');
      const model = new Map<number, Expected>();
      let now = 1e12;
      const open = async (): Promise<LmdbSpool> => {
        const schedule = existsSync(file) ? readSchedule(file) : NO_SCHEDULE;
        const tables = openTables(file, 'fsync', 2 ** 32);
        const spool = await LmdbSpool.create({
          tables,
          file,
          schedule,
          mapSize: 2 ** 32,
          minFreeBytes: 1,
          clock: { now: () => now, wall: () => now },
          onFailure: (error) => expect.unreachable(error.message),
          onDamage: (id, reason) => expect.unreachable(`${id} ${reason}`),
          release: () => {},
        });
        const found: unknown[] = [];
        const report = await spool.recover((...row) => found.push(row));
        expect(found).toEqual(
          [...model]
            .sort(([a], [b]) => a - b)
            .map(([id, { due, held, newLane, attempts }]) => [id, due, held, attempts ? 'deferred' : newLane]),
        );
        expect(report.messages).toBe(model.size);
        return spool;
      };
      let spool = await open();
      let high = 1e6;
      let low = 1e6;
      try {
        const stores: Promise<unknown>[] = [];
        for (const action of steps) {
          if (action.do === 'store') {
            const { lane, holdUntil } = action;
            const batch = action.sizes.map((size) => {
              const id = action.backwards ? --low : ++high;
              return messageOf(id, patternBytes(size, size), Math.min(size, 9), true, { lane, holdUntil });
            });
            const stored = spool.store(batch);
            stores.push(stored);
            // Windows of large messages and what follows may interleave; settlements need an acknowledged message.
            if (action.wait) await stored;
            else await Promise.all(stores.splice(0));
            for (const { envelope } of batch)
              model.set(envelope.id, {
                size: envelope.content.size,
                due: holdUntil,
                held: false,
                newLane: lane,
                attempts: null,
              });
          } else if (action.do === 'flush') await spool.flush();
          else if (action.do === 'later') now += 5_000;
          else if (action.do === 'reopen') {
            await spool.close();
            checkDataFile(file);
            spool = await open();
          } else if (model.size > 0) {
            const id = [...model.keys()][action.which % model.size]!;
            const expected = model.get(id)!;
            if (action.do === 'remove') {
              spool.remove(id);
              model.delete(id);
            } else {
              const { due, held, attempts } = action;
              spool.defer(id, stateOf(due, held, attempts), expected.newLane);
              model.set(id, { ...expected, due, held, attempts });
            }
          }
        }
        expect(spool.usage().messages).toBe(model.size);
        await spool.close();
        spool = await open();
        expect(spool.list(0, 1_000)).toEqual([...model.keys()].sort((a, b) => a - b));
        for (const [id, { size, due, held, attempts }] of model) {
          const message = (await spool.load(id))!;
          expect((await readAll(message.content)).equals(patternBytes(size, size))).toBe(true);
          expect(message.state).toEqual(attempts === null ? null : stateOf(due, held, attempts));
        }
      } finally {
        await spool.close();
        directory.drop();
      }
    }),
    { numRuns: 40 },
  );
});
