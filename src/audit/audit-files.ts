/**
 * The files of an audit log: `audit.log` is written, `audit.log.1`, `audit.log.2` ... are full, the oldest first, and
 * `audit.log.head` says what was written last, so that a log that was cut off can be told from a whole one.
 *
 * Full files are never changed or removed here; the chain goes on from one to the next.
 */
import { type FileHandle, open, readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MAX_LINE, type Position } from './audit-entry.js';

const CHUNK = 64 * 1024;
const LF = 10;

/** A line as it stands in a file. */
export interface FileLine {
  readonly path: string;
  /** In its file, from 1. */
  readonly number: number;
  /** Where it begins, bytes. */
  readonly offset: number;
  /** Without its end; of a line that is too long the beginning. */
  readonly bytes: Buffer;
  /** It has an end. */
  readonly whole: boolean;
}

export function headPath(path: string): string {
  return `${path}.head`;
}

/** Numbers of full files, the oldest first. A folder that is not there has none. */
export async function fullFiles(path: string): Promise<number[]> {
  const start = `${basename(path)}.`;
  const names = await readdir(dirname(path)).catch(ifMissing<string[]>([]));
  return names
    .filter((name) => name.startsWith(start) && /^[1-9]\d{0,8}$/.test(name.slice(start.length)))
    .map((name) => Number(name.slice(start.length)))
    .sort((a, b) => a - b);
}

/** All files there are, the oldest first, the one that is written last. */
export async function logFiles(path: string): Promise<string[]> {
  return [...(await fullFiles(path)).map((number) => `${path}.${number}`), join(path)];
}

/** Lines of a file in their order; none where there is no file. Holds MAX_LINE and a chunk in memory. */
export async function* linesOf(path: string, from = 0): AsyncGenerator<FileLine> {
  const file = await open(path).catch(ifMissing<FileHandle | null>(null));
  if (file === null) return;
  try {
    const chunk = Buffer.allocUnsafe(CHUNK);
    let held = Buffer.alloc(0);
    let offset = from;
    let read = from;
    let number = 0;
    let cut = 0;
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, CHUNK, read);
      if (bytesRead === 0) break;
      read += bytesRead;
      held = Buffer.concat([held, chunk.subarray(0, bytesRead)]);
      let start = 0;
      for (let end = held.indexOf(LF); end >= 0; end = held.indexOf(LF, start)) {
        const bytes = held.subarray(start, end);
        yield { path, number: ++number, offset, bytes, whole: true };
        offset += bytes.length + cut + 1;
        cut = 0;
        start = end + 1;
      }
      held = held.subarray(start);
      if (held.length > 2 * MAX_LINE) {
        cut += held.length - MAX_LINE - 1;
        held = held.subarray(0, MAX_LINE + 1);
      }
    }
    if (held.length > 0) yield { path, number: ++number, offset, bytes: held, whole: false };
  } finally {
    await file.close();
  }
}

/** What the side file says was written last; null: there is none, or it is not one. */
export async function readHead(path: string): Promise<Position | null> {
  const text = await readFile(headPath(path), 'utf8').catch(ifMissing(''));
  const match = /^\{"seq":(\d{1,15}),"hash":"([0-9a-f]{64})"\} *\n$/.exec(text);
  return match === null ? null : { seq: Number(match[1]), hash: match[2]! };
}

/** As `readHead` reads it, always of one length: a power cut leaves the old or the new, for it is within one sector. */
export function headText({ seq, hash }: Position): string {
  return `${`{"seq":${seq},"hash":"${hash}"}`.padEnd(127)}\n`;
}

function ifMissing<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if ((error as { code?: unknown }).code === 'ENOENT') return instead;
    throw error;
  };
}
