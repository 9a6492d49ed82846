/**
 * The small read and command interface that app.ts hands to the control plane (the Unix socket now, HTTP later).
 * Everything here is JSON-safe. Ids are shown ids.
 */
import type { LiveControl } from './live-reports.js';

import type {
  ErasureOrder,
  ErasureReport,
  MessageHistory,
  MessagePageReport,
  MessageQuestion,
} from './message-reports.js';

export interface QueueEntry {
  readonly id: string;
  readonly sender: string;
  readonly size: number;
  readonly receivedAt: number;
  readonly recipients: number;
  readonly attempts: number;
  /** 0: being delivered or about to be. */
  readonly due: number;
  readonly state: 'active' | 'deferred' | 'held';
  /** Last reply or reason, '' when none. */
  readonly reason: string;
}

export interface RecipientDetail {
  readonly address: string;
  readonly status: 'pending' | 'delivered' | 'failed';
  readonly reply: string;
  readonly host: string;
  readonly lastAttempt: number;
}

export interface MessageDetail extends QueueEntry {
  readonly clientAddress: string;
  readonly helo: string;
  readonly recipientDetails: readonly RecipientDetail[];
}

/** Part of a message as its next hop gets it. */
export interface ContentPiece {
  /** Bytes in base64, without the dots that SMTP puts before dots. */
  readonly data: string;
  /** Where the next piece begins; 0: this was the last. */
  readonly next: number;
}

export const QUEUE_CHANGES = ['retry', 'hold', 'release', 'delete'] as const;
export type QueueChange = (typeof QUEUE_CHANGES)[number];

export interface EngineStatus {
  readonly version: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly accepted: number;
  readonly delivered: number;
  readonly deferred: number;
  readonly failed: number;
  readonly queued: number;
  readonly flushes: number;
  readonly serverConnections: number;
  readonly upstreamConnections: number;
  /** TLS on both sides, counts since the start. */
  readonly tls: TlsStatus;
  /** What came back to bounce addresses since the start; the last: read and nothing to book. */
  readonly returned: { readonly bounces: number; readonly complaints: number; readonly other: number };
  /** Addresses on the suppression list. */
  readonly suppressed: number;
  /** The promises against their targets, as telemetry/kpi.ts reports them. */
  readonly kpis: Readonly<Record<string, unknown>>;
}

export interface TlsStatus {
  /** Handshakes of clients that failed. */
  readonly clientsFailed: number;
  /** Connections to next hops: under TLS, in the clear although TLS was wanted, failed for want of TLS. */
  readonly secured: number;
  readonly clear: number;
  readonly failed: number;
  /** Policies of domains (MTA-STS, DANE) that could not be had or met. */
  readonly policyFailures: number;
  /** The end of the first certificate to end, ms since the epoch; 0: there is none. */
  readonly certificateExpires: number;
}

/** How it goes with a webhook. Times are wall clock, 0: none. */
export interface WebhookReport {
  readonly name: string;
  /** Without a query, which may hold secrets. */
  readonly url: string;
  /** Events that wait, their size, and when the first of them happened. */
  readonly queued: number;
  readonly bytes: number;
  readonly oldest: number;
  /** Events told since the start, requests that failed, events given up. */
  readonly sent: number;
  readonly failures: number;
  readonly dropped: number;
  /** '': it was not asked yet. */
  readonly lastAnswer: string;
  readonly lastAnswerAt: number;
  /** Of the next try after a failure. */
  readonly retryAt: number;
  /** Why it is told nothing until it is resumed, '': it is. */
  readonly disabled: string;
}

/** What a webhook answers to a test. */
export interface WebhookTest {
  /** HTTP status, 0: there was no answer. */
  readonly status: number;
  readonly answer: string;
}

/** One thing that is in the way of a message. */
export interface WaitReport {
  /** Recipients it is about. */
  readonly recipients: readonly string[];
  readonly destination: string;
  /** As queue/wait.ts has it. */
  readonly kind: string;
  readonly reason: string;
  /** Wall clock, ms since the epoch; 0: not known, something else will tell. */
  readonly until: number;
}

export interface WhyReport {
  readonly id: string;
  readonly state: 'active' | 'deferred' | 'held';
  readonly lane: string;
  readonly tenant: string;
  readonly attempts: number;
  /** When it is tried next, wall clock; 0: as soon as what is in the way is gone. */
  readonly nextAttempt: number;
  readonly waits: readonly WaitReport[];
}

/** Mail to be asked about; '' and empty: not said. */
export interface RouteQuestion {
  readonly sender: string;
  readonly recipient: string;
  readonly account: string;
  readonly tenant: string;
  readonly listener: string;
  readonly client: string;
  readonly lane: string;
  readonly tags: readonly string[];
  /** Header fields by name in lower case. */
  readonly fields: Readonly<Record<string, string>>;
}

/** What would become of mail: nothing is sent. */
export interface RouteReport {
  readonly sender: string;
  readonly recipient: string;
  /** Name of the route that matched, '' for none. */
  readonly route: string;
  readonly destination: string;
  readonly egress: string;
  readonly tenant: string;
  readonly lane: string;
  readonly site: string;
  readonly hosts: readonly {
    readonly name: string;
    readonly address: string;
    readonly port: number;
    readonly tls: string;
  }[];
  readonly limits: Readonly<Record<string, unknown>>;
  readonly waits: readonly { readonly kind: string; readonly reason: string; readonly until: number }[];
  /** Why there are no hosts, '' when there are. */
  readonly problem: string;
}

export interface DestinationReport {
  readonly destination: string;
  readonly site: string;
  readonly queued: Readonly<Record<'immediate' | 'bulk' | 'deferred', number>>;
  /** Of these not in memory. */
  readonly cold: number;
  readonly connections: number;
  readonly hosts: readonly Readonly<Record<string, unknown>>[];
  readonly limits: Readonly<Record<string, unknown>>;
  readonly waits: readonly { readonly kind: string; readonly reason: string; readonly until: number }[];
}

/** All that is given must fit; '' fits everything. */
export interface MailSelector {
  readonly domain: string;
  readonly tenant: string;
  readonly pool: string;
  readonly campaign: string;
}

/** A suspension, or (`to` not '') a way that mail goes instead of its route's. */
export interface OrderReport {
  readonly id: string;
  readonly to: string;
  readonly selector: MailSelector;
  readonly reason: string;
  readonly since: number;
  readonly until: number;
  readonly by: 'operator' | 'rule';
}

export interface SuppressionReport {
  readonly tenant: string;
  readonly address: string;
  readonly reason: string;
  readonly since: number;
  /** 0: without an end. */
  readonly until: number;
}

export interface EngineControl extends LiveControl {
  status(): EngineStatus;
  /** One page of the queue, oldest first, after the given id ('' for the first page). */
  list(after: string, limit: number): Promise<QueueEntry[]>;
  show(id: string): Promise<MessageDetail | undefined>;
  /** Tries now: one message, or all that wait when id is 'all'. The number affected. */
  retry(id: string): Promise<number>;
  hold(id: string): Promise<number>;
  release(id: string): Promise<number>;
  /** Deletes without a notification. */
  remove(id: string): Promise<number>;
  /**
   * A page of the queue with recipients, oldest first, after the given id. It may be shorter than `limit` where messages
   * have many recipients; it is empty only at the end.
   */
  details(after: string, limit: number): Promise<MessageDetail[]>;
  /** A piece of a message's content, from this place on in what is stored; undefined: there is no such message. */
  content(id: string, offset: number): Promise<ContentPiece | undefined>;
  /** Does it to each message that it applies to, without a notification; the ids of those. */
  change(action: QueueChange, ids: readonly string[]): Promise<string[]>;
  /** Why a message waits, and for what. */
  why(id: string): Promise<WhyReport | undefined>;
  route(question: RouteQuestion): Promise<RouteReport>;
  /** By name after the given one, or (`busiest`) those with the most mail first, whatever `after` is. */
  destinations(after: string, limit: number, busiest?: boolean): DestinationReport[];
  orders(): OrderReport[];
  /** `forMs`: how long, 0 without an end. Rejects with words on what cannot be. */
  suspend(selector: MailSelector, reason: string, forMs: number): Promise<OrderReport>;
  reroute(selector: MailSelector, to: string, reason: string, forMs: number): Promise<OrderReport>;
  /** Takes back orders: by id, `all`, or ('' given) of that selector. Those taken back. */
  resume(order: string, selector: MailSelector): Promise<OrderReport[]>;
  /** Fails all queued mail that the selector concerns, with notifications. The number of messages. */
  bounce(selector: MailSelector, reason: string): Promise<number>;
  suppressions(tenant: string, after: string, limit: number): Promise<SuppressionReport[]>;
  suppress(tenant: string, address: string, reason: string, forMs: number): Promise<number>;
  unsuppress(tenant: string, address: string): Promise<number>;
  /** A page of messages past and present. Rejects with words on what cannot be. */
  messages(question: MessageQuestion): Promise<MessagePageReport>;
  /** What became of one message; of one that only the queue knows what that says. */
  message(id: string): Promise<MessageHistory | undefined>;
  /** Begins to take an address out of queue, history and, where asked for, suppression list and logs. Rejects with words on what cannot be. */
  erase(order: ErasureOrder): Promise<ErasureReport>;
  /** Those begun since the start, the last first. */
  erasures(): ErasureReport[];
  webhooks(): WebhookReport[];
  /** Sends one request with no event. @throws SluiceError `no-such-webhook` */
  testWebhook(name: string): Promise<WebhookTest>;
  /** Tries again now, also when it was disabled. @throws SluiceError `no-such-webhook` */
  resumeWebhook(name: string): Promise<WebhookReport>;
}
