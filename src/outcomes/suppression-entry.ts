/**
 * One entry of the suppression list, and its bytes in the store.
 */

/** What put an address on the list. */
export type SuppressionSource = 'bounce' | 'complaint' | 'operator';

export interface SuppressionEntry {
  /** '' for mail that is nobody's in particular; an operator's entry there holds for all. */
  readonly tenant: string;
  /** Canonical form. */
  readonly address: string;
  /** Category of the bounce, the kind of complaint, or the operator's words. */
  readonly reason: string;
  /** What the other side said, '' when nothing. */
  readonly reply: string;
  readonly source: SuppressionSource;
  /** Wall clock, ms since the epoch. */
  readonly since: number;
  /** Wall clock, ms since the epoch; 0: without an end. */
  readonly until: number;
}

const SOURCES: readonly string[] = ['bounce', 'complaint', 'operator'] satisfies SuppressionSource[];
const MAX_REASON = 200;
const MAX_REPLY = 500;

export function encodeEntry({ reason, reply, source, since, until }: SuppressionEntry): Buffer {
  const row = { reason: reason.slice(0, MAX_REASON), reply: reply.slice(0, MAX_REPLY), source, since, until };
  return Buffer.from(JSON.stringify(row), 'utf8');
}

/** null: not an entry that this program wrote. */
export function decodeEntry(tenant: string, address: string, row: Buffer): SuppressionEntry | null {
  let value: Partial<Record<keyof SuppressionEntry, unknown>> | null;
  try {
    value = JSON.parse(row.toString('utf8')) as typeof value;
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { reason, reply, source, since, until } = value;
  if (typeof reason !== 'string' || typeof reply !== 'string' || typeof source !== 'string') return null;
  if (typeof since !== 'number' || typeof until !== 'number' || !SOURCES.includes(source)) return null;
  return { tenant, address, reason, reply, source: source as SuppressionSource, since, until };
}
