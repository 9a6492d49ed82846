/**
 * Which trace a message belongs to, as it is read from a submitter (W3C Trace Context, section 3.2) and kept with it.
 */
import { randomBytes } from 'node:crypto';

export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** Of the span of the whole message, 16 hex digits. */
  readonly spanId: string;
  /** Of the span it is below, '' for none. */
  readonly parentId: string;
  /** When the message began, ms since the epoch. */
  readonly begun: number;
}

export interface Parent {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

const SAMPLED = 1;

/** A `traceparent`; null: it is not one, and is as none. Of versions to come the known beginning counts. */
export function readTraceparent(text: string): Parent | null {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(text);
  if (match === null) return null;
  const [, version, traceId, spanId, flags, more] = match;
  if (version === 'ff' || (version === '00' && more !== undefined)) return null;
  if (/^0+$/.test(traceId!) || /^0+$/.test(spanId!)) return null;
  return { traceId: traceId!, spanId: spanId!, sampled: (Number.parseInt(flags!, 16) & SAMPLED) !== 0 };
}

/** As it is kept with a message; at most 80 characters. */
export function keptContext({ traceId, spanId, parentId, begun }: TraceContext): string {
  return `${traceId}-${spanId}-${parentId}-${Math.floor(begun).toString(36)}`;
}

/** null: it is not one. */
export function readContext(kept: string | undefined): TraceContext | null {
  if (kept === undefined) return null;
  const match = /^([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{16})?-([0-9a-z]{1,10})$/.exec(kept);
  if (match === null) return null;
  return { traceId: match[1]!, spanId: match[2]!, parentId: match[3] ?? '', begun: Number.parseInt(match[4]!, 36) };
}

export function newTraceId(): string {
  return randomBytes(16).toString('hex');
}

export function newSpanId(): string {
  return randomBytes(8).toString('hex');
}
