/**
 * The summary of a demo run as text: pure, from figures to lines.
 */
import type { Latency, LedgerFigures } from './figures.js';
import { bar, grouped } from './progress.js';
import type { ThreadGroup } from './thread-usage.js';

export interface DemoResult extends LedgerFigures {
  readonly messages: number;
  readonly bytes: number;
  readonly connections: number;
  readonly durability: 'fsync' | 'commit';
  readonly dkim: 'rsa' | 'ed25519' | 'none';
  /** Length of the load, seconds. */
  readonly seconds: number;
  /** null where the engine did not answer. */
  readonly flushesPerMessage: number | null;
  /** null where /proc is absent. */
  readonly threads: readonly ThreadGroup[] | null;
  readonly peakMemoryBytes: number | null;
  /** What went wrong, one line each. */
  readonly troubles: readonly string[];
}

const LABEL = 24;

/** `colour`: escape sequences for a terminal. */
export function summary(result: DemoResult, colour: boolean): string {
  const paint = (code: number, text: string): string => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
  const bold = (text: string): string => paint(1, text);
  const dim = (text: string): string => paint(2, text);
  const row = (label: string, value: string, note = ''): string =>
    `  ${label.padEnd(LABEL)}${bold(value)}${note === '' ? '' : `  ${dim(note)}`}`;
  const lines = ['', bold(`  Sluice demo`) + dim(`  ${setting(result)}`), ''];
  lines.push(
    row('accepted', `${grouped(result.acceptedPerSecond).padStart(7)} /s`, `${grouped(result.accepted)} messages`),
    row('delivered', `${grouped(result.deliveredPerSecond).padStart(7)} /s`, deliveredNote(result)),
    '',
    `  ${dim(`${'latency, ms'.padEnd(LABEL)}    p50      p90      p99      max`)}`,
    `  ${'submission to 250'.padEnd(LABEL)}${latency(result.toAcknowledgement)}`,
    `  ${'submission to arrival'.padEnd(LABEL)}${latency(result.toArrival)}`,
    '',
  );
  const { flushesPerMessage: flushes, peakMemoryBytes: peak } = result;
  if (flushes !== null) {
    const note = flushes > 0 ? `one flush for ${(1 / flushes).toFixed(1)} messages` : '';
    lines.push(row('flushes per message', flushes.toFixed(3).padStart(7), note));
  }
  if (peak !== null) lines.push(row('peak memory', `${grouped(peak / 1e6).padStart(7)} MB`));
  if (result.threads !== null) lines.push('', ...threadLines(result.threads, result, dim));
  const good = (count: number, code: number): string =>
    count === 0 ? paint(32, '      0') : paint(code, grouped(count).padStart(7));
  lines.push('', `  ${'lost'.padEnd(LABEL)}${good(result.lost, 31)}`);
  lines.push(`  ${'duplicates'.padEnd(LABEL)}${good(result.duplicates, 33)}`);
  if (result.refused > 0) lines.push(`  ${'not accepted'.padEnd(LABEL)}${good(result.refused, 33)}`);
  for (const trouble of result.troubles) lines.push('', `  ${paint(33, '!')} ${trouble}`);
  lines.push('');
  return lines.join('\n');
}

function setting({ messages, bytes, connections, durability, dkim }: DemoResult): string {
  const words = [
    `${grouped(messages)} messages`,
    `${(bytes / 1e6).toFixed(1)} MB`,
    `${connections} connections`,
    durability === 'fsync' ? '250 after the flush' : '250 before the flush',
  ];
  if (dkim !== 'none') words.push(`signed with ${dkim === 'rsa' ? 'RSA-2048' : 'Ed25519'}`);
  return words.join(', ');
}

function deliveredNote(result: DemoResult): string {
  const signed = result.dkim === 'none' ? '' : `, ${grouped(result.signed)} signed`;
  return `to ${grouped(result.recipients)} recipients in ${result.seconds.toFixed(1)} s${signed}`;
}

function latency(figures: Latency | null): string {
  if (figures === null) return '      -';
  const { p50, p90, p99, max } = figures;
  return [p50, p90, p99, max]
    .map((value) => (value >= 100 ? value.toFixed(0) : value.toFixed(1)).padStart(7))
    .join('  ');
}

function threadLines(threads: readonly ThreadGroup[], result: DemoResult, dim: (text: string) => string): string[] {
  const all = threads.reduce((sum, { seconds }) => sum + seconds, 0);
  const perMessage = result.accepted > 0 ? `${((all * 1e6) / result.accepted).toFixed(0)} µs a message` : '';
  const lines = [
    `  ${'CPU of the engine'.padEnd(LABEL)}${all.toFixed(2).padStart(7)} s   ${dim(perMessage)}`.trimEnd(),
  ];
  for (const { name, threads: count, seconds } of threads) {
    const label = `  ${name}${count > 1 ? ` x ${count}` : ''}`;
    const share = result.seconds > 0 ? seconds / result.seconds : 0;
    const busy = `${Math.round(share * 100)} %`.padStart(5);
    lines.push(`  ${label.padEnd(LABEL + 6)}${seconds.toFixed(2)} s   ${dim(`${bar(share, 12)} ${busy} of a core`)}`);
  }
  return lines;
}
