/**
 * What a TlsReporter keeps over restarts, and how it is read back from JSON.
 */
import { z } from 'zod';
import type { ReportTarget } from './tls-report-record.js';
import type { DayResults, FailureDetail, PolicyResults } from './tls-results.js';

/** A report not sent to all of its targets yet. Times: wall clock, ms. */
export interface WaitingReport {
  readonly domain: string;
  readonly day: number;
  readonly results: readonly PolicyResults[];
  /** When it was to be sent first. */
  readonly begun: number;
  next: number;
  attempts: number;
  /** Those that have not got it; null: not looked up yet. */
  targets: readonly ReportTarget[] | null;
}

export interface ReporterState {
  readonly today: DayResults;
  readonly over: readonly DayResults[];
  readonly waiting: WaitingReport[];
}

const results = z.array(
  z.object({
    policy: z.object({
      type: z.enum(['tlsa', 'sts', 'no-policy-found']),
      domain: z.string(),
      text: z.array(z.string()),
      mx: z.array(z.string()),
    }),
    succeeded: z.number(),
    failed: z.number(),
    details: z.array(
      z.object({
        kind: z.string().transform((kind) => kind as FailureDetail['kind']),
        host: z.string(),
        address: z.string(),
        reason: z.string(),
        count: z.number(),
      }),
    ),
  }),
);

const day = z
  .object({ day: z.number(), domains: z.array(z.tuple([z.string(), results])) })
  .transform(({ day, domains }): DayResults => ({ day, domains: new Map(domains) }));

const state = z.object({
  version: z.literal(1),
  today: day,
  over: z.array(day),
  waiting: z.array(
    z.object({
      domain: z.string(),
      day: z.number(),
      results,
      begun: z.number(),
      next: z.number(),
      attempts: z.number(),
      targets: z
        .array(
          z.union([
            z.object({ kind: z.literal('mailto'), address: z.string() }),
            z.object({ kind: z.literal('https'), url: z.string() }),
          ]),
        )
        .nullable(),
    }),
  ),
});

/** The state as JSON can carry it. */
export function writeReporterState({ today, over, waiting }: ReporterState): unknown {
  const plain = ({ day, domains }: DayResults): unknown => ({ day, domains: [...domains] });
  return { version: 1, today: plain(today), over: over.map(plain), waiting };
}

/** The state out of parsed JSON, null when it is none. */
export function readReporterState(json: unknown): ReporterState | null {
  const read = state.safeParse(json);
  return read.success ? read.data : null;
}
