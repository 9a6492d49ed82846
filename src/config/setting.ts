/**
 * What a setting is: one row of the schema. The rows are in schema.ts; nothing here reads an environment.
 */
import type { ValueType } from './value-type.js';

/** Headings of the tables in tuning.md, in their order. */
export const GROUPS = [
  'Listening and identity',
  'Who may relay',
  'TLS for clients',
  'Authentication',
  'Limits for clients',
  'Times for clients',
  'Spool and memory',
  'Delivery',
  'Security of deliveries',
  'Retries and notifications',
  'Bounces and complaints',
  'Rewriting and signing',
  'Operation',
  'HTTP',
  'History',
  'Traces and metrics by OTLP',
] as const;

export type Group = (typeof GROUPS)[number];

/** The facts of the machine that defaults depend on. */
export interface Machine {
  readonly hostname: string;
  /** Threads that can run at once. */
  readonly cores: number;
  /** Bytes of memory this process may use. */
  readonly memory: number;
}

/** One setting. Its default goes through its own parser, so it is always a value that could have been given. */
export interface Setting<T> {
  readonly name: string;
  readonly group: Group;
  readonly type: ValueType<T>;
  /** A text, or how the text follows from the machine; then `defaultNote` says it in words. '' parses to "none". */
  readonly default: string | ((machine: Machine) => string);
  readonly defaultNote?: string;
  /** One sentence: what it sets. */
  readonly purpose: string;
  /** What more or less of it costs and gains. */
  readonly trades: string;
  /** Never printed; may also be given as a file named by `<name>_FILE`. */
  readonly secret?: boolean;
  /** May also be given as a file although it is printed, with its passwords masked. */
  readonly inFile?: boolean;
}

/** Any schema: rows by the name they have in the settings object. */
export type Schema = Readonly<Record<string, Setting<unknown>>>;

/** The settings object that a schema describes. */
export type SettingsOf<S extends Schema> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never };

/** Keeps the value type of a row while checking its shape. */
export function setting<T>(row: Setting<T>): Setting<T> {
  return row;
}
