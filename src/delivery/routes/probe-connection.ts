/**
 * One connection over which a host is asked whether it takes recipients (MAIL FROM:<>, RCPT TO, RSET; nothing is sent).
 *
 * Contract: `ask` when `free`, one question at a time. Every question ends: in the verdict, or in an error that says how
 * the connection was lost. `ended` is told once, when nothing of the connection is left.
 */
import type { Clock } from '../../core/clock.js';
import type { DeadlineWheel } from '../../core/deadline-wheel.js';
import { messageOf, SluiceError } from '../../core/errors.js';
import type { ClientHost, SessionFault, TransactionPlan, Verdict } from '../../smtp/client-host.js';
import { ClientSession } from '../../smtp/client-session.js';
import type { PeerReply } from '../../smtp/reply-parser.js';
import type { ConnectionOptions } from '../connection-plan.js';
import type { DialFrom } from '../egress.js';
import type { SiteHost } from '../site.js';
import type { TlsFailure, TlsState } from '../tls-policy.js';
import { securityOf } from '../upstream-connection.js';
import type { Dial, Wire, WireEvents } from '../wire.js';

export interface ProbeOptions {
  readonly clock: Clock;
  readonly wheel: DeadlineWheel;
  readonly dial: Dial;
  readonly connection: ConnectionOptions;
}

/** How long a connection is kept for the next question, ms. */
const IDLE_TIME = 10_000;

export class ProbeConnection implements ClientHost, WireEvents {
  /** TLS failed where the policy goes on in the clear, on a new connection. */
  fallsBack = false;
  private readonly host: SiteHost;
  private readonly options: ProbeOptions;
  private readonly ended: () => void;
  private readonly session: ClientSession;
  private readonly wire: Wire;
  private connecting = true;
  private closed = false;
  private connectDeadline: number;
  private idleDeadline = Number.POSITIVE_INFINITY;
  private question: {
    readonly address: string;
    readonly resolve: (verdict: Verdict) => void;
    readonly reject: (error: SluiceError) => void;
  } | null = null;

  /** `inClear`: TLS was tried and failed, and the policy allows to go without. */
  constructor(host: SiteHost, options: ProbeOptions, from: DialFrom | undefined, inClear: boolean, ended: () => void) {
    const { clock, wheel, dial, connection } = options;
    this.host = host;
    this.options = options;
    this.ended = ended;
    const now = clock.now();
    this.connectDeadline = now + connection.connectTimeout;
    const tls = inClear ? ({ ...host.tls, mode: 'none' } as const) : host.tls;
    this.session = new ClientSession(this, connection, now, securityOf(host, tls));
    this.wire =
      from === undefined ? dial(host.address, host.port, tls, this) : dial(host.address, host.port, tls, this, from);
    wheel.add(this);
  }

  get deadline(): number {
    return this.connecting ? this.connectDeadline : Math.min(this.session.deadline, this.idleDeadline);
  }

  /** It stands, or is being made, and has no question. */
  get free(): boolean {
    return !this.closed && this.question === null && this.session.usable;
  }

  /** The reply to a recipient, or to MAIL where that was refused. Rejects with `connection-lost`. */
  ask(address: string): Promise<Verdict> {
    this.idleDeadline = Number.POSITIVE_INFINITY;
    return new Promise((resolve, reject) => {
      this.question = { address, resolve, reject };
      if (this.session.idle) this.greeted();
    });
  }

  /** Says goodbye; only without a question. */
  quit(): void {
    if (!this.session.idle) {
      this.over('closed', null);
      return;
    }
    this.idleDeadline = Number.POSITIVE_INFINITY;
    this.session.quit(this.options.clock.now());
    this.options.wheel.add(this);
  }

  expire(): void {
    if (this.connecting) this.over('the connection was not made in time', null);
    else if (this.session.handshaking) this.tlsFailed(NO_HANDSHAKE);
    else if (this.idleDeadline <= this.options.clock.now()) this.quit();
    else this.session.timeout();
    if (!this.closed) this.options.wheel.add(this);
  }

  // WireEvents

  connected(): void {
    this.connecting = false;
    this.session.connected(this.options.clock.now());
  }

  received(chunk: Buffer, start: number, end: number): void {
    if (!this.closed) this.session.feed(chunk, start, end, this.options.clock.now());
  }

  drained(): void {}

  secured(state: TlsState): void {
    this.session.secured(state.binding ?? null, this.options.clock.now());
  }

  tlsFailed(failure: TlsFailure): void {
    this.over(failure.reason, null, { kind: 'tls', enhanced: '4.7.5' });
  }

  lost(reason: string): void {
    const waiting = this.connecting ? 'connecting' : `waiting for ${this.session.waitingFor}`;
    this.over(reason === '' ? `the host closed the connection while ${waiting}` : `${reason} while ${waiting}`, null);
  }

  // ClientHost

  send(text: string, utf8: boolean): void {
    this.wire.writeText(text, utf8 ? 'utf8' : 'latin1');
  }

  sendContent(): void {
    // A probe has none.
    this.over('content was asked for', null);
  }

  startTls(): void {
    this.wire.startTls();
    if (!this.closed) this.options.wheel.add(this);
  }

  fetchToken(): void {
    this.host.credentials!.fetchToken!()
      .then((token) => {
        if (!this.closed) this.session.tokenReady(token, this.options.clock.now());
      })
      .catch((error: unknown) => this.over(`no access token: ${messageOf(error)}`, null));
  }

  tlsMissing(): void {}

  clear(): void {}

  greeted(): void {
    const { question } = this;
    if (question === null) this.rest();
    else this.session.begin(planOf(question.address, this.session.capabilities.smtpUtf8), this.options.clock.now());
  }

  finished(verdicts: readonly Verdict[]): void {
    const { question } = this;
    this.question = null;
    question?.resolve(verdicts[0]!);
    if (this.session.ended) this.over('the session ended with the question', null);
    else this.rest();
  }

  over(reason: string, reply: PeerReply | null, fault?: SessionFault): void {
    if (this.closed) return;
    this.closed = true;
    this.fallsBack = fault?.kind === 'tls' && this.host.tls.mode === 'opportunistic';
    this.options.wheel.delete(this);
    if (fault?.kind === 'credentials') this.host.credentials?.tokenRefused?.();
    const { question } = this;
    this.question = null;
    this.wire.destroy();
    const words = reply === null ? reason : `${reason}: ${reply.code} ${reply.text}`;
    question?.reject(new SluiceError('connection-lost', words, { temporary: true }));
    this.ended();
  }

  private rest(): void {
    this.idleDeadline = this.options.clock.now() + IDLE_TIME;
  }
}

const NO_HANDSHAKE: TlsFailure = { kind: 'validation-failure', reason: 'no TLS handshake in time' };

/** `address`: with its domain in A-labels. One beyond ASCII is asked for by SMTPUTF8 (RFC 6531), where there is that. */
function planOf(address: string, smtpUtf8: boolean): TransactionPlan {
  const utf8 = /[^\x00-\x7f]/.test(address);
  return {
    mail: utf8 && smtpUtf8 ? 'MAIL FROM:<> SMTPUTF8' : 'MAIL FROM:<>',
    rcpts: [`RCPT TO:<${address}>`],
    utf8,
    transfer: 'data',
    size: 0,
    probe: true,
  };
}
