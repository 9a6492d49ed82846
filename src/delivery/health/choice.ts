/**
 * Which host of a site gets the next message.
 *
 * Among balanced hosts the one with the least expected completion: the time it takes, sensitive to peaks, times its load
 * by weight (Peak EWMA, Finagle and Linkerd), plus what its failures would cost. Hosts that are about equal by that share
 * by weight (smooth weighted round robin, the algorithm of nginx), the cheaper first. A few hosts are all compared, of
 * many two at random (M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing").
 */
import type { HostState } from '../host-state.js';
import type { HostOrder } from '../site.js';
import { ConnectTimes } from './connect-times.js';

/** Up to so many hosts all are compared. */
const COMPARE_ALL = 16;
/** Costs that differ by less are about equal. */
const ABOUT_EQUAL = 1.25;
/** Shorter times than this are all alike, ms: noise of measuring, and nothing that mail would notice. */
const SHORT = 25;
/** What an attempt that fails costs: about the time until the message is tried again (SLUICE_RETRY_MIN), ms. */
const FAILURE_COST = 60_000;
/** Failures beyond the least of the others count from here on: less is chance, or the recipients' fault. */
const CHANCE = 0.02;
/** Distances up to this much more, and ms, are as near. */
const AS_NEAR = 1.25;
const AS_NEAR_MS = 5;
/** A host that was passed over so often, and not measured for so long (ms), is tried to see how it is now. */
const LOOK_AFTER = 250;
const LOOK_EVERY = 10_000;

/** The next host of a site by its order, undefined when none is available. */
export function pick<C>(
  hosts: readonly HostState<C>[],
  order: HostOrder,
  now: number,
  mayDial: boolean,
): HostState<C> | undefined {
  if (order === 'preference') return pickPreferred(hosts, now, mayDial);
  return order === 'nearest' ? pickNearest(hosts, now, mayDial) : pickBalanced(hosts, now, mayDial);
}

/** The host of least expected completion, undefined when none is available. `random` in [0, 1). */
export function pickBalanced<C>(
  hosts: readonly HostState<C>[],
  now: number,
  mayDial: boolean,
  random: () => number = Math.random,
): HostState<C> | undefined {
  if (hosts.length === 1) return hosts[0]!.isAvailable(now, mayDial) ? hosts[0] : undefined;
  return hosts.length > COMPARE_ALL
    ? (pickOfTwo(hosts, now, mayDial, random) ?? compareAll(hosts, now, mayDial))
    : compareAll(hosts, now, mayDial);
}

/**
 * The host of least expected completion among the nearest available ones, by the median of recent connect times and,
 * until that is measured, by the guess of the configuration. A host of which nothing is known at all is tried first: it
 * may be the nearest. Others follow where the nearest cannot take more.
 */
export function pickNearest<C>(
  hosts: readonly HostState<C>[],
  now: number,
  mayDial: boolean,
): HostState<C> | undefined {
  let nearest = Number.POSITIVE_INFINITY;
  for (const host of hosts) {
    host.connectTimes ??= new ConnectTimes();
    if (!host.isAvailable(now, mayDial)) continue;
    nearest = Math.min(nearest, host.distance);
    // A guess may be wrong: now and then it is checked.
    if (host.connectTimes.median !== undefined || ++host.passedOver <= LOOK_AFTER) continue;
    host.passedOver = 0;
    return host;
  }
  return compareAll(hosts, now, mayDial, nearest * AS_NEAR + AS_NEAR_MS);
}

/** The most preferred host that can be used now. */
export function pickPreferred<C>(
  hosts: readonly HostState<C>[],
  now: number,
  mayDial: boolean,
): HostState<C> | undefined {
  for (const host of hosts) if (host.isAvailable(now, mayDial)) return host;
  return undefined;
}

function compareAll<C>(
  hosts: readonly HostState<C>[],
  now: number,
  mayDial: boolean,
  farthest = Number.POSITIVE_INFINITY,
): HostState<C> | undefined {
  let leastShare = 1;
  let mostWeight = 0;
  for (const host of hosts) {
    host.cost = Number.POSITIVE_INFINITY;
    if (!host.isAvailable(now, mayDial) || host.distance > farthest) continue;
    host.cost = 0;
    leastShare = Math.min(leastShare, host.expectedFailures(now));
    mostWeight = Math.max(mostWeight, host.site.weight);
  }
  if (mostWeight === 0) return undefined;
  let least = Number.POSITIVE_INFINITY;
  let looked: HostState<C> | undefined;
  for (const host of hosts) {
    if (host.cost > 0) continue;
    host.cost = costOf(host, leastShare, mostWeight, now);
    least = Math.min(least, host.cost);
    if (++host.passedOver > LOOK_AFTER && now - host.latency.measuredAt > LOOK_EVERY) looked = host;
  }
  if (looked !== undefined) looked.passedOver = 0;
  return looked ?? byTurn(hosts, least * ABOUT_EQUAL, now);
}

/** Of the hosts up to a cost the cheapest, and of equally cheap ones the next by smooth weighted round robin. */
function byTurn<C>(hosts: readonly HostState<C>[], most: number, now: number): HostState<C> {
  let price = Number.POSITIVE_INFINITY;
  for (const host of hosts) if (host.cost <= most) price = Math.min(price, host.site.cost ?? 0);
  let best: HostState<C> | undefined;
  let total = 0;
  for (const host of hosts) {
    if (host.cost > most || (host.site.cost ?? 0) > price) continue;
    const weight = host.site.weight * host.share(now);
    host.credit += weight;
    total += weight;
    if (best === undefined || host.credit > best.credit) best = host;
  }
  best!.credit -= total;
  return best!;
}

/** Undefined: neither is available. */
function pickOfTwo<C>(
  hosts: readonly HostState<C>[],
  now: number,
  mayDial: boolean,
  random: () => number,
): HostState<C> | undefined {
  const one = hosts[Math.floor(random() * hosts.length)]!;
  const two = hosts[Math.floor(random() * hosts.length)]!;
  if (!one.isAvailable(now, mayDial)) return two.isAvailable(now, mayDial) ? two : undefined;
  if (!two.isAvailable(now, mayDial)) return one;
  const least = Math.min(one.expectedFailures(now), two.expectedFailures(now));
  const most = Math.max(one.site.weight, two.site.weight);
  return costOf(two, least, most, now) < costOf(one, least, most, now) ? two : one;
}

/** Expected completion of one more message, ms. */
function costOf(host: HostState<unknown>, leastShare: number, mostWeight: number, now: number): number {
  const excess = Math.max(0, host.expectedFailures(now) - leastShare - CHANCE);
  const load = ((host.connections - host.idle.length) * mostWeight) / (host.site.weight * host.share(now));
  return (Math.max(SHORT, host.expected(now)) + excess * FAILURE_COST) * (1 + load);
}
