/**
 * Whether a message with REQUIRETLS may go to a next hop (RFC 8689 section 4.2.1).
 *
 * The hop must have been found by a validated way (DNSSEC, MTA-STS, or configuration), show a certificate that passes, and
 * take over the same duty by offering REQUIRETLS. Codes: 5.7.30, REQUIRETLS support required (section 7), where the hop
 * cannot do it; 4.7.5, cryptographic failure, where a certificate or handshake may be mended until the next attempt.
 */
import type { Capabilities } from '../smtp/capabilities.js';
import type { TlsState } from './tls-policy.js';
import type { PlanRefusal } from './transaction-plan.js';

/** What is known of the way to a next hop. */
export interface HopSecurity {
  /** Null: in the clear. */
  readonly tls: TlsState | null;
  /** As SiteHost has it. */
  readonly foundSecurely: boolean;
}

/** Why the message must not go to this hop, null when it may. */
export function requireTlsRefusal(capabilities: Capabilities, { tls, foundSecurely }: HopSecurity): PlanRefusal | null {
  if (tls === null && capabilities.startTls)
    return { enhanced: '4.7.5', temporary: true, reason: 'REQUIRETLS, and TLS with the next hop failed' };
  if (tls === null || !capabilities.requireTls)
    return { enhanced: '5.7.30', reason: `REQUIRETLS, and the next hop does not offer ${tls === null ? 'TLS' : 'it'}` };
  if (!foundSecurely)
    return {
      enhanced: '5.7.30',
      reason: 'REQUIRETLS, and neither DNSSEC nor MTA-STS vouches for the mail host of the domain',
    };
  if (!tls.verified)
    return { enhanced: '4.7.5', temporary: true, reason: "REQUIRETLS, and the next hop's certificate does not pass" };
  return null;
}
