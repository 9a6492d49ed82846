/**
 * Reads a whole audit log and says whether it is as it was written: names the first line that is not, and why.
 *
 * What it cannot see alone: an end cut off together with the side file. For that an operator keeps a hash elsewhere
 * (`sluice audit head`) and gives it as `head`: it must be that of some line.
 */
import { stat } from 'node:fs/promises';
import { type AuditEntry, flawAfter, ORIGIN, type Position, readEntry } from './audit-entry.js';
import { type FileLine, linesOf, logFiles, readHead } from './audit-files.js';

export type Flaw = 'changed' | 'removed' | 'reordered' | 'truncated' | 'no-head' | 'unknown-head' | 'unknown-start';

export interface Finding {
  readonly flaw: Flaw;
  /** File and line, '' and 0: it is about none of them. */
  readonly path: string;
  readonly line: number;
  /** In words. */
  readonly why: string;
}

export interface Verdict {
  /** Lines that are as they were written, up to the first that is not. */
  readonly lines: number;
  readonly files: number;
  /** The last good line. */
  readonly last: Position;
  /** The first thing that is wrong; null: nothing. */
  readonly finding: Finding | null;
  /** Bytes behind the last confirmed line that are no whole line: a crash left them, the next start takes them away. */
  readonly torn: number;
}

export interface VerifyOptions {
  /** A hash that was kept elsewhere, '' for none. */
  readonly head: string;
  /** The hash before the first line that is looked at, where older files are kept elsewhere; '' for none. */
  readonly after: string;
}

/** @throws Error of the system where a file cannot be read. */
export async function verifyLog(path: string, { head, after }: VerifyOptions): Promise<Verdict> {
  // Before the lines: a log that is being written is past it, never behind.
  const side = await readHead(path);
  const files = await logFiles(path);
  let last: Position = ORIGIN;
  let begun = after === '';
  let lines = 0;
  let headSeen = head === '' || head === after;
  let finding: Finding | null = null;
  let torn = 0;
  walk: for (const file of files) {
    for await (const line of linesOf(file)) {
      const entry = line.whole ? readEntry(line.bytes) : null;
      if (!begun) {
        if (entry?.hash === after) begun = true;
        else if (entry?.prev === after) begun = true;
        else continue;
        last = entry.hash === after ? entry : { seq: entry.seq - 1, hash: after };
        if (entry.hash === after) continue;
      }
      if (entry === null && file === path && (side === null ? !line.whole : last.seq >= side.seq)) {
        torn = (await stat(file)).size - line.offset;
        break walk;
      }
      finding = entry === null ? changed(line) : await misplaced(files, line, last, entry);
      if (finding === null && side !== null && entry!.seq === side.seq && entry!.hash !== side.hash)
        finding = at(line, 'changed', `${path}.head has another hash for line ${side.seq}`);
      if (finding !== null) break walk;
      last = { seq: entry!.seq, hash: entry!.hash };
      lines++;
      headSeen ||= head === last.hash;
    }
  }
  if (finding === null) finding = atTheEnd(path, { side, last, begun, after, headSeen, head });
  return { lines, files: files.length, last: { seq: last.seq, hash: last.hash }, finding, torn };
}

interface End {
  readonly side: Position | null;
  readonly last: Position;
  readonly begun: boolean;
  readonly after: string;
  readonly headSeen: boolean;
  readonly head: string;
}

function atTheEnd(path: string, { side, last, begun, after, headSeen, head }: End): Finding | null {
  const nowhere = (flaw: Flaw, why: string): Finding => ({ flaw, path: '', line: 0, why });
  if (!begun) return nowhere('unknown-start', `no line has the hash ${after}, or comes after it`);
  if (side !== null && side.seq > last.seq)
    return nowhere('truncated', `the log ends with entry ${last.seq}; ${path}.head says that ${side.seq} were written`);
  if (!headSeen)
    return nowhere('unknown-head', `no line has the hash ${head}: the log was cut off before it, or written anew`);
  if (side === null && last.seq > 0)
    return nowhere('no-head', `${path}.head is missing or not readable: whether the end is there cannot be said`);
  return null;
}

function changed(line: FileLine): Finding {
  const words = line.whole ? 'it is not as it was written' : 'it was cut off, after entries that had been confirmed';
  return at(line, line.whole ? 'changed' : 'truncated', words);
}

async function misplaced(
  files: readonly string[],
  line: FileLine,
  last: Position,
  entry: AuditEntry,
): Promise<Finding | null> {
  const flaw = flawAfter(last, entry);
  if (flaw === null) return null;
  const place = `entry ${entry.seq} comes after ${last.seq}`;
  if (flaw === 'changed')
    return at(line, flaw, `${place} and not after the one that is there: that one was written anew`);
  if (flaw === 'reordered') return at(line, flaw, `${place}: it stands here a second time, or out of its order`);
  const elsewhere = await stands(files, last.seq + 1, entry.seq);
  if (elsewhere) return at(line, 'reordered', `${place}: entry ${last.seq + 1} stands in another place`);
  const gone = entry.seq - last.seq - 1;
  return at(line, flaw, `${place}: ${gone === 1 ? 'one entry is' : `${gone} entries are`} missing`);
}

/** An entry of that number stands somewhere. */
async function stands(files: readonly string[], seq: number, after: number): Promise<boolean> {
  let past = false;
  for (const file of files) {
    for await (const { bytes } of linesOf(file)) {
      const entry = readEntry(bytes);
      past ||= entry?.seq === after;
      if (past && entry?.seq === seq) return true;
    }
  }
  return false;
}

function at({ path, number }: FileLine, flaw: Flaw, why: string): Finding {
  return { flaw, path, line: number, why };
}
