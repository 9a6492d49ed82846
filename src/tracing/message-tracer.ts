/**
 * Spans of messages, made of what the engine tells.
 *
 * One trace a message: `message` from the first byte of its content to the end of its last recipient; below it `accept`
 * (until 250) with `prepare` and `commit`, and one `attempt` for each transaction tried, over deferrals and restarts. A
 * trace that a submitter names goes on, and its sampling decides; else the ratio does. The span `message` is made when
 * the message ends: one that an operator deletes has none. No address of a sender or recipient is in a span: the queue
 * id leads to them.
 */
import { formatQueueId } from '../core/queue-id.js';
import { TRACE_FIELD } from '../message/trace-field.js';
import type { EnvelopeLike, HostLike, JobLike, MessageLike, OutcomeLike, TlsLike } from '../telemetry/event-shapes.js';
import type { AcceptTimes, MailTracer } from '../telemetry/mail-tracer.js';
import {
  keptContext,
  newSpanId,
  newTraceId,
  readContext,
  readTraceparent,
  type TraceContext,
} from './trace-context.js';

export type Attributes = Readonly<Record<string, string | number>>;

/** A span that is over. Times in ms since the epoch. */
export interface SpanRecord {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly name: string;
  readonly kind: 'internal' | 'server' | 'client';
  readonly start: number;
  readonly end: number;
  /** In words, '' for none. */
  readonly error: string;
  readonly attributes: Attributes;
}

/** Characters of a reply that are kept. */
const MAX_REPLY = 200;

export class MessageTracer implements MailTracer {
  private readonly ratio: number;
  private readonly put: (span: SpanRecord) => void;

  /** `ratio`: of messages of which nobody says whether to trace them, 0 to 1. `put` takes each span and must not throw. */
  constructor(ratio: number, put: (span: SpanRecord) => void) {
    this.ratio = ratio;
    this.put = put;
  }

  begin(text: string, begun: number): string {
    const parent = text === '' ? null : readTraceparent(text);
    if (parent === null ? Math.random() >= this.ratio : !parent.sampled) return '';
    const traceId = parent?.traceId ?? newTraceId();
    return keptContext({ traceId, spanId: newSpanId(), parentId: parent?.spanId ?? '', begun });
  }

  accepted(envelope: EnvelopeLike, { begun, received, preparing, prepared, committed }: AcceptTimes): void {
    const context = contextOf(envelope);
    if (context === null) return;
    const accept = newSpanId();
    const { origin, content } = envelope;
    const attributes: Attributes = {
      ...idOf(envelope),
      'client.address': origin.clientAddress,
      'network.protocol.name': origin.protocol,
      'sluice.received_ms': received - begun,
      'sluice.size': content.size,
    };
    this.child(context, 'accept', 'internal', begun, committed, attributes, accept);
    const below = { ...context, spanId: accept };
    this.child(below, 'prepare', 'internal', preparing, prepared, idOf(envelope));
    this.child(below, 'commit', 'internal', prepared, committed, idOf(envelope));
  }

  attempt(
    { message, recipients }: JobLike,
    outcomes: readonly OutcomeLike[],
    host: HostLike | null,
    duration: number,
    tls: TlsLike | null,
    now: number,
  ): void {
    const { envelope } = message;
    const context = contextOf(envelope);
    if (context === null) return;
    const kinds = outcomes.map(({ kind }) => kind);
    const status = kinds.includes('failed') ? 'failed' : kinds.includes('deferred') ? 'deferred' : 'delivered';
    const { reply = '' } = outcomes.find(({ kind }) => kind === status) ?? {};
    const code = /^[2-5]\d\d/.exec(reply)?.[0];
    const attributes: Attributes = {
      ...idOf(envelope),
      'sluice.status': status,
      'sluice.recipients': recipients.length,
      'sluice.attempt': message.attempts + 1,
      ...(code === undefined ? {} : { 'sluice.reply_code': Number(code) }),
      ...(host === null
        ? {}
        : { 'server.address': host.name, 'network.peer.address': host.address, 'server.port': host.port }),
      ...(tls === null ? {} : { 'tls.protocol.version': tls.version, 'tls.cipher': tls.cipher }),
    };
    const error = status === 'delivered' ? '' : withoutAddresses(reply).slice(0, MAX_REPLY);
    this.child(context, 'attempt', 'client', now - duration, now, attributes, newSpanId(), error);
  }

  ended({ envelope, attempts }: MessageLike, failed: boolean, now: number): void {
    const context = contextOf(envelope);
    if (context === null) return;
    const { handling, recipients } = envelope;
    this.put({
      ...{ traceId: context.traceId, spanId: context.spanId, parentId: context.parentId, name: 'message' },
      ...{ kind: 'server', start: context.begun, end: now, error: failed ? 'not delivered to all recipients' : '' },
      attributes: {
        ...idOf(envelope),
        'sluice.lane': handling.lane,
        'sluice.recipients': recipients.length,
        'sluice.attempts': Math.max(1, attempts),
        ...(handling.tenant === '' ? {} : { 'sluice.tenant': handling.tenant }),
      },
    });
  }

  private child(
    { traceId, spanId: parentId }: TraceContext,
    name: string,
    kind: SpanRecord['kind'],
    start: number,
    end: number,
    attributes: Attributes,
    spanId = newSpanId(),
    error = '',
  ): void {
    this.put({ traceId, spanId, parentId, name, kind, start, end, error, attributes });
  }
}

function contextOf({ handling }: EnvelopeLike): TraceContext | null {
  return readContext(handling.fields[TRACE_FIELD]);
}

function idOf({ id }: EnvelopeLike): Attributes {
  return { 'sluice.queue_id': formatQueueId(id) };
}

/** Replies often repeat the recipient. */
function withoutAddresses(reply: string): string {
  return reply.replace(/<?[^\s<>@]+@[^\s<>@,;:]+>?/g, '<...>');
}
