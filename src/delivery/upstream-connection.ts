/**
 * One connection to a next hop: a wire, a client session on it and at most one job under way.
 *
 * Contract to its owner: after `ready` it takes jobs one at a time; every job it took comes back exactly once, by
 * `jobDone` or `jobLost`; `gone` is the last word and means that nothing of the connection is left.
 */
import type { Clock } from '../core/clock.js';
import type { DeadlineWheel } from '../core/deadline-wheel.js';
import { messageOf, SluiceError } from '../core/errors.js';
import type { ContentFacts } from '../message/envelope.js';
import type { DeliveryJob } from '../queue/queued-message.js';
import type { Wait } from '../queue/wait.js';
import type { ClientHost, SessionFault, SessionSecurity, TransactionPlan, Verdict } from '../smtp/client-host.js';
import { ClientSession } from '../smtp/client-session.js';
import type { PeerReply } from '../smtp/reply-parser.js';
import type { StoredContent } from '../spool/spool.js';
import type { ConnectionOptions, ConnectionOwner, ConnectionPlan } from './connection-plan.js';
import { isReady, transferContent } from './content-transfer.js';
import type { DestinationPool } from './destination-pool.js';
import { dialFrom } from './egress.js';
import { prepareTransaction } from './prepare-transaction.js';
import type { HopSecurity } from './require-tls.js';
import type { SiteHost } from './site.js';
import type { TlsFailure, TlsPolicy, TlsState } from './tls-policy.js';
import { type PlanRefusal, planTransaction } from './transaction-plan.js';
import type { Dial, Wire, WireEvents } from './wire.js';

export class UpstreamConnection implements ClientHost, WireEvents {
  readonly plan: ConnectionPlan;
  readonly host: SiteHost;
  readonly openedAt: number;
  readonly session: ClientSession;
  /** Became usable at some time: the greeting is over. */
  established = false;
  /** What TLS it has, null while or where it has none. */
  tls: TlsState | null = null;
  /** TLS failed where the policy goes on in the clear, on a new connection. */
  fallsBack = false;
  /** Whose jobs it carries now. */
  pool: DestinationPool;
  /** It was made for an immediate job, or carries one. */
  urgent: boolean;
  /** Transactions since its pool has it. */
  turns = 0;
  /** Why its source carries nothing now. */
  held: Wait | null = null;
  /** It says goodbye. */
  leaves = false;
  job: DeliveryJob | null = null;
  /** When the job began, engine clock ms. */
  jobBegan = 0;
  private readonly owner: ConnectionOwner;
  private readonly clock: Clock;
  private readonly wheel: DeadlineWheel;
  private readonly wire: Wire;
  private content: StoredContent | null = null;
  private facts: ContentFacts | null = null;
  private connecting = true;
  private connectDeadline: number;
  private closed = false;
  private idleDeadline = Number.POSITIVE_INFINITY;
  private drain: ((open: boolean) => void) | null = null;

  constructor(
    plan: ConnectionPlan,
    dial: Dial,
    owner: ConnectionOwner,
    options: ConnectionOptions,
    clock: Clock,
    wheel: DeadlineWheel,
  ) {
    const { host, source } = plan;
    const now = clock.now();
    this.host = host;
    this.owner = owner;
    this.clock = clock;
    this.wheel = wheel;
    this.openedAt = now;
    this.connectDeadline = now + options.connectTimeout;
    this.plan = plan;
    this.pool = plan.pool;
    this.urgent = plan.urgent;
    const tls = plan.clearReason === '' ? host.tls : ({ ...host.tls, mode: 'none' } as const);
    const named = source === null || source.helo === '' ? options : { ...options, hostname: source.helo };
    this.session = new ClientSession(this, named, now, securityOf(host, tls));
    this.wire = dial(host.address, host.port, tls, this, source === null ? undefined : dialFrom(source, host.address));
    wheel.add(this);
  }

  /** Of its source, '' without one. */
  get sourceName(): string {
    return this.plan.source?.name ?? '';
  }

  get deadline(): number {
    return this.connecting ? this.connectDeadline : Math.min(this.session.deadline, this.idleDeadline);
  }

  /** Open, greeted and without a job. */
  get free(): boolean {
    return !this.closed && this.job === null && this.session.idle;
  }

  /** Takes a job; only when free. */
  deliver(job: DeliveryJob, now: number): void {
    const { envelope, content } = job.message;
    this.job = job;
    this.jobBegan = now;
    this.idleDeadline = Number.POSITIVE_INFINITY;
    const { capabilities } = this.session;
    const sender = this.senderOf(job);
    const step = planTransaction(envelope, job.recipients, envelope.content, capabilities, undefined, this.hop, sender);
    if (step.kind === 'plan') this.begin(step.plan, content, envelope.content);
    else if (step.kind === 'refused') this.refuse(step.refusal);
    else this.deliverAfterLook(job);
  }

  /** Nothing to do: closes by itself after `idle` ms. */
  rest(idle: number): void {
    this.idleDeadline = this.clock.now() + idle;
  }

  /** Says goodbye; only without a job. */
  quit(): void {
    this.idleDeadline = Number.POSITIVE_INFINITY;
    if (this.session.idle) {
      this.leaves = true;
      this.owner.leaving(this);
      this.session.quit(this.clock.now());
      this.wheel.add(this);
    } else this.over('closed', null);
  }

  /** Closes at once; a job under way is lost. */
  abort(reason: string): void {
    this.over(reason, null);
  }

  expire(): void {
    if (this.connecting) this.over('the connection was not made in time', null);
    else if (this.session.handshaking) this.tlsFailed(NO_HANDSHAKE);
    else if (this.idleDeadline <= this.clock.now()) this.quit();
    else this.session.timeout();
    if (!this.closed) this.wheel.add(this);
  }

  // WireEvents

  connected(): void {
    this.connecting = false;
    this.session.connected(this.clock.now());
  }

  received(chunk: Buffer, start: number, end: number): void {
    if (!this.closed) this.session.feed(chunk, start, end, this.clock.now());
  }

  drained(): void {
    const drain = this.drain;
    this.drain = null;
    drain?.(true);
  }

  secured(state: TlsState): void {
    this.tls = state;
    this.owner.tlsResult(this, { kind: 'secured', state });
    this.session.secured(state.binding ?? null, this.clock.now());
  }

  tlsFailed(failure: TlsFailure): void {
    this.owner.tlsResult(this, { kind: 'failed', failure });
    this.over(failure.reason, null, { kind: 'tls', enhanced: '4.7.5' });
  }

  lost(reason: string, atSource = false): void {
    const waiting = this.connecting ? 'connecting' : `waiting for ${this.session.waitingFor}`;
    const words = reason === '' ? `the host closed the connection while ${waiting}` : `${reason} while ${waiting}`;
    this.over(words, null, atSource ? SOURCE_FAILED : undefined);
  }

  // ClientHost

  send(text: string, utf8: boolean): void {
    this.wire.writeText(text, utf8 ? 'utf8' : 'latin1');
  }

  sendContent(plan: TransactionPlan): void {
    const content = this.content!;
    const facts = this.facts!;
    if (isReady(content, facts, plan.transfer)) {
      const bytes = content.inline!;
      this.wire.write(plan.transfer === 'data' ? bytes : bytes.subarray(0, content.size));
      this.session.contentSent(this.clock.now());
      return;
    }
    const { job } = this;
    transferContent(content, facts, plan.transfer, (bytes) => this.writePiece(bytes, job))
      .then((whole) => {
        if (whole && this.job === job) this.session.contentSent(this.clock.now());
      })
      .catch((error: unknown) => {
        if (this.job !== job || job === null) return;
        this.job = null;
        this.owner.jobUnreadable(this, job, error);
        this.over(`the message could not be read: ${messageOf(error)}`, null);
      });
  }

  startTls(): void {
    this.wire.startTls();
    // The handshake's deadline is nearer than the one the wheel knows.
    if (!this.closed) this.wheel.add(this);
  }

  fetchToken(): void {
    this.host.credentials!.fetchToken!()
      .then((token) => {
        if (!this.closed) this.session.tokenReady(token, this.clock.now());
      })
      .catch((error: unknown) => {
        const kind = error instanceof SluiceError && error.temporary ? 'temporary' : 'credentials';
        this.over(`no access token: ${messageOf(error)}`, null, { kind, enhanced: '4.7.0' });
      });
  }

  tlsMissing(kind: TlsFailure['kind'], reason: string): void {
    this.owner.tlsResult(this, { kind: 'failed', failure: { kind, reason } });
  }

  clear(reason: string): void {
    this.owner.tlsResult(this, { kind: 'clear', reason: this.plan.clearReason || reason });
  }

  greeted(): void {
    this.established = true;
    this.owner.ready(this);
  }

  finished(verdicts: readonly Verdict[]): void {
    const job = this.job!;
    this.job = null;
    this.content = null;
    this.facts = null;
    // The content's memory may hold another message as soon as the job is done: nothing of it may still be on its way.
    if (this.wire.unsent > 0) this.session.abandon();
    const cut = this.session.ended;
    if (cut) this.wire.destroy();
    this.owner.jobDone(this, job, verdicts);
    if (cut) this.over('the session ended with the transaction', verdicts.at(-1)?.reply ?? null);
  }

  over(reason: string, reply: PeerReply | null, fault?: SessionFault): void {
    if (this.closed) return;
    const { job, session } = this;
    this.closed = true;
    this.fallsBack = fault?.kind === 'tls' && this.host.tls.mode === 'opportunistic';
    this.wheel.delete(this);
    if (fault?.kind === 'credentials') this.host.credentials?.tokenRefused?.();
    const untouched = session.transactions > 0 && session.unanswered;
    const { uncertain } = session;
    this.job = null;
    this.wire.destroy();
    this.drain?.(false);
    if (job !== null)
      this.owner.jobLost(
        this,
        job,
        reply === null ? reason : `${reason}: ${reply.code} ${reply.text}`,
        untouched,
        uncertain,
      );
    this.owner.gone(this, reason, reply, fault);
  }

  private begin(plan: TransactionPlan, content: StoredContent, facts: ContentFacts): void {
    this.content = content;
    this.facts = facts;
    this.session.begin(plan, this.clock.now());
  }

  private get hop(): HopSecurity {
    return { tls: this.tls, foundSecurely: this.host.foundSecurely === true };
  }

  /** The reverse-path to send with. */
  private senderOf({ message, recipients }: DeliveryJob): string {
    const { returnPath } = this.plan;
    if (returnPath?.appliesTo(message.envelope) !== true) return message.envelope.sender;
    return returnPath.of(message.envelope, recipients[0]!);
  }

  private refuse(refusal: PlanRefusal): void {
    const job = this.job!;
    this.job = null;
    this.owner.jobRefused(this, job, refusal);
  }

  private deliverAfterLook(job: DeliveryJob): void {
    prepareTransaction(job, this.session.capabilities, this.hop, this.senderOf(job))
      .then((prepared) => {
        if (this.job !== job) return;
        if ('refusal' in prepared) this.refuse(prepared.refusal);
        else this.begin(prepared.plan, prepared.content, prepared.facts);
      })
      .catch((error: unknown) => {
        if (this.job !== job) return;
        this.job = null;
        this.owner.jobUnreadable(this, job, error);
      });
  }

  private writePiece(bytes: Buffer, job: DeliveryJob | null): Promise<boolean> | Promise<true> {
    if (this.closed || this.job !== job) return Promise.resolve(false);
    this.session.contentProgress(this.clock.now());
    if (this.wire.write(bytes)) return Promise.resolve(true);
    return new Promise((resolve) => {
      this.drain = resolve;
    });
  }
}

/** RFC 3463: X.4.4, unable to route. */
const SOURCE_FAILED: SessionFault = { kind: 'source', enhanced: '4.4.4' };
const NO_HANDSHAKE: TlsFailure = { kind: 'validation-failure', reason: 'no TLS handshake in time' };

/** How a session with a host is opened under a policy. */
export function securityOf(host: SiteHost, { mode, implicit }: TlsPolicy): SessionSecurity {
  return { tls: mode === 'none' ? 'none' : implicit ? 'implicit' : mode, credentials: host.credentials?.sasl ?? null };
}
