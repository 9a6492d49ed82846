/**
 * What is wrong between tables of the configuration file that are each allowed: names of things that are not there, and
 * routes that contradict one another.
 */
import { DEFAULT_GROUP } from '../delivery/routes/route-settings.js';
import type { TenantSettings } from '../message/tenant.js';
import { nearestName } from './nearest-name.js';
import type { ConfiguredRoute } from './route-table.js';
import type { UpstreamGroup } from './upstream-table.js';

export interface CheckedTables {
  readonly route: readonly ConfiguredRoute[];
  readonly upstream: readonly UpstreamGroup[];
  readonly tenant: readonly TenantSettings[];
  /** Names of the pools of egress sources. */
  readonly egressPools: readonly string[];
}

/** One line for each mistake. */
export function tableProblems(tables: CheckedTables): string[] {
  const { route, upstream, tenant, egressPools } = tables;
  const problems: string[] = [];
  const named = (where: string, what: string, name: string, known: readonly string[]): void => {
    if (known.includes(name)) return;
    const nearest = nearestName(name, known);
    const hint = nearest === undefined ? '' : `did you mean ${nearest}? `;
    const list = known.length === 0 ? `none, there is no ${what}` : shortened(known);
    problems.push(`${where}: there is no ${what} "${name}"; ${hint}allowed: ${list}`);
  };
  const groups = [DEFAULT_GROUP, ...upstream.map(({ name }) => name)];
  const tenants = tenant.map(({ name }) => name);
  route.forEach((one, place) => {
    const where = `route[${place + 1}]`;
    if (one.target.kind === 'upstream') named(`${where}.upstream`, '[[upstream]]', one.target.group, groups);
    if (one.egress !== '') named(`${where}.egress`, 'pool in [[egress]]', one.egress, egressPools);
    for (const name of one.tenants ?? []) named(`${where}.tenant`, '[[tenant]]', name, tenants);
  });
  tenant.forEach(({ egress }, place) => {
    if (egress !== '') named(`tenant[${place + 1}].egress`, 'pool in [[egress]]', egress, egressPools);
  });
  const fields = new Set(route.flatMap((one) => one.fields.map(({ name }) => name)));
  if (fields.size > MAX_FIELDS)
    problems.push(`route: they look at ${fields.size} header fields; allowed: at most ${MAX_FIELDS} in all`);
  return [...problems, ...orderProblems(route), ...hostProblems(route), ...stabilityProblems(route)];
}

/** Names shown. */
const MAX_NAMES = 20;
/** Header fields whose values are kept of each message. */
const MAX_FIELDS = 16;

function shortened(names: readonly string[]): string {
  return names.length > MAX_NAMES ? `${names.slice(0, MAX_NAMES).join(', ')} ...` : names.join(', ');
}

/** Routes behind one that takes everything. */
function orderProblems(routes: readonly ConfiguredRoute[]): string[] {
  const open = routes.findIndex(
    ({ recipients, senders, accounts, tenants, listeners, fields, tags, clients, lane }) =>
      [recipients, senders, accounts, tenants, listeners, tags, clients, lane].every((given) => given === null) &&
      fields.length === 0,
  );
  if (open < 0 || open === routes.length - 1) return [];
  return [`route[${open + 2}]: it is never reached, route[${open + 1}] fits everything; allowed: that one as the last`];
}

/** One host and port with different parameters: connections to it are shared. */
function hostProblems(routes: readonly ConfiguredRoute[]): string[] {
  const seen = new Map<string, { readonly text: string; readonly place: number }>();
  const problems: string[] = [];
  routes.forEach(({ host, target }, place) => {
    if (host === null || target.kind !== 'host') return;
    const text = JSON.stringify(host);
    const before = seen.get(target.name);
    if (before === undefined) seen.set(target.name, { text, place });
    else if (before.text !== text)
      problems.push(
        `route[${place + 1}].host: ${target.name} has other parameters in route[${before.place + 1}]; allowed: the same, or an [[upstream]] for each`,
      );
  });
  return problems;
}

/** A route must not change what decides which route fits: asked again, another would. */
function stabilityProblems(routes: readonly ConfiguredRoute[]): string[] {
  const problems: string[] = [];
  const byLane = routes.findIndex(({ lane }) => lane !== null);
  const askedTags = new Map<string, number>();
  routes.forEach(({ tags }, place) => {
    for (const tag of tags ?? []) if (!askedTags.has(tag)) askedTags.set(tag, place);
  });
  routes.forEach(({ setLane, addTags }, place) => {
    if (setLane !== null && byLane >= 0)
      problems.push(
        `route[${place + 1}].set_lane: route[${byLane + 1}] decides by lane; allowed: one of the two in all routes`,
      );
    for (const tag of addTags)
      if (askedTags.has(tag))
        problems.push(
          `route[${place + 1}].add_tags: route[${askedTags.get(tag)! + 1}] decides by "${tag}"; allowed: tags that no route asks for`,
        );
  });
  return problems;
}
