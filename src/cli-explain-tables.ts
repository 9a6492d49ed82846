/**
 * How the command line shows what the engine makes of mail. Words from the network show no control characters.
 */
import { shortTime } from './cli-tables.js';
import type { DestinationReport, OrderReport, RouteReport, WhyReport } from './control/engine-control.js';
import { harmless } from './telemetry/pretty-line.js';

interface WaitLike {
  readonly kind: string;
  readonly reason: string;
  readonly until: number;
}

/** Why a message waits. `now`: wall clock, ms. */
export function whyLines(report: WhyReport, now: number): string[] {
  const next =
    report.nextAttempt === 0
      ? 'as soon as nothing below is in the way'
      : report.nextAttempt <= now
        ? 'now'
        : `in ${shortTime(report.nextAttempt - now)} (${new Date(report.nextAttempt).toISOString()})`;
  const tenant = report.tenant === '' ? '' : `, tenant ${harmless(report.tenant)}`;
  const lines = [
    `id            ${report.id}`,
    `state         ${report.state}, lane ${report.lane}${tenant}, ${report.attempts} attempts so far`,
    `next attempt  ${report.state === 'held' ? 'none until it is released' : next}`,
  ];
  for (const one of report.waits) {
    lines.push(`${harmless(one.destination)}`);
    const [first = '', ...more] = one.recipients;
    const others = more.length === 0 ? '' : ` and ${more.length} more`;
    if (first !== '') lines.push(`  for   <${harmless(first)}>${others}`);
    lines.push(`  waits ${waitText(one, now)}`);
  }
  return lines;
}

/** Where mail would go. */
export function routeLines(report: RouteReport, now: number): string[] {
  const lines = [
    `<${harmless(report.sender)}> to <${harmless(report.recipient)}>`,
    `route        ${report.route === '' ? 'none of the table' : harmless(report.route)}`,
    `destination  ${harmless(report.destination)}`,
    `lane         ${report.lane}`,
  ];
  if (report.tenant !== '') lines.push(`tenant       ${harmless(report.tenant)}`);
  if (report.egress !== '') lines.push(`egress pool  ${harmless(report.egress)}`);
  if (report.site !== '') lines.push(`site         ${harmless(report.site)}`);
  for (const { name, address, port, tls } of report.hosts)
    lines.push(`  ${harmless(name)} ${harmless(address)}:${port}, TLS ${tls}`);
  for (const line of factLines(report.limits)) lines.push(`  ${line}`);
  for (const wait of report.waits) lines.push(`  waits ${waitText(wait, now)}`);
  if (report.problem !== '') lines.push(`problem      ${harmless(report.problem)}`);
  return lines;
}

/** One destination. */
export function destinationLines(report: DestinationReport, now: number): string[] {
  const { immediate, bulk, deferred } = report.queued;
  const cold = report.cold === 0 ? '' : ` (and ${report.cold} on disk only)`;
  const lines = [
    `${harmless(report.destination)}${report.site === '' ? '' : `, site ${harmless(report.site)}`}: ${immediate} immediate, ${bulk} bulk, ${deferred} deferred${cold}, ${report.connections} connections`,
  ];
  for (const host of report.hosts) lines.push(`  ${factText(host)}`);
  for (const line of factLines(report.limits)) lines.push(`  ${line}`);
  for (const wait of report.waits) lines.push(`  waits ${waitText(wait, now)}`);
  return lines;
}

/** A standing order. */
export function orderLine(order: OrderReport, now: number): string {
  const whom = Object.entries(order.selector)
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `${key} ${harmless(value)}`)
    .join(', ');
  const what = order.to === '' ? 'suspended' : `sent to ${harmless(order.to)}`;
  const end = order.until === 0 ? 'until resumed' : `for ${shortTime(order.until - now)} more`;
  const reason = order.reason === '' ? '' : `: ${harmless(order.reason)}`;
  return `${order.id}  ${what} ${end}, by ${order.by}  ${whom}${reason}`;
}

function waitText({ kind, reason, until }: WaitLike, now: number): string {
  const end = until === 0 ? '' : until <= now ? ', about to go on' : `, again in ${shortTime(until - now)}`;
  return `(${kind}) ${harmless(reason)}${end}`;
}

/** Facts by name, a line each. */
export function factLines(facts: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(facts)
    .filter(([, value]) => !Array.isArray(value) || value.length > 0)
    .map(([key, value]) => `${key} ${factValue(value)}`);
}

function factText(facts: Readonly<Record<string, unknown>>): string {
  return Object.entries(facts)
    .filter(([, value]) => value !== '' && value !== null && value !== 0)
    .map(([key, value]) => `${key} ${factValue(value)}`)
    .join(', ');
}

function factValue(value: unknown): string {
  return harmless(typeof value === 'string' ? value : JSON.stringify(value));
}
