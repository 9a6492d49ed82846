/**
 * The client side of SMTP, without I/O: bytes of replies and a time in, commands out.
 *
 * One session is one connection. It is opened (session-opening.ts), then carries out one transaction after
 * the other, as far pipelined as the peer allows (RFC 2920), and reports for every recipient the reply that decided it.
 * It decides nothing about retries. After a reply that is none, an early reply inside the content, or a 421, the session
 * is over: `usable` is false and the host closes the connection.
 */
import type { Capabilities } from './capabilities.js';
import type {
  ClientHost,
  ClientSessionOptions,
  SessionFault,
  SessionSecurity,
  TransactionPlan,
  Verdict,
} from './client-host.js';
import { type PeerReply, ReplyParser } from './reply-parser.js';
import { SessionOpening } from './session-opening.js';

type Phase = 'opening' | 'idle' | 'reset' | 'mail' | 'rcpt' | 'data' | 'content' | 'empty' | 'quit' | 'over';

/** Longest wait for the reply to QUIT, ms: nothing depends on it. */
const QUIT_TIMEOUT = 2000;
/** Refused in a pipelined group after which nothing was sent. */
const NOT_SENT: PeerReply = { code: 451, text: '4.5.0 No reply', lines: [] };
/** In the clear and unknown to the host. */
const UNPROTECTED: SessionSecurity = { tls: 'none', credentials: null };

export class ClientSession {
  /** Engine time at which `timeout` is to be called. */
  deadline: number;
  /** Transactions finished so far. */
  transactions = 0;
  private phase: Phase = 'opening';
  private readonly opening: SessionOpening;
  private readonly host: ClientHost;
  private readonly options: ClientSessionOptions;
  private readonly parser = new ReplyParser();
  private plan: TransactionPlan | null = null;
  private verdicts: (Verdict | undefined)[] = [];
  private nextRcpt = 0;
  private accepted = 0;
  private mailReply: PeerReply | null = null;
  private needsReset = false;
  private contentDone = false;
  private now: number;
  private readonly take = (reply: PeerReply): boolean => this.onReply(reply);

  constructor(host: ClientHost, options: ClientSessionOptions, now: number, security: SessionSecurity = UNPROTECTED) {
    this.host = host;
    this.options = options;
    this.now = now;
    this.deadline = now + options.replyTimeout;
    this.opening = new SessionOpening(host, options.hostname, security, {
      opened: () => this.ready(),
      end: (reason, reply, fault) => this.end(reason, reply, fault),
    });
  }

  /** What the host said last that it can do. */
  get capabilities(): Capabilities {
    return this.opening.capabilities;
  }

  /** Waits for TLS to stand. */
  get handshaking(): boolean {
    return this.phase === 'opening' && this.opening.step === 'handshake';
  }

  /** A transaction can be begun. */
  get idle(): boolean {
    return this.phase === 'idle';
  }

  /** The session can go on after what is under way. */
  get usable(): boolean {
    return this.phase !== 'over' && this.phase !== 'quit';
  }

  /** The session is over; the connection is of no more use. */
  get ended(): boolean {
    return this.phase === 'over';
  }

  /** A transaction is under way and nothing of it has been answered: on a kept connection it may be sent again elsewhere. */
  get unanswered(): boolean {
    return this.plan !== null && this.mailReply === null;
  }

  /** The whole content was handed over, so that the peer may have the message although no reply came. */
  get uncertain(): boolean {
    // Content sent behind pipelined commands (BDAT) may have been taken before anything was answered.
    return this.plan !== null && this.contentDone && this.verdicts.includes(undefined);
  }

  /** What the session waits for, for reasons: `greeting`, `reply to MAIL` ... */
  get waitingFor(): string {
    if (this.phase === 'opening') return this.opening.waitingFor;
    return `the reply to ${PHASE_NAMES[this.phase] ?? this.phase}`;
  }

  /** The connection is made: the wait for the greeting begins. */
  connected(now: number): void {
    this.deadline = now + this.options.replyTimeout;
  }

  feed(chunk: Buffer, start: number, end: number, now: number): void {
    if (this.phase === 'over') return;
    this.now = now;
    // A wire turns to TLS within `startTls`; nothing can come before that is done.
    if (this.handshaking) this.end('bytes in the clear where TLS begins', null);
    else this.read(chunk, start, end);
  }

  /** TLS stands. `binding`: data of `tls-exporter` (RFC 9266), null where there is none. */
  secured(binding: Buffer | null, now: number): void {
    this.deadline = now + this.options.replyTimeout;
    this.opening.secured(binding);
  }

  /** The token that `fetchToken` asked for. */
  tokenReady(token: string, now: number): void {
    this.deadline = now + this.options.replyTimeout;
    this.opening.tokenReady(token);
  }

  /** Begins a transaction; only when idle. */
  begin(plan: TransactionPlan, now: number): void {
    this.now = now;
    this.plan = plan;
    this.verdicts = new Array<Verdict | undefined>(plan.rcpts.length).fill(undefined);
    this.nextRcpt = 0;
    this.accepted = 0;
    this.mailReply = null;
    this.contentDone = false;
    const reset = this.needsReset;
    this.needsReset = false;
    this.phase = reset ? 'reset' : 'mail';
    this.deadline = now + this.options.replyTimeout;
    if (!this.capabilities.pipelining) {
      this.host.send(reset ? 'RSET\r\n' : `${plan.mail}\r\n`, plan.utf8);
      return;
    }
    let group = reset ? `RSET\r\n${plan.mail}\r\n` : `${plan.mail}\r\n`;
    for (const rcpt of plan.rcpts) group += `${rcpt}\r\n`;
    if (plan.probe === true) {
      this.host.send(group, plan.utf8);
    } else if (plan.transfer === 'data') {
      this.host.send(`${group}DATA\r\n`, plan.utf8);
    } else {
      this.host.send(`${group}BDAT ${plan.size} LAST\r\n`, plan.utf8);
      this.host.sendContent(plan);
    }
  }

  /** All of the content is on its way. */
  contentSent(now: number): void {
    this.contentDone = true;
    this.deadline = now + this.options.dataTimeout;
  }

  /** Still writing a large content: the peer is reading. */
  contentProgress(now: number): void {
    this.deadline = now + this.options.dataTimeout;
  }

  /** Ends an idle session politely. */
  quit(now: number): void {
    if (this.phase !== 'idle') return;
    this.phase = 'quit';
    this.deadline = now + QUIT_TIMEOUT;
    this.host.send('QUIT\r\n', false);
  }

  /** Ends an idle session without a word: its connection cannot be used any more. */
  abandon(): void {
    if (this.phase === 'idle') this.phase = 'over';
  }

  /** The deadline has passed. */
  timeout(): void {
    this.end(this.phase === 'quit' ? 'quit' : `no answer in time while waiting for ${this.waitingFor}`, null);
  }

  private read(chunk: Buffer, start: number, end: number): void {
    if (!this.parser.feed(chunk, start, end, this.take))
      this.end(`${this.waitingFor}: the host sent what is no SMTP reply`, null);
    else if (this.handshaking) {
      this.deadline = this.now + this.options.tlsTimeout;
      this.opening.beginTls(this.parser.dropped);
    }
  }

  private onReply(reply: PeerReply): boolean {
    this.deadline = this.now + this.options.replyTimeout;
    switch (this.phase) {
      case 'opening':
        return this.opening.onReply(reply);
      case 'reset':
        if (reply.code === 421) return this.end('the host closes', reply);
        this.phase = 'mail';
        if (!this.capabilities.pipelining) this.host.send(`${this.plan!.mail}\r\n`, this.plan!.utf8);
        return true;
      case 'mail':
        return this.onMail(reply);
      case 'rcpt':
        return this.onRcpt(reply);
      case 'data':
        return this.onData(reply);
      case 'content':
        return this.onContent(reply);
      case 'empty':
        // The reply to a transaction without recipients that had to be ended; a 2xx delivered nothing.
        return reply.code === 421 ? this.finishOver() : this.finish();
      case 'quit':
        return this.end('quit', reply);
      default:
        return this.end(reply.code === 421 ? 'the host closes' : 'a reply without a command', reply);
    }
  }

  private ready(): boolean {
    this.phase = 'idle';
    this.deadline = Number.POSITIVE_INFINITY;
    this.host.greeted();
    return true;
  }

  private onMail(reply: PeerReply): boolean {
    const plan = this.plan!;
    this.mailReply = reply;
    const refused = reply.code !== 250;
    if (refused) this.verdicts.fill({ stage: 'mail', reply });
    if (reply.code === 421) return this.finishOver();
    if (!this.capabilities.pipelining) {
      if (refused) return this.finish();
      this.host.send(`${plan.rcpts[0]!}\r\n`, plan.utf8);
    }
    this.phase = 'rcpt';
    return true;
  }

  private onRcpt(reply: PeerReply): boolean {
    const plan = this.plan!;
    const index = this.nextRcpt++;
    if (reply.code === 250 || reply.code === 251 || reply.code === 252) {
      if (plan.probe === true) this.verdicts[index] ??= { stage: 'rcpt', reply };
      else if (this.verdicts[index] === undefined) this.accepted++;
    } else {
      this.verdicts[index] ??= { stage: 'rcpt', reply };
      if (reply.code === 421) return this.finishOver();
    }
    const more = this.nextRcpt < plan.rcpts.length;
    if (!more && plan.probe === true) {
      this.needsReset = true;
      return this.finish();
    }
    if (this.capabilities.pipelining) {
      if (more) return true;
      this.phase = plan.transfer === 'data' ? 'data' : 'content';
      if (plan.transfer === 'bdat') this.deadline = this.now + this.options.dataTimeout;
      return true;
    }
    if (more) {
      this.host.send(`${plan.rcpts[this.nextRcpt]!}\r\n`, plan.utf8);
      return true;
    }
    if (this.accepted === 0) {
      this.needsReset = true;
      return this.finish();
    }
    if (plan.transfer === 'data') {
      this.phase = 'data';
      this.host.send('DATA\r\n', false);
    } else {
      this.phase = 'content';
      this.host.send(`BDAT ${plan.size} LAST\r\n`, false);
      this.host.sendContent(plan);
    }
    return true;
  }

  private onData(reply: PeerReply): boolean {
    if (reply.code === 354) {
      if (this.accepted === 0) {
        // RFC 2920 section 3.1: a 354 although no recipient stands is answered with an empty message.
        this.phase = 'empty';
        this.host.send('.\r\n', false);
        return true;
      }
      this.phase = 'content';
      this.deadline = this.now + this.options.dataTimeout;
      this.host.sendContent(this.plan!);
      return true;
    }
    this.decideRest({ stage: 'data', reply });
    if (reply.code === 421) return this.finishOver();
    this.needsReset = this.mailReply?.code === 250;
    return this.finish();
  }

  private onContent(reply: PeerReply): boolean {
    const early = !this.contentDone;
    const outOfStep = reply.code >= 300 && reply.code < 400;
    // Nobody can have accepted what was not sent yet.
    if (early && reply.code < 400) return this.end('a positive reply before the end of the message', reply);
    this.decideRest({ stage: 'content', reply });
    // In the middle of the content there is no way back to commands.
    if (early || outOfStep || reply.code === 421) return this.finishOver();
    this.needsReset = this.plan!.transfer === 'bdat' && reply.code >= 400;
    return this.finish();
  }

  private decideRest(verdict: Verdict): void {
    for (let i = 0; i < this.verdicts.length; i++) this.verdicts[i] ??= verdict;
  }

  private finish(): boolean {
    this.phase = 'idle';
    this.deadline = Number.POSITIVE_INFINITY;
    this.report();
    return this.usable;
  }

  /** Ends the transaction with what is known, and the session with it. */
  private finishOver(): boolean {
    this.phase = 'over';
    this.deadline = Number.POSITIVE_INFINITY;
    this.report();
    return false;
  }

  private report(): void {
    const verdicts = this.verdicts;
    // After a 421 recipients that were not answered count as not tried.
    for (let i = 0; i < verdicts.length; i++)
      verdicts[i] ??= { stage: 'rcpt', reply: this.phase === 'over' ? lastReplyOf(verdicts) : NOT_SENT };
    this.plan = null;
    this.mailReply = null;
    this.transactions++;
    this.host.finished(verdicts as Verdict[]);
  }

  private end(reason: string, reply: PeerReply | null, fault?: SessionFault): boolean {
    this.phase = 'over';
    this.deadline = Number.POSITIVE_INFINITY;
    this.host.over(reason, reply, fault);
    return false;
  }
}

function lastReplyOf(verdicts: readonly (Verdict | undefined)[]): PeerReply {
  for (let i = verdicts.length - 1; i >= 0; i--) {
    const verdict = verdicts[i];
    if (verdict !== undefined) return verdict.reply;
  }
  return NOT_SENT;
}

const PHASE_NAMES: Partial<Record<Phase, string>> = {
  reset: 'RSET',
  mail: 'MAIL',
  rcpt: 'RCPT',
  data: 'DATA',
  content: 'the message',
  empty: 'the message',
};
