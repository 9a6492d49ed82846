/**
 * One SMTP server session (RFC 5321) without I/O: bytes and a time in, calls on a ServerHost out.
 *
 * Here is the stream: modes, deadline, what is sent and when it ends. Modes: commands (CommandReceiver, verbs.ts),
 * content (MailExchange), an AUTH dialogue (AuthDialogue), waiting for the host's answer to a message or to a question
 * about credentials or a recipient, TLS being begun, closed. Bytes that belong to a message are never looked at as commands, nor are
 * bytes that came in the clear behind STARTTLS. The session has no timers: its owner asks for `deadline` and calls
 * `timeout`. An idle session holds no buffers.
 *
 * Not re-entrant: the host does not call `feed` from inside a call of this session; `finish` may be called inside
 * `accept`, `answered` inside `authenticate`.
 */
import { AuthExchange, type AuthOwner } from './auth-exchange.js';
import type { AuthAnswer, AuthQuestion } from './authentication.js';
import { ClientStanding, isHelloName } from './client-standing.js';
import {
  CommandReceiver,
  LINE_COMPLETE,
  LINE_EIGHT_BIT,
  LINE_INCOMPLETE,
  LINE_TLS,
  LINE_TOO_LONG,
} from './command-receiver.js';
import { MailExchange, type StreamOwner } from './mail-exchange.js';
import { isReply } from './parameters.js';
import { type Reply, replies } from './replies.js';
import type { ServerHost, TlsFacts, Transaction } from './server-host.js';
import { preparedReplies, type ServerSessionOptions } from './server-options.js';
import { type CarriedCounts, SessionCounts } from './session-counts.js';
import { argumentOf, isAuthLine, STATE_CHUNKS, STATE_READY, type VerbTarget, verbOf } from './verbs.js';

export type { ServerSessionOptions } from './server-options.js';

const MODE_COMMAND = 0;
const MODE_CONTENT = 1;
/** A challenge was sent. */
const MODE_AUTH = 2;
/** A message is with the host. */
const MODE_WAITING = 3;
/** A question about credentials is with the host. */
const MODE_ASKING = 4;
/** STARTTLS was answered. */
const MODE_TLS = 5;
const MODE_CLOSED = 6;
/** A recipient is with the host. */
const MODE_DECIDING = 7;

export class ServerSession implements VerbTarget, StreamOwner, AuthOwner {
  /** Engine time in ms at which `timeout` must be called; infinite while the host has a message or credentials. */
  deadline: number;
  /** Engine time of the last call that had one, ms. */
  now: number;
  readonly exchange: MailExchange;
  private readonly host: ServerHost;
  private readonly options: ServerSessionOptions;
  private readonly command = new CommandReceiver();
  private readonly standing: ClientStanding;
  private readonly counts: SessionCounts;
  private readonly auth: AuthExchange;
  private mode = MODE_COMMAND;
  /** When the recipient that is with the host must be decided, engine time, ms. */
  private decideBy = 0;
  /** Something was completed since the deadline was last set. */
  private acted = false;
  private shutdownReply: Reply | null = null;

  /**
   * `now`: engine time, ms. `tls`: the TLS session there is already. `carried`: of the session that answered STARTTLS, in
   * the place of which this one goes on.
   */
  constructor(
    host: ServerHost,
    options: ServerSessionOptions,
    now: number,
    tls: TlsFacts | null = null,
    carried?: CarriedCounts,
  ) {
    this.host = host;
    this.options = options;
    this.now = now;
    this.standing = new ClientStanding(options, tls);
    this.counts = new SessionCounts(options, carried);
    this.exchange = new MailExchange(this, host, options, this.standing, this.counts);
    this.auth = new AuthExchange(this, this.standing, this.counts);
    this.deadline = now + options.connectTimeout;
  }

  /** Sends the greeting; not where the session goes on behind STARTTLS (RFC 3207 section 4.2). */
  greet(): void {
    if (this.mode !== MODE_CLOSED) this.host.send(preparedReplies(this.options).greeting.bytes);
  }

  /** The host has something to answer; nothing is consumed until `finish`, `answered` or `recipientDecided`. */
  get waiting(): boolean {
    return this.mode === MODE_WAITING || this.mode === MODE_ASKING || this.mode === MODE_DECIDING;
  }

  /** Everything was said: the host was told to close, or said itself that the connection is gone. */
  get closed(): boolean {
    return this.mode === MODE_CLOSED;
  }

  /** The client proved by account or certificate that it may relay. */
  get trusted(): boolean {
    return this.standing.trusted;
  }

  /** Name of the account, '' when there is none. */
  get account(): string {
    return this.standing.account?.name ?? '';
  }

  /** Reverse-path of the open transaction, '' when there is none. */
  get sender(): string {
    return this.exchange.sender;
  }

  /** What a session must be given that goes on in the place of this one. */
  get carried(): CarriedCounts {
    return this.counts.carried;
  }

  /**
   * Consumes bytes `[start, end)` of `chunk` and returns how many: fewer than given only when the session now waits or is
   * closed. The rest is fed again when it waits no more. The chunk is not kept.
   */
  feed(chunk: Buffer, start: number, end: number, now: number): number {
    this.now = now;
    let at = start;
    while (at < end) {
      if (this.mode === MODE_COMMAND || this.mode === MODE_AUTH) at = this.takeLine(chunk, at, end);
      else if (this.mode === MODE_CONTENT) at = this.exchange.receive(chunk, at, end);
      else if (this.mode === MODE_TLS) at = end;
      else break;
      this.endIfShutDown();
    }
    this.restartDeadline();
    return at - start;
  }

  /** The host's answer to `accept`: sent, and the session goes on. Does nothing unless the session waits for it. */
  finish(reply: Reply, now: number): void {
    if (this.mode !== MODE_WAITING) return;
    this.counts.progress();
    this.goOn(now);
    this.answer(reply);
    this.endOfTurn();
  }

  /** The host's answer to `authenticate`. Does nothing unless the session waits for it. */
  answered(answer: AuthAnswer, now: number): void {
    if (this.mode !== MODE_ASKING) return;
    this.goOn(now);
    this.mistake(this.auth.answered(answer));
    this.endOfTurn();
  }

  /** The host's answer to `admitRecipient`, if it is still waited for. */
  recipientDecided(question: number, refusal: Reply | null, now: number): void {
    if (this.mode !== MODE_DECIDING) return;
    this.now = now;
    if (this.exchange.decided(question, refusal)) this.endOfTurn();
  }

  /** TLS has begun: all is forgotten but the counts. Does nothing unless STARTTLS was answered. */
  secured(tls: TlsFacts, now: number): void {
    if (this.mode !== MODE_TLS) return;
    this.goOn(now);
    this.standing.secured(tls);
    this.exchange.forget();
    this.endOfTurn();
  }

  /** The deadline has come: says so, closes, gives the memory back. Does nothing before `deadline`. */
  timeout(now: number): void {
    if (this.mode === MODE_CLOSED || now < this.deadline) return;
    if (this.mode === MODE_DECIDING) {
      this.recipientDecided(0, replies.notDecided, now);
      return;
    }
    // Nothing can be said to a client in the middle of a handshake.
    if (this.mode === MODE_TLS) this.close();
    else this.end(this.mode === MODE_CONTENT ? replies.tooSlow : replies.timedOut);
  }

  /** Ends the session with 421: at once when no transaction is open, otherwise when the open one is over. */
  shutdown(reply: Reply = replies.shuttingDown): void {
    if (this.mode === MODE_CLOSED) return;
    this.shutdownReply = reply;
    this.endIfShutDown();
  }

  /** The connection is gone: gives the memory back, says nothing. A message with the host stays the host's. */
  abort(): void {
    this.mode = MODE_CLOSED;
    this.deadline = Number.POSITIVE_INFINITY;
    this.exchange.abort();
    this.auth.abort();
    this.command.clear();
  }

  // ---- Lines

  private takeLine(chunk: Buffer, start: number, end: number): number {
    const { command } = this;
    const found = command.receive(chunk, start, end, this.standing.offer.maxLine);
    if (found === LINE_INCOMPLETE) return command.next;
    if (found !== LINE_COMPLETE) {
      this.end(found === LINE_TLS ? replies.notSmtpTls : replies.lineEndless);
      return command.next;
    }
    const { bytes, start: lineStart, end: lineEnd, length, flaws, next } = command;
    command.clear();
    this.acted = true;
    this.mistake(
      this.mode === MODE_AUTH
        ? this.auth.respond(bytes, lineStart, lineEnd, length, flaws)
        : this.takeCommand(bytes, lineStart, lineEnd, length, flaws),
    );
    return next;
  }

  private takeCommand(bytes: Buffer, start: number, end: number, length: number, flaws: number): Reply | null {
    const enough = this.counts.command();
    if (enough !== null) return this.end(enough);
    const long = length > this.options.maxCommandLine && !isAuthLine(bytes, start, end);
    if (long || (flaws & LINE_TOO_LONG) !== 0) return preparedReplies(this.options).lineTooLong;
    const verb = verbOf(bytes, start, end, flaws, this.exchange.state);
    if (isReply(verb)) return verb;
    return verb.handle(this, bytes, argumentOf(verb, bytes, start, end), end, (flaws & LINE_EIGHT_BIT) === 0);
  }

  // ---- Verbs (VerbTarget)

  onHello(bytes: Buffer, start: number, end: number, extended: boolean): Reply | null {
    const name = bytes.toString('latin1', start, end);
    if (!isHelloName(name)) return replies.badHello;
    const reply = this.standing.hello(name, extended, this.now);
    this.exchange.forget();
    return this.onSimple(reply);
  }

  onStartTls(argument: boolean): Reply | null {
    const refusal = this.standing.startTlsRefusal(this.exchange.state, argument);
    if (refusal !== null) return refusal;
    if (!this.host.tlsAvailable()) return this.answer(replies.tlsUnavailable);
    this.mode = MODE_TLS;
    this.host.send(replies.startTls.bytes);
    this.host.startTls();
    return null;
  }

  onAuth(bytes: Buffer, start: number, end: number): Reply | null {
    return this.auth.begin(bytes.toString('latin1', start, end), this.exchange.state);
  }

  onReset(): null {
    this.exchange.forget();
    return this.onSimple(replies.ok);
  }

  onQuit(): null {
    return this.end(replies.bye);
  }

  // ---- Means of verbs and transactions (StreamOwner, AuthOwner)

  onSimple(reply: Reply): null {
    this.host.send(reply.bytes);
    return null;
  }

  /** RFC 5321 section 3.8: after 421 the connection ends. */
  answer(reply: Reply): null {
    return reply.code === 421 ? this.end(reply) : this.onSimple(reply);
  }

  mistake(reply: Reply | null): void {
    if (reply === null) return;
    this.answer(reply);
    if (reply.code === 421) return;
    const enough = this.counts.mistake();
    if (enough !== null) this.end(enough);
  }

  end(reply: Reply): null {
    this.host.send(reply.bytes);
    this.close();
    return null;
  }

  contentBegins(): void {
    this.mode = MODE_CONTENT;
  }

  contentEnds(): void {
    this.mode = MODE_COMMAND;
    this.acted = true;
  }

  dialogueGoesOn(): void {
    this.mode = MODE_AUTH;
  }

  ask(question: AuthQuestion): void {
    this.mode = MODE_ASKING;
    this.host.authenticate(question);
  }

  dialogueEnds(accepted: boolean): void {
    this.mode = MODE_COMMAND;
    if (accepted) this.exchange.forget();
  }

  awaitDecision(): void {
    this.mode = MODE_DECIDING;
    this.decideBy = this.now + this.options.decisionTimeout;
  }

  decisionCame(): void {
    this.goOn(this.now);
  }

  deliver(transaction: Transaction): void {
    this.mode = MODE_WAITING;
    this.host.accept(transaction);
  }

  private close(): void {
    this.abort();
    this.host.close();
  }

  /** What was waited for has come. */
  private goOn(now: number): void {
    this.now = now;
    this.mode = MODE_COMMAND;
    this.acted = true;
  }

  private endOfTurn(): void {
    this.endIfShutDown();
    this.restartDeadline();
  }

  private endIfShutDown(): void {
    if (this.shutdownReply === null || this.exchange.open) return;
    if (this.mode === MODE_COMMAND || this.mode === MODE_AUTH) this.end(this.shutdownReply);
  }

  private restartDeadline(): void {
    const { options, now, exchange, mode } = this;
    if (mode === MODE_DECIDING) this.deadline = this.decideBy;
    else if (mode === MODE_CLOSED || this.waiting) this.deadline = Number.POSITIVE_INFINITY;
    else if (mode === MODE_CONTENT) this.deadline = exchange.contentDeadline(now, options.dataTimeout);
    else if (this.acted) {
      // An incomplete command buys no time.
      if (exchange.state === STATE_CHUNKS) this.deadline = exchange.contentDeadline(now, options.commandTimeout);
      else {
        const idle = mode === MODE_COMMAND && exchange.state === STATE_READY;
        this.deadline = now + (idle ? options.idleTimeout : options.commandTimeout);
      }
    }
    this.acted = false;
  }
}
