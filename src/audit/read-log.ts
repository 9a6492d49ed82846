/**
 * Pages of an audit log, oldest first. Reads only; lines that are not as they were written are left out, `verify-log.ts`
 * names them.
 */
import { type AuditEntry, readEntry } from './audit-entry.js';
import { linesOf, logFiles } from './audit-files.js';

export interface Wanted {
  /** Entries with a greater number. */
  readonly after: number;
  /** Not older than this, ms since the epoch; 0: of any time. */
  readonly since: number;
  readonly limit: number;
}

/** @throws Error of the system where a file cannot be read. */
export async function readEntries(path: string, { after, since, limit }: Wanted): Promise<AuditEntry[]> {
  const found: AuditEntry[] = [];
  const files = await logFiles(path);
  for (const [index, file] of files.entries()) {
    const next = files[index + 1];
    // The next one begins before what is wanted: nothing here is.
    if (next !== undefined && (await beginsBefore(next, after))) continue;
    for await (const { bytes } of linesOf(file)) {
      if (numberOf(bytes) <= after) continue;
      const entry = readEntry(bytes);
      if (entry === null || (since > 0 && Date.parse(entry.time) < since)) continue;
      found.push(entry);
      if (found.length >= limit) return found;
    }
  }
  return found;
}

async function beginsBefore(path: string, after: number): Promise<boolean> {
  for await (const { bytes } of linesOf(path)) return numberOf(bytes) <= after + 1;
  return false;
}

/** Without reading all of the line; infinite where there is none. */
function numberOf(line: Buffer): number {
  const match = /^\{"seq":(\d{1,15}),/.exec(line.toString('latin1', 0, 32));
  return match === null ? Number.POSITIVE_INFINITY : Number(match[1]);
}
