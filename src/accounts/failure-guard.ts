/**
 * Failed attempts to log in: answers that come later each time, and blocks by address and by account.
 *
 * An account is counted by the name that was tried, whether it exists or not, so that neither delay nor block tells.
 * IPv6 addresses count by their /64, which one customer has. A count begins with a failure and ends a window later; the
 * block lasts its time from the failure that caused it.
 * Limits: `MAX_ENTRIES` addresses and accounts each; the one that failed longest ago is forgotten first.
 */

export interface FailurePolicy {
  /** Delay of the answer to a first failure, doubled with each further one up to `maxDelay`, ms; 0: none. */
  readonly firstDelay: number;
  readonly maxDelay: number;
  /** Failures in `window` ms that block an address or an account; 0: never. */
  readonly addressFailures: number;
  readonly accountFailures: number;
  readonly window: number;
  /** How long a block lasts, ms. */
  readonly blockTime: number;
}

interface Record {
  count: number;
  /** When the count begins anew, ms. */
  end: number;
  blockedUntil: number;
}

const MAX_ENTRIES = 100_000;
const MAX_DOUBLINGS = 20;

export class FailureGuard {
  private readonly policy: FailurePolicy;
  private readonly addresses = new Map<string, Record>();
  private readonly accounts = new Map<string, Record>();

  constructor(policy: FailurePolicy) {
    this.policy = policy;
  }

  /** What is blocked, null for neither. `account`: canonical, '' for none. */
  blocked(address: string, account: string, now: number): 'address' | 'account' | null {
    if ((this.addresses.get(addressKey(address))?.blockedUntil ?? 0) > now) return 'address';
    return (this.accounts.get(account)?.blockedUntil ?? 0) > now ? 'account' : null;
  }

  /** Counts a failure; gives how long after its question it shall be answered, ms. */
  failed(address: string, account: string, now: number): number {
    const { firstDelay, maxDelay, addressFailures, accountFailures } = this.policy;
    const byAddress = this.count(this.addresses, addressKey(address), addressFailures, now);
    const byAccount = account === '' ? 0 : this.count(this.accounts, account, accountFailures, now);
    const doublings = Math.min(MAX_DOUBLINGS, Math.max(byAddress, byAccount) - 1);
    return Math.min(maxDelay, firstDelay * 2 ** doublings);
  }

  /** A success clears the account's count, not the address's: who has one account may not guess at others. */
  succeeded(account: string): void {
    this.accounts.delete(account);
  }

  private count(table: Map<string, Record>, key: string, limit: number, now: number): number {
    let record = table.get(key);
    if (record === undefined || record.end <= now)
      record = { count: 0, end: now + this.policy.window, blockedUntil: 0 };
    record.count++;
    if (limit > 0 && record.count >= limit) {
      record.blockedUntil = now + this.policy.blockTime;
      record.end = Math.max(record.end, record.blockedUntil);
    }
    table.delete(key);
    table.set(key, record);
    if (table.size > MAX_ENTRIES) table.delete(table.keys().next().value!);
    return record.count;
  }
}

/** An address as it is counted: IPv4 whole, also inside IPv6; IPv6 by its first 64 bits. */
export function addressKey(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1]!;
  const [head = '', tail] = address.toLowerCase().replace(/%.*$/, '').split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const all = [...before, ...new Array<string>(zeros).fill('0'), ...after];
  return `${all
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
