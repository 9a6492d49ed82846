/**
 * The form of an address in which two are the same mailbox: Unicode NFC, lower case, the domain as A-labels.
 *
 * RFC 5321 section 2.4 leaves the case of a local part to its host, and no host of note tells mailboxes apart by it.
 */
import { asciiDomain } from '../smtp/address.js';

/** `Ann@Exämple.ORG` -> `ann@xn--exmple-cua.org`; without a domain just lower case. */
export function canonicalAddress(address: string): string {
  const at = address.lastIndexOf('@');
  const local = (at < 0 ? address : address.slice(0, at)).normalize('NFC').toLowerCase();
  if (at < 0) return local;
  const domain = address.slice(at + 1);
  return `${local}@${asciiDomain(domain) || domain.toLowerCase()}`;
}
