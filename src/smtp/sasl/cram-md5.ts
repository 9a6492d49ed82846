/**
 * CRAM-MD5 (RFC 2195): the server sends a text that never was before, the client answers with its name and the HMAC-MD5
 * of the text under its password. Old clients know nothing better; it is weak, and needs the password itself (or the
 * state of the HMAC) on the server.
 */
import { randomBytes } from 'node:crypto';
import type { AuthAnswer } from '../authentication.js';
import {
  ask,
  BAD_CREDENTIALS,
  conclude,
  MALFORMED,
  type SaslContext,
  type SaslMechanism,
  type SaslStep,
  textOf,
} from './mechanism.js';
import { saslPrep } from './saslprep.js';

/** Bits that nobody can guess: 128. */
const RANDOM_BYTES = 16;

/** A challenge in the form of a message identifier, as RFC 2195 section 2 wants it. */
function freshChallenge(hostname: string): string {
  return `<${randomBytes(RANDOM_BYTES).toString('hex')}@${hostname}>`;
}

export class CramMd5 implements SaslMechanism {
  private readonly challenge: string;

  /** `challenge`: for tests with the example of the RFC. */
  constructor({ hostname }: SaslContext, challenge = freshChallenge(hostname)) {
    this.challenge = challenge;
  }

  begin(initial: Buffer | null): SaslStep {
    // The server speaks first (RFC 4954 section 4).
    if (initial !== null) return { kind: 'failed', reply: 'noInitialResponse', counted: false };
    return { kind: 'challenge', data: this.challenge };
  }

  respond(message: Buffer): SaslStep {
    const match = /^(.+) ([0-9a-f]{32})$/is.exec(textOf(message) ?? '');
    if (match === null) return MALFORMED;
    const user = saslPrep(match[1]!);
    if (user === null) return BAD_CREDENTIALS;
    return ask({ kind: 'cram', user, challenge: this.challenge, digest: match[2]!.toLowerCase() });
  }

  answered(answer: AuthAnswer): SaslStep {
    return conclude(answer);
  }
}
