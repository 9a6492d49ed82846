/**
 * What `npm run demo` can be told. Every mistake is named with what is allowed; nothing is guessed.
 */
import { parseArgs } from 'node:util';

export interface DemoOptions {
  /** Messages to send. */
  readonly messages: number;
  /** Bytes of each message; 0: a mix as relays see it. */
  readonly size: number;
  readonly dkim: 'rsa' | 'ed25519' | 'none';
  readonly durability: 'fsync' | 'commit';
  /** Connections of the source. */
  readonly connections: number;
  /** Prints the figures as one JSON object instead of text. */
  readonly json: boolean;
}

export const DEMO_HELP = `Usage: npm run demo -- [options]

Starts the engine and a sink on this machine, sends messages through, and shows what it took.

  --messages N             how many messages (default 10000, at most 1000000)
  --size BYTES             size of each, 1024 to 10485760 (default: a mix of 2 KB to 120 KB)
  --connections N          connections the source keeps open (default 50, at most 1000)
  --dkim rsa|ed25519       sign every message (default: unsigned)
  --durability commit      answer before the flush: survives a crash of the process, not a power cut (default fsync)
  --json                   print the figures as JSON
  --help
`;

/** The options, a list of mistakes, or `help`. */
export function parseDemoOptions(args: readonly string[]): DemoOptions | 'help' | string[] {
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        messages: { type: 'string', default: '10000' },
        size: { type: 'string', default: '0' },
        connections: { type: 'string', default: '50' },
        dkim: { type: 'string', default: 'none' },
        durability: { type: 'string', default: 'fsync' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
  if (values['help'] === true) return 'help';
  const mistakes: string[] = [];
  const whole = (name: string, least: number, most: number): number => {
    const text = String(values[name]);
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    mistakes.push(`--${name} "${text}": allowed is a whole number from ${least} to ${most}`);
    return least;
  };
  const oneOf = <T extends string>(name: string, allowed: readonly T[]): T => {
    const found = allowed.find((word) => word === values[name]);
    if (found === undefined) mistakes.push(`--${name} "${values[name]}": allowed: ${allowed.join(', ')}`);
    return found ?? allowed[0]!;
  };
  const options: DemoOptions = {
    messages: whole('messages', 1, 1_000_000),
    size: values['size'] === '0' ? 0 : whole('size', 1024, 10_485_760),
    connections: whole('connections', 1, 1000),
    dkim: oneOf('dkim', ['none', 'rsa', 'ed25519']),
    durability: oneOf('durability', ['fsync', 'commit']),
    json: values['json'] === true,
  };
  return mistakes.length > 0 ? mistakes : options;
}
