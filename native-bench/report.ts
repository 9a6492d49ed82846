/**
 * Purpose: shows rows as a table for people, with ratios to Postfix.
 * Contract: pure functions from rows to text; a figure that was not measured is a dash.
 * Limits: columns of figures that no row of a scenario has are left out.
 */
import { cpus, release, totalmem } from 'node:os';
import { type FigureName, figureNames, type Row } from './sample.js';

const titles: Record<FigureName, string> = {
  acceptedPerSecond: 'accepted/s',
  deliveredPerSecond: 'delivered/s',
  cpuSecondsPer1000: 'CPU s/1,000',
  peakPssMb: 'peak PSS MB',
  flushesPerMessage: 'flushes/msg',
  p50Ms: 'p50 ms',
  p99Ms: 'p99 ms',
  acceptP50Ms: 'accept p50',
  acceptP99Ms: 'accept p99',
  lost: 'lost',
  duplicates: 'dup',
  kbPerIdleConnection: 'KB/idle conn',
  activeRatio: 'speed beside idle',
  backlog: 'backlog',
  backlogRatio: 'speed with backlog',
  startSeconds: 'start s',
  startRssMb: 'RSS MB',
  startAnonMb: 'anonymous MB',
  growthMb: 'growth MB',
  bulkPerSecond: 'bulk/s',
  quietP99Ms: 'p99 without',
  p99Ratio: 'x without',
  quietAcceptP99Ms: 'accept p99 without',
  acceptP99Ratio: 'x without',
  plainPerSecond: 'plain/s',
  plainRatio: 'x plain',
  plainCpuRatio: 'CPU x plain',
  mainMsPer1000: 'main ms/1,000',
  plainMainMsPer1000: 'plain main ms/1,000',
  mainRatio: 'main x plain',
  handshakesPerSecond: 'handshakes/s',
  handshakesPerCpuSecond: 'per CPU s',
  handshakeP50Ms: 'handshake p50',
  handshakeP99Ms: 'handshake p99',
  sourceMsPerHandshake: 'source CPU ms each',
  smtpPerSecond: 'SMTP/s',
  smtpRatio: 'x SMTP',
  spooledPerSecond: 'spooled/s',
  spooledMainMsPer1000: 'main ms/1,000 spooled',
  micros1000: 'CPU us/msg, 1,000 dest.',
  micros10000: '10,000',
  micros50000: '50,000',
  anonMb1000: 'anonymous MB, 1,000',
  anonMb10000: '10,000',
  anonMb50000: '50,000',
};

function show(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '-';
  if (Number.isInteger(value) || Math.abs(value) >= 1_000) return String(Math.round(value));
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(3);
}

/** delivered/s (or handshakes/s) and CPU of a row as multiples of the base row of its scenario. */
export function ratios(row: Row, rows: readonly Row[], base = 'postfix'): { speed?: number; cpu?: number } {
  const other = rows.find((candidate) => candidate.scenario === row.scenario && candidate.relay === base);
  if (other === undefined) return {};
  const divide = (name: FigureName) => {
    const [mine, theirs] = [row.figures[name], other.figures[name]];
    return mine === undefined || theirs === undefined ? undefined : mine / theirs;
  };
  const speed = divide('deliveredPerSecond') ?? divide('handshakesPerSecond');
  const cpu = divide('cpuSecondsPer1000');
  return { ...(speed === undefined ? {} : { speed }), ...(cpu === undefined ? {} : { cpu }) };
}

/** A table of text, the first column left-aligned. */
export function table(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  const pad = (text: string, column: number) =>
    column === 0 ? text.padEnd(widths[column]!) : text.padStart(widths[column]!);
  return lines.map((line) => line.map(pad).join('  ')).join('\n');
}

/** All rows of one scenario. */
export function scenarioTable(scenario: string, rows: readonly Row[], base = 'postfix'): string {
  const mine = rows.filter((row) => row.scenario === scenario);
  const columns = figureNames.filter((name) => mine.some((row) => row.figures[name] !== undefined));
  const compared = mine.some((row) => row.relay !== base && ratios(row, rows, base).speed !== undefined);
  const head = ['relay', ...columns.map((name) => titles[name]), ...(compared ? [`x ${base}`, `CPU x ${base}`] : [])];
  const lines = mine.map((row) => {
    const { speed, cpu } = ratios(row, rows, base);
    const cells = columns.map((name) => show(row.figures[name]));
    return [row.relay, ...cells, ...(compared ? [show(speed), show(cpu)] : [])];
  });
  const notes = mine.flatMap((row) => row.remarks.map((remark) => `  ${row.relay}: ${remark}`));
  return [table([head, ...lines]), ...notes].join('\n');
}

/** What the figures were taken on. */
export function machine(): { cores: number; model: string; memoryGb: number; kernel: string; node: string } {
  const list = cpus();
  return {
    cores: list.length,
    model: list[0]?.model ?? 'unknown',
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
  };
}
