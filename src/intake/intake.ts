/**
 * From session to spool.
 *
 * Messages that become complete in one turn of the event loop are one batch: prepared together (inline while there is
 * nothing to hash, else one task per worker), made durable with one commit, and only then answered 250 and handed to the
 * scheduler. Whatever goes wrong on the way is answered 4xx or 5xx; nothing is dropped silently.
 */

import type { PreparedMessage, PrepareRequest } from '../../workers/contract.js';
import type { Clock } from '../core/clock.js';
import { messageOf, SluiceError } from '../core/errors.js';
import { formatQueueId, type QueueId, type QueueIdSource } from '../core/queue-id.js';
import type { BodyBuffer } from '../memory/body-buffer.js';
import { signedWith } from '../message/dkim/signed-with.js';
import type { Envelope, Handling, Recipient } from '../message/envelope.js';
import { withOriginalDestination } from '../message/original-destination.js';
import { TRACE_FIELD, traceparentOf, withTrace } from '../message/trace-field.js';
import { acceptedReply, type Reply, replies } from '../smtp/replies.js';
import type { Transaction } from '../smtp/server-host.js';
import type { NewMessage, RowBeside, Spool, StoredContent } from '../spool/spool.js';
import type { MessageHandling, Wishes } from './handling.js';

/** Where a message comes from and where the answer goes; a server connection is one. */
export interface Submitter {
  readonly address: string;
  readonly port: number;
  /** May relay: its mail is treated as submitted (RFC 6409). */
  readonly relays: boolean;
  /** Name of the listener it came by, '' for mail of our own. */
  readonly listener: string;
  /** Host and port it was going to before a firewall sent it here; none or '' : it was meant for us. */
  readonly originalDestination?: string;
  /** What it asks for besides what the header says. */
  readonly wishes?: Wishes | undefined;
  /** Trace context (W3C `traceparent`) that it gave beside the message. */
  readonly traceparent?: string;
  finish(reply: Reply): void;
  /** Told of the id in place of a positive reply, by those to whom the reply's words mean nothing. */
  taken?(id: string): void;
  /** What is made durable with the message; null: nothing. */
  beside?(id: QueueId): RowBeside | null;
}

/** Prepares on this thread. */
export type PrepareInline = (request: PrepareRequest) => PreparedMessage;
/** Prepares on worker threads; rejects with `prepare-failed`, or settles each message by itself. */
export type PrepareBatch = (requests: readonly PrepareRequest[]) => Promise<readonly (PreparedMessage | SluiceError)[]>;

export interface IntakeEvents {
  /** Somebody wants to know more than is counted and logged. */
  readonly wanted: boolean;
  /** `signed`: keys it was signed with, where that is wanted. */
  accepted(envelope: Envelope, signed: readonly string[] | undefined): void;
  refused(submitter: Submitter, sender: string, reply: Reply, reason: string): void;
  /** A recipient was taken and will get nothing, on purpose. */
  dropped(envelope: Envelope, recipient: Recipient, reason: string): void;
}

/** Makes traces of messages. Times are engine clock, ms. */
export interface IntakeTracer {
  /** What is kept with a new message, '' for one that is not traced. `parent`: what its submitter says. */
  begin(parent: string, begun: number): string;
  accepted(envelope: Envelope, times: BatchTimes & { begun: number; received: number; committed: number }): void;
}

/** Of the messages of one turn, engine clock ms. Measured where traces are made only. */
interface BatchTimes {
  readonly preparing: number;
  readonly prepared: number;
}

export interface IntakeRules {
  readonly handling: MessageHandling;
  /** null: every message is taken as it is. */
  readonly edge: IntakeEdge | null;
}

/** What is decided of a message when all of it is known, before it is made durable. */
export interface IntakeEdge {
  /** Why the message is not taken now, as the client is told; null: it is. Books it where there is something to book. */
  refusal(envelope: Envelope): Reply | null;
  /** Why a recipient is answered 250 and gets nothing; null: it gets the message. */
  dropReason(envelope: Envelope, recipient: Recipient): string | null;
}

export interface IntakeOptions {
  readonly spool: Spool;
  readonly clock: Clock;
  readonly ids: QueueIdSource;
  readonly events: IntakeEvents;
  /** Books a message to its client, listener and account; a reply when one of them is over a limit. */
  admit(submitter: Submitter, transaction: Transaction): Reply | null;
  /** The key an account's mail is signed with, '' for that of the author's domain. */
  dkimKeyOf(account: string): string;
  /** Rewrites the reverse-path, as the rules say. */
  rewriteSender(sender: string): string;
  /** What holds for the messages of a turn; replaced as a whole on reload. */
  rules(): IntakeRules;
  /** How messages are prepared: replaced as a whole on reload. */
  preparation(): { readonly inline: PrepareInline | null; readonly batch: PrepareBatch };
  /** Makes traces; null: nobody does. */
  readonly tracer?: IntakeTracer | null;
  /** Durable and answered: to be delivered. */
  enqueue(envelope: Envelope, content: StoredContent): void;
}

interface Incoming {
  readonly submitter: Submitter;
  readonly transaction: Transaction;
  readonly body: BodyBuffer;
  readonly request: PrepareRequest;
  readonly id: number;
  /** All of it was there, engine clock ms; 0 where no traces are made. */
  readonly received: number;
}

/** A message that only has to be made durable. */
interface Prepared {
  readonly incoming: Incoming;
  readonly message: NewMessage;
}

/** Above this many bytes a message is committed by itself, so that small ones of the same turn do not wait for it. */
const LARGE = 256 * 1024;

export class Intake {
  /** Messages accepted from sessions and not answered yet. */
  inFlight = 0;
  private readonly options: IntakeOptions;
  private pending: Incoming[] = [];
  private scheduled = false;
  private idle: (() => void) | null = null;

  constructor(options: IntakeOptions) {
    this.options = options;
  }

  /** Takes over a complete transaction; `submitter.finish` is called once, later. */
  accept(submitter: Submitter, transaction: Transaction): void {
    const { clock, ids } = this.options;
    const wall = clock.wall();
    const id = ids.next(wall);
    const body = transaction.body as BodyBuffer;
    const { recipients, content, account } = transaction;
    const refusal = this.options.admit(submitter, transaction);
    if (refusal !== null) {
      // Not within the call: the session is still feeding.
      this.inFlight++;
      setImmediate(() => this.refuseBody(submitter, transaction.sender, body, refusal, refusal.text));
      return;
    }
    const request: PrepareRequest = {
      id: formatQueueId(id),
      segments: body.segments,
      length: body.length,
      form: content.form,
      dotLines: content.dotLines,
      submission: submitter.relays,
      dkimKey: this.options.dkimKeyOf(account),
      origin: {
        clientAddress: submitter.address,
        clientPort: submitter.port,
        helo: transaction.helo,
        protocol: transaction.protocol,
        tls: transaction.tls,
      },
      forRecipient: recipients.length === 1 ? recipients[0]!.address : '',
      date: wall,
    };
    this.inFlight++;
    this.pending.push({ submitter, transaction, body, request, id, received: this.traceTime() });
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => this.flush());
  }

  /** Resolves when nothing is in flight. */
  settled(): Promise<void> {
    if (this.inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.idle = resolve;
    });
  }

  private flush(): void {
    this.scheduled = false;
    const batch = this.pending;
    this.pending = [];
    const preparing = this.traceTime();
    const { inline, batch: prepareBatch } = this.options.preparation();
    if (inline !== null) {
      this.store(
        batch,
        batch.map((incoming) => prepareOne(inline, incoming.request)),
        preparing,
      );
      return;
    }
    prepareBatch(batch.map((incoming) => incoming.request)).then(
      (prepared) => this.store(batch, prepared, preparing),
      (error: unknown) => {
        for (const incoming of batch) this.refuse(incoming, replies.notPrepared, messageOf(error));
      },
    );
  }

  private store(
    batch: readonly Incoming[],
    prepared: readonly (PreparedMessage | SluiceError)[],
    preparing: number,
  ): void {
    const times = this.options.tracer ? { preparing, prepared: this.traceTime() } : null;
    const small: Prepared[] = [];
    const { handling, edge } = this.options.rules();
    for (let i = 0; i < batch.length; i++) {
      const incoming = batch[i]!;
      const result = prepared[i]!;
      if (result instanceof SluiceError) {
        this.refuse(incoming, replies.notPrepared, result.message);
      } else if (result.status !== 'ok') {
        const reply = result.status === 'too-many-hops' ? replies.tooManyHops : replies.headerTooLarge;
        this.refuse(incoming, reply, result.status);
      } else {
        let message: NewMessage | null = this.messageOf(incoming, result, handling);
        if (edge !== null) message = this.passEdge(edge, incoming, message);
        if (message === null) continue;
        if (incoming.body.length > LARGE) void this.commit([{ incoming, message }], times);
        else small.push({ incoming, message });
      }
    }
    if (small.length > 0) void this.commit(small, times);
  }

  /** The message as it is stored; null: it is not, and was answered. */
  private passEdge(edge: IntakeEdge, incoming: Incoming, message: NewMessage): NewMessage | null {
    const { events } = this.options;
    const { envelope } = message;
    const refusal = edge.refusal(envelope);
    if (refusal !== null) {
      this.refuse(incoming, refusal, refusal.text);
      return null;
    }
    const recipients = envelope.recipients.filter((recipient) => {
      const reason = edge.dropReason(envelope, recipient);
      if (reason !== null) events.dropped(envelope, recipient, reason);
      return reason === null;
    });
    if (recipients.length === envelope.recipients.length) return message;
    if (recipients.length > 0) return { ...message, envelope: { ...envelope, recipients } };
    acknowledge(incoming);
    this.done(1);
    return null;
  }

  /** Makes prepared messages durable, answers them, and hands them to the scheduler. */
  private async commit(batch: readonly Prepared[], times: BatchTimes | null): Promise<void> {
    let contents: StoredContent[];
    try {
      contents = await this.options.spool.store(batch.map((one) => one.message));
    } catch (error) {
      const full = error instanceof SluiceError && error.code === 'spool-full';
      const reply = full ? replies.spoolFull : replies.spoolFailed;
      for (const { incoming } of batch) this.refuse(incoming, reply, messageOf(error));
      return;
    }
    const { events } = this.options;
    for (const { incoming, message } of batch) {
      acknowledge(incoming);
      events.accepted(message.envelope, events.wanted ? signedWith(message.header) : undefined);
    }
    if (times !== null) this.trace(batch, times);
    // After the answers, so that no client waits for the upstream side of this turn.
    for (let i = 0; i < batch.length; i++) this.options.enqueue(batch[i]!.message.envelope, contents[i]!);
    this.done(batch.length);
  }

  private trace(batch: readonly Prepared[], times: BatchTimes): void {
    const committed = this.traceTime();
    for (const { incoming, message } of batch) {
      if (!(TRACE_FIELD in message.envelope.handling.fields)) continue;
      const { received } = incoming;
      this.options.tracer!.accepted(message.envelope, { ...times, begun: begunAt(incoming), received, committed });
    }
  }

  /** 0 where no traces are made. */
  private traceTime(): number {
    return this.options.tracer ? this.options.clock.now() : 0;
  }

  private handlingOf(incoming: Incoming, prepared: PreparedMessage, handling: MessageHandling, now: number): Handling {
    const { submitter, transaction } = incoming;
    const { tracer } = this.options;
    const made = withOriginalDestination(
      handling.of(submitter, transaction, prepared.fields, now),
      submitter.originalDestination ?? '',
    );
    if (!tracer) return made;
    const beside = submitter.traceparent ?? '';
    const parent = beside === '' && submitter.relays ? traceparentOf(prepared.fields) : beside;
    return withTrace(made, tracer.begin(parent, begunAt(incoming)));
  }

  private messageOf(incoming: Incoming, prepared: PreparedMessage, handling: MessageHandling): NewMessage {
    const message: NewMessage = {
      envelope: this.envelopeOf(incoming, prepared, handling),
      header: prepared.header,
      body: incoming.body,
      bodyFrom: prepared.resumeAt,
      bodyTo: incoming.body.length,
    };
    const beside = incoming.submitter.beside?.(incoming.id) ?? null;
    return beside === null ? message : { ...message, beside };
  }

  private envelopeOf(incoming: Incoming, prepared: PreparedMessage, handling: MessageHandling): Envelope {
    const { transaction, request, body } = incoming;
    const now = this.options.clock.now();
    return {
      id: incoming.id,
      sender: this.options.rewriteSender(transaction.sender),
      recipients: transaction.recipients,
      bodyType: transaction.bodyType,
      smtpUtf8: transaction.smtpUtf8,
      ret: transaction.ret,
      envelopeId: transaction.envelopeId,
      priority: transaction.priority,
      requireTls: transaction.requireTls,
      // Of the two wishes the stricter counts (RFC 8689 section 4.1).
      ...(prepared.tlsOptional === true && !transaction.requireTls ? { tlsOptional: true } : {}),
      account: transaction.account,
      handling: this.handlingOf(incoming, prepared, handling, now),
      receivedAt: now,
      origin: request.origin,
      content: { ...transaction.content, size: prepared.header.length + body.length - prepared.resumeAt },
    };
  }

  private refuse({ submitter, transaction, body }: Incoming, reply: Reply, reason: string): void {
    this.refuseBody(submitter, transaction.sender, body, reply, reason);
  }

  private refuseBody(submitter: Submitter, sender: string, body: BodyBuffer, reply: Reply, reason: string): void {
    body.release();
    this.options.events.refused(submitter, sender, reply, reason);
    submitter.finish(reply);
    this.done(1);
  }

  private done(count: number): void {
    this.inFlight -= count;
    if (this.inFlight > 0 || this.idle === null) return;
    this.idle();
    this.idle = null;
  }
}

/** The message is taken: its memory goes back and its submitter is told. */
function acknowledge({ submitter, body, request }: Incoming): void {
  body.release();
  if (submitter.taken === undefined) submitter.finish(acceptedReply(request.id));
  else submitter.taken(request.id);
}

/** When its content began, engine clock ms. */
function begunAt({ transaction, received }: Incoming): number {
  return received - (transaction.contentTime ?? 0);
}

/** One message that cannot be prepared must not take the others of its turn with it. */
function prepareOne(inline: PrepareInline, request: PrepareRequest): PreparedMessage | SluiceError {
  try {
    return inline(request);
  } catch (error) {
    return new SluiceError('prepare-failed', messageOf(error), { temporary: true, cause: error });
  }
}
