/**
 * What master.cf says of services that is carried nowhere: `-o name=value`, and programs that there are none of.
 */
import type { Ledger } from './ledger.js';
import type { MainCf } from './main-cf.js';
import type { Service } from './master-cf.js';
import { isOfPostfix, reasonOf } from './plain-settings.js';

/** Of smtpd, by edge.ts. */
const OF_LISTENERS = /^(?:smtpd_tls_security_level|smtpd_tls_wrappermode|smtpd_sasl_auth_enable|smtpd_enforce_tls)$/;
/** Of smtp, by next-hop.ts and egress.ts. */
const OF_CLIENTS =
  /^smtp_(?:bind_address6?|helo_name|fallback_relay|tls_(?:security_level|policy_maps|wrappermode|cert_file|key_file|CAfile|fingerprint_cert_match)|use_tls|enforce_tls|sasl_(?:auth_enable|password_maps|mechanism_filter)|sender_dependent_authentication)$/;
const USUAL = ['smtp', 'smtpd', 'postscreen', 'qmgr', 'pickup', 'cleanup', 'bounce', 'defer', 'trace', 'verify'];

export function tellServices(cf: MainCf, services: readonly Service[], ledger: Ledger): void {
  for (const { name, program, options, where, type } of services) {
    if (program === 'pipe') ledger.add('left-out', where, name, 'mail is not piped to programs');
    for (const [option, value] of options) {
      const what = `-o ${option} of ${name}`;
      const known =
        (program === 'smtpd' && OF_LISTENERS.test(option)) ||
        (program === 'smtp' && type === 'unix' && OF_CLIENTS.test(option));
      if (known) ledger.add('carried', where, what, 'with the service');
      else if (/_destination_/.test(option))
        ledger.add(
          'left-out',
          where,
          what,
          `Postfix does not heed it here either; ${name}_${option.slice(option.indexOf('destination'))} in main.cf is a [[shaping]]`,
        );
      else if (
        ['', 'no', '0', 'none'].includes(cf.expand(value).trim()) ||
        isOfPostfix(option) ||
        !USUAL.includes(program)
      )
        ledger.add('not-needed', where, what, 'of Postfix itself, or off');
      else
        ledger.add(
          'left-out',
          where,
          what,
          reasonOf(option) ?? 'it has no counterpart for a single listener or service',
        );
    }
  }
}
