/**
 * Address literals and IP addresses as text (RFC 5321 section 4.1.3).
 *
 * No name is ever looked up here. The standard URL parser judges and canonicalizes IPv6, so that two spellings of an
 * address are equal afterwards.
 */

/** The address in `[192.0.2.1]` or `[IPv6:2001:db8::1]`, canonical; undefined for anything else. */
export function parseAddressLiteral(literal: string): string | undefined {
  const inner = /^\[([^\]]{1,60})\]$/.exec(literal)?.[1];
  if (inner === undefined) return undefined;
  if (/^ipv6:/i.test(inner)) return canonicalIpv6(inner.slice(5));
  return isIpv4(inner) ? inner : undefined;
}

/** Dotted quad without leading zeros. */
export function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}

/** The canonical spelling (RFC 5952) of an IPv6 address without zone; undefined when it is not one. */
export function canonicalIpv6(text: string): string | undefined {
  if (!/^[0-9A-Fa-f:.]{2,45}$/.test(text) || !text.includes(':')) return undefined;
  try {
    return new URL(`http://[${text}]/`).hostname.slice(1, -1);
  } catch {
    return undefined;
  }
}

/**
 * Whether mail can be sent to an address at all: not "this host", not multicast, not broadcast (RFC 6890), and not IPv4
 * in IPv6 clothes, which would pass by every check of the IPv4 address.
 */
export function isUnicast(address: string): boolean {
  if (address.includes(':')) {
    const canonical = canonicalIpv6(address);
    return canonical !== undefined && canonical !== '::' && !/^(ff|::ffff:)/.test(canonical);
  }
  if (!isIpv4(address)) return false;
  const first = Number.parseInt(address, 10);
  return first !== 0 && first < 224;
}
