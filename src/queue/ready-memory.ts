/**
 * Memory of ready mail: who may have how much of it.
 *
 * Each lane has a reserve of its own that others cannot take; what no reserve holds is for whoever comes first. So no
 * flood of one lane keeps another one's mail out of memory.
 * Inside of a lane a destination may hold SHARE times what the lane has left (dynamic thresholds of shared-memory
 * switches, Choudhury and Hahne, 1998): one alone gets four fifths of the room, and however many are blocked, something
 * is left for the next one. Mail read back from the spool goes up to half of that, so that new mail finds room and a
 * destination at its bound is not read for over and over.
 */
import { IMMEDIATE } from './lanes.js';

/** Parts of the memory that are a lane's own: immediate, bulk, deferred. */
const RESERVES: readonly number[] = [1 / 4, 1 / 4, 1 / 16];
const SHARE = 4;
/** What a message is reckoned to take while it is being read. */
export const READ_ESTIMATE = 16_384;

export class ReadyMemory {
  private readonly size: number;
  private readonly reserves: readonly number[];
  private readonly used = [0, 0, 0];
  private readonly reading = [0, 0, 0];
  private readonly messages = [0, 0, 0];

  /** `size`: bytes. */
  constructor(size: number) {
    this.size = size;
    this.reserves = RESERVES.map((part) => part * size);
  }

  /** Bytes of messages in memory. */
  get inUse(): number {
    return this.used[0]! + this.used[1]! + this.used[2]!;
  }

  hold(lane: number, bytes: number): void {
    this.used[lane]! += bytes;
    this.messages[lane]! += 1;
  }

  free(lane: number, bytes: number): void {
    this.used[lane]! -= bytes;
    this.messages[lane]! -= 1;
  }

  beginRead(lane: number): void {
    this.reading[lane]! += READ_ESTIMATE;
  }

  endRead(lane: number): void {
    this.reading[lane]! -= READ_ESTIMATE;
  }

  /** Whether a new message may stay, of a destination that holds `bytes` in its lane. */
  fits(lane: number, cost: number, bytes: number): boolean {
    if (this.messages[lane] === 0) return true;
    const room = this.room(lane) - cost;
    return room >= 0 && bytes <= SHARE * room;
  }

  /** Whether one that was read without knowing where it goes may stay. */
  fitsReadBack(lane: number, cost: number, bytes: number): boolean {
    if (this.messages[lane] === 0) return true;
    const room = this.room(lane) - cost;
    return room >= 0 && 2 * bytes <= SHARE * room;
  }

  /** Whether to read one more for a destination. A lane that has nothing in memory may always have one message. */
  mayRead(lane: number, bytes: number): boolean {
    if (this.messages[lane] === 0 && this.reading[lane] === 0) return true;
    return 2 * bytes < SHARE * this.room(lane);
  }

  /** What a lane may still take, bytes. */
  private room(lane: number): number {
    let room = this.size;
    for (let other = IMMEDIATE; other < 3; other++) {
      const taken = this.used[other]! + this.reading[other]!;
      room -= other === lane ? taken : Math.max(taken, this.reserves[other]!);
    }
    return room;
  }
}
