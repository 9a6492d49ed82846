/**
 * The history of mail: takes events as they are told, and keeps them in files that can be looked up.
 *
 * Contract: `record` is cheap, never throws and never waits. Events gather in memory into blocks; what gathers is in the
 * journal within JOURNAL_EVERY, so that a process that is killed loses no more. Nothing is flushed: a power cut may
 * cost more. What cannot be written is lost, counted, and told once until writing works again; mail never waits for it.
 * Memory: one block that gathers and at most MAX_WRITING that are being written.
 */
import { join } from 'node:path';
import type { MailEvent } from '../telemetry/mail-event.js';
import { blockOf, type Packed, packEvents } from './block.js';
import type { Files } from './files.js';
import { Journal } from './journal.js';
import { isKept, type KeptEvent, weightOf } from './kept-event.js';
import { type FullSegment, type GrowingSegment, Segments } from './segments.js';

/** Longest time that an event is in memory only, ms. */
export const JOURNAL_EVERY = 1000;
/** Events of a block: enough to be packed well, few enough that packing them is not felt (half a millisecond). */
const BLOCK_EVENTS = 512;
/** The same in bytes, as weightOf estimates them. */
const BLOCK_WEIGHT = 1024 * 1024;
/** Blocks being written at once; when the disk is slower than mail, further ones are lost. */
const MAX_WRITING = 32;
const JOURNAL = 'journal';

export interface HistoryOptions {
  readonly files: Files;
  readonly folder: string;
  /** Bytes of all segments. */
  readonly size: number;
  /** Something could not be written; told once until it works again. */
  failed(reason: string): void;
}

/** Events of a block that is not in a segment yet. */
export interface RecentBlock {
  readonly seq: number;
  readonly events: readonly KeptEvent[];
}

/** All that there is at one moment; blocks in order. */
export interface Snapshot {
  readonly full: readonly FullSegment[];
  readonly growing: Omit<GrowingSegment, 'file'> | null;
  readonly recent: readonly RecentBlock[];
}

export interface HistoryCounts {
  /** Since the start. */
  readonly recorded: number;
  readonly lost: number;
  /** Of all segments. */
  readonly bytes: number;
}

export class History {
  readonly segments: Segments;
  private readonly options: HistoryOptions;
  private readonly journal: Journal;
  private seq: number;
  private gathering: KeptEvent[];
  private weight = 0;
  /** How many of those that gather are in the journal. */
  private journaled: number;
  private writing: RecentBlock[] = [];
  private timer: NodeJS.Timeout | null = null;
  private chain: Promise<void> = Promise.resolve();
  private recorded = 0;
  private lost = 0;
  private failing = false;
  private forgetting: readonly ((event: KeptEvent) => KeptEvent | null)[] = [];
  private closed = false;

  private constructor(options: HistoryOptions, segments: Segments, journal: Journal, seq: number, events: KeptEvent[]) {
    this.options = options;
    this.segments = segments;
    this.journal = journal;
    this.seq = seq;
    this.gathering = events;
    this.journaled = events.length;
    for (const event of events) this.weight += weightOf(event);
  }

  /** Takes up what is in the folder, or begins anew. @throws what the disk says. */
  static async open(options: HistoryOptions): Promise<History> {
    const { files, folder, size } = options;
    const segments = await Segments.open(files, folder, size);
    const { journal, seq, events } = await Journal.open(files, join(folder, JOURNAL), segments.nextSeq);
    return new History(options, segments, journal, seq, events);
  }

  counts(): HistoryCounts {
    const { recorded, lost } = this;
    return { recorded, lost, bytes: this.segments.bytes };
  }

  /** Takes an event. */
  record(told: MailEvent): void {
    if (!isKept(told) || this.closed) return;
    this.recorded++;
    const event = this.forgetting.length === 0 ? told : this.remembered(told);
    if (event === null) return;
    this.gathering.push(event);
    this.weight += weightOf(event);
    if (this.gathering.length >= BLOCK_EVENTS || this.weight >= BLOCK_WEIGHT) this.closeBlock();
    else if (this.timer === null) {
      this.timer = setTimeout(() => {
        this.timer = null;
        this.journalRest();
      }, JOURNAL_EVERY);
      this.timer.unref();
    }
  }

  /** What there is now, without waiting for the disk. */
  snapshot(): Snapshot {
    const { full, growing, nextSeq } = this.segments;
    const gathering = { seq: this.seq, events: [...this.gathering] };
    return {
      full,
      growing: growing === null ? null : { ...growing, entries: [...growing.entries] },
      // One may be in the segment and be about to be forgotten here.
      recent: [...this.writing.filter(({ seq }) => seq >= nextSeq), gathering],
    };
  }

  /** Runs `work` when nothing else changes the files. Rejects as it does. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.chain.then(work);
    this.chain = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }

  /** Passes everything that is told from now on through `change`, until what is given back is called. */
  forget(change: (event: KeptEvent) => KeptEvent | null): () => void {
    this.forgetting = [...this.forgetting, change];
    return () => {
      this.forgetting = this.forgetting.filter((one) => one !== change);
    };
  }

  /** Brings everything told until now into full segments, and out of the journal. */
  endAll(): Promise<void> {
    this.closeBlock();
    return this.alone(async () => {
      await this.segments.seal();
      await this.journal.clear();
    });
  }

  /** The same where what was told first is older than `time` (wall clock, ms). */
  async endOlderThan(time: number): Promise<void> {
    const first = this.segments.growing?.entries[0]?.first ?? this.gathering[0]?.at;
    if (first !== undefined && first < time) await this.endAll();
  }

  /** Makes a block of what has gathered, so that all events told until now are in segments once `alone` gets its turn. */
  closeBlock(): void {
    const { seq, gathering: events } = this;
    if (events.length === 0) return;
    this.seq++;
    this.gathering = [];
    this.weight = 0;
    this.journaled = 0;
    if (this.writing.length >= MAX_WRITING) {
      this.fail(new Error('the disk is slower than mail'), events.length);
      return;
    }
    const block: RecentBlock = { seq, events };
    this.writing.push(block);
    const packed = packEvents(seq, events);
    void this.alone(() => this.write(block, packed));
  }

  /** Writes down what is in memory, and ends. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.journalRest();
    await this.alone(async () => {
      await this.journal.close();
      await this.segments.close();
    }).catch((error: unknown) => this.fail(error, 0));
  }

  private remembered(told: KeptEvent): KeptEvent | null {
    let event: KeptEvent | null = told;
    for (const change of this.forgetting) event = event && change(event);
    return event;
  }

  private async write(block: RecentBlock, packed: Packed): Promise<void> {
    try {
      await this.segments.append(blockOf(packed));
      this.failing = false;
    } catch (error) {
      this.fail(error, block.events.length);
    }
    await this.segments.shrink(this.options.size).catch((error: unknown) => this.fail(error, 0));
    this.writing = this.writing.filter((one) => one !== block);
  }

  private journalRest(): void {
    const events = this.gathering.slice(this.journaled);
    if (events.length === 0) return;
    const { seq } = this;
    this.journaled = this.gathering.length;
    void this.alone(() => this.journal.add(seq, events)).catch((error: unknown) => {
      // They are not lost while this process lives, and are written with their block.
      this.fail(error, 0);
    });
  }

  private fail(error: unknown, events: number): void {
    this.lost += events;
    if (this.failing) return;
    this.failing = true;
    this.options.failed(error instanceof Error ? error.message : String(error));
  }
}
