/**
 * What becomes of mail while no host of its site can be used: it goes on waiting where one will be soon, and is deferred
 * with the last reason otherwise. Where their quota is what all are out for, that is no attempt.
 */
import type { Outcome } from '../queue/outcome.js';
import type { HostState } from './host-state.js';
import { ownOutcome } from './verdicts.js';

/** How long mail waits for a host that asked for less, ms; a longer pause defers it. */
const LONGEST_WAIT = 60_000;

export type Fate =
  | { readonly kind: 'wait'; readonly until: number }
  /** A connection is being made or busy: it will tell. */
  | { readonly kind: 'busy' }
  | { readonly kind: 'defer'; readonly outcome: Outcome };

/** `busy`: a connection of the destination is being made or carries a job. */
export function whileUnavailable(hosts: readonly HostState[], busy: boolean, now: number): Fate {
  let soonest = Number.POSITIVE_INFINITY;
  let first: HostState | undefined;
  for (const host of hosts) {
    if (host.pausedUntil <= now || host.pausedUntil >= soonest) continue;
    soonest = host.pausedUntil;
    first = host;
  }
  if (soonest - now <= LONGEST_WAIT) return { kind: 'wait', until: soonest };
  if (busy) return { kind: 'busy' };
  if (first?.pauseCause === 'quota' && hosts.every((host) => host.pausedUntil > now)) {
    const outcome = ownOutcome('deferred', first.lastEnhanced, first.lastFailure, first.site.name);
    return { kind: 'defer', outcome: { ...outcome, putOff: soonest } };
  }
  const last = hosts.filter((host) => host.restUntil > now || host.pausedUntil > now).at(-1);
  const outcome =
    last === undefined
      ? ownOutcome('deferred', '4.4.1', 'no host to deliver to', '')
      : ownOutcome('deferred', last.lastEnhanced || '4.4.1', last.lastFailure, last.site.name);
  return { kind: 'defer', outcome };
}
