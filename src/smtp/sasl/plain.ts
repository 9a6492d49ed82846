/**
 * PLAIN (RFC 4616): `[authzid] NUL authcid NUL passwd` in one message.
 *
 * Acting for somebody else is not supported: an authorization identity is empty or the user's own name, another one is
 * refused like a wrong password.
 */
import { isUtf8 } from 'node:buffer';
import type { AuthAnswer } from '../authentication.js';
import type { SaslStep } from './mechanism.js';
import { askPassword, BAD_CREDENTIALS, CLIENT_FIRST, conclude, MALFORMED, type SaslMechanism } from './mechanism.js';

export class Plain implements SaslMechanism {
  begin(initial: Buffer | null): SaslStep {
    return initial === null ? CLIENT_FIRST : this.respond(initial);
  }

  respond(message: Buffer): SaslStep {
    if (!isUtf8(message)) return MALFORMED;
    const parts = message.toString('utf8').split('\0');
    if (parts.length !== 3) return MALFORMED;
    const [identity, user, password] = parts as [string, string, string];
    const step = askPassword('PLAIN', user, password);
    return identity === '' || identity === user || step === MALFORMED ? step : BAD_CREDENTIALS;
  }

  answered(answer: AuthAnswer): SaslStep {
    return conclude(answer);
  }
}
