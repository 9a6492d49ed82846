/**
 * What the help of a command is made of, and how a terminal shows it. The manual page is made of the same, see cli-man.ts.
 */
import { EX_OK, EX_USAGE, EXIT_MEANINGS } from './cli-command.js';

export interface CommandHelp {
  readonly name: string;
  /** A few words for the list of commands. */
  readonly summary: string;
  /** Each way to call it, after `sluice`. */
  readonly usage: readonly string[];
  /** What it does, in paragraphs. */
  readonly about: readonly string[];
  /** Actions and options with their meaning. */
  readonly terms: readonly (readonly [term: string, meaning: string])[];
  /** Whole command lines that work as they stand; a test runs the first one. */
  readonly examples: readonly string[];
  /** How it may end besides done and wrong use, see EXIT_MEANINGS. */
  readonly exits: readonly number[];
}

const WIDTH = 110;
/** A space that lines are not broken at. */
const NO_BREAK = '\u00a0';
/** Longest term that has its meaning on the same line, characters. */
const WIDEST_TERM = 24;

/** What is said before the list of commands. */
export const TITLE = 'a multi-threaded SMTP relay engine';
/** What is said after the list of commands. */
export const SETTINGS_NOTE = 'Settings are SLUICE_... environment variables or lines of a .env file; see tuning.md.';
export const GENERAL_EXAMPLE = 'SLUICE_UPSTREAM=smtp://mail.example.org:25 sluice start';

/** The help of one command, with a final line end. */
export function helpText(help: CommandHelp): string {
  const lines = help.usage.flatMap((usage, index) =>
    wrapped(`${index === 0 ? 'Usage:' : '      '} sluice ${unbroken(usage)}`, 15 + help.name.length),
  );
  for (const paragraph of help.about) lines.push('', ...wrapped(paragraph, 0));
  if (help.terms.length > 0) lines.push('', ...termLines(help.terms));
  lines.push('', 'Exit codes:', ...termLines(exitTerms(help)));
  lines.push('', 'Example:', ...help.examples.map((example) => `  ${example}`));
  return `${lines.join('\n').replaceAll(NO_BREAK, ' ')}\n`;
}

/** What `sluice --help` says, with a final line end. */
export function generalHelp(commands: readonly CommandHelp[]): string {
  const lines = [`sluice - ${TITLE}`, '', 'Usage: sluice [command] [options]', ''];
  const rows = commands.map(({ name, summary }) => [name, summary] as const);
  lines.push(...termLines([...rows, ['--help, -h', 'this text, or that of a command']]));
  lines.push('', SETTINGS_NOTE, '', 'Example:', `  ${GENERAL_EXAMPLE}`);
  return `${lines.join('\n')}\n`;
}

/** Every exit code of a command with its meaning. */
export function exitTerms({ exits }: CommandHelp): (readonly [term: string, meaning: string])[] {
  const codes = [EX_OK, EX_USAGE, ...exits].sort((a, b) => a - b);
  return codes.map((code) => [String(code), EXIT_MEANINGS.get(code) ?? ''] as const);
}

function termLines(terms: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(WIDEST_TERM, Math.max(...terms.map(([term]) => term.length)));
  const indent = width + 4;
  return terms.flatMap(([term, meaning]) =>
    term.length > width
      ? [`  ${term}`, ...wrapped(`${' '.repeat(indent)}${meaning}`, indent)]
      : wrapped(`  ${term.padEnd(width)}  ${meaning}`, indent),
  );
}

/** An option in brackets stays on one line. */
function unbroken(usage: string): string {
  return usage.replace(/\[[^\]]*\]/g, (option) => option.replaceAll(' ', NO_BREAK));
}

/** `text` in lines of at most WIDTH where its words allow; all but the first are indented. */
function wrapped(text: string, indent: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > WIDTH) {
    const space = rest.lastIndexOf(' ', WIDTH);
    const cut = space > indent ? space : rest.indexOf(' ', WIDTH);
    if (cut < 0) break;
    lines.push(rest.slice(0, cut));
    rest = `${' '.repeat(indent)}${rest.slice(cut + 1)}`;
  }
  return [...lines, rest];
}
