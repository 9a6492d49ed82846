/**
 * What is known of the hosts of one site, shared by all pools whose mail they take: health is of the host.
 *
 * A host that no pool uses any more and that has no connections is forgotten when there are many such, unless it is
 * known to fail.
 */
import type { PoolEnvironment } from './delivery.js';
import { HostState } from './host-state.js';
import type { SiteHost } from './site.js';

/** Hosts are looked through when there are this many, then at twice what is left. */
const SWEEP_FROM = 64;

export class HostStates {
  private readonly states = new Map<string, HostState>();
  private readonly environment: PoolEnvironment;
  private sweepAt = SWEEP_FROM;

  constructor(environment: PoolEnvironment) {
    this.environment = environment;
  }

  /** For one more pool; `letGo` ends that. `joins`: it comes to others that are in use. */
  hold(host: SiteHost, joins: boolean, now: number): HostState {
    const key = keyOf(host);
    let state = this.states.get(key);
    if (state === undefined) {
      if (this.states.size >= this.sweepAt) this.sweep(now);
      state = new HostState(host, joins ? now : undefined);
      this.states.set(key, state);
    }
    state.site = host;
    state.slots.setLimit(host.limit, this.environment.reserveShare);
    state.users++;
    return state;
  }

  letGo(state: HostState): void {
    state.users--;
  }

  /** One is known to fail, and is left alone for now. */
  isSetBack(now: number): boolean {
    for (const state of this.states.values()) if (state.isSetBack(now)) return true;
    return false;
  }

  [Symbol.iterator](): Iterator<HostState> {
    return this.states.values();
  }

  private sweep(now: number): void {
    for (const [key, state] of this.states)
      if (state.users === 0 && state.connections === 0 && !state.isSetBack(now)) this.states.delete(key);
    this.sweepAt = Math.max(SWEEP_FROM, this.states.size * 2);
  }
}

function keyOf(host: SiteHost): string {
  return `${host.address} ${host.port} ${host.name} ${host.credentials?.sasl.user ?? ''}`;
}
