/**
 * A JSON log line as a line for people: time, level, text, then the fields.
 *
 * Contract: never throws, gives exactly one line (and the indented stack of an error), and lets no control character
 * of the data through to a terminal. Not for hot use: it parses the line.
 */

const LEVELS: ReadonlyMap<number, readonly [string, string]> = new Map([
  [10, ['TRACE', '90']],
  [20, ['DEBUG', '36']],
  [30, ['INFO ', '32']],
  [40, ['WARN ', '33']],
  [50, ['ERROR', '31']],
  [60, ['FATAL', '35']],
]);

/** Text without control characters and without those that turn the direction of text: each becomes \uXXXX. */
export function harmless(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

function shown(value: unknown): string {
  if (typeof value !== 'string') return harmless(JSON.stringify(value) ?? '');
  return /^[^\s"=]+$/.test(value) ? harmless(value) : harmless(JSON.stringify(value));
}

function paint(colour: boolean, code: string, text: string): string {
  return colour ? `\u001b[${code}m${text}\u001b[0m` : text;
}

/** `line`: a JSON line with or without its line end. `colour`: with terminal colours. */
export function prettyLine(line: string, colour: boolean): string {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return `${harmless(line.trimEnd())}\n`;
  }
  const { level, time, msg, err, ...fields } = record;
  const [name, code] = LEVELS.get(Number(level)) ?? ['     ', '0'];
  const clock = new Date(Number(time));
  const at = Number.isNaN(clock.getTime()) ? '' : clock.toISOString().slice(11, 23);
  let text = `${paint(colour, '90', at)} ${paint(colour, code, name)} ${harmless(String(msg ?? ''))}`;
  for (const [key, value] of Object.entries(fields)) {
    text += ` ${paint(colour, '90', `${harmless(key)}=`)}${shown(value)}`;
  }
  if (typeof err === 'object' && err !== null) {
    const { message, stack } = err as { message?: unknown; stack?: unknown };
    const trace = typeof stack === 'string' ? stack : String(message);
    text += trace
      .split('\n')
      .map((part) => `\n    ${harmless(part.trim())}`)
      .join('');
  }
  return `${text}\n`;
}
