/**
 * What a client's connection needs of its surroundings: policy and intake, and what is shared by all of a listener. Types
 * only.
 */
import type net from 'node:net';
import type { Clock } from '../core/clock.js';
import type { DeadlineWheel } from '../core/deadline-wheel.js';
import type { AuthQuestion } from '../smtp/authentication.js';
import type { Reply } from '../smtp/replies.js';
import type { BodySink, Transaction } from '../smtp/server-host.js';
import type { ServerSessionOptions } from '../smtp/server-options.js';
import type { CarriedCounts } from '../smtp/session-counts.js';
import type { ServerConnection } from './server-connection.js';
import type { ServerTls } from './tls/server-tls.js';

/** Policy and intake, as a connection needs them. */
export interface ConnectionHost {
  admitMail(connection: ServerConnection, sender: string, declaredSize: number): Reply | null;
  /** `later` is answered by `connection.recipientDecided` with `question`. */
  admitRecipient(
    connection: ServerConnection,
    address: string,
    domain: string,
    question: number,
  ): Reply | null | 'later';
  openBody(): BodySink | null;
  /** The transaction is complete; answered by `connection.finish`. */
  accept(connection: ServerConnection, transaction: Transaction): void;
  /** Answered by `connection.answered`. */
  authenticate(connection: ServerConnection, question: AuthQuestion): void;
  tlsFailed(connection: ServerConnection, reason: string): void;
  closed(connection: ServerConnection): void;
}

export interface ConnectionEnvironment {
  /** Name of the listener. */
  readonly listener: string;
  readonly clock: Clock;
  readonly wheel: DeadlineWheel;
  readonly host: ConnectionHost;
  readonly trusted: ServerSessionOptions;
  readonly untrusted: ServerSessionOptions;
  /** null: no TLS here. */
  readonly tls: ServerTls | null;
  /** Longest handshake, ms. */
  readonly handshakeTimeout: number;
  /** Takes the socket to another thread after STARTTLS; false: not now, it stays here. */
  handOver?(connection: ServerConnection, socket: net.Socket): boolean;
}

/** Who the client is. */
export interface ConnectionOrigin {
  readonly address: string;
  readonly port: number;
  /** Its network may relay anywhere. */
  readonly relays: boolean;
  /** Host and port it was going to before a firewall sent it here; none: it was meant for us. */
  readonly originalDestination?: string;
  /** Counts of the session on another thread that this one goes on for. */
  readonly carried?: CarriedCounts;
}

/** How a connection begins. */
export type Beginning = 'clear' | 'implicit-tls' | 'behind-starttls';
