/**
 * The marker beside the data file: `spool.json`.
 *
 * A data file that is missing or empty opens as a new, empty store, and mail would be gone without a word. The marker
 * says that there was a store, and which: its generation is also inside. Written with its bytes and its directory
 * synced, after the first commit.
 */
import { readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf, SluiceError } from '../core/errors.js';
import type { Durability } from './tables.js';

export const MARKER_NAME = 'spool.json';

export interface GenerationMarker {
  readonly format: number;
  readonly generation: string;
  /** ISO date. */
  readonly created: string;
  /** How the store was last opened for writing: what lmdb may trust after a power cut depends on it. */
  readonly durability: Durability;
}

/** The marker of a spool directory; undefined when there is none. @throws SluiceError `spool-damaged` when unreadable. */
export function readMarker(directory: string): GenerationMarker | undefined {
  const path = join(directory, MARKER_NAME);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw unreadable(path, messageOf(error));
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unreadable(path, messageOf(error));
  }
  if (typeof value !== 'object' || value === null) throw unreadable(path, 'it is not an object');
  const { format, generation, created, durability } = value as Record<string, unknown>;
  if (typeof format !== 'number' || typeof generation !== 'string' || typeof created !== 'string')
    throw unreadable(path, 'format, generation or created is missing');
  return { format, generation, created, durability: durability === 'commit' ? 'commit' : 'fsync' };
}

/** Writes the marker so that it is whole after any crash. Throws what the file system throws. */
export async function writeMarker(directory: string, marker: GenerationMarker): Promise<void> {
  const path = join(directory, MARKER_NAME);
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(marker)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  await syncDirectory(dirname(path));
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function unreadable(path: string, why: string): SluiceError {
  return new SluiceError(
    'spool-damaged',
    `${path} cannot be read (${why}). It names the store beside it; move it aside to have it written anew from the store`,
    { temporary: false },
  );
}
