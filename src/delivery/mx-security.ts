/**
 * How safely the mail hosts of a domain must be reached. The interface; src/security implements it, app.ts binds it.
 */
import type { MailHost, MailHosts } from './mx-resolver.js';
import type { TlsPolicy } from './tls-policy.js';

export interface SecuredHost {
  readonly host: MailHost;
  readonly tls: TlsPolicy;
  /** That the domain's mail goes to this host is certain: validated by DNSSEC, or named by a policy of MTA-STS. */
  readonly foundSecurely: boolean;
}

export interface SecuredHosts {
  /** In the order given, without those that must not be used now. */
  readonly hosts: readonly SecuredHost[];
  /** Why hosts were left out, with the enhanced code of that; null: none was. */
  readonly refusal: { readonly enhanced: string; readonly reason: string } | null;
  /** Engine clock ms until which this holds. */
  readonly expires: number;
}

export interface MxSecurity {
  /** Never rejects. `domain` in lower-case A-labels, or an address literal. */
  secure(domain: string, found: Extract<MailHosts, { kind: 'hosts' }>): Promise<SecuredHosts>;
}
