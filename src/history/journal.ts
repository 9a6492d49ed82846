/**
 * The journal: events of the block that is being gathered, written as they come, so that a process that is killed loses
 * a second of them and not a whole block.
 *
 * It holds pieces (blocks of their own, see block.ts) that all bear the number of the block they will be part of. Pieces
 * of a block that is written are worth nothing; the file begins anew with the next one.
 */
import {
  type BlockHead,
  blockOf,
  bodyIn,
  HEAD_BYTES,
  isWhole,
  lengthOf,
  packEvents,
  readHead,
  unpackEvents,
} from './block.js';
import type { Files, OpenFile } from './files.js';
import type { KeptEvent } from './kept-event.js';

export class Journal {
  private readonly file: OpenFile;
  private seq = 0;
  private end = 0;

  private constructor(file: OpenFile) {
    this.file = file;
  }

  /** Opens it, and gives the events that it holds for block `nextSeq` or a later one. */
  static async open(
    files: Files,
    path: string,
    nextSeq: number,
  ): Promise<{ journal: Journal; seq: number; events: KeptEvent[] }> {
    let file: OpenFile;
    try {
      file = await files.open(path, 'write');
    } catch {
      file = await files.open(path, 'create');
    }
    const journal = new Journal(file);
    const { seq, events } = await journal.read(nextSeq);
    return { journal, seq, events };
  }

  /** Adds events of the block `seq`. Rejects with what the disk says; then the next piece takes its place. */
  async add(seq: number, events: readonly KeptEvent[]): Promise<void> {
    if (seq !== this.seq) await this.clear();
    const { bytes } = blockOf(packEvents(seq, events));
    await this.file.write(bytes, this.end);
    this.seq = seq;
    this.end += bytes.length;
  }

  /** Forgets all. */
  async clear(): Promise<void> {
    if (this.end > 0) await this.file.truncate(0);
    this.end = 0;
    this.seq = 0;
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private async read(nextSeq: number): Promise<{ seq: number; events: KeptEvent[] }> {
    const size = await this.file.size();
    const bytes = await this.file.read(0, size);
    const events: KeptEvent[] = [];
    let seq = nextSeq;
    for (let at = 0; at + HEAD_BYTES <= bytes.length; ) {
      const head: BlockHead | null = readHead(bytes.subarray(at));
      if (head === null || !isWhole(bytes.subarray(at), head)) break;
      // Of another block than the first: left over from before.
      if (this.end > 0 && head.seq !== this.seq) break;
      if (head.seq >= nextSeq) {
        events.push(...unpackEvents(bodyIn(bytes.subarray(at), head)));
        seq = head.seq;
      }
      at += lengthOf(head);
      this.end = at;
      this.seq = head.seq;
    }
    if (this.end < size) await this.file.truncate(this.end);
    if (events.length === 0) await this.clear();
    return { seq, events };
  }
}
