/** Hosts with a clock of their own, for tests of health and choice. */
import { pickBalanced } from '../../../src/delivery/health/choice.js';
import { HostState, type TransactionResult } from '../../../src/delivery/host-state.js';
import type { SiteHost } from '../../../src/delivery/site.js';
import { opportunistic } from '../../../src/delivery/tls-policy.js';

export function siteHost(name: string, more: Partial<SiteHost> = {}): SiteHost {
  return { name, address: '192.0.2.1', port: 25, weight: 1, limit: 10, tls: opportunistic(''), ...more };
}

export function hostsOf(...more: Partial<SiteHost>[]): HostState<number>[] {
  const hosts = more.map((each, i) => new HostState<number>(siteHost(`h${i}`, each)));
  for (const host of hosts) host.compareWith(hosts);
  return hosts;
}

export class HostWorld {
  now = 1_000_000;
  readonly hosts: HostState<number>[];

  constructor(...more: Partial<SiteHost>[]) {
    this.hosts = hostsOf(...more);
  }

  pick(): HostState<number> | undefined {
    return pickBalanced(this.hosts, this.now, true, () => 0);
  }

  /** One transaction from begin to end on a host. */
  transact(host: HostState<number>, result: TransactionResult, ms = 100): ReturnType<HostState['transactionEnded']> {
    host.transactionBegan(this.now);
    this.now += ms;
    return host.transactionEnded(result, ms, this.now);
  }

  /** So many messages one after the other; `result` by host. How many each host got; those that found none are not counted. */
  send(
    count: number,
    result: (i: number) => TransactionResult = () => 'delivered',
    ms: (i: number) => number = () => 100,
  ): number[] {
    const counts = this.hosts.map(() => 0);
    for (let n = 0; n < count; n++) {
      const host = this.pick();
      if (host === undefined) {
        this.now += 100;
        continue;
      }
      const i = this.hosts.indexOf(host);
      counts[i]!++;
      this.transact(host, result(i), ms(i));
    }
    return counts;
  }
}
