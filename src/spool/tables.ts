/**
 * The LMDB environment of a spool and its tables.
 *
 * `message` id -> message row; `chunk` [id, n] -> raw content bytes of large messages; `schedule` id -> next attempt;
 * `state` id -> delivery state; `quarantine` id -> reason; `meta` name -> value; `suppression`
 * [tenant, address] -> entry; `answered` [period and tenant, idempotency key] -> digest and id; `outbox`
 * [name, number] -> what is to be told.
 *
 * 'fsync' opens LMDB with overlappingSync off: mdb_txn_commit then writes the pages, calls fdatasync, and only then
 * writes the meta page through a descriptor opened with O_DSYNC (mdb.c mdb_txn_commit, mdb_env_write_meta), so a put's
 * promise settles after both, and rejects when either failed. 'commit' opens with overlappingSync on: the promise
 * settles when the pages are with the kernel, the sync follows, and after a reboot lmdb falls back to the last synced
 * state by itself; plain noSync could leave a store that cannot be read at all.
 */
import { type Database, open, type RootDatabase, type RootDatabaseOptionsWithPath } from 'lmdb';

export type Durability = 'fsync' | 'commit';

export const TABLE_NAMES = [
  'message',
  'chunk',
  'schedule',
  'state',
  'quarantine',
  'meta',
  'suppression',
  'answered',
  'outbox',
] as const;
export type TableName = (typeof TABLE_NAMES)[number];

export interface Tables {
  readonly environment: RootDatabase<Buffer, string>;
  readonly message: Database<Buffer, number>;
  readonly chunk: Database<Buffer, [number, number]>;
  readonly schedule: Database<Buffer, number>;
  readonly state: Database<Buffer, number>;
  readonly quarantine: Database<Buffer, number>;
  readonly meta: Database<Buffer, string>;
  readonly suppression: Database<Buffer, [string, string]>;
  readonly answered: Database<Buffer, [string, string]>;
  readonly outbox: Database<Buffer, [string, number]>;
}

/** Opens (and creates, unless `create` is false) the environment. Throws what lmdb throws. */
export function openTables(file: string, durability: Durability, mapSize: number, create = true): Tables {
  // noReadAhead and permissionsMode are documented but not declared.
  const options: RootDatabaseOptionsWithPath & {
    noReadAhead: boolean;
    txnStartThreshold: number;
    permissionsMode: number;
  } = {
    path: file,
    noSubdir: true,
    mapSize,
    maxDbs: TABLE_NAMES.length + 2,
    encoding: 'binary',
    cache: false,
    overlappingSync: durability === 'commit',
    // Pages are written whole; what is left of an older page in the gaps is mail of this spool anyway.
    noMemInit: true,
    // Mail is read once, in no order that read-ahead could guess.
    noReadAhead: true,
    // The commit queue says what makes a transaction and when it begins (see commit-queue.ts).
    eventTurnBatching: false,
    txnStartThreshold: 1,
    permissionsMode: 0o600,
  };
  const environment = open<Buffer, string>(options);
  const table = <K extends number | string | [number | string, number] | [string, string]>(
    name: TableName,
  ): Database<Buffer, K> =>
    environment.openDB<Buffer, K>({ name, encoding: 'binary', cache: false, ...(create ? {} : { create: false }) });
  return {
    environment,
    message: table<number>('message'),
    chunk: table<[number, number]>('chunk'),
    schedule: table<number>('schedule'),
    state: table<number>('state'),
    quarantine: table<number>('quarantine'),
    meta: table<string>('meta'),
    suppression: table<[string, string]>('suppression'),
    answered: table<[string, string]>('answered'),
    outbox: table<[string, number]>('outbox'),
  };
}

/** Numbers of an environment or table as lmdb's getStats gives them (its declaration says `{}`). */
export interface TableStatistics {
  readonly pageSize: number;
  readonly lastPageNumber: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
  readonly entryCount: number;
  readonly free: {
    readonly treeBranchPageCount: number;
    readonly treeLeafPageCount: number;
    readonly overflowPages: number;
  };
}

/** Statistics of a table. */
export function statisticsOf(table: { getStats(): object }): TableStatistics {
  return table.getStats() as TableStatistics;
}
