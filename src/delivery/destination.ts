/**
 * Destinations: where a recipient's mail goes, as the key of its queue.
 *
 * `mx/example.org`, `upstream/ses`, `host/relay.example:25`, `discard/rule`, `refuse/rule`, `local/bounces`; behind it
 * `@pool` for the egress pool, and `!` for mail that TLS policies do not hold (RFC 8689 section 5).
 */

export type DestinationKind = 'mx' | 'upstream' | 'host' | 'discard' | 'refuse' | 'local';

export interface Destination {
  readonly kind: DestinationKind;
  /** Domain (lower-case A-labels or literal), group, host:port, or name of the route. */
  readonly name: string;
  /** Egress pool, '' for the system's choice. */
  readonly egress: string;
  /** TLS policies of the domain are not asked. */
  readonly tlsOptional: boolean;
}

export function formatDestination({ kind, name, egress, tlsOptional }: Destination): string {
  return `${kind}/${name}${egress === '' ? '' : `@${egress}`}${tlsOptional ? '!' : ''}`;
}

/** The parts of a key that formatDestination made. */
export function parseDestination(key: string): Destination {
  const tlsOptional = key.endsWith('!');
  const text = tlsOptional ? key.slice(0, -1) : key;
  const slash = text.indexOf('/');
  const at = text.lastIndexOf('@');
  return {
    kind: text.slice(0, slash) as DestinationKind,
    name: at < 0 ? text.slice(slash + 1) : text.slice(slash + 1, at),
    egress: at < 0 ? '' : text.slice(at + 1),
    tlsOptional,
  };
}
