/**
 * The engine's own way: `HostState` and `pickBalanced` as the pools use them.
 */
import { pickBalanced } from '../../src/delivery/health/choice.js';
import { HostState } from '../../src/delivery/host-state.js';
import { opportunistic } from '../../src/delivery/tls-policy.js';
import { type Algorithm, FIRST_REST } from './chooser.js';

export const sluice: Algorithm = {
  name: 'sluice',
  create(models, random) {
    const hosts = models.map(({ limit, weight = 1 }, i) => {
      const tls = opportunistic('');
      return new HostState<number>({ name: `h${i}`, address: `192.0.2.${i}`, port: 25, weight, limit, tls });
    });
    for (const host of hosts) host.compareWith(hosts);
    return {
      places: hosts,
      pick: (now, mayDial) => {
        const host = pickBalanced(hosts, now, mayDial, random);
        return host === undefined ? -1 : hosts.indexOf(host);
      },
      mayTake: (i, now) => hosts[i]!.mayTake(now),
      began: (i, now) => hosts[i]!.transactionBegan(now),
      ended: (i, result, ms, now) => void hosts[i]!.transactionEnded(result, ms, now),
      connected: (i, ms, now) => hosts[i]!.succeeded(ms, now),
      refused: (i, begunAt, now) => hosts[i]!.failed('refused', now, FIRST_REST, begunAt),
      askAgain: (now) =>
        hosts.reduce((soonest, { pausedUntil, restUntil }) => {
          const ready = Math.max(pausedUntil, restUntil);
          return ready > now ? Math.min(soonest, ready) : soonest;
        }, Number.POSITIVE_INFINITY),
    };
  },
};
