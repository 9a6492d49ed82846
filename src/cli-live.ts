/**
 * `sluice upstreams`, `sluice tenants` and `sluice figures`: the engine at work.
 */
import { EX_OK, expectArguments, parse, print, UsageError, wholeNumber } from './cli-command.js';
import { withEngine } from './cli-engine.js';
import { FIGURES_HEADING, figureLines, TENANTS_HEADING, tenantLine, upstreamLines } from './cli-live-tables.js';
import type { ControlClient } from './control/control-client.js';
import { MAX_PAGE } from './control/control-protocol.js';
import { type FigureLists, type FiguresReport, SPANS, type Span, type UpstreamReport } from './control/live-reports.js';

const COMMON = { json: { type: 'boolean' }, socket: { type: 'string' }, limit: { type: 'string' } } as const;
const DEFAULT_LIMIT = 50;
const DEFAULT_INTERVALS = 20;

/** Sites and their hosts. */
export async function upstreams(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, COMMON);
  expectArguments(positionals, []);
  const limit = limitOf(values.limit, DEFAULT_LIMIT);
  return withEngine(values.socket, async (client) => {
    const shown =
      limit > 0 && limit <= MAX_PAGE
        ? await client.ask({ command: 'upstreams', after: '', limit, busiest: true })
        : await allUpstreams(client, limit);
    if (values.json === true) for (const one of shown) print(JSON.stringify(one));
    else if (shown.length === 0) print('no mail went anywhere yet');
    else for (const one of shown) for (const line of upstreamLines(one, Date.now())) print(line);
    return EX_OK;
  });
}

/** More than a page: in order of connections here. */
async function allUpstreams(client: ControlClient, limit: number): Promise<UpstreamReport[]> {
  const all: UpstreamReport[] = [];
  for (let after = ''; ; after = all.at(-1)!.site) {
    const page = await client.ask({ command: 'upstreams', after, limit: MAX_PAGE, busiest: false });
    all.push(...page);
    if (page.length < MAX_PAGE) break;
  }
  all.sort((a, b) => b.connections - a.connections);
  return limit === 0 ? all : all.slice(0, limit);
}

/** Tenants with the most mail. */
export async function tenants(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, { ...COMMON, span: { type: 'string' } });
  expectArguments(positionals, []);
  const limit = limitOf(values.limit, DEFAULT_LIMIT);
  const span = spanOf(values.span ?? '1h');
  return withEngine(values.socket, async (client) => {
    const most = limit === 0 ? MAX_PAGE : Math.min(limit, MAX_PAGE);
    const shown = await client.ask({ command: 'tenants', span, limit: most });
    if (values.json === true) for (const one of shown) print(JSON.stringify(one));
    else if (shown.length === 0) print('no tenant had mail within a day');
    else for (const line of [TENANTS_HEADING, ...shown.map(tenantLine)]) print(line);
    return EX_OK;
  });
}

/** Figures over time. */
export async function figures(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, { ...COMMON, span: { type: 'string' } });
  expectArguments(positionals, []);
  const limit = limitOf(values.limit, DEFAULT_INTERVALS);
  const span = spanOf(values.span ?? '5m');
  return withEngine(values.socket, async (client) => {
    const report = newest(await client.ask({ command: 'figures', span, after: 0 }), limit);
    if (values.json === true) print(JSON.stringify(report));
    else if (report.at.length === 0) print(`the engine started less than ${report.step / 1000} s ago`);
    else for (const line of [FIGURES_HEADING, ...figureLines(report)]) print(line);
    return EX_OK;
  });
}

/** The last intervals; 0: all. */
function newest(report: FiguresReport, limit: number): FiguresReport {
  if (limit === 0) return report;
  const lists = Object.entries(report.series).map(([name, list]) => [name, list.slice(-limit)] as const);
  return { ...report, at: report.at.slice(-limit), series: Object.fromEntries(lists) as unknown as FigureLists };
}

function limitOf(text: string | undefined, standard: number): number {
  return text === undefined ? standard : wholeNumber(text, 'limit');
}

/** @throws UsageError. */
function spanOf(text: string): Span {
  const span = SPANS.find((one) => one === text);
  if (span === undefined) throw new UsageError(`--span "${text}" is not allowed; allowed: ${SPANS.join(', ')}`);
  return span;
}
