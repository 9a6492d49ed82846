/**
 * EXTERNAL (RFC 4422 appendix A): the client certificate of the TLS session says who it is. The message is the identity
 * that is asked for, empty for the certificate's own.
 */
import type { AuthAnswer, ClientCertificate } from '../authentication.js';
import type { SaslStep } from './mechanism.js';
import { ask, BAD_CREDENTIALS, CLIENT_FIRST, conclude, MALFORMED, type SaslMechanism, textOf } from './mechanism.js';
import { saslPrep } from './saslprep.js';

export class External implements SaslMechanism {
  private readonly certificate: ClientCertificate;

  constructor(certificate: ClientCertificate) {
    this.certificate = certificate;
  }

  begin(initial: Buffer | null): SaslStep {
    return initial === null ? CLIENT_FIRST : this.respond(initial);
  }

  respond(message: Buffer): SaslStep {
    const text = textOf(message);
    if (text === null) return MALFORMED;
    const user = text === '' ? '' : saslPrep(text);
    return user === null ? BAD_CREDENTIALS : ask({ kind: 'certificate', user, certificate: this.certificate });
  }

  answered(answer: AuthAnswer): SaslStep {
    return conclude(answer);
  }
}
