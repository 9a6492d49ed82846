/**
 * One SMTP server session (RFC 5321) without I/O: bytes and a time in, calls on a ServerHost out.
 *
 * Modes: commands (CommandReceiver, verbs.ts), content (ContentReceiver for DATA, ChunkReceiver for BDAT), waiting for
 * the host's answer to a message, closed. Bytes that belong to a message are never looked at as commands. The session has
 * no timers: its owner asks for `deadline` and calls `timeout`. An idle session holds no buffers.
 *
 * Not re-entrant: the host does not call `feed` from inside a call of this session; `finish` may be called inside
 * `accept`.
 */
import { ChunkReceiver, parseBdat } from './chunk-receiver.js';
import { CommandReceiver, LINE_COMPLETE, LINE_INCOMPLETE, LINE_TLS, LINE_TOO_LONG } from './command-receiver.js';
import { type ContentReceiver, overrunLimit } from './content-receiver.js';
import { contentDeadline, OpenTransaction, receivedSoFar } from './open-transaction.js';
import { argumentText, isReply, parseMail, parseRcpt } from './parameters.js';
import { type Reply, replies } from './replies.js';
import type { ServerHost } from './server-host.js';
import { preparedReplies, type ServerSessionOptions } from './server-options.js';
import {
  argumentOf,
  chunkOutOfOrder,
  STATE_CHUNKS,
  STATE_FAILED,
  STATE_MAIL,
  STATE_NEW,
  STATE_RCPT,
  STATE_READY,
  type VerbTarget,
  verbOf,
} from './verbs.js';

export type { ServerSessionOptions } from './server-options.js';

const MODE_COMMAND = 0;
const MODE_DATA = 1;
const MODE_CHUNK = 2;
const MODE_WAITING = 3;
const MODE_CLOSED = 4;

/** What a HELO name may be made of: it goes into Received, so nothing that has a meaning there. */
const HELLO_NAME = /^[A-Za-z0-9_.:[\]+/=@~#%^{}|!$&'*`?-]{1,255}$/;

export class ServerSession implements VerbTarget {
  /** Engine time in ms at which `timeout` must be called; infinite while the host has the message. */
  deadline: number;
  private readonly host: ServerHost;
  private readonly options: ServerSessionOptions;
  private readonly command = new CommandReceiver();
  private mode = MODE_COMMAND;
  private state = STATE_NEW;
  private helo = '';
  private extended = false;
  private transaction: OpenTransaction | null = null;
  /** The BDAT chunk being received. */
  private chunk: ChunkReceiver | null = null;
  private chunkSince = 0;
  private errors = 0;
  private messages = 0;
  /** Commands since the last accepted recipient or message. */
  private idleCommands = 0;
  /** Something was completed since the deadline was last set. */
  private acted = false;
  private now: number;
  private shutdownReply: Reply | null = null;

  /** `now`: engine time, ms. */
  constructor(host: ServerHost, options: ServerSessionOptions, now: number) {
    this.host = host;
    this.options = options;
    this.now = now;
    this.deadline = now + options.connectTimeout;
  }

  /** Sends the greeting. */
  greet(): void {
    if (this.mode !== MODE_CLOSED) this.host.send(preparedReplies(this.options).greeting.bytes);
  }

  /** A message is with the host; nothing is consumed until `finish`. */
  get waiting(): boolean {
    return this.mode === MODE_WAITING;
  }

  /** Everything was said: the host was told to close, or said itself that the connection is gone. */
  get closed(): boolean {
    return this.mode === MODE_CLOSED;
  }

  /**
   * Consumes bytes `[start, end)` of `chunk` and returns how many: fewer than given only when the session now waits or is
   * closed. The rest is fed again after `finish`. The chunk is not kept.
   */
  feed(chunk: Buffer, start: number, end: number, now: number): number {
    this.now = now;
    let at = start;
    while (at < end) {
      if (this.mode === MODE_COMMAND) at = this.takeCommand(chunk, at, end);
      else if (this.mode === MODE_DATA) at = this.takeData(chunk, at, end);
      else if (this.mode === MODE_CHUNK) at = this.takeChunk(chunk, at, end);
      else break;
      this.endIfShutDown();
    }
    this.restartDeadline();
    return at - start;
  }

  /** The host's answer to `accept`: sent, and the session goes on. Does nothing unless the session waits. */
  finish(reply: Reply, now: number): void {
    if (this.mode !== MODE_WAITING) return;
    this.now = now;
    this.mode = MODE_COMMAND;
    this.idleCommands = 0;
    this.acted = true;
    this.answer(reply);
    this.endIfShutDown();
    this.restartDeadline();
  }

  /** The deadline has come: says so, closes, gives the memory back. Does nothing before `deadline`. */
  timeout(now: number): void {
    if (this.mode === MODE_CLOSED || now < this.deadline) return;
    this.end(this.mode === MODE_COMMAND ? replies.timedOut : replies.tooSlow);
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
    this.forgetTransaction();
    this.chunk = null;
    this.command.clear();
  }

  // ---- Modes

  private takeCommand(chunk: Buffer, start: number, end: number): number {
    const { command } = this;
    const found = command.receive(chunk, start, end, this.options.maxCommandLine);
    if (found === LINE_INCOMPLETE) return command.next;
    if (found !== LINE_COMPLETE) {
      this.end(found === LINE_TLS ? replies.notSmtpTls : replies.lineEndless);
      return command.next;
    }
    const { bytes, start: lineStart, end: lineEnd, flaws, next } = command;
    command.clear();
    this.acted = true;
    const { maxIdleCommands } = this.options;
    if (++this.idleCommands > maxIdleCommands && maxIdleCommands !== 0) this.end(replies.tooManyIdleCommands);
    else if ((flaws & LINE_TOO_LONG) !== 0) this.mistake(preparedReplies(this.options).lineTooLong);
    else {
      const verb = verbOf(bytes, lineStart, lineEnd, flaws, this.state);
      this.mistake(
        isReply(verb) ? verb : verb.handle(this, bytes, argumentOf(verb, bytes, lineStart, lineEnd), lineEnd),
      );
    }
    return next;
  }

  private takeData(chunk: Buffer, start: number, end: number): number {
    const content = this.transaction!.content!;
    const next = content.receive(chunk, start, end);
    if (content.ended) this.completeMessage(content);
    else if (content.overrun) this.end(replies.dataEndless);
    return next;
  }

  private takeChunk(bytes: Buffer, start: number, end: number): number {
    const chunk = this.chunk!;
    const next = chunk.receive(bytes, start, end);
    if (chunk.remaining === 0) this.mistake(this.completeChunk(chunk));
    else if (chunk.content?.overrun === true) this.end(replies.dataEndless);
    return next;
  }

  private completeChunk(chunk: ChunkReceiver): Reply | null {
    const { content, refusal, last } = chunk;
    this.chunk = null;
    this.mode = MODE_COMMAND;
    this.acted = true;
    if (content === null) {
      // Without a part of it the message cannot be had any more; its last chunk ends the dead transaction.
      if ((this.state & (STATE_RCPT | STATE_CHUNKS | STATE_FAILED)) !== 0) this.failTransaction(last);
      return refusal;
    }
    if (last) {
      content.finish();
      this.completeMessage(content);
      return null;
    }
    const failed = content.refusal();
    if (failed === null) this.state = STATE_CHUNKS;
    else this.failTransaction(false);
    this.answer(failed ?? replies.chunkOk);
    return null;
  }

  private failTransaction(over: boolean): void {
    this.forgetTransaction();
    if (!over) this.state = STATE_FAILED;
  }

  private completeMessage(content: ContentReceiver): void {
    this.messages++;
    this.acted = true;
    this.mode = MODE_COMMAND;
    const refusal = content.refusal();
    if (refusal !== null) {
      this.forgetTransaction();
      this.answer(refusal);
      return;
    }
    const finished = this.transaction!.handOver(content, this.helo, this.extended);
    this.forgetTransaction();
    this.mode = MODE_WAITING;
    this.host.accept(finished);
  }

  // ---- Verbs (VerbTarget)

  onHello(bytes: Buffer, start: number, end: number, extended: boolean): Reply | null {
    const name = bytes.toString('latin1', start, end);
    if (!HELLO_NAME.test(name)) return replies.badHello;
    this.helo = name;
    this.extended = extended;
    this.forgetTransaction();
    const { ehlo, helo } = preparedReplies(this.options);
    return this.onSimple(extended ? ehlo : helo);
  }

  onMail(bytes: Buffer, start: number, end: number): Reply | null {
    const { maxMessagesPerConnection, maxMessageSize } = this.options;
    if (maxMessagesPerConnection !== 0 && this.messages >= maxMessagesPerConnection) {
      this.end(replies.tooManyMessages);
      return null;
    }
    const text = argumentText(bytes, start, end);
    if (typeof text !== 'string') return text;
    const mail = parseMail(text, this.extended);
    if (isReply(mail)) return mail;
    if (maxMessageSize !== 0 && mail.declaredSize > maxMessageSize) {
      return this.answer(preparedReplies(this.options).messageTooLarge);
    }
    const refusal = this.host.admitMail(mail.sender, mail.declaredSize);
    if (refusal !== null) return this.answer(refusal);
    this.transaction = new OpenTransaction(mail);
    this.state = STATE_MAIL;
    return this.onSimple(replies.senderOk);
  }

  onRcpt(bytes: Buffer, start: number, end: number): Reply | null {
    const { mail, recipients } = this.transaction!;
    if (recipients.length >= this.options.maxRecipients) {
      this.idleCommands = 0;
      return this.answer(replies.tooManyRecipients);
    }
    const text = argumentText(bytes, start, end);
    if (typeof text !== 'string') return text;
    const rcpt = parseRcpt(text, this.extended, mail.smtpUtf8);
    if (isReply(rcpt)) return rcpt;
    const { address, domain, notify, originalRecipient } = rcpt;
    const refusal = this.host.admitRecipient(address, domain);
    if (refusal !== null) return this.answer(refusal);
    recipients.push({ address, notify, originalRecipient });
    this.idleCommands = 0;
    this.state = STATE_RCPT;
    return this.onSimple(replies.recipientOk);
  }

  onData(): Reply | null {
    const transaction = this.transaction!;
    if (transaction.mail.bodyType === 'BINARYMIME') return replies.binaryNeedsChunks;
    const body = this.host.openBody();
    if (body === null) return this.answer(replies.outOfMemory);
    transaction.beginData(this.options, body, this.now);
    this.mode = MODE_DATA;
    return this.onSimple(replies.startData);
  }

  onBdat(bytes: Buffer, start: number, end: number): Reply | null {
    const given = parseBdat(bytes.toString('latin1', start, end));
    if (given === undefined) {
      this.host.send(replies.badBdatSize.bytes);
      this.end(replies.streamLost);
      return null;
    }
    const { size, last, malformed } = given;
    if (size > overrunLimit(this.options)) {
      this.host.send(preparedReplies(this.options).messageTooLarge.bytes);
      this.end(replies.dataEndless);
      return null;
    }
    let content: ContentReceiver | null = null;
    let refusal: Reply | null = null;
    if ((this.state & (STATE_RCPT | STATE_CHUNKS)) === 0) refusal = chunkOutOfOrder(this.state);
    else if (malformed) refusal = replies.badBdatSize;
    else content = this.transaction!.chunkedContent(this.options, this.host, this.now);
    this.chunk = new ChunkReceiver(size, last, content, refusal);
    this.chunkSince = content === null ? this.now : this.transaction!.contentSince;
    this.mode = MODE_CHUNK;
    return size === 0 ? this.completeChunk(this.chunk) : null;
  }

  onReset(): null {
    this.forgetTransaction();
    return this.onSimple(replies.ok);
  }

  onQuit(): null {
    this.end(replies.bye);
    return null;
  }

  onSimple(reply: Reply): null {
    this.host.send(reply.bytes);
    return null;
  }

  // ---- Means

  /** Sends a reply that may be the host's: after 421 the connection ends (RFC 5321 section 3.8). */
  private answer(reply: Reply): null {
    if (reply.code === 421) this.end(reply);
    else this.host.send(reply.bytes);
    return null;
  }

  /** Answers a mistake and counts it; null: there was none. */
  private mistake(reply: Reply | null): void {
    if (reply === null) return;
    this.answer(reply);
    const { maxErrors } = this.options;
    if (reply.code === 421) return;
    if (++this.errors >= maxErrors && maxErrors !== 0) this.end(replies.tooManyErrors);
  }

  private end(reply: Reply): void {
    this.host.send(reply.bytes);
    this.abort();
    this.host.close();
  }

  private endIfShutDown(): void {
    if (this.shutdownReply === null || this.mode !== MODE_COMMAND || this.transaction !== null) return;
    this.end(this.shutdownReply);
  }

  private forgetTransaction(): void {
    this.transaction?.release();
    this.transaction = null;
    this.state = this.helo === '' ? STATE_NEW : STATE_READY;
  }

  private restartDeadline(): void {
    const { options, now, transaction, chunk } = this;
    if (this.mode === MODE_CLOSED || this.mode === MODE_WAITING) this.deadline = Number.POSITIVE_INFINITY;
    else if (this.mode !== MODE_COMMAND) {
      const since = chunk === null ? transaction!.contentSince : this.chunkSince;
      this.deadline = contentDeadline(options, now, options.dataTimeout, since, receivedSoFar(chunk, transaction));
    } else if (this.acted) {
      // An incomplete command buys no time.
      if (this.state === STATE_CHUNKS) {
        const received = receivedSoFar(null, transaction);
        this.deadline = contentDeadline(options, now, options.commandTimeout, transaction!.contentSince, received);
      } else this.deadline = now + (this.state === STATE_READY ? options.idleTimeout : options.commandTimeout);
    }
    this.acted = false;
  }
}
