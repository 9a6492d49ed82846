/**
 * A host for server sessions that writes down everything it is asked and told, and answers at once or when let.
 */

import type { AuthAnswer, AuthQuestion } from '../../src/smtp/authentication.js';
import { acceptedReply, makeReply, type Reply } from '../../src/smtp/replies.js';
import type { BodySink, ServerHost, TlsFacts, Transaction } from '../../src/smtp/server-host.js';
import { defaultServerSessionOptions, type ServerSessionOptions } from '../../src/smtp/server-options.js';
import { ServerSession } from '../../src/smtp/server-session.js';

/** A body that knows whether it was given back. */
class FakeBody implements BodySink {
  length = 0;
  released = 0;
  private text = '';
  private readonly room: number;

  constructor(room: number) {
    this.room = room;
  }

  append(source: Uint8Array, start: number, end: number): boolean {
    if (this.released !== 0) throw new Error('written after release');
    this.length += end - start;
    this.text += Buffer.from(source).toString('latin1', start, end);
    return this.length <= this.room;
  }

  release(): void {
    this.released++;
  }

  get content(): string {
    return this.text;
  }
}

/** A message as the host got it. */
export type Accepted = Omit<Transaction, 'body'> & { readonly text: string };

export function testOptions(changes: Partial<ServerSessionOptions> = {}): ServerSessionOptions {
  return { ...defaultServerSessionOptions, hostname: 'mx.test', maxMessageSize: 10_000, ...changes };
}

export class FakeHost implements ServerHost {
  /** Everything that was sent. */
  sent = '';
  readonly calls: string[] = [];
  readonly accepted: Accepted[] = [];
  readonly bodies: FakeBody[] = [];
  readonly questions: AuthQuestion[] = [];
  closes = 0;
  /** Bytes a body can take. */
  room = Number.POSITIVE_INFINITY;
  bodiesLeft = Number.POSITIVE_INFINITY;
  now = 1000;
  /** Answer messages inside `accept`. */
  answerAtOnce = true;
  canTls = true;
  /** Recipients are decided later, by `decide`. */
  late = false;
  undecided: { readonly question: number; readonly domain: string } | null = null;
  /** How questions about credentials are answered, at once inside `authenticate`; null: not. */
  accounts: ((question: AuthQuestion) => AuthAnswer) | null = null;
  readonly session: ServerSession;

  constructor(options: ServerSessionOptions = testOptions(), tls: TlsFacts | null = null) {
    this.session = new ServerSession(this, options, this.now, tls);
    this.session.greet();
  }

  send(bytes: Uint8Array): void {
    if (this.closes !== 0) throw new Error('sent after close');
    this.sent += Buffer.from(bytes).toString('latin1');
  }

  admitMail(sender: string, declaredSize: number): Reply | null {
    this.calls.push(`mail ${sender} ${declaredSize}`);
    if (sender.startsWith('bye')) return makeReply(421, '4.3.0', 'Not now');
    return sender.startsWith('refused') ? makeReply(451, '4.3.0', 'Not now') : null;
  }

  admitRecipient(address: string, domain: string, question: number): Reply | null | 'later' {
    this.calls.push(`rcpt ${address} ${domain}`);
    if (this.late) {
      this.undecided = { question, domain };
      return 'later';
    }
    return this.decisionOn(domain);
  }

  /** Decides the recipient that is waited for. */
  decide(): void {
    const { question, domain } = this.undecided!;
    this.undecided = null;
    this.session.recipientDecided(question, this.decisionOn(domain), this.now);
  }

  private decisionOn(domain: string): Reply | null {
    if (domain === 'bye.example') return makeReply(421, '4.3.0', 'Not now');
    return domain === 'reject.example' ? makeReply(554, '5.7.1', 'No') : null;
  }

  openBody(): BodySink | null {
    this.calls.push('body');
    if (this.bodiesLeft-- <= 0) return null;
    const body = new FakeBody(this.room);
    this.bodies.push(body);
    return body;
  }

  accept(transaction: Transaction): void {
    const { body, ...rest } = transaction;
    const held = body as FakeBody;
    if (held.length !== rest.content.size) throw new Error('content size is not what was appended');
    this.accepted.push({ ...rest, text: held.content });
    body.release();
    if (this.answerAtOnce) this.answer();
  }

  tlsAvailable(): boolean {
    return this.canTls;
  }

  startTls(): void {
    this.calls.push('starttls');
  }

  authenticate(question: AuthQuestion): void {
    this.questions.push(question);
    if (this.accounts !== null) this.session.answered(this.accounts(question), this.now);
  }

  close(): void {
    this.closes++;
  }

  answer(reply = acceptedReply(`Q${this.accepted.length}`)): void {
    this.session.finish(reply, this.now);
  }

  /** Feeds latin1 text, answering waiting messages; what came back. */
  say(text: string): string {
    const before = this.sent.length;
    const bytes = Buffer.from(text, 'latin1');
    let at = 0;
    while (at < bytes.length && !this.session.closed) {
      const taken = this.session.feed(bytes, at, bytes.length, this.now);
      at += taken;
      if (at < bytes.length && !this.session.closed) {
        if (!this.session.waiting) throw new Error('the session took less than it was given');
        this.answerOrDecide();
      } else if (this.session.waiting) this.answerOrDecide();
    }
    return this.sent.slice(before);
  }

  private answerOrDecide(): void {
    if (this.undecided === null) this.answer();
    else this.decide();
  }

  /** All that can be observed from outside. */
  trace(): unknown {
    const { sent, calls, accepted, closes } = this;
    return { sent, calls, accepted, closes, held: this.heldBodies };
  }

  /** Bodies not given back exactly once. */
  get heldBodies(): number {
    return this.bodies.filter((body) => body.released !== 1).length;
  }
}
