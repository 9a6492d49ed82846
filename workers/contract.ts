/**
 * What crosses between the main thread and the prepare workers: types only.
 *
 * Content bytes never cross: a request names segments of the shared buffer that the worker got once, as workerData.
 * A batch is one task and is computed synchronously. The answer is one block of header bytes for the whole batch.
 */
import type { HeaderRules } from '../src/message/header-rules.js';
import type { SigningKeyPem } from '../src/message/dkim/key-store.js';
import type { Origin } from '../src/message/envelope.js';

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
  readonly origin: Origin;
  /** The recipient for Received's `for` clause; '' unless there is exactly one (RFC 5321 section 7.2: never several). */
  readonly forRecipient: string;
  /** Wall clock at acceptance, ms since the epoch. */
  readonly date: number;
}

export type PrepareStatus = 'ok' | 'header-too-large' | 'too-many-hops';

/**
 * One prepared message: the new content is `header` (wire form, no dot lines: a header line cannot begin with a dot, one
 * that does stays where it was) followed by the original content from byte `resumeAt` on.
 */
export interface PreparedMessage {
  readonly status: PrepareStatus;
  readonly header: Uint8Array;
  readonly resumeAt: number;
}
