/**
 * The durable store, as the rest of the engine sees it.
 *
 * Contract: when `store` resolves, the messages survive whatever `durability` promises ('fsync': a power cut; 'commit':
 * a crash of the process). `remove`, `defer` and the like take effect in the order they are called, with the next
 * commit; they never reject to the caller: a store that can no longer write tells `onFailure` once.
 * All methods are for the main thread; none blocks it on a write.
 */
import type { QueueId } from '../core/queue-id.js';
import type { Envelope, Lane } from '../message/envelope.js';

/** Where the content of a new message is copied from (a BodyBuffer, or bytes made by the engine itself). */
export interface ContentSource {
  copyOut(from: number, to: number, target: Uint8Array, offset: number): void;
}

/** A row of a small table, kept with the commit of a message: both are durable, or neither. */
export interface RowBeside {
  readonly key: readonly [string, string];
  readonly value: Buffer;
}

/** A message to be made durable: `header` followed by bytes `[bodyFrom, bodyTo)` of `body`. */
export interface NewMessage {
  /** `envelope.content.size` is header.length + bodyTo - bodyFrom. */
  readonly envelope: Envelope;
  readonly header: Uint8Array;
  readonly body: ContentSource;
  readonly bodyFrom: number;
  readonly bodyTo: number;
  /** Goes into the table of requests that were answered. */
  readonly beside?: RowBeside;
}

/** The content of a stored message. */
export interface StoredContent {
  /** Bytes of content. */
  readonly size: number;
  /**
   * The whole content followed by the end of data that fits it (`.CRLF`, or `CRLF.CRLF` when the content does not end in
   * CRLF) in one ordinary Buffer, when the message is small and in memory; else null and it is read piece by piece.
   * Never changed before `release`.
   */
  readonly inline: Buffer | null;
  /**
   * The reader is done: `inline` and what `read` gave are not to be touched again, for their memory may hold another
   * message from now on. Optional: content that is never released is left to the garbage collector.
   */
  release(): void;
  /** The bytes from `offset` on, as many as one piece holds; never empty while offset < size. Rejects with code `spool-damaged`. */
  read(offset: number): Promise<Buffer>;
}

/** What became of one recipient so far. */
export type RecipientStatus = 'pending' | 'delivered' | 'failed';

export interface RecipientState {
  readonly status: RecipientStatus;
  /** Last reply or reason, one line, '' when not tried. */
  readonly reply: string;
  /** Host that gave it, '' when none. */
  readonly host: string;
  /** Engine time of the last attempt, 0 when not tried. */
  readonly at: number;
}

/** Delivery state of a message that was tried and is not done. `recipients` is parallel to the envelope's. */
export interface DeliveryState {
  /** Next attempt, engine clock ms. */
  readonly due: number;
  readonly attempts: number;
  readonly held: boolean;
  /** A delay notice was sent. */
  readonly delayNotified: boolean;
  readonly recipients: readonly RecipientState[];
}

export interface StoredMessage {
  readonly envelope: Envelope;
  readonly content: StoredContent;
  /** null: never tried. */
  readonly state: DeliveryState | null;
}

/** The lane of a message as a start finds it: of new mail its own, `deferred` when it was tried before. */
export type StoredLane = Lane | 'deferred';

/** What start-up found. */
export interface RecoveryReport {
  readonly messages: number;
  readonly quarantined: number;
  /** Greatest id in use, 0 when empty. */
  readonly greatestId: QueueId;
}

export interface SpoolUsage {
  readonly messages: number;
  /** Bytes of the data file. */
  readonly fileBytes: number;
  /** Bytes that can still be stored before the reserve is touched: free pages inside the file and free disk. */
  readonly availableBytes: number;
  /** Commits that were flushed since start. */
  readonly flushes: number;
}

export interface Spool {
  /**
   * Makes messages durable. Calls made while a commit is under way share the next one. The result gives each message's
   * content for delivery at once, from memory where it is small.
   * @throws SluiceError `spool-full` (temporary: 452 4.3.1) or `spool-failed` (temporary: 451 4.3.0); then none of the
   *   batch is stored.
   */
  store(batch: readonly NewMessage[]): Promise<StoredContent[]>;
  /** Done with the message: it and everything kept of it goes. */
  remove(id: QueueId): void;
  /** Keeps the outcome of an attempt and the next time. `lane`: that of its envelope; it counts while `attempts` is 0. */
  defer(id: QueueId, state: DeliveryState, lane?: Lane): void;
  /** A stored message read back and verified; undefined when there is none. A damaged one is quarantined and reported to `onDamage`, and is then undefined too. */
  load(id: QueueId): Promise<StoredMessage | undefined>;
  /**
   * Every message's id, next attempt (0: at once), hold and lane, oldest first; for start-up. Memory use does not grow
   * with the backlog. Messages stored before lanes were kept are bulk, or deferred.
   */
  recover(each: (id: QueueId, due: number, held: boolean, lane: StoredLane) => void): Promise<RecoveryReport>;
  /** It was found damaged, and is no more to be delivered. */
  isQuarantined(id: QueueId): boolean;
  /** Ids after `after`, oldest first, at most `limit`; for listings. */
  list(after: QueueId, limit: number): QueueId[];
  usage(): SpoolUsage;
  /** Resolves when everything asked for so far is durable. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
