/**
 * Writes a full segment anew without some of its events.
 *
 * Contract: the new file is whole and flushed before it takes the place of the old one, which is then gone; whatever
 * fails on the way leaves the old one. Blocks that hold nothing of what goes are copied as they are; damaged ones go. It
 * works block by block, in turns of its own, and touches no file that mail is written to.
 */
import { blockOf, bodyIn, filterIn, lengthOf, packEvents, readHead, unpackEvents } from './block.js';
import type { Files, OpenFile } from './files.js';
import type { KeptEvent } from './kept-event.js';
import { type BlockEntry, readBlock, readIndex, scanBlocks } from './segment.js';
import { type FullSegment, type GrowingSegment, type Segments, writeIndex } from './segments.js';

/** What is to go. */
export interface Change {
  /** An event as it is to be kept; null: not at all. The same one: it stays as it is. */
  apply(event: KeptEvent): KeptEvent | null;
  /** Whether a block may hold what is to go, by its unpacked bytes: a quick look before it is decoded. */
  mayConcern(raw: Buffer): boolean;
}

interface Rewriting {
  readonly files: Files;
  readonly segments: Segments;
  /** Runs `work` when nothing else changes the segments. */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

const ENDING = '.new';
const COPY = 1024 * 1024;

/** Events that were changed or taken out. `swept`: as SegmentTail has it. Rejects with what the disk says. */
export async function rewriteSegment(
  { files, segments, alone }: Rewriting,
  segment: FullSegment,
  change: Change,
  swept: number,
): Promise<number> {
  const old = await files.open(segment.path, 'read');
  const path = `${segment.path}${ENDING}`;
  let next: GrowingSegment | null = null;
  let changed = 0;
  try {
    const entries = (await readIndex(old, segment.bytes)) ?? (await scanBlocks(old, segment.bytes)).entries;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      const { bytes, events, same } = await changedBlock(old, entry, change);
      if (same && next === null) continue;
      next ??= await copyOf(files, old, path, segment, entries.slice(0, i));
      changed += events;
      if (bytes !== null) await add(next, bytes);
    }
    if (next === null) return 0;
    const full = await writeIndex(next, swept);
    await next.file.sync();
    const { file, entries: left } = next;
    next = null;
    await file.close();
    await alone(async () => {
      const there = segments.full.includes(segment);
      if (there && left.length > 0) await segments.replace(segment, path, full);
      else await files.remove(path);
      if (there && left.length === 0) await segments.drop(segment);
    });
    return changed;
  } finally {
    await old.close();
    if (next !== null) {
      await next.file.close().catch(() => undefined);
      await files.remove(path).catch(() => undefined);
    }
  }
}

/** The block as it is to be, null where nothing is left of it. `same`: as it was. */
async function changedBlock(
  old: OpenFile,
  entry: BlockEntry,
  change: Change,
): Promise<{ readonly bytes: Buffer | null; readonly events: number; readonly same: boolean }> {
  const bytes = await readBlock(old, entry);
  if (bytes === null) return { bytes, events: 0, same: false };
  const raw = bodyIn(bytes, entry);
  if (!change.mayConcern(raw)) return { bytes, events: 0, same: true };
  const events = unpackEvents(raw);
  const left: KeptEvent[] = [];
  let changed = 0;
  for (const event of events) {
    const kept = change.apply(event);
    if (kept !== event) changed++;
    if (kept !== null) left.push(kept);
  }
  if (changed === 0) return { bytes, events: 0, same: true };
  if (left.length === 0) return { bytes: null, events: changed, same: false };
  return { bytes: blockOf(packEvents(entry.seq, left)).bytes, events: changed, same: false };
}

/** A new segment that begins with some blocks of the old one. */
async function copyOf(
  files: Files,
  old: OpenFile,
  path: string,
  segment: FullSegment,
  entries: readonly BlockEntry[],
): Promise<GrowingSegment> {
  const file = await files.open(path, 'create');
  const last = entries.at(-1);
  const end = last === undefined ? 0 : last.offset + lengthOf(last);
  for (let at = 0; at < end; at += COPY) await file.write(await old.read(at, Math.min(COPY, end - at)), at);
  return { path: segment.path, firstSeq: segment.firstSeq, file, entries: [...entries], end };
}

async function add(next: GrowingSegment, bytes: Buffer): Promise<void> {
  const head = readHead(bytes)!;
  await next.file.write(bytes, next.end);
  next.entries.push({ ...head, offset: next.end, filter: Buffer.from(filterIn(bytes, head)) });
  next.end += bytes.length;
}
