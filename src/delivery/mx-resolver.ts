/**
 * From a recipient domain to the hosts to try (RFC 5321 section 5). The interface; the resolver is beside it.
 */

/** A host with its addresses in the order to be tried. */
export interface MailHost {
  readonly name: string;
  readonly addresses: readonly string[];
  /** The addresses are validated by DNSSEC. */
  readonly authenticated: boolean;
  /** The name that has the addresses; another than `name` where that is an alias. */
  readonly canonical: string;
}

export type MailHosts =
  | {
      readonly kind: 'hosts';
      readonly hosts: readonly MailHost[];
      /** That these are the domain's hosts is validated by DNSSEC. */
      readonly authenticated: boolean;
      readonly expires: number;
    }
  | {
      readonly kind: 'failed';
      readonly temporary: boolean;
      readonly enhanced: string;
      readonly reason: string;
      readonly expires: number;
    };

export interface MailHostResolver {
  /** Hosts for a domain (lower-case A-labels) or an address literal in brackets, best first. Never rejects. `expires`: engine clock ms. */
  resolve(domain: string): Promise<MailHosts>;
}
