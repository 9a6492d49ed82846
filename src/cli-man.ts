/**
 * The manual page sluice(1), made of the same help that the terminal shows: man(7) for groff and mandoc.
 */
import { EXIT_MEANINGS } from './cli-command.js';
import { COMMANDS } from './cli-commands.js';
import { type CommandHelp, GENERAL_EXAMPLE, SETTINGS_NOTE, TITLE } from './cli-help.js';

/** When what is not generated was written last; readers of the page show it. */
const PAGE_DATE = '2026-11-24';

/** The page. `version`: of the program. */
export function manualPage(version: string): string {
  const lines = [
    `.\\" Written by \`npm run docs\` from the help of the commands.`,
    `.TH SLUICE 1 ${PAGE_DATE} "sluice ${roff(version)}" "Sluice"`,
    '.SH NAME',
    `sluice \\- ${roff(TITLE)}`,
    '.SH SYNOPSIS',
    '.B sluice',
    '.RI [ command ]',
    '.RI [ options ]',
    '.SH DESCRIPTION',
    text(
      'Sluice takes mail by SMTP, answers when it is durable, and delivers it to upstream servers or the mail hosts of domains. Without a command it runs the engine.',
    ),
    '.PP',
    text(`${SETTINGS_NOTE} Results go to standard output, everything else to standard error.`),
    '.SH COMMANDS',
    ...COMMANDS.flatMap(({ help }) => section(help)),
    '.SH "EXIT STATUS"',
    'As of sysexits(3):',
    ...[...EXIT_MEANINGS].flatMap(([code, meaning]) => ['.TP', `.B ${code}`, text(meaning)]),
    '.SH SIGNALS',
    ...signals.flatMap(([names, meaning]) => ['.TP', `.B ${names}`, text(meaning)]),
    '.SH FILES',
    ...files.flatMap(([name, meaning]) => ['.TP', `.I ${roff(name)}`, text(meaning)]),
    '.SH EXAMPLES',
    ...example(GENERAL_EXAMPLE),
    '.SH "SEE ALSO"',
    '.BR systemd.service (5),',
    '.BR sysexits (3)',
  ];
  return `${lines.join('\n')}\n`;
}

const signals = [
  [
    'SIGTERM, SIGINT',
    'finish what is under way and end; a second one ends at once, and nothing that was acknowledged is lost',
  ],
  [
    'SIGHUP',
    'read signing keys, certificates, accounts and the configuration file anew, and begin a moved log file anew',
  ],
] as const;

const files = [
  ['.env', 'settings, in the working directory; variables of the environment win over it'],
  ['tuning.md', 'every setting with its default, what is allowed and what it trades'],
] as const;

function section({ name, usage, about, terms, examples }: CommandHelp): string[] {
  return [
    `.SS ${roff(name)}`,
    ...usage.flatMap((line, index) => [...(index === 0 ? [] : ['.br']), `.B sluice ${roff(line)}`]),
    ...about.flatMap((paragraph) => ['.PP', text(paragraph)]),
    ...terms.flatMap(([term, meaning]) => ['.TP', `.B ${roff(term)}`, text(meaning)]),
    '.PP',
    examples.length === 1 ? 'Example:' : 'Examples:',
    ...examples.flatMap(example),
  ];
}

function example(line: string): string[] {
  return ['.RS 4', '.nf', text(line), '.fi', '.RE'];
}

/** A line of text: one that begins like a request is kept from being one. */
function text(line: string): string {
  const escaped = roff(line);
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

/** `-` as typed, and the characters that groff sets otherwise. */
function roff(words: string): string {
  return words
    .replace(/\\/g, '\\e')
    .replace(/-/g, '\\-')
    .replace(/"/g, '\\(dq')
    .replace(/'/g, '\\(aq')
    .replace(/`/g, '\\(ga')
    .replace(/\^/g, '\\(ha')
    .replace(/~/g, '\\(ti');
}
