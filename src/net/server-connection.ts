/**
 * One client: a socket and a server session on it.
 *
 * It begins in the clear, with a TLS handshake (implicit TLS), or with the handshake behind STARTTLS that another thread
 * answered. STARTTLS is carried out here or handed to a thread, as the environment says; in either case nothing that
 * came in the clear is seen by the session that follows (RFC 3207 section 5, CVE-2011-0411).
 * Replies of one turn leave in one write. Bytes that come while a message or a question is out are kept (bounded:
 * reading stops) and fed when it is answered. A client that does not read its replies is not read from either. Every
 * connection is in the deadline wheel from its first to its last moment.
 */
import type net from 'node:net';
import type tls from 'node:tls';
import type { Deadlined } from '../core/deadline-wheel.js';
import type { AuthAnswer, AuthQuestion } from '../smtp/authentication.js';
import type { Reply } from '../smtp/replies.js';
import type { BodySink, ServerHost, TlsFacts, Transaction } from '../smtp/server-host.js';
import { ServerSession } from '../smtp/server-session.js';
import type { CarriedCounts } from '../smtp/session-counts.js';
import type { Take } from './adopt-socket.js';
import type { Beginning, ConnectionEnvironment, ConnectionOrigin } from './connection-host.js';
import { beginServerTls, handshakeFailure } from './tls/server-tls.js';

/** How long a closing connection may take to send its last bytes, ms. */
const LINGER = 5000;

export class ServerConnection implements ServerHost, Deadlined {
  readonly origin: ConnectionOrigin;
  private readonly environment: ConnectionEnvironment;
  private socket: net.Socket;
  /** null: in the first handshake. */
  private session: ServerSession | null = null;
  private out: Uint8Array | null = null;
  private more: Uint8Array[] | null = null;
  private feeding = false;
  private kept: Buffer | null = null;
  private closing = false;
  private gone = false;
  private clientDone = false;
  /** Replies wait for the client to read. */
  private choked = false;
  /** STARTTLS was answered: what comes before the handshake is dropped. */
  private turningToTls = false;
  private handshaking = false;
  private tlsError: Error | null = null;
  private until = Number.POSITIVE_INFINITY;

  /** `open` begins to read; `early`: bytes that were read before (behind a PROXY header). */
  constructor(
    beginning: Beginning,
    open: (take: Take) => net.Socket,
    origin: ConnectionOrigin,
    environment: ConnectionEnvironment,
    early: Uint8Array | null = null,
  ) {
    this.origin = origin;
    this.environment = environment;
    const raw = open((chunk, length) => this.received(chunk, length));
    this.socket = raw;
    if (beginning === 'clear') {
      this.attend(raw);
      this.session = this.newSession(null);
      environment.wheel.add(this);
      this.turn((session) => {
        session.greet();
        if (early !== null) this.feed(Buffer.from(early), 0, early.length);
      });
      return;
    }
    this.beginTls(raw, early, (facts) => {
      this.session = this.newSession(facts);
      environment.wheel.add(this);
      if (beginning === 'implicit-tls') this.turn((session) => session.greet());
    });
  }

  get address(): string {
    return this.origin.address;
  }

  get port(): number {
    return this.origin.port;
  }

  get listener(): string {
    return this.environment.listener;
  }

  get originalDestination(): string {
    return this.origin.originalDestination ?? '';
  }

  /** Reverse-path of its open transaction, '' when there is none. */
  get sender(): string {
    return this.session?.sender ?? '';
  }

  /** May relay anywhere: by its network, its account or its certificate. */
  get relays(): boolean {
    return this.origin.relays || this.session?.trusted === true;
  }

  /** Name of the authenticated account, '' when there is none. */
  get account(): string {
    return this.session?.account ?? '';
  }

  /** What a session on another thread goes on with. */
  get carried(): CarriedCounts {
    return this.session!.carried;
  }

  get deadline(): number {
    return this.closing || this.handshaking || this.session === null ? this.until : this.session.deadline;
  }

  expire(now: number): void {
    if (this.closing || this.handshaking) {
      this.tlsError ??= this.handshaking ? new Error('the handshake was not done in time') : null;
      this.destroy();
      return;
    }
    this.resumed((session) => session.timeout(now));
    if (!this.gone) this.environment.wheel.add(this);
  }

  /** Intake's answer to the message. */
  finish(reply: Reply): void {
    this.resumed((session, now) => session.finish(reply, now));
  }

  /** The answer to a question about credentials. */
  answered(answer: AuthAnswer): void {
    this.resumed((session, now) => session.answered(answer, now));
  }

  /** The decision about a recipient; does nothing when it comes too late. */
  recipientDecided(question: number, refusal: Reply | null): void {
    this.resumed((session, now) => session.recipientDecided(question, refusal, now));
  }

  /** The engine is going down: 421 as soon as no transaction is in the way. */
  shutdown(): void {
    if (this.session === null) this.destroy();
    else this.turn((session) => session.shutdown());
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

  admitRecipient(address: string, domain: string, question: number): Reply | null | 'later' {
    return this.environment.host.admitRecipient(this, address, domain, question);
  }

  openBody(): BodySink | null {
    return this.environment.host.openBody();
  }

  accept(transaction: Transaction): void {
    this.environment.host.accept(this, transaction);
  }

  authenticate(question: AuthQuestion): void {
    this.environment.host.authenticate(this, question);
  }

  tlsAvailable(): boolean {
    return this.environment.tls !== null;
  }

  startTls(): void {
    this.turningToTls = true;
  }

  close(): void {
    this.closing = true;
    this.until = this.environment.clock.now() + LINGER;
  }

  private newSession(facts: TlsFacts | null): ServerSession {
    const { trusted, untrusted, clock } = this.environment;
    return new ServerSession(this, this.origin.relays ? trusted : untrusted, clock.now(), facts, this.origin.carried);
  }

  /** Listens to a socket for as long as it is the one on top. */
  private attend(socket: net.Socket): void {
    socket.on('error', (error) => {
      if (this.socket !== socket) return;
      this.tlsError = error;
      this.lost();
    });
    socket.on('end', () => {
      if (this.socket === socket) this.ended();
    });
    socket.on('close', () => {
      if (this.socket === socket) this.lost();
    });
    socket.on('drain', () => {
      if (this.socket !== socket) return;
      this.choked = false;
      if (this.kept === null) socket.resume();
    });
  }

  private beginTls(raw: net.Socket, early: Uint8Array | null, secured: (facts: TlsFacts) => void): void {
    const { clock, wheel, tls: how, handshakeTimeout } = this.environment;
    this.handshaking = true;
    this.until = clock.now() + handshakeTimeout;
    wheel.add(this);
    const socket = beginServerTls(raw, how!, early, (_socket: tls.TLSSocket, facts) => {
      this.handshaking = false;
      if (!this.gone) secured(facts);
    });
    this.socket = socket;
    this.attend(socket);
    socket.on('data', (chunk: Buffer) => {
      if (!this.received(chunk, chunk.length)) socket.pause();
    });
  }

  /** The 220 is out: TLS begins, here or on a thread. */
  private turnToTls(): void {
    if (this.gone || this.closing) return;
    const raw = this.socket;
    if (this.environment.handOver?.(this, raw) === true) {
      // Another connection has the client now, and is counted in place of this one.
      this.gone = true;
      this.environment.wheel.delete(this);
      this.session?.abort();
      raw.destroy();
      return;
    }
    this.beginTls(raw, null, (facts) => {
      this.turningToTls = false;
      this.session?.secured(facts, this.environment.clock.now());
      this.environment.wheel.add(this);
    });
  }

  /** False: stop reading. */
  private received(chunk: Buffer, length: number): boolean {
    if (this.closing || this.gone) return true;
    if (this.turningToTls) return false;
    if (this.kept !== null) {
      this.kept = Buffer.concat([this.kept, chunk.subarray(0, length)]);
      return false;
    }
    this.feeding = true;
    this.feed(chunk, 0, length);
    this.feeding = false;
    this.afterTurn();
    return this.kept === null && !this.choked && !this.turningToTls;
  }

  private feed(chunk: Buffer, start: number, end: number): void {
    const consumed = this.session!.feed(chunk, start, end, this.environment.clock.now());
    // Reading stops with the first bytes that cannot be taken, so what is kept is one read at most.
    if (consumed < end - start && !this.closing) this.kept = Buffer.from(chunk.subarray(start + consumed, end));
  }

  /** The session goes on after it waited. */
  private resumed(work: (session: ServerSession, now: number) => void): void {
    if (this.gone) return;
    const now = this.environment.clock.now();
    this.turn((session) => {
      work(session, now);
      const { kept } = this;
      if (kept === null || this.closing || session.waiting) return;
      this.kept = null;
      this.feed(kept, 0, kept.length);
      if (this.kept === null && !this.choked && !this.turningToTls) this.socket.resume();
    });
    if (this.clientDone) this.ended();
  }

  private turn(work: (session: ServerSession) => void): void {
    if (this.gone || this.session === null) return;
    this.feeding = true;
    work(this.session);
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
    const bytes = more === null ? out : Buffer.concat(more);
    if (this.turningToTls) this.socket.write(bytes, () => this.turnToTls());
    else if (!this.socket.write(bytes)) this.choked = true;
  }

  /** The client will send no more; a message of its that is still with intake is answered first. */
  private ended(): void {
    this.clientDone = true;
    if (this.session === null) {
      this.lost();
      return;
    }
    // When we are closing already, the socket closes by itself once the last reply is out.
    if (this.session.waiting || this.closing || this.gone) return;
    this.socket.end(() => this.lost());
    this.close();
    this.environment.wheel.add(this);
  }

  private lost(): void {
    if (this.gone) return;
    this.gone = true;
    if (this.handshaking) this.environment.host.tlsFailed(this, handshakeFailure(this.tlsError));
    this.environment.wheel.delete(this);
    this.session?.abort();
    this.kept = null;
    this.socket.destroy();
    this.environment.host.closed(this);
  }
}
