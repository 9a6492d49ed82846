/**
 * The segment files of a history: all that are full, and the one that is written to.
 *
 * Contract: one caller at a time changes them (the chain of History); look-ups read beside it. `open` cuts a torn end off
 * and takes up where the last process was. A failed write leaves the segment as it was before.
 * Limits: as many bytes as `size` and one segment more; a segment is a 64th of it, 64 KiB to 16 MiB.
 */
import { join } from 'node:path';
import { SluiceError } from '../core/errors.js';
import { type BlockHead, type blockOf, filterIn } from './block.js';
import type { Files, OpenFile } from './files.js';
import { type BlockEntry, indexOf, readTail, type SegmentTail, scanBlocks } from './segment.js';

/** A segment that is full. */
export interface FullSegment extends SegmentTail {
  readonly path: string;
  /** Number of its first block. */
  readonly firstSeq: number;
  readonly bytes: number;
}

/** The one that is written to. */
export interface GrowingSegment {
  readonly path: string;
  readonly firstSeq: number;
  readonly file: OpenFile;
  readonly entries: BlockEntry[];
  end: number;
}

const ENDING = '.blocks';
const SEQ_DIGITS = 14;
const SEGMENTS = 64;
const MIN_SEGMENT = 64 * 1024;
const MAX_SEGMENT = 16 * 1024 * 1024;
/** So that memory for what is known of the one that grows is bounded too. */
const MAX_BLOCKS = 4096;

export class Segments {
  /** Oldest first. */
  full: readonly FullSegment[] = [];
  growing: GrowingSegment | null = null;
  /** Bytes that were cut off at the start. */
  cut = 0;
  private readonly files: Files;
  private readonly folder: string;
  private readonly segmentBytes: number;

  private constructor(files: Files, folder: string, size: number) {
    this.files = files;
    this.folder = folder;
    this.segmentBytes = Math.min(MAX_SEGMENT, Math.max(MIN_SEGMENT, Math.floor(size / SEGMENTS)));
  }

  /** Opens those of a folder, which is made where there is none. @throws what the disk says. */
  static async open(files: Files, folder: string, size: number): Promise<Segments> {
    const segments = new Segments(files, folder, size);
    await files.makeFolder(folder);
    const names = (await files.list(folder)).sort();
    for (const name of names) if (name.endsWith('.new')) await files.remove(join(folder, name));
    const found = names.filter((name) => /^\d+\.blocks$/.test(name));
    for (const name of found) await segments.take(name, name === found.at(-1));
    return segments;
  }

  /** Bytes of all. */
  get bytes(): number {
    return this.full.reduce((sum, { bytes }) => sum + bytes, this.growing?.end ?? 0);
  }

  /** The number that the next block gets at least. */
  get nextSeq(): number {
    return (this.growing?.entries.at(-1)?.seq ?? this.full.at(-1)?.lastSeq ?? 0) + 1;
  }

  /** Writes a block at the end; the segment is closed with an index when it is full. */
  async append(block: Awaited<ReturnType<typeof blockOf>>): Promise<void> {
    const { head, bytes } = block;
    if (this.isFull()) await this.seal();
    this.growing ??= await this.begin(head.seq);
    const { growing } = this;
    await growing.file.write(bytes, growing.end);
    growing.entries.push(this.entryAt(growing.end, head, bytes));
    growing.end += bytes.length;
  }

  /** Closes the one that is written to with its index, so that it is treated as the others. */
  async seal(): Promise<void> {
    const { growing } = this;
    if (growing === null) return;
    const full = await writeIndex(growing, 0);
    this.growing = null;
    this.full = [...this.full, full];
    await growing.file.close();
  }

  /** Takes the oldest away until all are within `size` bytes. */
  async shrink(size: number): Promise<void> {
    while (this.bytes > size && this.full.length > 0) await this.drop(this.full[0]!);
  }

  /** Takes a full segment and its file away. */
  async drop(segment: FullSegment): Promise<void> {
    await this.files.remove(segment.path);
    this.full = this.full.filter((one) => one !== segment);
  }

  /** Puts a new file in the place of a full segment's, durably; the old one is gone. */
  async replace(segment: FullSegment, path: string, next: Omit<FullSegment, 'path' | 'firstSeq'>): Promise<void> {
    await this.files.rename(path, segment.path);
    const { path: old, firstSeq } = segment;
    this.full = this.full.map((one) => (one === segment ? { ...next, path: old, firstSeq } : one));
    await this.files.syncFolder(this.folder);
  }

  async close(): Promise<void> {
    await this.growing?.file.close();
    this.growing = null;
  }

  private isFull(): boolean {
    const { growing } = this;
    return growing !== null && (growing.end >= this.segmentBytes || growing.entries.length >= MAX_BLOCKS);
  }

  private async begin(seq: number): Promise<GrowingSegment> {
    const path = join(this.folder, `${String(seq).padStart(SEQ_DIGITS, '0')}${ENDING}`);
    return { path, firstSeq: seq, file: await this.files.open(path, 'create'), entries: [], end: 0 };
  }

  private entryAt(offset: number, head: BlockHead, bytes: Buffer): BlockEntry {
    return { ...head, offset, filter: Buffer.from(filterIn(bytes, head)) };
  }

  /** A file that is there at the start. Only the newest goes on growing. */
  private async take(name: string, newest: boolean): Promise<void> {
    const path = join(this.folder, name);
    const firstSeq = Number.parseInt(name, 10);
    const file = await this.files.open(path, 'write');
    let keep = false;
    try {
      const size = await file.size();
      const tail = await readTail(file, size);
      if (tail !== null) {
        this.full = [...this.full, { ...tail, path, firstSeq, bytes: size }];
        return;
      }
      const { entries, end } = await scanBlocks(file, size);
      if (end < size) {
        this.cut += size - end;
        await file.truncate(end);
      }
      const growing: GrowingSegment = { path, firstSeq, file, entries, end };
      if (newest) {
        keep = true;
        this.growing = growing;
      } else if (entries.length === 0) await this.files.remove(path);
      else this.full = [...this.full, await writeIndex(growing, 0)];
    } catch (error) {
      throw new SluiceError('history-unreadable', `${path} cannot be read`, { temporary: true, cause: error });
    } finally {
      if (!keep) await file.close();
    }
  }
}

/** Writes index and tail behind the blocks; the segment as it is then. */
export async function writeIndex(growing: GrowingSegment, swept: number): Promise<FullSegment> {
  const { path, firstSeq, file, entries, end } = growing;
  const { bytes, tail } = indexOf(entries, swept);
  await file.write(bytes, end);
  return { ...tail, path, firstSeq, bytes: end + bytes.length };
}
