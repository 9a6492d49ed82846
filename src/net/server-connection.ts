/**
 * One client: a socket and a server session on it.
 *
 * Replies of one turn leave in one write. Bytes that come while a message is with intake are kept (bounded: reading
 * stops) and fed when it is answered. A client that does not read its replies is not read from either. Every connection is in the deadline wheel from its first to its last moment.
 */
import type net from 'node:net';
import type { Clock } from '../core/clock.js';
import type { Deadlined, DeadlineWheel } from '../core/deadline-wheel.js';
import type { Reply } from '../smtp/replies.js';
import type { BodySink, ServerHost, Transaction } from '../smtp/server-host.js';
import type { ServerSessionOptions } from '../smtp/server-options.js';
import { ServerSession } from '../smtp/server-session.js';
import type { Accepted } from './adopt-socket.js';

/** Policy and intake, as a connection needs them. */
export interface ConnectionHost {
  admitMail(connection: ServerConnection, sender: string, declaredSize: number): Reply | null;
  admitRecipient(connection: ServerConnection, address: string, domain: string): Reply | null;
  openBody(): BodySink | null;
  /** The transaction is complete; answered by `connection.finish`. */
  accept(connection: ServerConnection, transaction: Transaction): void;
  closed(connection: ServerConnection): void;
}

export interface ConnectionEnvironment {
  readonly clock: Clock;
  readonly wheel: DeadlineWheel;
  readonly host: ConnectionHost;
  readonly trusted: ServerSessionOptions;
  readonly untrusted: ServerSessionOptions;
}

/** How long a closing connection may take to send its last bytes, ms. */
const LINGER = 5000;

export class ServerConnection implements ServerHost, Deadlined {
  readonly address: string;
  readonly port: number;
  /** May relay anywhere. */
  readonly relays: boolean;
  private readonly environment: ConnectionEnvironment;
  private readonly socket: net.Socket;
  private readonly session: ServerSession;
  private out: Uint8Array | null = null;
  private more: Uint8Array[] | null = null;
  private feeding = false;
  private kept: Buffer | null = null;
  private closing = false;
  private gone = false;
  private clientDone = false;
  /** Replies wait for the client to read. */
  private choked = false;
  private lingerUntil = Number.POSITIVE_INFINITY;

  constructor(accepted: Accepted, address: string, relays: boolean, environment: ConnectionEnvironment) {
    const now = environment.clock.now();
    this.address = address;
    this.port = accepted.port;
    this.relays = relays;
    this.environment = environment;
    this.session = new ServerSession(this, relays ? environment.trusted : environment.untrusted, now);
    this.socket = accepted.open((chunk, length) => this.received(chunk, length));
    this.socket.on('error', () => this.lost());
    this.socket.on('end', () => this.ended());
    this.socket.on('close', () => this.lost());
    this.socket.on('drain', () => {
      this.choked = false;
      if (this.kept === null) this.socket.resume();
    });
    environment.wheel.add(this);
    this.turn(() => this.session.greet());
  }

  get deadline(): number {
    return this.closing ? this.lingerUntil : this.session.deadline;
  }

  expire(now: number): void {
    if (this.closing) {
      this.socket.destroy();
      this.lost();
      return;
    }
    this.turn(() => this.session.timeout(now));
    if (!this.gone) this.environment.wheel.add(this);
  }

  /** Intake's answer to the message. */
  finish(reply: Reply): void {
    if (this.gone) return;
    const now = this.environment.clock.now();
    this.turn(() => {
      this.session.finish(reply, now);
      const { kept } = this;
      if (kept === null || this.closing) return;
      this.kept = null;
      this.feed(kept, 0, kept.length);
      if (this.kept === null && !this.choked) this.socket.resume();
    });
    if (this.clientDone) this.ended();
  }

  /** The engine is going down: 421 as soon as no transaction is in the way. */
  shutdown(): void {
    this.turn(() => this.session.shutdown());
  }

  destroy(): void {
    this.socket.destroy();
    this.lost();
  }

  // ServerHost

  send(bytes: Uint8Array): void {
    if (this.out === null) this.out = bytes;
    else if (this.more === null) this.more = [this.out, bytes];
    else this.more.push(bytes);
    if (!this.feeding) this.write();
  }

  admitMail(sender: string, declaredSize: number): Reply | null {
    return this.environment.host.admitMail(this, sender, declaredSize);
  }

  admitRecipient(address: string, domain: string): Reply | null {
    return this.environment.host.admitRecipient(this, address, domain);
  }

  openBody(): BodySink | null {
    return this.environment.host.openBody();
  }

  accept(transaction: Transaction): void {
    this.environment.host.accept(this, transaction);
  }

  tlsAvailable(): boolean {
    return false;
  }

  startTls(): void {
    throw new Error('TLS is not built yet');
  }

  authenticate(): void {
    throw new Error('authentication is not built yet');
  }

  close(): void {
    this.closing = true;
    this.lingerUntil = this.environment.clock.now() + LINGER;
  }

  /** False: stop reading. */
  private received(chunk: Buffer, length: number): boolean {
    if (this.closing || this.gone) return true;
    if (this.kept !== null) {
      this.kept = Buffer.concat([this.kept, chunk.subarray(0, length)]);
      return false;
    }
    this.feeding = true;
    this.feed(chunk, 0, length);
    this.feeding = false;
    this.afterTurn();
    return this.kept === null && !this.choked;
  }

  private feed(chunk: Buffer, start: number, end: number): void {
    const consumed = this.session.feed(chunk, start, end, this.environment.clock.now());
    // Reading stops with the first bytes that cannot be taken, so what is kept is one read at most.
    if (consumed < end - start && !this.closing) this.kept = Buffer.from(chunk.subarray(start + consumed, end));
  }

  private turn(work: () => void): void {
    if (this.gone) return;
    this.feeding = true;
    work();
    this.feeding = false;
    this.afterTurn();
  }

  private afterTurn(): void {
    this.write();
    if (!this.closing || this.gone) return;
    this.environment.wheel.add(this);
    this.socket.end();
    // What the client still sends is read and dropped, so that the last reply is not lost to a reset.
    this.socket.resume();
  }

  private write(): void {
    const { out, more } = this;
    if (out === null || this.gone) return;
    this.out = null;
    this.more = null;
    if (!this.socket.write(more === null ? out : Buffer.concat(more))) this.choked = true;
  }

  /** The client will send no more; a message of its that is still with intake is answered first. */
  private ended(): void {
    this.clientDone = true;
    // When we are closing already, the socket closes by itself once the last reply is out.
    if (this.session.waiting || this.closing || this.gone) return;
    this.socket.end(() => this.lost());
    this.close();
    this.environment.wheel.add(this);
  }

  private lost(): void {
    if (this.gone) return;
    this.gone = true;
    this.environment.wheel.delete(this);
    this.session.abort();
    this.kept = null;
    this.socket.destroy();
    this.environment.host.closed(this);
  }
}
