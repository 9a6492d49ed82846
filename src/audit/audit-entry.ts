/**
 * One line of the audit log, and how it is chained to the one before.
 *
 * A line is JSON without spaces and with its members in this order: seq, time, actor, action, details, prev, hash. `hash`
 * is SHA-256, in lower-case hex, over the bytes of the same line without its member `hash`: up to and including the
 * value of `prev`, and the closing brace. `prev` is the hash of the line before, 64 zeros in the first. So a line is
 * checked as it stands, byte for byte: nothing of it can be changed, not even a space.
 * Limits: a line has MAX_LINE bytes; longer details are kept by their beginning.
 */
import { createHash } from 'node:crypto';

export interface AuditEvent {
  /** Who: `engine`, `uid 0 pid 4711`, `control socket`, `http 192.0.2.1 (token)`. */
  readonly actor: string;
  /** What, in words with dots: `queue.hold`, `engine.start`. */
  readonly action: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface AuditEntry extends AuditEvent {
  /** From 1, without a gap. */
  readonly seq: number;
  /** RFC 3339, UTC, with milliseconds. */
  readonly time: string;
  readonly prev: string;
  readonly hash: string;
}

/** A place in the chain: the line that was last. */
export interface Position {
  readonly seq: number;
  readonly hash: string;
}

export const ORIGIN: Position = { seq: 0, hash: '0'.repeat(64) };
/** Bytes of a line at most. */
export const MAX_LINE = 64 * 1024;
/** Characters of details; escaped they fit a line. */
const MAX_DETAILS = 8 * 1024;
/** Of `,"hash":"` and the hash and `"}`. */
const SEAL = 75;

/** The line after `before`, with its line end. `wall`: ms since the epoch. */
export function chainedLine(before: Position, event: AuditEvent, wall: number): { line: string; at: Position } {
  const seq = before.seq + 1;
  const whole = JSON.stringify(event.details);
  const details = whole.length > MAX_DETAILS ? { shortened: whole.slice(0, MAX_DETAILS) } : event.details;
  const { actor, action } = event;
  const open = JSON.stringify({ seq, time: new Date(wall).toISOString(), actor, action, details, prev: before.hash });
  const hash = sha256(Buffer.from(open));
  return { line: `${open.slice(0, -1)},"hash":"${hash}"}\n`, at: { seq, hash } };
}

/** A line (without its end) read back; null: it is not as it was written. Its place in the chain is not looked at. */
export function readEntry(line: Buffer): AuditEntry | null {
  const seal = line.length - SEAL;
  if (seal < 2 || line.length > MAX_LINE) return null;
  const match = /^,"hash":"([0-9a-f]{64})"\}$/.exec(line.toString('latin1', seal));
  if (match === null) return null;
  const hash = createHash('sha256').update(line.subarray(0, seal)).update('}').digest('hex');
  if (hash !== match[1]) return null;
  try {
    const entry = JSON.parse(line.toString()) as AuditEntry;
    const known = Number.isSafeInteger(entry.seq) && typeof entry.prev === 'string' && entry.hash === hash;
    return known && !Number.isNaN(Date.parse(entry.time)) ? entry : null;
  } catch {
    return null;
  }
}

/** What is wrong with an entry that stands after `before`, null when nothing is. */
export function flawAfter(before: Position, { seq, prev }: AuditEntry): 'removed' | 'reordered' | 'changed' | null {
  if (seq > before.seq + 1) return 'removed';
  if (seq <= before.seq) return 'reordered';
  return prev === before.hash ? null : 'changed';
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
