/**
 * What crosses between the main thread and a session thread: types only.
 *
 * The main thread accepts and hands connections over by descriptor; the thread carries out TLS and the whole session.
 * Back come complete transactions (content by segment numbers) and questions about credentials and recipients, out go their
 * answers.
 * Both ways what belongs to one turn is one message: an array of these.
 */
import type { SharedSegments } from '../src/memory/segment-pool.js';
import type { TlsMaterial } from '../src/net/tls/tls-material.js';
import type { AuthAnswer, AuthQuestion } from '../src/smtp/authentication.js';
import type { replies } from '../src/smtp/replies.js';
import type { Transaction } from '../src/smtp/server-host.js';
import type { ServerSessionOptions } from '../src/smtp/server-options.js';
import type { CarriedCounts } from '../src/smtp/session-counts.js';

/** Options of sessions of one listener. */
export interface ListenerSessions {
  /** What rules call it. */
  readonly name: string;
  readonly trusted: ServerSessionOptions;
  readonly untrusted: ServerSessionOptions;
}

/** What a thread is told at its start, and again when something of it changes. */
export interface SessionConfig {
  readonly listeners: readonly ListenerSessions[];
  /** null: there is no certificate, so no TLS. */
  readonly tls: TlsMaterial | null;
  /** Longest handshake, ms. */
  readonly handshakeTimeout: number;
  /** Recipient domains taken from anyone, lower-case A-labels; `.example.org`: all below it. */
  readonly relayDomains: readonly string[];
  /** Ask the main thread about each recipient that the relay policy takes; else it is taken. */
  readonly askRecipients: boolean;
}

/** Once per thread. */
export interface SessionWorkerData {
  /** Its number as an owner of segments. */
  readonly owner: number;
  readonly segments: SharedSegments;
  /** Memory of a SharedRoom. */
  readonly room: SharedArrayBuffer;
  readonly config: SessionConfig;
}

export type ReplyName = keyof typeof replies;

/** A connection handed over. The thread owns the descriptor from the moment it reads this. */
export interface HandedConnection {
  /** Chosen by the main thread, never used twice. */
  readonly id: number;
  readonly descriptor: number;
  readonly address: string;
  readonly port: number;
  /** Its network may relay anywhere. */
  readonly relays: boolean;
  /** Index of its session options. */
  readonly sessions: number;
  readonly beginning: 'implicit-tls' | 'behind-starttls';
  /** Counts of the session before STARTTLS; null: there was none. */
  readonly carried: CarriedCounts | null;
  /** Bytes of the handshake that were read already. */
  readonly early: Uint8Array | null;
}

/** A reply without its bytes, which would drag the buffer along that they are a view of. */
export interface ReplyParts {
  readonly code: number;
  readonly enhanced: string;
  readonly text: string;
}

export type ToThread =
  | { readonly kind: 'connection'; readonly connection: HandedConnection }
  /** The answer to a message. */
  | { readonly kind: 'finish'; readonly id: number; readonly reply: ReplyParts }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: AuthAnswer }
  /** The decision about a recipient; null takes it. */
  | { readonly kind: 'decided'; readonly id: number; readonly question: number; readonly reply: ReplyParts | null }
  | { readonly kind: 'config'; readonly config: SessionConfig }
  /** Answer every MAIL with this reply; null: no more. */
  | { readonly kind: 'closed'; readonly reply: ReplyName | null }
  /** Somebody is over a limit (see LimitsInForce): MAIL is refused with this until then (wall clock, ms since the epoch). */
  | { readonly kind: 'limited'; readonly key: string; readonly until: number; readonly reply: ReplyParts }
  /** End sessions as soon as no transaction is in the way. */
  | { readonly kind: 'shutdown' };

export type FromThread =
  | { readonly kind: 'taken'; readonly id: number }
  | {
      readonly kind: 'transaction';
      readonly id: number;
      readonly transaction: Omit<Transaction, 'body'>;
      readonly segments: readonly number[];
      /** Bytes in them. */
      readonly length: number;
      readonly relays: boolean;
    }
  | { readonly kind: 'question'; readonly id: number; readonly question: AuthQuestion }
  /** About a recipient; `question` numbers those of a connection. */
  | {
      readonly kind: 'recipient';
      readonly id: number;
      readonly question: number;
      readonly address: string;
      readonly domain: string;
      readonly relays: boolean;
      readonly account: string;
      readonly sender: string;
    }
  | { readonly kind: 'tls-failed'; readonly id: number; readonly reason: string }
  | { readonly kind: 'gone'; readonly id: number };
