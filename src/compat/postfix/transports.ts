/**
 * The transports of master.cf that send by SMTP, each with what main.cf and its own `-o` say: next hops with their TLS
 * and login, the pool its mail leaves from, its limits, and what stands in when a next hop fails.
 */
import type { Egress } from './egress.js';
import type { Ledger } from './ledger.js';
import { limitsOf } from './limits.js';
import type { MainCf } from './main-cf.js';
import type { Service } from './master-cf.js';
import type { Hop, NextHopMaker } from './next-hop.js';
import type { Fields, Output } from './output.js';

interface Transport {
  readonly cf: MainCf;
  readonly hops: NextHopMaker;
  readonly pool: string;
  readonly limits: Fields;
}

export class Transports {
  private readonly output: Output;
  private readonly ledger: Ledger;
  private readonly byName = new Map<string, Transport>();
  private readonly groups = new Map<string, string>();
  private readonly hosts = new Map<string, string>();
  private readonly shaped = new Set<string>();

  constructor(
    cf: MainCf,
    services: readonly Service[],
    parts: { readonly hops: NextHopMaker; readonly egress: Egress; readonly output: Output; readonly ledger: Ledger },
  ) {
    const { hops, egress, output, ledger } = parts;
    this.output = output;
    this.ledger = ledger;
    const listed = services.filter(({ type, program }) => type === 'unix' && program === 'smtp');
    for (const name of ['smtp', 'relay', ...listed.map((service) => service.name)]) {
      if (this.byName.has(name)) continue;
      const service = listed.findLast((one) => one.name === name) ?? {
        ...{ name, type: 'unix', program: 'smtp', options: new Map<string, string>(), processes: 0, where: 'main.cf' },
      };
      const own = cf.with(service.options, service.where);
      const says = [...service.options.keys()].some((key) => /^smtp_(?:bind_address6?|helo_name)$/.test(key));
      const named =
        name === 'smtp' ? 'default' : name.replace(/[^\w.-]/g, '-').replace(/^default$/, 'default-transport');
      this.byName.set(name, {
        cf: own,
        hops: hops.as(own),
        pool: says || name === 'smtp' ? egress.poolFor(own, named) : '',
        limits: limitsOf(cf, service, ledger),
      });
    }
  }

  has(name: string): boolean {
    return this.byName.has(name);
  }

  /** Whether the mail of this transport goes as that of `smtp`. */
  isPlain(name: string): boolean {
    const { pool, limits, cf } = this.byName.get(name)!;
    return (
      (pool === '' || pool === 'default') && Object.keys(limits).length === 0 && cf === this.byName.get('smtp')!.cf
    );
  }

  /** The next hop of a transport; undefined, and told, where it is none. `sender`: whose login is looked for first. */
  hop(name: string, text: string, where: string, sender = ''): Hop | undefined {
    return this.byName.get(name)!.hops.make(text, where, sender);
  }

  /** A route's target at a next hop; `domain`: of the recipients. */
  target(name: string, hop: Hop): Fields {
    const { pool, limits } = this.byName.get(name)!;
    const shaped = Object.keys(limits).length > 0;
    const target = this.targetOf(name, hop, shaped);
    if (shaped && target['upstream'] !== undefined) this.shape({ upstream: target['upstream'] }, limits, name);
    return { ...target, ...this.egressOf(pool) };
  }

  /** A route's target at the MX hosts of the recipients' domain; `domain`: which that is, '' where it is not one. */
  direct(name: string, domain: string, where: string): Fields {
    const { pool, limits, cf } = this.byName.get(name)!;
    if (Object.keys(limits).length > 0 && domain !== '') this.shape({ domain }, limits, name);
    else if (Object.keys(limits).length > 0)
      this.ledger.add(
        'left-out',
        where,
        `limits of ${name}`,
        'only for single domains: a [[shaping]] with domain = "..."',
      );
    this.noFallback(cf);
    return { mx: true, ...this.egressOf(pool) };
  }

  /** Mail that no route is for goes to this next hop. Its target; undefined, and told, where it cannot. */
  standard(text: string, where: string): Fields | undefined {
    const hop = this.hop('smtp', text, where);
    if (hop === undefined) return undefined;
    if (this.fallbacks('smtp').length > 0) return this.target('smtp', hop);
    const problem = this.output.set('SLUICE_UPSTREAM', hop.url);
    if (problem !== '') {
      this.ledger.add('left-out', where, 'relayhost', problem);
      return undefined;
    }
    this.hosts.set(hop.at, hop.url);
    return { upstream: 'default' };
  }

  noFallback(cf: MainCf = this.byName.get('smtp')!.cf): void {
    const name = cf.has('smtp_fallback_relay') ? 'smtp_fallback_relay' : 'fallback_relay';
    if (cf.value(name) !== '')
      this.ledger.add(
        'left-out',
        cf.place(name),
        name,
        'mail to MX hosts has no other way; give a relayhost, and it stands in for that',
      );
  }

  tellUnused(): void {
    this.byName.get('smtp')!.hops.tellUnused();
  }

  private egressOf(pool: string): Fields {
    return pool === '' || pool === 'default' ? {} : { egress: pool };
  }

  private fallbacks(name: string): Hop[] {
    const { cf, hops } = this.byName.get(name)!;
    const parameter = cf.has('smtp_fallback_relay') ? 'smtp_fallback_relay' : 'fallback_relay';
    const found = cf.items(parameter).flatMap((item) => hops.make(item, cf.place(parameter)) ?? []);
    if (found.length > 0)
      this.ledger.add('carried', cf.place(parameter), parameter, 'last in an [[upstream]] with order = "preference"');
    return found;
  }

  /** What a host is in a route: itself, or a group where its URL differs from one used before, or more is said of it. */
  private targetOf(name: string, hop: Hop, shaped: boolean): Fields {
    const behind = this.fallbacks(name);
    const urls = [hop.url, ...behind.map(({ url }) => url)];
    if (behind.length > 0 || shaped) return { upstream: this.group(shaped ? name : 'relay', urls, hop.at) };
    const before = this.hosts.get(hop.at);
    if (before !== undefined && before !== hop.url) return { upstream: this.group('relay', urls, hop.at) };
    if (this.output.env.get('SLUICE_UPSTREAM') === hop.url) return { upstream: 'default' };
    this.hosts.set(hop.at, hop.url);
    return { host: hop.url };
  }

  private group(stem: string, urls: readonly string[], at: string): string {
    const key = JSON.stringify([stem, urls]);
    const known = this.groups.get(key);
    if (known !== undefined) return known;
    const name = `${stem.replace(/[^\w.-]/g, '-')}-${this.groups.size + 1}`;
    this.groups.set(key, name);
    const order = urls.length > 1 ? { order: 'preference' } : {};
    const problem = this.output.add('upstream', { name, hosts: urls, ...order }, at);
    if (problem !== '') this.ledger.add('left-out', 'main.cf', at, problem);
    return name;
  }

  private shape(of: Fields, limits: Fields, name: string): void {
    const key = JSON.stringify(of);
    if (this.shaped.has(key)) return;
    this.shaped.add(key);
    const problem = this.output.add('shaping', { ...of, ...limits }, `transport ${name}`);
    if (problem !== '') this.ledger.add('left-out', 'master.cf', `limits of ${name}`, problem);
  }
}
