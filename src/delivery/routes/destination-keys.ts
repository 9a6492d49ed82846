/**
 * Keys of destinations that are made once and then found again: no string is put together for each message.
 *
 * Bounds: MAX_DOMAINS domains; past that all are forgotten and made anew as mail comes.
 */
import { type Destination, type DestinationKind, formatDestination } from '../destination.js';

const MAX_DOMAINS = 65_536;

/** Keys of the mail hosts of domains. */
export class MxKeys {
  private readonly plain = new Map<string, string>();
  /** By what stands behind the domain: egress pool and `!`. */
  private readonly others = new Map<string, Map<string, string>>();
  private size = 0;

  /** `domain`: lower-case A-labels. */
  of(domain: string, egress: string, tlsOptional: boolean): string {
    const keys = egress === '' && !tlsOptional ? this.plain : this.othersOf(egress, tlsOptional);
    let key = keys.get(domain);
    if (key === undefined) {
      if (this.size >= MAX_DOMAINS) this.clear();
      key = formatDestination({ kind: 'mx', name: domain, egress, tlsOptional });
      keys.set(domain, key);
      this.size++;
    }
    return key;
  }

  private othersOf(egress: string, tlsOptional: boolean): Map<string, string> {
    const behind = tlsOptional ? `${egress}!` : egress;
    let keys = this.others.get(behind);
    if (keys === undefined) {
      keys = new Map();
      this.others.set(behind, keys);
    }
    return keys;
  }

  private clear(): void {
    this.plain.clear();
    for (const keys of this.others.values()) keys.clear();
    this.size = 0;
  }
}

/** Keys of one destination that is the same for all recipients, by egress pool. */
export class FixedKeys {
  private readonly destination: Destination;
  private readonly plain: string;
  private readonly byEgress = new Map<string, string>();

  constructor(kind: DestinationKind, name: string) {
    this.destination = { kind, name, egress: '', tlsOptional: false };
    this.plain = formatDestination(this.destination);
  }

  /** `egress`: one of the operator's pools, of which there are few. */
  of(egress: string): string {
    if (egress === '') return this.plain;
    let key = this.byEgress.get(egress);
    if (key === undefined) {
      key = formatDestination({ ...this.destination, egress });
      this.byEgress.set(egress, key);
    }
    return key;
  }
}
