/**
 * Where an audit log goes on after a start, or after it was changed under the engine.
 *
 * The side file names the last line that was confirmed. What stands behind it was never confirmed: whole lines stay, and
 * what a crash cut off is taken away. What is missing or changed before it is damage: nothing is mended, the chain goes
 * on behind the side file, so that the gap stays to be seen, and an entry says what was found.
 */
import { stat, truncate } from 'node:fs/promises';
import { flawAfter, ORIGIN, type Position, readEntry } from './audit-entry.js';
import { type FileLine, fullFiles, linesOf, readHead } from './audit-files.js';

export interface Recovered {
  /** After which the next line comes. */
  readonly last: Position;
  /** Of the file that is written, bytes. */
  readonly size: number;
  /** A line end is missing before the next line. */
  readonly unended: boolean;
  /** What a crash had cut off and is taken away; null: nothing. */
  readonly torn: { readonly bytes: number; readonly begins: string } | null;
  /** In words, '' for none. */
  readonly damage: string;
}

/** Characters of a torn line that are kept. */
const SHOWN = 200;

/** Reads the file that is written, and the end of the one before. @throws Error of the system. */
export async function recoverLog(path: string): Promise<Recovered> {
  const head = await readHead(path);
  const full = await fullFiles(path);
  const before = full.length === 0 ? ORIGIN : await lastOf(`${path}.${full[full.length - 1]}`);
  let last = before ?? ORIGIN;
  let damage = before === null ? 'the last line of the file before is not as it was written' : '';
  let size = 0;
  let unended = false;
  let torn: Recovered['torn'] = null;
  for await (const line of linesOf(path)) {
    const entry = line.whole ? readEntry(line.bytes) : null;
    if (entry !== null && damage === '' && flawAfter(last, entry) === null) last = entry;
    else if (damage === '' && head !== null && last.seq >= head.seq) {
      torn = await tornAt(path, line);
      break;
    } else {
      damage ||= `line ${line.number} is not as it was written, or not in its place`;
      if (entry !== null && entry.seq > last.seq) last = entry;
    }
    size = line.offset + line.bytes.length + (line.whole ? 1 : 0);
    unended = !line.whole;
  }
  if (damage === '' && head === null && last.seq > 0) damage = 'the side file .head is missing or not readable';
  if (head !== null && head.seq > last.seq) {
    damage ||= `the log ends with entry ${last.seq}, but ${head.seq} were written`;
    last = head;
  }
  return { last: { seq: last.seq, hash: last.hash }, size, unended, torn, damage };
}

async function tornAt(path: string, { offset, bytes }: FileLine): Promise<Recovered['torn']> {
  const { size } = await stat(path);
  await truncate(path, offset);
  return { bytes: size - offset, begins: bytes.toString('latin1', 0, SHOWN) };
}

/** The last line of a full file; null: it is not as it was written. */
async function lastOf(path: string): Promise<Position | null> {
  let last: FileLine | null = null;
  for await (const line of linesOf(path)) last = line;
  return last === null ? null : readEntry(last.bytes);
}
