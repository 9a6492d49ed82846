/**
 * How the command line shows the engine at work. Words from the network show no control characters.
 */
import { factLines } from './cli-explain-tables.js';
import { shortTime } from './cli-tables.js';
import type { FiguresReport, HostReport, TenantReport, UpstreamReport } from './control/live-reports.js';
import { harmless } from './telemetry/pretty-line.js';

/** A site with its hosts. `now`: wall clock, ms. */
export function upstreamLines({ site, connections, hosts, limits }: UpstreamReport, now: number): string[] {
  const lines = [`${harmless(site)}: ${connections} connections`];
  for (const host of hosts) lines.push(...hostLines(host, now));
  for (const line of factLines(limits)) lines.push(`  ${line}`);
  return lines;
}

function hostLines(host: HostReport, now: number): string[] {
  const { name, address, port, state, reason, until, connections, limit, idle, outstanding, lastReply } = host;
  const end = until > now ? ` for ${shortTime(until - now)} more` : '';
  const facts = [
    `${connections}${limit === null ? '' : ` of ${limit}`} connections (${idle} idle)`,
    `${outstanding} under way`,
    host.expectedMs === null ? '' : `${host.expectedMs} ms`,
    host.failureShare === 0 ? '' : `${percent(host.failureShare)} fail`,
    host.defersAbove === null ? '' : `defers above ${host.defersAbove} a minute`,
    host.planned === null ? '' : `${host.planned} a minute planned`,
    host.quotaLeft === null ? '' : `${host.quotaLeft} left of its quota`,
    host.region,
  ].filter((fact) => fact !== '');
  const lines = [`  ${harmless(name)} ${harmless(address)}:${port} ${state}${end}: ${harmless(facts.join(', '))}`];
  if (reason !== '') lines.push(`    because of ${harmless(reason)}`);
  if (lastReply !== null) lines.push(`    said ${shortTime(now - lastReply.at)} ago: ${harmless(lastReply.reply)}`);
  return lines;
}

/** The heading of the lines of `tenantLine`. */
export const TENANTS_HEADING = tenantRow([
  ...['TENANT', 'MEMORY', 'DELIVERED', 'DEFERRED', 'BOUNCED', 'BOUNCES', 'IN TIME', 'COMPLAINTS'],
]);

export function tenantLine(one: TenantReport): string {
  const counts = [one.queued, one.delivered, one.deferred, one.bounced].map(String);
  const shares = [one.bounceShare, one.inTimeShare].map((share) => (share === null ? '-' : percent(share)));
  return tenantRow([harmless(one.tenant), ...counts, ...shares, String(one.complained)]);
}

function tenantRow([name = '', ...cells]: readonly string[]): string {
  return `${name.padEnd(24)} ${cells.map((cell) => cell.padStart(10)).join(' ')}`;
}

/** The heading of the lines of `figureLines`; rates are a second, times ms. */
export const FIGURES_HEADING = figureRow([
  ...[
    'TIME',
    'ACCEPTED',
    'DELIVERED',
    'DEFERRED',
    'BOUNCED',
    'QUEUED',
    'CLIENTS',
    'UPSTREAMS',
    'P50',
    'P95',
    'P99',
    'LAG',
  ],
]);

/** A line for each interval, oldest first. */
export function figureLines({ at, series }: FiguresReport): string[] {
  return at.map((end, i) => {
    const { queuedImmediate, queuedBulk, queuedDeferred } = series;
    const queued = (queuedImmediate[i] ?? 0) + (queuedBulk[i] ?? 0) + (queuedDeferred[i] ?? 0);
    const rates = [series.accepted, series.delivered, series.deferred, series.bounced].map((list) =>
      digits(list[i], 1),
    );
    const counts = [queued, series.serverConnections[i], series.upstreamConnections[i]].map((value) =>
      digits(value, 0),
    );
    const times = [series.latencyP50, series.latencyP95, series.latencyP99, series.lag].map((list) =>
      digits(list[i], 0),
    );
    return figureRow([new Date(end).toISOString().slice(11, 19), ...rates, ...counts, ...times]);
  });
}

function figureRow([time = '', ...cells]: readonly string[]): string {
  return `${time.padEnd(8)} ${cells.map((cell) => cell.padStart(9)).join(' ')}`;
}

function digits(value: number | null | undefined, count: number): string {
  return value === null || value === undefined ? '-' : value.toFixed(count);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}
