/**
 * What crosses between the main thread and the prepare workers: types, and the layout of the answer.
 *
 * Content bytes never cross: a request names segments of the shared buffer that the worker got once, as workerData.
 * A batch is one task and is computed synchronously. The answer is one block of header bytes for the whole batch.
 */

import type { SigningKeyPem } from '../src/message/dkim/key-store.js';
import type { Origin } from '../src/message/envelope.js';
import type { HeaderRules } from '../src/message/header-rules.js';

/** Once per worker thread. */
export interface PrepareWorkerData {
  readonly shared: SharedArrayBuffer;
  readonly segmentSize: number;
  readonly config: PrepareConfig;
}

/** What every message is prepared with. Replaced as a whole on reload (a new pool). */
export interface PrepareConfig {
  /** This host's name, for Received and made-up Message-IDs. */
  readonly hostname: string;
  readonly rules: HeaderRules;
  readonly keys: readonly SigningKeyPem[];
  /** Header bytes above this are refused. */
  readonly maxHeaderSize: number;
  /** Received fields at or above this count are a loop (RFC 5321 section 6.3). */
  readonly maxHops: number;
  /**
   * Names of header fields, lower case, whose first value rules look at: the first 16 of them come back with the
   * message. None when absent.
   */
  readonly captured?: readonly string[];
}

/** One message to prepare. */
export interface PrepareRequest {
  /** Queue id as shown. */
  readonly id: string;
  readonly segments: readonly number[];
  /** Bytes of content in the segments. */
  readonly length: number;
  readonly form: 'wire' | 'plain';
  readonly dotLines: number;
  /** From a client that may relay: Bcc and Return-Path go, Date and Message-ID are added when missing (RFC 6409). */
  readonly submission: boolean;
  /** The key to sign with, `domain/selector`; '': that of the author's domain. */
  readonly dkimKey: string;
  readonly origin: Origin;
  /** The recipient for Received's `for` clause; '' unless there is exactly one (RFC 5321 section 7.2: never several). */
  readonly forRecipient: string;
  /** Wall clock at acceptance, ms since the epoch. */
  readonly date: number;
}

export type PrepareStatus = 'ok' | 'header-too-large' | 'too-many-hops';

/**
 * One prepared message: the new content is `header` followed by the original content from byte `resumeAt` on. The header
 * is in the form the content has; it holds exactly the lines beginning with a dot that the replaced bytes held, so the
 * message's dot lines, and whether it has 8-bit bytes, are as before.
 */
export interface PreparedMessage {
  readonly status: PrepareStatus;
  readonly header: Uint8Array;
  readonly resumeAt: number;
  /** The header says `TLS-Required: No` (RFC 8689 section 5). */
  readonly tlsOptional?: boolean;
  /** Values of fields that are looked at, and of those by which a submitter says how to handle it; absent: none. */
  readonly fields?: CapturedFields;
}

/** Name in lower case -> value of the first field of that name, unfolded and trimmed, at most 256 bytes. */
export type CapturedFields = Readonly<Record<string, string>>;

/**
 * In a packed answer: the status by its place here, with `TLS_OPTIONAL` and `HAS_FIELDS` added; `FAILED` is a message
 * whose preparation threw.
 */
export const PREPARE_STATUSES: readonly PrepareStatus[] = ['ok', 'header-too-large', 'too-many-hops'];
export const FAILED = 255;
export const TLS_OPTIONAL = 256;
export const HAS_FIELDS = 512;

/**
 * A worker's answer to a batch: one block, because one is cheap to pass. First three 32-bit words in the machine's byte
 * order for each message (status, header bytes, resumeAt), then the headers one after the other; a failed message's
 * header is the reason as UTF-8. Where HAS_FIELDS is set, the header is followed by the captured fields: their length as
 * a 32-bit word, low byte first and at any place, and JSON.
 */
export type PackedAnswer = Uint8Array;
export const WORDS_PER_MESSAGE = 3;
