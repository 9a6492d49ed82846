/**
 * Where mail leaves from: smtp_bind_address, smtp_bind_address6 and smtp_helo_name, of main.cf for the pool `default`, of
 * a service in master.cf for a pool named as it.
 */
import type { Ledger } from './ledger.js';
import type { MainCf } from './main-cf.js';
import type { Output } from './output.js';

export const EGRESS_PARAMETERS = ['smtp_bind_address', 'smtp_bind_address6', 'smtp_helo_name'] as const;
const ANY = ['', '0.0.0.0', '::'];

interface Source {
  readonly name: string;
  readonly address: string;
  readonly address6: string;
  readonly helo: string;
  readonly pools: string[];
  readonly where: string;
}

export class Egress {
  private readonly ledger: Ledger;
  private readonly sources: Source[] = [];

  constructor(ledger: Ledger) {
    this.ledger = ledger;
  }

  /** The pool for what `cf` says, as `pool`; '' where it says nothing. */
  poolFor(cf: MainCf, pool: string): string {
    const given = EGRESS_PARAMETERS.filter((name) => cf.has(name));
    const [address, address6] = (['smtp_bind_address', 'smtp_bind_address6'] as const).map((name) =>
      cf.value(name).replace(/^\[(.*)\]$/, '$1'),
    ) as [string, string];
    const helo = cf.value('smtp_helo_name') === cf.value('myhostname') ? '' : cf.value('smtp_helo_name');
    const wanted = {
      address: ANY.includes(address) ? '' : address,
      address6: ANY.includes(address6) ? '' : address6,
      helo,
    };
    if (wanted.address === '' && wanted.address6 === '' && helo === '') {
      for (const name of given) this.ledger.add('not-needed', cf.place(name), name, 'the system chooses, as here');
      return '';
    }
    const where = cf.place(given[0] ?? 'smtp_helo_name');
    const same = this.sources.find(
      (one) => one.address === wanted.address && one.address6 === wanted.address6 && one.helo === helo,
    );
    if (same === undefined) this.sources.push({ name: pool, ...wanted, pools: [pool], where });
    else if (!same.pools.includes(pool)) same.pools.push(pool);
    for (const name of given) this.ledger.add('carried', cf.place(name), name, `[[egress]] of the pool ${pool}`);
    return pool;
  }

  write(output: Output): void {
    for (const { where, ...source } of this.sources) {
      const fields = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== ''));
      const twice = this.sources.find(
        (one) =>
          one.name !== source.name &&
          ((source.address !== '' && one.address === source.address) ||
            (source.address6 !== '' && one.address6 === source.address6)),
      );
      const first =
        twice !== undefined && this.sources.indexOf(twice) < this.sources.findIndex(({ name }) => name === source.name);
      const problem = first
        ? `an address is one source with one name here: ${twice.name} has it already`
        : output.add('egress', fields, where);
      if (problem === '') continue;
      this.ledger.add('left-out', where, `smtp_bind_address of ${source.name}`, problem);
      // Routes name the pool, so it must be there: with the name alone mail leaves from where the system says.
      output.add('egress', { name: source.name, helo: source.helo || 'localhost', pools: source.pools }, where);
    }
  }
}
