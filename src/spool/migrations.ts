/**
 * Format versions of a spool and the way from one to the next.
 *
 * The version is in the `meta` table and in the marker. An older store is brought up one version at a time by the
 * migration for it, each in one transaction with the new version number; where there is none, or the store is newer
 * than this program, the start is refused and nothing is changed.
 */
import { SluiceError } from '../core/errors.js';
import { packPlain } from './envelope-codec.js';
import type { Tables } from './tables.js';

/** Version of tables and keys. Raise it with a migration for the version before. */
export const FORMAT_VERSION = 1;

/** Rewrites a store of one version as the next; called inside a transaction, so it writes with putSync and removeSync. */
export type Migration = (tables: Tables) => void;

/** Migrations by the version they start from. None yet: 1 is the first. */
const MIGRATIONS: ReadonlyMap<number, Migration> = new Map();

/**
 * Brings a store from version `found` to `target`. Blocks: it runs at start, before any mail.
 * @throws SluiceError `spool-format` when there is no way.
 */
export function migrate(
  tables: Tables,
  file: string,
  found: number,
  migrations: ReadonlyMap<number, Migration> = MIGRATIONS,
  target: number = FORMAT_VERSION,
): void {
  if (found > target)
    throw refusal(file, found, target, 'it was written by a newer Sluice: start that version, or one newer still');
  for (let version = found; version < target; version++)
    if (!migrations.has(version))
      throw refusal(file, found, target, 'this version cannot read it: deliver its mail with the older Sluice first');
  for (let version = found; version < target; version++) {
    tables.environment.transactionSync(() => {
      migrations.get(version)!(tables);
      tables.meta.putSync('format', packPlain({ version: version + 1 }));
    });
  }
}

function refusal(file: string, found: number, target: number, what: string): SluiceError {
  return new SluiceError(
    'spool-format',
    `${file} has spool format ${found} and this Sluice uses ${target}; ${what}. Nothing was changed`,
    { temporary: false },
  );
}
