/**
 * Whether an address is one of a list of patterns: `ann@example.org`, `@example.org`, `@*.example.org`, `/expression/`,
 * and '' for the null sender.
 *
 * Case does not matter, also in local parts; domains are compared as A-labels. Compiled once: whole addresses and domains
 * are looked up, only `@*.` and expressions are gone through.
 */

/** `address` as received, `domain` its domain in lower-case A-labels ('' where there is none). */
export type AddressMatch = (address: string, domain: string) => boolean;

export function addressMatch(patterns: readonly string[]): AddressMatch {
  const addresses = new Set<string>();
  const domains = new Set<string>();
  const below: string[] = [];
  const expressions: RegExp[] = [];
  for (const pattern of patterns) {
    if (isExpression(pattern)) expressions.push(new RegExp(pattern.slice(1, -1), 'i'));
    else if (pattern.startsWith('@*.')) below.push(pattern.slice(2));
    else if (pattern.startsWith('@')) domains.add(pattern.slice(1));
    else addresses.add(pattern);
  }
  return (address, domain) =>
    domains.has(domain) ||
    (addresses.size > 0 && addresses.has(foldedAddress(address, domain))) ||
    below.some((suffix) => domain.endsWith(suffix)) ||
    (expressions.length > 0 && matchesOne(expressions, foldedAddress(address, domain)));
}

/** Whether an account is one of names and `@domain`s. */
export function accountMatch(patterns: readonly string[]): (account: string) => boolean {
  const names = new Set(patterns.filter((pattern) => !pattern.startsWith('@')));
  const match = addressMatch(patterns.filter((pattern) => pattern.startsWith('@')));
  return (account) => {
    const at = account.lastIndexOf('@');
    return names.has(account) || (at >= 0 && match(account, account.slice(at + 1)));
  };
}

export function isExpression(pattern: string): boolean {
  return pattern.length > 1 && pattern.startsWith('/') && pattern.endsWith('/');
}

/** An address in the form in which it is compared. */
export function foldedAddress(address: string, domain: string): string {
  const at = address.lastIndexOf('@');
  if (at < 0) return address.toLowerCase();
  return `${address.slice(0, at).normalize('NFC').toLowerCase()}@${domain}`;
}

function matchesOne(expressions: readonly RegExp[], address: string): boolean {
  return expressions.some((expression) => expression.test(address));
}
