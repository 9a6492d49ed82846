/**
 * Reads a history: blocks newest first, only those that may be about what is asked.
 *
 * Contract: a look-up sees all events that were recorded before it began, and reads at most so many blocks (Budget). Blocks
 * that were erased, swept or damaged meanwhile are as if they had never been.
 */
import { bodyIn, unpackEvents } from './block.js';
import type { Files, OpenFile } from './files.js';
import type { RecentBlock, Snapshot } from './history.js';
import type { KeptEvent } from './kept-event.js';
import { type BlockEntry, readBlock, readIndex } from './segment.js';

/** A block that can be read. */
export interface ReadableBlock {
  readonly seq: number;
  /** What is known of it; null for one in memory, which is read without asking. */
  readonly entry: BlockEntry | null;
  events(): Promise<readonly KeptEvent[]>;
}

/** Decoded blocks that a look-up keeps, as it comes back to most of them. */
const KEPT_BLOCKS = 64;

/** Where to look. Times are wall clock, ms. */
export interface Range {
  /** Blocks up to this one. */
  readonly seq: number;
  /** Blocks that have an event from then on, and one until then. */
  readonly since: number;
  readonly until: number;
}

/** A part of the history: a segment, or what is in memory. */
interface Part {
  readonly firstSeq: number;
  readonly first: number;
  readonly last: number;
  blocks(): Promise<readonly ReadableBlock[]>;
}

/** Indexes of full segments that were read lately, so that a second look-up does not read them again. */
export class IndexCache {
  private readonly most: number;
  private readonly held = new Map<object, { readonly entries: readonly BlockEntry[]; readonly bytes: number }>();
  private bytes = 0;

  /** `most`: bytes. */
  constructor(most: number) {
    this.most = most;
  }

  /** `segment`: the one of a snapshot, which is another one when its file changed. */
  get(segment: object): readonly BlockEntry[] | undefined {
    const found = this.held.get(segment);
    if (found === undefined) return undefined;
    this.held.delete(segment);
    this.held.set(segment, found);
    return found.entries;
  }

  put(segment: object, entries: readonly BlockEntry[], bytes: number): void {
    this.held.set(segment, { entries, bytes });
    this.bytes += bytes;
    for (const [oldest, { bytes: freed }] of this.held) {
      if (this.bytes <= this.most) break;
      this.held.delete(oldest);
      this.bytes -= freed;
    }
  }
}

/** One look-up over one snapshot; to be closed. */
export class LookUp {
  /** Blocks that could not be read. */
  damaged = 0;
  private readonly files: Files;
  private readonly cache: IndexCache;
  /** Blocks that it may still read. */
  budget: number;
  private readonly parts: readonly Part[];
  private readonly open = new Map<string, Promise<OpenFile | null>>();
  private readonly known = new Map<number, readonly KeptEvent[]>();

  constructor(files: Files, cache: IndexCache, snapshot: Snapshot, budget: number) {
    this.files = files;
    this.cache = cache;
    this.budget = budget;
    this.parts = this.partsOf(snapshot);
  }

  /** Blocks of a range, newest first, that `wanted` takes after a look at what is known of them. */
  async *blocks(
    { seq, since, until }: Range,
    wanted: (block: ReadableBlock) => boolean,
  ): AsyncGenerator<ReadableBlock> {
    for (const part of this.parts) {
      if (part.firstSeq > seq || part.last < since || part.first > until) continue;
      for (const block of await part.blocks()) {
        const { entry } = block;
        if (block.seq > seq || (entry !== null && (entry.last < since || entry.first > until))) continue;
        if (wanted(block)) yield block;
      }
    }
  }

  /** Closes what was opened. */
  async close(): Promise<void> {
    for (const opened of this.open.values()) await (await opened)?.close().catch(() => undefined);
    this.open.clear();
  }

  /** Newest first. */
  private partsOf({ full, growing, recent }: Snapshot): Part[] {
    const parts: Part[] = [];
    for (const block of [...recent].reverse()) parts.push(this.memoryPart(block));
    if (growing !== null) {
      const { path, firstSeq, entries } = growing;
      const last = entries.reduce((latest, entry) => Math.max(latest, entry.last), 0);
      const first = entries[0]?.first ?? 0;
      parts.push({ firstSeq, first, last, blocks: async () => this.readable(path, entries) });
    }
    for (const segment of [...full].reverse()) {
      const { firstSeq, first, last, path } = segment;
      const blocks = async () => this.readable(path, await this.indexOf(segment));
      parts.push({ firstSeq, first, last, blocks });
    }
    return parts;
  }

  private memoryPart({ seq, events }: RecentBlock): Part {
    const last = events.reduce((latest, { at }) => Math.max(latest, at), 0);
    const block: ReadableBlock = { seq, entry: null, events: async () => events };
    return { firstSeq: seq, first: events[0]?.at ?? 0, last, blocks: async () => [block] };
  }

  private readable(path: string, entries: readonly BlockEntry[]): ReadableBlock[] {
    const blocks: ReadableBlock[] = [];
    for (let i = entries.length - 1; i >= 0; i--) {
      const entry = entries[i]!;
      if (entry.events > 0) blocks.push({ seq: entry.seq, entry, events: () => this.eventsOf(path, entry) });
    }
    return blocks;
  }

  private async indexOf(segment: Snapshot['full'][number]): Promise<readonly BlockEntry[]> {
    const held = this.cache.get(segment);
    if (held !== undefined) return held;
    const file = await this.fileOf(segment.path);
    const entries = file === null ? null : await readIndex(file, segment.bytes).catch(() => null);
    if (entries === null) this.damaged++;
    else this.cache.put(segment, entries, segment.indexBytes);
    return entries ?? [];
  }

  private async eventsOf(path: string, entry: BlockEntry): Promise<readonly KeptEvent[]> {
    const known = this.known.get(entry.seq);
    if (known !== undefined) return known;
    this.budget--;
    const events = await this.readEvents(path, entry);
    this.known.set(entry.seq, events);
    if (this.known.size > KEPT_BLOCKS) this.known.delete(this.known.keys().next().value!);
    return events;
  }

  private async readEvents(path: string, entry: BlockEntry): Promise<readonly KeptEvent[]> {
    try {
      const file = await this.fileOf(path);
      const bytes = file === null ? null : await readBlock(file, entry);
      if (bytes !== null) return unpackEvents(bodyIn(bytes, entry));
    } catch {
      // Counted as all that cannot be read.
    }
    this.damaged++;
    return [];
  }

  private fileOf(path: string): Promise<OpenFile | null> {
    let opened = this.open.get(path);
    if (opened === undefined) {
      opened = this.files.open(path, 'read').catch(() => null);
      this.open.set(path, opened);
    }
    return opened;
  }
}
