/**
 * What happens in the engine, as log lines and counts: one line for each accept, each attempt and each final outcome,
 * with the queue id.
 */
import type { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import { formatQueueId, type QueueId } from '../core/queue-id.js';
import { DurationHistogram } from './duration-histogram.js';
import type {
  EnvelopeLike,
  HostLike,
  JobLike,
  MessageLike,
  OutcomeLike,
  TlsLike,
  TlsResultLike,
} from './event-shapes.js';
import type { Log } from './log.js';
import type { MailEvents, OrderGiven, ReturnedMail } from './mail-event.js';
import { acceptedMail, attemptFacts, droppedMail, recipientOutcome } from './mail-facts.js';
import type { OutcomeDetail } from './postfix-line.js';
import { ToldLately } from './told-lately.js';

/** Makes more of what happens than lines and counts. */
export interface EventFollower {
  /** The category of a refusal, '' when it is none. */
  outcome(
    message: MessageLike,
    recipient: number,
    outcome: OutcomeLike,
    status: OutcomeLike['kind'] | 'expired',
  ): string;
  /** A connection to a host could be used, or not. */
  connection(host: string, good: boolean): void;
}

/** Refused credentials are told of once in this time for each host, ms: it is a mistake of ours, not of each message. */
const CREDENTIALS_SILENCE = 300_000;
/** The same for a client's wishes that cannot be followed, ms. */
const IGNORED_SILENCE = 60_000;

export class EngineEvents {
  /** Messages accepted since start, notifications of our own not counted. */
  acceptedCount = 0;
  /** Recipients by what became of them; a deferral counts each time. */
  delivered = 0;
  deferred = 0;
  failed = 0;
  /** TLS handshakes of clients that failed. */
  handshakesFailed = 0;
  /** Messages whose reply was lost, so that they may be delivered twice. */
  uncertainCount = 0;
  /** Policies of recipient domains (MTA-STS, DANE) that could not be kept to or had. */
  policyFailures = 0;
  /** Connections to next hops by what came of TLS; a failure may be followed by one in the clear. */
  tlsSecured = 0;
  tlsClear = 0;
  tlsFailed = 0;
  /** Bounces and complaints that came back, and mail to bounce addresses that is neither. */
  bouncesReturned = 0;
  complaints = 0;
  returnsSetAside = 0;
  /** From our 250 to the next hop's, for each recipient. */
  readonly deliveryTime = new DurationHistogram();
  follower: EventFollower | null = null;
  /** Connections to next hops that became usable, and that did not. */
  connections = 0;
  connectionsFailed = 0;
  /** Recipients that were taken and get nothing. */
  droppedCount = 0;
  private readonly credentialsTold = new ToldLately(CREDENTIALS_SILENCE);
  private readonly ignoredTold = new ToldLately(IGNORED_SILENCE);
  private readonly log: Log;
  private readonly clock: Clock;
  private readonly mail: MailEvents;

  constructor(log: Log, clock: Clock, mail: MailEvents) {
    this.log = log;
    this.clock = clock;
    this.mail = mail;
  }

  /** Somebody listens to what happens to mail. */
  get wanted(): boolean {
    return this.mail.wanted;
  }

  /** `signed`: keys it was signed with. */
  accepted(envelope: EnvelopeLike, signed: readonly string[] = NOTHING): void {
    this.acceptedCount++;
    this.log.accepted(acceptedFields(envelope));
    if (this.mail.wanted) this.mail.tell(acceptedMail(envelope, signed, this.clock.wall()));
  }

  /** A notification of our own was queued. */
  notice(envelope: EnvelopeLike): void {
    this.log.accepted(acceptedFields(envelope));
    if (this.mail.wanted) this.mail.tell(acceptedMail(envelope, NOTHING, this.clock.wall()));
  }

  refused(
    submitter: { readonly address: string },
    sender: string,
    reply: { code: number; text: string },
    reason: string,
  ): void {
    this.log.warn({ client: submitter.address, from: sender, code: reply.code, reason }, 'refused');
  }

  /** A recipient was taken and gets nothing: it is suppressed, or a rule says so. */
  dropped(envelope: EnvelopeLike, recipient: { readonly address: string }, reason: string): void {
    this.droppedCount++;
    const { sender } = envelope;
    this.log.info({ id: formatQueueId(envelope.id), from: sender, to: recipient.address, reason }, 'dropped');
    if (this.mail.wanted) this.mail.tell(droppedMail(envelope, recipient.address, reason, this.clock.wall()));
  }

  /** A submitter's wish in the header that cannot be followed; told of once in a while for each client and field. */
  fieldIgnored(client: string, field: string, value: string): void {
    if (!this.ignoredTold.due(`${client} ${field}`, this.clock.now())) return;
    this.log.warn(
      { client, field, value: value.slice(0, 100) },
      'a header field was ignored: its value is not allowed',
    );
  }

  /** `host` null: none was reached. `duration`: ms. `tls`: null in the clear. */
  attempt(
    job: JobLike,
    outcomes: readonly OutcomeLike[],
    host: HostLike | null,
    duration: number,
    tls: TlsLike | null = null,
  ): void {
    const id = formatQueueId(job.message.id);
    const address = host === null ? '' : `${host.address}:${host.port}`;
    // Outcomes without a host may be shared by many jobs.
    const facts =
      host !== null && (this.mail.wanted || this.log.detailed) ? attemptFacts(host, address, duration, tls) : undefined;
    for (let i = 0; i < outcomes.length; i++) {
      const outcome = outcomes[i]!;
      if (facts !== undefined) outcome.attempt = facts;
      const code = Number.parseInt(outcome.reply, 10);
      this.log.attempt({
        id,
        to: job.message.envelope.recipients[job.recipients[i]!]!.address,
        host: outcome.host,
        address,
        status: outcome.kind,
        code: code >= 200 && code < 600 ? code : 0,
        reply: outcome.reply,
        ms: duration,
      });
    }
  }

  outcome(
    message: MessageLike,
    recipient: number,
    outcome: OutcomeLike,
    status: OutcomeLike['kind'] | 'expired',
    due: number,
  ): void {
    const now = this.clock.now();
    if (status === 'delivered') {
      this.delivered++;
      this.deliveryTime.observe(now - (message.acknowledgedAt || message.envelope.receivedAt));
    } else if (status === 'deferred') this.deferred++;
    else this.failed++;
    const category = this.follower?.outcome(message, recipient, outcome, status) ?? '';
    this.log.outcome(
      {
        id: formatQueueId(message.id),
        to: message.envelope.recipients[recipient]!.address,
        status,
        dsn: outcome.enhanced,
        reply: outcome.reply,
        delay: now - message.envelope.receivedAt,
        attempts: Math.max(1, message.attempts),
        category,
      },
      this.log.detailed ? outcomeDetail(message, outcome) : undefined,
    );
    if (this.mail.wanted)
      this.mail.tell(recipientOutcome(message, recipient, outcome, status, category, due, now, this.clock.wall()));
  }

  /** A message left the queue. */
  removed(id: QueueId): void {
    if (this.log.detailed) this.log.removed(formatQueueId(id));
  }

  /** Mail is kept waiting from now on, or goes on. */
  ordered(order: Omit<OrderGiven, 'at'>): void {
    if (this.mail.wanted) this.mail.tell({ at: this.clock.wall(), ...order });
  }

  /** A bounce or complaint that came back, for those who listen. */
  returned(mail: Omit<ReturnedMail, 'at'>): void {
    if (this.mail.wanted) this.mail.tell({ at: this.clock.wall(), ...mail });
  }

  /** A bounce came back for mail that had been taken. */
  bounced(bounce: Readonly<Record<string, unknown>>): void {
    this.bouncesReturned++;
    this.log.info(bounce, 'bounced');
  }

  complained(complaint: Readonly<Record<string, unknown>>): void {
    this.complaints++;
    this.log.warn(complaint, 'complained');
  }

  /** Mail to a bounce address was read and is nothing to book. */
  setAside(id: string, to: string, from: string, what: string): void {
    this.returnsSetAside++;
    this.log.info({ id, to, from, what }, 'mail to a bounce address is nothing to book');
  }

  suppressed(entry: Readonly<Record<string, unknown>>): void {
    this.log.info(entry, 'address is on the suppression list from now on');
  }

  suppressionFull(most: number): void {
    this.log.warn({ most }, 'the suppression list is full: bounces and complaints put nobody on it any more');
  }

  uncertain(job: JobLike, host: string): void {
    this.uncertainCount++;
    this.log.warn(
      { id: formatQueueId(job.message.id), host },
      'the reply to the message was lost: it may be delivered twice',
    );
  }

  unreadable(what: QueueId | JobLike, error: unknown): void {
    const id = formatQueueId(typeof what === 'number' ? what : what.message.id);
    this.log.error({ id, reason: messageOf(error) }, 'the message could not be read from the spool');
  }

  damaged(id: QueueId, reason: string): void {
    this.log.error({ id: formatQueueId(id), reason }, 'damaged record set aside in quarantine');
  }

  notNotified(message: MessageLike, error: unknown): void {
    this.log.warn(
      { id: formatQueueId(message.id), reason: messageOf(error) },
      'notification could not be stored, trying again later',
    );
  }

  /** A connection to a next hop came to TLS, failed to, or goes on without. */
  tlsResult(
    destination: string,
    host: HostLike & { readonly tls: { readonly mode: string } },
    result: TlsResultLike,
  ): void {
    if (result.kind === 'secured') {
      this.tlsSecured++;
      return;
    }
    const where = { destination, host: host.name, address: `${host.address}:${host.port}` };
    if (result.kind === 'failed') {
      this.tlsFailed++;
      const { kind, reason } = result.failure;
      this.log.info({ ...where, failure: kind, reason }, 'TLS to the next hop failed');
    } else {
      this.tlsClear++;
      if (host.tls.mode !== 'none') this.log.info({ ...where, reason: result.reason }, 'next hop is used without TLS');
    }
  }

  handshakeFailed(address: string, reason: string): void {
    this.handshakesFailed++;
    this.log.info({ client: address, reason }, 'TLS handshake with a client failed');
  }

  proxyRefused(address: string, reason: string): void {
    this.log.warn({ address, reason }, 'connection refused: no good PROXY header');
  }

  transparentRefused(address: string, reason: string): void {
    this.log.warn({ address, reason }, 'connection to a transparent listener refused');
  }

  sessionThreadLost(reason: string): void {
    this.log.error({ reason }, 'a session thread was lost and is replaced');
  }

  policyFailed(
    domain: string,
    failure: { readonly kind: string; readonly host: string; readonly reason: string; readonly forbids: boolean },
  ): void {
    this.policyFailures++;
    const { kind, host, reason, forbids } = failure;
    // About the domain as a whole: said when it was found out.
    if (host === '') return;
    const line = forbids ? 'a policy forbids a mail host' : 'a policy of a domain could not be kept to or had';
    this.log.warn({ domain, kind, host, reason }, line);
  }

  credentialsRefused(host: HostLike, reason: string): void {
    const address = `${host.address}:${host.port}`;
    if (!this.credentialsTold.due(host.name, this.clock.now())) return;
    this.log.error(
      { host: host.name, address, reason },
      'next hop does not take our credentials: mail waits until they are set right',
    );
  }

  throttled(host: HostLike, reason: string, pause: number): void {
    const address = `${host.address}:${host.port}`;
    this.log.warn(
      { host: host.name, address, reason, pauseMs: pause },
      'next hop asks for fewer messages: it gets none for a while',
    );
  }

  /** A connection to a next hop became usable. */
  connected(host: HostLike): void {
    this.connections++;
    this.follower?.connection(host.name, true);
  }

  sourceFailed(source: string, reason: string, pause: number): void {
    this.log.warn({ source, reason, pause }, 'an egress source failed and is left alone');
  }

  hostFailed(host: HostLike, reason: string): void {
    this.connectionsFailed++;
    this.follower?.connection(host.name, false);
    this.log.warn({ host: host.name, address: `${host.address}:${host.port}`, reason }, 'next hop could not be used');
  }
}

const NOTHING: readonly string[] = [];

function acceptedFields(envelope: EnvelopeLike) {
  return {
    id: formatQueueId(envelope.id),
    from: envelope.sender,
    to: envelope.recipients[0]!.address,
    recipients: envelope.recipients.length,
    size: envelope.content.size,
    client: envelope.origin.clientAddress,
    helo: envelope.origin.helo,
    protocol: envelope.origin.protocol,
    account: envelope.account,
  };
}

function outcomeDetail({ envelope, acknowledgedAt }: MessageLike, { attempt }: OutcomeLike): OutcomeDetail {
  const ahead = acknowledgedAt === 0 ? 0 : acknowledgedAt - envelope.receivedAt;
  return { from: envelope.sender, ahead, attempt: attempt ?? null };
}
