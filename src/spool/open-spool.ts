/**
 * Opening a spool: everything that must be known to be right before LMDB maps the file into this process.
 *
 * Contract: either a spool that can be read and written and belongs to this process alone, or one SluiceError whose
 * message names the file, what was found and what to do. Nothing is ever deleted or emptied here.
 * Codes: `spool-unusable` (directory, permissions), `spool-in-use`, `spool-missing` (the marker says there was a store),
 * `spool-damaged`, `spool-format`, `volatile-spool` (the directory is in memory).
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, rmSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clock, systemClock } from '../core/clock.js';
import { messageOf, SluiceError } from '../core/errors.js';
import type { QueueId } from '../core/queue-id.js';
import { packPlain, unpackPlain } from './envelope-codec.js';
import { type GenerationMarker, MARKER_NAME, readMarker, writeMarker } from './generation-marker.js';
import type { KeyTable } from './key-table.js';
import { LmdbSpool } from './lmdb-spool.js';
import { refuseMemory } from './memory-file-system.js';
import { FORMAT_VERSION, migrate } from './migrations.js';
import { NO_SCHEDULE, readSchedule } from './recovery.js';
import type { Spool } from './spool.js';
import { type AcquireLock, lockSpool } from './spool-lock.js';
import { type Durability, openTables, type Tables } from './tables.js';

export interface SpoolOptions {
  /** Made when it does not exist. */
  readonly directory: string;
  readonly durability: Durability;
  /** Size up to which the data file is filled (soft: LMDB goes a few pages past it), bytes; 0: 1 TiB. Costs nothing until used. */
  readonly mapSize?: number;
  /** Reserve that stores do not touch, bytes; 0: an eighth of the file system, at most 256 MiB. */
  readonly minFreeBytes?: number;
  readonly clock?: Clock;
  /** Not where the directory is in memory, so that a restart of the machine loses the mail. */
  readonly refuseMemory?: boolean;
  /** The lock between processes; without it only the pid file guards. */
  readonly acquireLock?: AcquireLock;
  /** The store can no longer write (called once): every store is refused from here on; close it and open it again. */
  readonly onFailure?: (error: SluiceError) => void;
  /** A damaged record was found; it is in quarantine unless the reason says otherwise. */
  readonly onDamage?: (id: QueueId, reason: string) => void;
}

/** A spool with what is kept beside the mail. */
export interface OpenedSpool extends Spool {
  /** The suppression list: rows under tenant and address. */
  readonly suppression: KeyTable;
  /** Requests that were answered, under period with tenant, and idempotency key; written with the mail itself. */
  readonly answered: KeyTable;
}

export const DATA_NAME = 'spool.mdb';

const OWNER_REMEDY = 'Run Sluice as the user that owns the spool, make it the owner, or set another SLUICE_SPOOL_DIR';

const DEFAULT_MAP_SIZE = 2 ** 40;
const VALIDATION_DEADLINE = 10 * 60_000;

/** Opens the spool in a directory. @throws SluiceError as named above */
export async function openSpool(options: SpoolOptions): Promise<OpenedSpool> {
  const { directory, durability } = options;
  const clock = options.clock ?? systemClock;
  const mapSize = options.mapSize || DEFAULT_MAP_SIZE;
  const file = join(directory, DATA_NAME);
  prepareDirectory(directory, file);
  if (options.refuseMemory === true) refuseMemory(directory);
  const release = await lockSpool(directory, options.acquireLock);
  let tables: Tables | undefined;
  try {
    const marker = readMarker(directory);
    const schedule = (await checkFile(file, marker)) ? readSchedule(file) : NO_SCHEDULE;
    // This process alone has the store, so whatever readers and locks the file names are of processes that are gone.
    rmSync(`${file}-lock`, { force: true });
    if (marker !== undefined && marker.durability !== durability)
      await writeMarker(directory, { ...marker, durability });
    tables = openEnvironment(file, durability, mapSize);
    await settleGeneration(tables, directory, file, marker, durability, clock);
    return await LmdbSpool.create({
      tables,
      file,
      mapSize,
      schedule,
      clock,
      minFreeBytes: options.minFreeBytes ?? 0,
      onFailure: options.onFailure ?? (() => {}),
      onDamage: options.onDamage ?? (() => {}),
      release,
    });
  } catch (error) {
    await tables?.environment.close();
    release();
    throw error instanceof SluiceError ? error : unusable(file, `it cannot be opened: ${messageOf(error)}`, error);
  }
}

function prepareDirectory(directory: string, file: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw unusable(directory, `it cannot be made: ${messageOf(cause)}. ${OWNER_REMEDY}`, cause);
  }
  try {
    if (!statSync(directory).isDirectory()) throw new Error('it is not a directory');
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw unusable(directory, `this user cannot read and write it: ${messageOf(cause)}. ${OWNER_REMEDY}`, cause);
  }
  const found = statOf(file);
  if (found === undefined) return;
  if (!found.isFile()) throw unusable(file, 'it is not a regular file', undefined);
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
  } catch (cause) {
    throw unusable(
      file,
      `user ${process.getuid?.()} cannot write it, it belongs to user ${found.uid}. ${OWNER_REMEDY}`,
      cause,
    );
  }
}

/**
 * Refuses a file that is not what the marker says, and has a child process open it before this one does. False when
 * there is none and none is expected.
 */
async function checkFile(file: string, marker: GenerationMarker | undefined): Promise<boolean> {
  const found = statOf(file);
  if (found === undefined || found.size === 0) {
    if (marker === undefined) return false;
    throw new SluiceError(
      'spool-missing',
      `${file} ${found === undefined ? 'is missing' : 'is empty'}, but ${MARKER_NAME} beside it says that a spool was ` +
        `made here on ${marker.created}: its mail is gone from here. Put the file back; to start with an empty spool ` +
        `knowingly, move ${MARKER_NAME} away`,
      { temporary: false },
    );
  }
  const problem = await runValidation(file, marker?.durability ?? 'fsync');
  if (problem !== null) throw damaged(file, problem);
  return true;
}

function runValidation(file: string, durability: Durability): Promise<string | null> {
  return new Promise((resolve) => {
    const child = [validatorPath(), file, durability];
    const settings = { timeout: VALIDATION_DEADLINE, maxBuffer: 1024 * 1024 };
    execFile(process.execPath, child, settings, (error, stdout, stderr) => {
      const verdict = parseVerdict(stdout);
      if (verdict !== undefined) resolve(verdict);
      else if (typeof error?.signal === 'string')
        resolve(`the process that opened it to see whether it is whole died of ${error.signal}`);
      else resolve(`the check of it failed: ${(stderr.trim() || messageOf(error ?? 'no verdict')).slice(0, 500)}`);
    });
  });
}

function parseVerdict(stdout: string): string | null | undefined {
  try {
    const value: unknown = JSON.parse(stdout);
    if (typeof value !== 'object' || value === null || !('problem' in value)) return undefined;
    return typeof value.problem === 'string' ? value.problem : null;
  } catch {
    return undefined;
  }
}

/** The compiled child: beside this file in the build, or in the build when this file is a source (tests). */
function validatorPath(): string {
  const beside = fileURLToPath(new URL('./validate-child.js', import.meta.url));
  return existsSync(beside)
    ? beside
    : fileURLToPath(new URL('../../dist/src/spool/validate-child.js', import.meta.url));
}

function openEnvironment(file: string, durability: Durability, mapSize: number): Tables {
  try {
    return openTables(file, durability, mapSize);
  } catch (cause) {
    throw unusable(file, `LMDB cannot open it: ${messageOf(cause)}`, cause);
  }
}

/** Compares generation and format inside with the marker; makes both for a new store. */
async function settleGeneration(
  tables: Tables,
  directory: string,
  file: string,
  marker: GenerationMarker | undefined,
  durability: Durability,
  clock: Clock,
): Promise<void> {
  const inside = unpackPlain(tables.meta.getBinary('generation') ?? Buffer.alloc(0));
  const generation = inside?.['generation'];
  if (marker !== undefined) {
    if (generation !== marker.generation)
      throw damaged(file, `it is generation ${String(generation ?? 'none')}, ${MARKER_NAME} says ${marker.generation}`);
    migrate(tables, file, formatOf(tables));
    if (marker.format !== FORMAT_VERSION)
      await writeMarker(directory, { ...marker, format: FORMAT_VERSION, durability });
    return;
  }
  if (typeof generation === 'string') {
    // The marker was moved away, or a crash came between the first commit and the marker.
    migrate(tables, file, formatOf(tables));
    const created = inside?.['created'];
    await writeMarker(directory, newMarker(generation, typeof created === 'string' ? created : now(clock), durability));
    return;
  }
  const fresh = newMarker(randomUUID(), now(clock), durability);
  void tables.meta.put('format', packPlain({ version: FORMAT_VERSION }));
  await tables.meta.put('generation', packPlain({ generation: fresh.generation, created: fresh.created }));
  if (durability === 'commit') await tables.environment.flushed;
  await writeMarker(directory, fresh);
}

function formatOf(tables: Tables): number {
  const version = unpackPlain(tables.meta.getBinary('format') ?? Buffer.alloc(0))?.['version'];
  return typeof version === 'number' ? version : 0;
}

function newMarker(generation: string, created: string, durability: Durability): GenerationMarker {
  return { format: FORMAT_VERSION, generation, created, durability };
}

function now(clock: Clock): string {
  return new Date(clock.wall()).toISOString();
}

function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

function damaged(file: string, found: string): SluiceError {
  return new SluiceError(
    'spool-damaged',
    `${file} is damaged: ${found}. Nothing was changed or deleted. Put back a good copy of it, or move the whole ` +
      'directory aside to start with an empty spool and keep the damaged one for rescue',
    { temporary: false },
  );
}

function unusable(path: string, why: string, cause: unknown): SluiceError {
  return new SluiceError('spool-unusable', `the spool cannot use ${path}: ${why}`, { temporary: false, cause });
}
