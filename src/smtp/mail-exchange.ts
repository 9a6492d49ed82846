/**
 * The mail transactions of a session, one at a time: MAIL, RCPT, DATA, BDAT and the content (RFC 5321 section 3.3,
 * RFC 3030). It decides what is in order (`state`) and gives a finished transaction to its owner, the session, which has
 * the stream: who gets the bytes, what is sent, when the connection ends.
 */
import type { Recipient } from '../message/envelope.js';
import { ChunkReceiver, parseBdat } from './chunk-receiver.js';
import type { ClientStanding } from './client-standing.js';
import { type ContentReceiver, overrunLimit } from './content-receiver.js';
import { OpenTransaction } from './open-transaction.js';
import { argumentText, isReply, parseMail, parseRcpt } from './parameters.js';
import { type Reply, replies } from './replies.js';
import type { ServerHost, Transaction } from './server-host.js';
import { preparedReplies, type ServerSessionOptions } from './server-options.js';
import type { SessionCounts } from './session-counts.js';
import { chunkOutOfOrder, STATE_CHUNKS, STATE_FAILED, STATE_MAIL, STATE_RCPT } from './verbs.js';

/** The session, as its transactions need it. */
export interface StreamOwner {
  /** Engine time of what is being dealt with, ms. */
  readonly now: number;
  /** Sends a reply. */
  onSimple(reply: Reply): null;
  /** Sends a reply that may be the host's: 421 ends the connection. */
  answer(reply: Reply): null;
  /** Sends a reply that answers a mistake; null: there was none. */
  mistake(reply: Reply | null): void;
  /** Sends the last reply. */
  end(reply: Reply): null;
  /** The bytes that follow are content: they go to `receive`, until `contentEnds`. */
  contentBegins(): void;
  contentEnds(): void;
  /** Nothing is consumed until the recipient is decided. */
  awaitDecision(): void;
  decisionCame(): void;
  /** A transaction is finished. */
  deliver(transaction: Transaction): void;
}

export class MailExchange {
  /** STATE_* bit. */
  state: number;
  private readonly owner: StreamOwner;
  private readonly host: ServerHost;
  private readonly options: ServerSessionOptions;
  private readonly standing: ClientStanding;
  private readonly counts: SessionCounts;
  private transaction: OpenTransaction | null = null;
  /** The BDAT chunk being received. */
  private chunk: ChunkReceiver | null = null;
  private chunkSince = 0;
  /** The recipient that the host has yet to decide about, and the number of the question. */
  private undecided: Recipient | null = null;
  private question = 0;

  constructor(
    owner: StreamOwner,
    host: ServerHost,
    options: ServerSessionOptions,
    standing: ClientStanding,
    counts: SessionCounts,
  ) {
    this.owner = owner;
    this.host = host;
    this.options = options;
    this.standing = standing;
    this.counts = counts;
    this.state = standing.restState;
  }

  /** Reverse-path of the open transaction, '' when there is none. */
  get sender(): string {
    return this.transaction?.mail.sender ?? '';
  }

  get open(): boolean {
    return this.transaction !== null;
  }

  /** Gives the memory of the open transaction back. */
  forget(): void {
    this.transaction?.release();
    this.transaction = null;
    this.undecided = null;
    this.state = this.standing.restState;
  }

  /** Forgets the chunk that is being received, too. */
  abort(): void {
    this.chunk = null;
    this.forget();
  }

  /** Takes content from `bytes[start, end)`; returns the index after what belongs to it. */
  receive(bytes: Buffer, start: number, end: number): number {
    const { chunk } = this;
    if (chunk !== null) {
      const next = chunk.receive(bytes, start, end);
      if (chunk.remaining === 0) this.owner.mistake(this.completeChunk(chunk));
      else if (chunk.content?.overrun === true) this.owner.end(replies.dataEndless);
      return next;
    }
    const content = this.transaction!.content!;
    const next = content.receive(bytes, start, end);
    if (content.ended) this.completeMessage(content);
    else if (content.overrun) this.owner.end(replies.dataEndless);
    return next;
  }

  /**
   * The end of patience while content comes: `patience` ms after the last of it, or when the whole came too slowly
   * (`dataTimeout`, and after that `minDataRate` on average), whichever is first. A byte a second holds no session.
   */
  contentDeadline(now: number, patience: number): number {
    const { chunk, transaction } = this;
    const { dataTimeout, minDataRate } = this.options;
    const silence = now + patience;
    if (minDataRate === 0) return silence;
    const since = chunk === null ? transaction!.contentSince : this.chunkSince;
    const received = (chunk ?? transaction?.content)?.received ?? 0;
    return Math.min(silence, since + dataTimeout + (received * 1000) / minDataRate);
  }

  // ---- Verbs: arguments are `bytes[start, end)`, `ascii` says of what; what is returned is a mistake of the client

  mail(bytes: Buffer, start: number, end: number, ascii: boolean): Reply | null {
    const { standing, owner } = this;
    const { maxMessageSize } = this.options;
    const { exhausted } = this.counts;
    if (exhausted !== null) return owner.end(exhausted);
    const text = argumentText(bytes, start, end, ascii);
    if (typeof text !== 'string') return text;
    const mail = parseMail(text, standing.extended, standing.offer, owner.now);
    if (isReply(mail)) return mail;
    if (maxMessageSize !== 0 && mail.declaredSize > maxMessageSize) {
      return owner.answer(preparedReplies(this.options).messageTooLarge);
    }
    const refusal =
      standing.senderRefusal(mail.sender) ??
      standing.holdRefusal(mail.holdUntil) ??
      this.host.admitMail(mail.sender, mail.declaredSize);
    if (refusal !== null) return owner.answer(refusal);
    this.transaction = new OpenTransaction(mail);
    this.state = STATE_MAIL;
    return owner.onSimple(replies.senderOk);
  }

  rcpt(bytes: Buffer, start: number, end: number, ascii: boolean): Reply | null {
    const { owner } = this;
    const { mail, recipients } = this.transaction!;
    if (recipients.length >= this.options.maxRecipients) {
      this.counts.progress();
      return owner.answer(replies.tooManyRecipients);
    }
    const text = argumentText(bytes, start, end, ascii);
    if (typeof text !== 'string') return text;
    const rcpt = parseRcpt(text, this.standing.extended, mail.smtpUtf8);
    if (isReply(rcpt)) return rcpt;
    const { address, domain, notify, originalRecipient } = rcpt;
    const recipient = { address, notify, originalRecipient };
    const decision = this.host.admitRecipient(address, domain, ++this.question);
    if (decision !== 'later') return this.answerRecipient(recipient, decision);
    this.undecided = recipient;
    owner.awaitDecision();
    return null;
  }

  /** The decision about a recipient. False: it is not the one that is waited for. `question` 0: whichever is. */
  decided(question: number, refusal: Reply | null): boolean {
    const { undecided } = this;
    if (undecided === null || (question !== this.question && question !== 0)) return false;
    this.undecided = null;
    this.owner.decisionCame();
    this.answerRecipient(undecided, refusal);
    return true;
  }

  private answerRecipient(recipient: Recipient, refusal: Reply | null): null {
    if (refusal !== null) return this.owner.answer(refusal);
    this.transaction!.recipients.push(recipient);
    this.counts.progress();
    this.state = STATE_RCPT;
    return this.owner.onSimple(replies.recipientOk);
  }

  data(): Reply | null {
    const transaction = this.transaction!;
    if (transaction.mail.bodyType === 'BINARYMIME') return replies.binaryNeedsChunks;
    const body = this.host.openBody();
    if (body === null) return this.owner.answer(replies.outOfMemory);
    transaction.beginData(this.options, body, this.owner.now);
    this.owner.contentBegins();
    return this.owner.onSimple(replies.startData);
  }

  bdat(bytes: Buffer, start: number, end: number): Reply | null {
    const given = parseBdat(bytes.toString('latin1', start, end));
    if (given === undefined) {
      this.owner.onSimple(replies.badBdatSize);
      return this.owner.end(replies.streamLost);
    }
    const { size, last, malformed } = given;
    if (size > overrunLimit(this.options)) {
      this.owner.onSimple(preparedReplies(this.options).messageTooLarge);
      return this.owner.end(replies.dataEndless);
    }
    const { now } = this.owner;
    let content: ContentReceiver | null = null;
    let refusal: Reply | null = null;
    if ((this.state & (STATE_RCPT | STATE_CHUNKS)) === 0) refusal = chunkOutOfOrder(this.state);
    else if (malformed) refusal = replies.badBdatSize;
    else content = this.transaction!.chunkedContent(this.options, this.host, now);
    this.chunk = new ChunkReceiver(size, last, content, refusal);
    this.chunkSince = content === null ? now : this.transaction!.contentSince;
    this.owner.contentBegins();
    return size === 0 ? this.completeChunk(this.chunk) : null;
  }

  // ---- Ends

  private completeChunk(chunk: ChunkReceiver): Reply | null {
    const { content, refusal, last } = chunk;
    this.chunk = null;
    this.owner.contentEnds();
    if (content === null) {
      // Without a part of it the message cannot be had any more; its last chunk ends the dead transaction.
      if ((this.state & (STATE_RCPT | STATE_CHUNKS | STATE_FAILED)) !== 0) this.fail(last);
      return refusal;
    }
    if (last) {
      content.finish();
      this.completeMessage(content);
      return null;
    }
    const failed = content.refusal();
    if (failed === null) this.state = STATE_CHUNKS;
    else this.fail(false);
    return this.owner.answer(failed ?? replies.chunkOk);
  }

  private fail(over: boolean): void {
    this.forget();
    if (!over) this.state = STATE_FAILED;
  }

  private completeMessage(content: ContentReceiver): void {
    this.counts.message();
    this.owner.contentEnds();
    const refusal = content.refusal();
    if (refusal !== null) {
      this.forget();
      this.owner.answer(refusal);
      return;
    }
    const finished = this.transaction!.handOver(content, this.standing, this.owner.now);
    this.forget();
    this.owner.deliver(finished);
  }
}
