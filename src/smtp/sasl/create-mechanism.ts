/** The mechanisms by name. */
import type { Mechanism } from '../authentication.js';
import { BearerToken } from './bearer-token.js';
import { CramMd5 } from './cram-md5.js';
import { External } from './external.js';
import { Login } from './login.js';
import type { SaslContext, SaslMechanism } from './mechanism.js';
import { Plain } from './plain.js';
import { ScramSha256 } from './scram-sha-256.js';

/** A new dialogue; `name` is one that is offered in this context. */
export function createMechanism(name: Mechanism, context: SaslContext): SaslMechanism {
  switch (name) {
    case 'SCRAM-SHA-256-PLUS':
      return new ScramSha256(true, context);
    case 'SCRAM-SHA-256':
      return new ScramSha256(false, context);
    case 'EXTERNAL':
      return new External(context.clientCertificate!);
    case 'OAUTHBEARER':
    case 'XOAUTH2':
      return new BearerToken(name);
    case 'CRAM-MD5':
      return new CramMd5(context);
    case 'PLAIN':
      return new Plain();
    case 'LOGIN':
      return new Login();
  }
}
