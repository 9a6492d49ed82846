/**
 * What traces and metrics by OTLP have in common: where they go, who sends them, how an export ends.
 */
import { resourceFromAttributes } from '@opentelemetry/resources';

export interface OtlpTarget {
  /** `http://host:4318`, without a slash at its end. */
  readonly endpoint: string;
  readonly headers: Record<string, string>;
  /** For a batch, retries included, ms. */
  readonly timeout: number;
  /** Attributes of this engine: service.name and others. */
  readonly resource: Readonly<Record<string, string>>;
}

export const SCOPE = { name: 'sluice' };
/** The exporter keeps to its time by itself; this is in case that it does not, ms. */
const GRACE = 1000;

interface Result {
  readonly code: number;
  readonly error?: Error;
}

export function resourceOf({ resource }: OtlpTarget) {
  return resourceFromAttributes(resource);
}

/** Seconds and nanoseconds. */
export function hrTime(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}

/** An export as a promise that always settles. */
export function settled(start: (done: (result: Result) => void) => void, timeout: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer in time')), timeout + GRACE);
    start(({ code, error }) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else reject(error ?? new Error('it was refused'));
    });
  });
}
