/**
 * Takes the mail that comes back to bounce addresses, and books what it says to message and tenant.
 *
 * Contract: whatever it is, the mail is done with: read, booked or told as not understood, and never answered, so that
 * nothing can loop. Only what a token of ours proves is booked to a tenant and puts an address on the suppression list,
 * and only the address the token was made for; the rest is told with `verified: false`. A report that comes twice is
 * booked once. Content that cannot be read now is put off (deliver rejects).
 * Limits: the first 128 KiB of a message (and what read-report.ts says), one message at a time, the last 10,000 reports remembered.
 */
import type { Clock } from '../core/clock.js';
import { formatQueueId } from '../core/queue-id.js';
import { unstuffer } from '../message/dot-stuffing.js';
import type { Outcome } from '../queue/outcome.js';
import type { DeliveryJob } from '../queue/queued-message.js';
import type { BounceCategory } from './bounce-category.js';
import { classify } from './classify.js';
import { readReport } from './read-report.js';
import type { Report, ReportedRecipient } from './report.js';
import { addressesIn } from './report-fields.js';
import { identify, type ReportIdentity } from './report-identity.js';
import type { SuppressionList } from './suppression-list.js';
import type { Verp } from './verp.js';

/** Whom and what something that came back is about. */
export interface ReturnedAbout {
  /** Queue id of the message as shown, '' when nothing names it. */
  readonly id: string;
  readonly messageId: string;
  /** Address of the recipient, '' when the report does not name the one it must be. */
  readonly to: string;
  readonly tenant: string;
  /** Proved to be about mail of ours. */
  readonly verified: boolean;
  /** Host that reports, '' when it does not say. */
  readonly reporter: string;
}

export interface ReturnedBounce extends ReturnedAbout {
  readonly category: BounceCategory;
  readonly hard: boolean;
  readonly dsn: string;
  readonly reply: string;
}

export interface ReturnedComplaint extends ReturnedAbout {
  /** As RFC 5965 names it: `abuse`, `fraud` ... */
  readonly type: string;
}

export interface BounceDeskEvents {
  /** A bounce came back. */
  bounced(bounce: ReturnedBounce): void;
  complained(complaint: ReturnedComplaint): void;
  /** Mail to a bounce address was read and is nothing to book: `what` it is, or why it was not understood. */
  setAside(id: string, to: string, from: string, what: string): void;
}

export interface BounceDeskOptions {
  /** As it is configured now. */
  verp(): Verp;
  readonly clock: Clock;
  /** Name of this host, as in its Received fields. */
  readonly hostname: string;
  readonly suppression: Pick<SuppressionList, 'bounced' | 'complained'>;
  readonly events: BounceDeskEvents;
}

const MAX_CONTENT = 128 * 1024;
const MAX_REMEMBERED = 10_000;
const MAX_BOOKED = 20;
const MAX_REPLY = 500;
const DONE: Outcome = {
  kind: 'delivered',
  reply: 'read and done with',
  enhanced: '2.0.0',
  host: 'local',
  relayed: false,
};
/** Of these a recipient says nothing against the sender. */
const NO_COMPLAINTS = ['not-spam', 'auth-failure'];

export class BounceDesk {
  private readonly options: BounceDeskOptions;
  private readonly booked = new Set<string>();
  private last: Promise<unknown> = Promise.resolve();

  constructor(options: BounceDeskOptions) {
    this.options = options;
  }

  /** Outcomes parallel to the job's recipients: all delivered. Rejects when the content cannot be read. */
  deliver(job: DeliveryJob): Promise<readonly Outcome[]> {
    const outcomes = this.last.then(async () => {
      // Parsing takes the thread for milliseconds: others get their turn between two messages.
      await new Promise((resolve) => setImmediate(resolve));
      await this.take(job);
      return job.recipients.map(() => DONE);
    });
    this.last = outcomes.catch(() => {});
    return outcomes;
  }

  private async take({ message, recipients }: DeliveryJob): Promise<void> {
    const { envelope } = message;
    const content = await beginning(message);
    let report: Report | null = null;
    let problem = '';
    try {
      report = await readReport(content);
    } catch (error) {
      problem = `not understood: ${error instanceof Error ? error.message : String(error)}`;
    }
    for (const index of recipients) {
      const to = envelope.recipients[index]!.address;
      const what = report === null ? problem : this.book(report, to);
      if (what !== '') this.options.events.setAside(formatQueueId(envelope.id), to, envelope.sender, what);
    }
  }

  /** Books a report; what it is instead, '' when something was booked. */
  private book(report: Report, to: string): string {
    if (report.kind === 'reply') return 'an answer by a machine';
    if (report.kind === 'unknown') return 'no report';
    const { verp, clock, hostname } = this.options;
    const identity = identify(report, to, verp(), hostname, clock.wall());
    if (report.kind === 'complaint') return this.complaint(report, identity);
    const failed = report.recipients.filter(({ action }) => action === 'failed');
    if (failed.length === 0)
      return report.recipients.some(({ action }) => action === 'delayed') ? 'a notice of delay' : 'a notice of success';
    const { token } = identity;
    if (token === null) {
      for (const one of failed.slice(0, MAX_BOOKED)) this.bounce(report, identity, one, one.addresses[0] ?? '');
      return '';
    }
    // A token is about one recipient, so one of those reported is it.
    const named = failed.find(({ addresses }) => addresses.some((address) => token.isAbout(address)));
    const one = named ?? failed[0]!;
    if (!this.isFirst('bounce', identity)) return 'a bounce that was booked before';
    this.bounce(report, identity, one, recipientOf(identity, [...one.addresses, ...addressesOf(report)]));
    return '';
  }

  private bounce(
    report: Extract<Report, { kind: 'delivery' }>,
    identity: ReportIdentity,
    { status, diagnostic }: ReportedRecipient,
    to: string,
  ): void {
    const reply = diagnostic.slice(0, MAX_REPLY);
    const bounce = classify(status, reply);
    const about = aboutOf(identity, to, report.reporter);
    this.options.events.bounced({ ...about, ...bounce, dsn: status, reply });
    if (about.verified && bounce.hard && to !== '')
      this.options.suppression.bounced(about.tenant, to, bounce.category, reply);
  }

  private complaint(report: Extract<Report, { kind: 'complaint' }>, identity: ReportIdentity): string {
    const { type } = report;
    if (NO_COMPLAINTS.includes(type)) return `feedback that is no complaint: ${type}`;
    const addresses = [...report.addresses, ...addressesOf(report)];
    const to = identity.token === null ? (addresses[0] ?? '') : recipientOf(identity, addresses);
    if (!this.isFirst('complaint', identity)) return 'a complaint that was booked before';
    const about = aboutOf(identity, to, report.reporter);
    this.options.events.complained({ ...about, type });
    if (about.verified && to !== '') this.options.suppression.complained(about.tenant, to, type);
    return '';
  }

  private isFirst(kind: string, { token }: ReportIdentity): boolean {
    if (token === null) return true;
    const key = `${kind} ${token.id} ${token.recipient}`;
    if (this.booked.has(key)) return false;
    this.booked.add(key);
    // A Set keeps its order: the oldest goes.
    if (this.booked.size > MAX_REMEMBERED) for (const oldest of this.booked.values()) return this.booked.delete(oldest);
    return true;
  }
}

function aboutOf({ token, queueId, messageId }: ReportIdentity, to: string, reporter: string): ReturnedAbout {
  const id = token === null ? queueId : formatQueueId(token.id);
  return { id, messageId, to, tenant: token?.tenant ?? '', verified: token !== null, reporter };
}

/** The one of some addresses that a token was made for, '' when none is. */
function recipientOf({ token }: ReportIdentity, addresses: readonly string[]): string {
  return addresses.find((address) => token!.isAbout(address)) ?? '';
}

/** Whom the message that came back was for: a report may have forgotten, or name where it was forwarded to. */
function addressesOf({ returned }: Extract<Report, { kind: 'delivery' | 'complaint' }>): string[] {
  const received = (returned.get('received') ?? []).flatMap((value) => /\bfor <([^<>\s]+)>/.exec(value)?.[1] ?? []);
  const headers = ['to', 'x-failed-recipients', 'delivered-to', 'x-original-to', 'cc'];
  return [...received, ...headers.flatMap((name) => (returned.get(name) ?? []).flatMap(addressesIn))].slice(0, 50);
}

/** Content in plain form, as much as is looked at. */
async function beginning({ content, envelope }: DeliveryJob['message']): Promise<Buffer> {
  const convert = envelope.content.form === 'wire' && envelope.content.dotLines > 0 ? unstuffer() : null;
  const pieces: Buffer[] = [];
  for (let offset = 0; offset < content.size && offset < MAX_CONTENT; ) {
    const piece = await content.read(offset);
    offset += piece.length;
    pieces.push(convert === null ? piece : convert(piece));
  }
  return Buffer.concat(pieces).subarray(0, MAX_CONTENT);
}
