/**
 * The validation of a data file, in a process of its own: `validate-child.js FILE DURABILITY`.
 *
 * It checks the file with plain reads, then opens it with LMDB as the engine will and makes LMDB read its free list in a
 * transaction that is given up. If LMDB dies of a signal here, the engine has not. Prints one JSON line, a
 * ValidationVerdict, and exits with 0 whenever it could come to a verdict.
 */
import { messageOf } from '../core/errors.js';
import { checkDataFile, DataFileDamage } from './data-file-check.js';
import { openTables } from './tables.js';

/** What is printed. */
export interface ValidationVerdict {
  readonly problem: string | null;
}

/** Map size of the check, bytes; LMDB raises it to the size of the file. */
const MAP_SIZE = 2 ** 32;

async function validate(file: string, durability: string): Promise<string | null> {
  try {
    // After 'commit', the newest transaction may not have been synced before a power cut. LMDB knows, and falls back
    // when it is opened this way; a transaction written now makes that choice the newest one for every later reader.
    if (durability === 'commit') {
      const tables = openTables(file, 'commit', MAP_SIZE, false);
      await tables.meta.put('validated', Buffer.from(new Date().toISOString(), 'latin1'));
      await tables.environment.flushed;
      await tables.environment.close();
    }
    checkDataFile(file);
    const tables = openTables(file, 'fsync', MAP_SIZE, false);
    if (tables.meta !== undefined) {
      const { ABORT } = await import('lmdb');
      tables.environment.transactionSync(() => {
        for (let n = 0; n < 8; n++) tables.meta.putSync(`check-${n}`, Buffer.alloc(3 * 4096));
        return ABORT;
      });
    }
    await tables.environment.close();
    return null;
  } catch (error) {
    return error instanceof DataFileDamage ? error.message : `LMDB cannot open it: ${messageOf(error)}`;
  }
}

const [file, durability] = process.argv.slice(2);
if (file !== undefined && durability !== undefined) {
  const verdict: ValidationVerdict = { problem: await validate(file, durability) };
  process.stdout.write(`${JSON.stringify(verdict)}\n`);
}
