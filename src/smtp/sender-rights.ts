/**
 * Whether an account may use a reverse-path: a list of addresses (`ann@example.org`), domains (`@example.org`) and all
 * that is below a domain (`@*.example.org`).
 *
 * Case does not matter, also in the local part: who owns an address owns it however it is written. Domains are compared
 * as A-labels, so that both forms of an internationalised one are the same.
 */
import { asciiDomain } from './address.js';

const BELOW = '*.';

/** `sender`: a reverse-path; the null sender is allowed to everybody. `senders`: as in AccountGrant, null for any. */
export function maySendAs(senders: readonly string[] | null, sender: string): boolean {
  if (senders === null || sender === '') return true;
  const at = sender.lastIndexOf('@');
  const domain = asciiDomain(sender.slice(at + 1));
  if (at < 0 || domain === '') return false;
  const local = folded(sender.slice(0, at));
  return senders.some((right) => allows(right, local, domain));
}

function allows(right: string, local: string, domain: string): boolean {
  const at = right.lastIndexOf('@');
  if (at < 0) return false;
  const place = right.slice(at + 1);
  if (at > 0) return folded(right.slice(0, at)) === local && asciiDomain(place) === domain;
  if (!place.startsWith(BELOW)) return asciiDomain(place) === domain;
  const above = asciiDomain(place.slice(BELOW.length));
  return above !== '' && domain.endsWith(`.${above}`);
}

/** A local part as it is compared. */
function folded(local: string): string {
  return local.normalize('NFC').toLowerCase();
}
