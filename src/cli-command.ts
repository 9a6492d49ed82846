/**
 * What the commands of `sluice` have in common: exit codes of sysexits, output, arguments.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { messageOf } from './core/errors.js';

export const EX_OK = 0;
export const EX_USAGE = 64;
export const EX_DATAERR = 65;
export const EX_NOINPUT = 66;
export const EX_UNAVAILABLE = 69;
export const EX_SOFTWARE = 70;
export const EX_CANTCREAT = 73;
export const EX_IOERR = 74;
export const EX_TEMPFAIL = 75;
export const EX_CONFIG = 78;

/** What each exit code means; the help and the manual say it for those a command ends with. */
export const EXIT_MEANINGS: ReadonlyMap<number, string> = new Map([
  [EX_OK, 'done'],
  [EX_USAGE, 'wrong use'],
  [EX_DATAERR, 'what was read is not as it was written'],
  [EX_NOINPUT, 'there is no such message, account, order, entry or file'],
  [EX_UNAVAILABLE, 'no engine answers, or it says no'],
  [EX_SOFTWARE, 'a failure within'],
  [EX_CANTCREAT, 'a file cannot be made, or is there already'],
  [EX_IOERR, 'the spool cannot be read or written'],
  [EX_TEMPFAIL, 'it cannot be done now, or is wrong in a way that Postfix ends with this'],
  [EX_CONFIG, 'the configuration is wrong'],
]);

/** Wrong use of the command line. */
export class UsageError extends Error {}

/** Settings that a command needs are wrong: one line for each mistake. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('; '));
    this.problems = problems;
  }
}

/** A line of the result, on standard output. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A line about anything else, on standard error. */
export function complain(line: string): void {
  process.stderr.write(`sluice: ${line}\n`);
}

/** @throws UsageError. */
export function parse<const O extends NonNullable<ParseArgsConfig['options']>>(args: readonly string[], options: O) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (thrown) {
    throw new UsageError(messageOf(thrown));
  }
}

/** Positionals by name; all must be there and no more. @throws UsageError. */
export function expectArguments(given: readonly string[], names: readonly string[]): void {
  if (given.length < names.length) throw new UsageError(`<${names[given.length]}> is missing`);
  if (given.length > names.length) throw new UsageError(`"${given[names.length]}" is one argument too many`);
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90s`, `10m`, `2h` or `3d` in ms. @throws UsageError. */
export function timeSpan(text: string, option: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  if (match === null) throw new UsageError(`--${option} "${text}" is not a time such as 90s, 10m, 2h or 3d`);
  return Number(match[1]) * UNITS[match[2]!]!;
}

/** @throws UsageError. */
export function wholeNumber(text: string, option: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${option} "${text}" is not a whole number`);
  return Number(text);
}
