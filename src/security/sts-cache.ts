/**
 * The policies of MTA-STS that are known, most recently used last, and their form in the file that keeps them.
 *
 * Limits: entries, and the characters of all their host names; past either the one not used for longest is dropped.
 */
import { z } from 'zod';
import type { StsPolicy } from './sts-policy.js';

/** A policy as it was fetched. Times: engine clock, ms. */
export interface KnownPolicy {
  readonly domain: string;
  /** From the TXT record at the time, '' when there was none to be had. */
  readonly id: string;
  readonly policy: StsPolicy;
  readonly fetchedAt: number;
  readonly expires: number;
  /** Mail was last sent by it. */
  usedAt: number;
}

const stored = z.object({
  version: z.literal(1),
  policies: z.array(
    z.object({
      domain: z.string().max(253),
      id: z.string().max(32),
      policy: z.object({
        mode: z.enum(['enforce', 'testing', 'none']),
        mx: z.array(z.string().max(255)).max(1000),
        maxAge: z.number().nonnegative(),
      }),
      fetchedAt: z.number(),
      expires: z.number(),
      usedAt: z.number(),
    }),
  ),
});

export class StsCache {
  private readonly entries = new Map<string, KnownPolicy>();
  private readonly maxEntries: number;
  private readonly maxSize: number;
  private size = 0;

  /** `maxSize`: characters of host names in all. */
  constructor(maxEntries: number, maxSize = 16 * 1024 * 1024) {
    this.maxEntries = maxEntries;
    this.maxSize = maxSize;
  }

  get count(): number {
    return this.entries.size;
  }

  /** The policy of a domain unless it has expired; it counts as used. */
  use(domain: string, now: number): KnownPolicy | undefined {
    const known = this.entries.get(domain);
    if (known === undefined) return undefined;
    this.drop(domain);
    if (known.expires <= now) return undefined;
    known.usedAt = now;
    this.add(known);
    return known;
  }

  set(known: KnownPolicy): void {
    this.drop(known.domain);
    this.add(known);
    while (this.entries.size > 1 && (this.entries.size > this.maxEntries || this.size > this.maxSize))
      this.drop(this.entries.keys().next().value!);
  }

  values(): IterableIterator<KnownPolicy> {
    return this.entries.values();
  }

  /** Forgets what has expired. */
  expire(now: number): void {
    for (const known of [...this.entries.values()]) if (known.expires <= now) this.drop(known.domain);
  }

  snapshot(): unknown {
    return { version: 1, policies: [...this.entries.values()] };
  }

  /** Takes in a snapshot; false, and nothing of it, when it is none. */
  restore(snapshot: unknown, now: number): boolean {
    const read = stored.safeParse(snapshot);
    if (!read.success) return false;
    for (const known of read.data.policies) if (known.expires > now) this.set(known);
    return true;
  }

  private add(known: KnownPolicy): void {
    this.entries.set(known.domain, known);
    this.size += weigh(known);
  }

  private drop(domain: string): void {
    const known = this.entries.get(domain);
    if (known === undefined) return;
    this.entries.delete(domain);
    this.size -= weigh(known);
  }
}

function weigh(known: KnownPolicy): number {
  return known.policy.mx.reduce((sum, pattern) => sum + pattern.length, known.domain.length);
}
