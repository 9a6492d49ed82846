/**
 * How much can still be stored.
 *
 * LMDB never overwrites a live page, so removing mail needs free pages too: a reserve is kept, and stores are refused
 * before it is touched, so that a full queue can still drain. What is available is the free disk (never past the map)
 * plus the free pages inside the file, minus the reserve, minus what was stored since the last look.
 *
 * Looking is asynchronous and happens on demand, at most every POLL_INTERVAL; nothing runs while nothing is stored.
 */
import { statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../core/clock.js';
import { statisticsOf, type Tables } from './tables.js';

/** Age at which a look at the disk is repeated, ms. */
const POLL_INTERVAL = 1000;

/** Reserve where none is set: an eighth of the file system, but never more than this. */
const AUTOMATIC_RESERVE = 256 * 1024 * 1024;

/** Below this much free disk a failed write is taken for a full disk (lmdb says "Input/output error" for both). */
const NEARLY_FULL = 1024 * 1024;

/** lmdb's code for a map that is full, and the system's for a full disk and an exceeded quota. */
const MAP_FULL = -30792;
const ENOSPC = 28;
const EDQUOT = 122;

/** What a row costs beside its own bytes: tree pages that are copied, rounding to pages. */
const OVERHEAD_PER_MESSAGE = 2 * 4096;

export class Space {
  fileBytes = 0;
  private diskFree = 0;
  private freeInside = 0;
  private reserve: number;
  private lookedAt = Number.NEGATIVE_INFINITY;
  private looking = false;
  /** Bytes asked for since the last look. */
  private spent = 0;
  private readonly tables: Tables;
  private readonly file: string;
  private readonly mapSize: number;
  private readonly clock: Clock;

  /** `minFreeBytes` 0: the automatic reserve. Call `look` once before use. */
  constructor(tables: Tables, file: string, mapSize: number, minFreeBytes: number, clock: Clock) {
    this.tables = tables;
    this.file = file;
    this.mapSize = mapSize;
    this.reserve = minFreeBytes;
    this.clock = clock;
  }

  /** Bytes that can still be stored before the reserve is touched. */
  available(): number {
    this.refresh();
    const free = this.diskFree + this.freeInside - this.spent;
    return Math.max(0, Math.min(free, this.mapSize - this.fileBytes + this.freeInside - this.spent) - this.reserve);
  }

  /** Takes room for content of `bytes`; false when there is none. */
  take(bytes: number): boolean {
    const needed = bytes + OVERHEAD_PER_MESSAGE;
    if (this.available() < needed) return false;
    this.spent += needed;
    return true;
  }

  /** Whether a failed commit means that disk or map are full. */
  async isFull(error: unknown): Promise<boolean> {
    const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
    await this.look();
    return code === MAP_FULL || code === ENOSPC || code === EDQUOT || this.diskFree < NEARLY_FULL;
  }

  /** Looks at the disk and at the file now. Never rejects: where the disk cannot be asked, the last answer stands. */
  async look(): Promise<void> {
    this.looking = true;
    const spentBefore = this.spent;
    try {
      const disk = await statfs(dirname(this.file));
      this.diskFree = disk.bavail * disk.bsize;
      if (this.reserve === 0) this.reserve = Math.min(AUTOMATIC_RESERVE, Math.floor((disk.blocks * disk.bsize) / 8));
      this.lookInside();
      this.spent -= spentBefore;
    } catch {
      // Closed meanwhile, or the disk cannot be asked: a write that fails is told by the commit itself.
    } finally {
      this.lookedAt = this.clock.now();
      this.looking = false;
    }
  }

  private refresh(): void {
    if (!this.looking && this.clock.now() - this.lookedAt >= POLL_INTERVAL) void this.look();
  }

  private lookInside(): void {
    const { environment, message, chunk, schedule, state, quarantine, meta } = this.tables;
    const root = statisticsOf(environment);
    let used = 2 + pages(root) + pages(root.free);
    for (const table of [message, chunk, schedule, state, quarantine, meta]) used += pages(statisticsOf(table));
    this.freeInside = Math.max(0, root.lastPageNumber + 1 - used) * root.pageSize;
    this.fileBytes = statSync(this.file).size;
  }
}

function pages(tree: { treeBranchPageCount: number; treeLeafPageCount: number; overflowPages: number }): number {
  return tree.treeBranchPageCount + tree.treeLeafPageCount + tree.overflowPages;
}
