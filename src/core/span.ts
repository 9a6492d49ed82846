/**
 * The spans of time that limits are given in: `messages_per_hour`.
 */

export const SPANS = ['second', 'minute', 'hour', 'day'] as const;
export type Span = (typeof SPANS)[number];

export const SPAN_MS: Readonly<Record<Span, number>> = {
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
};
