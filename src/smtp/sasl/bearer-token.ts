/**
 * XOAUTH2 (Google's and Microsoft's protocol) and OAUTHBEARER (RFC 7628): an OAuth 2.0 bearer token in one message of
 * fields that end with the byte 1.
 *
 * A refused token is answered by a challenge that says why in JSON; the client answers with an empty line or the byte 1,
 * and only then comes 535 (RFC 7628 section 3.2.3).
 */
import type { AuthAnswer } from '../authentication.js';
import { parseGs2Header } from './gs2-header.js';
import {
  ask,
  BAD_CREDENTIALS,
  CLIENT_FIRST,
  conclude,
  MALFORMED,
  type SaslMechanism,
  type SaslStep,
  textOf,
} from './mechanism.js';
import { saslPrep } from './saslprep.js';

/** RFC 6750 section 2.1. */
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;
/** RFC 7628 section 3.1: fields of letters, values of printable characters and blanks. */
const FIELD = /^([A-Za-z]+)=([\x20-\x7e\t\r\n]*)$/;

/** What the client is told of a bad token. Numbers as XOAUTH2 has them, words as RFC 7628 has them. */
const ERRORS = {
  XOAUTH2: '{"status":"401","schemes":"bearer"}',
  OAUTHBEARER: '{"status":"invalid_token"}',
} as const;

interface Credentials {
  /** As given; '' when there is none. */
  readonly user: string;
  /** '' when the client only asks what is wanted (RFC 7628 section 4.3). */
  readonly token: string;
}

export class BearerToken implements SaslMechanism {
  refused = false;
  private readonly mechanism: keyof typeof ERRORS;

  constructor(mechanism: keyof typeof ERRORS) {
    this.mechanism = mechanism;
  }

  begin(initial: Buffer | null): SaslStep {
    return initial === null ? CLIENT_FIRST : this.respond(initial);
  }

  respond(message: Buffer): SaslStep {
    if (this.refused) return BAD_CREDENTIALS;
    const text = textOf(message);
    const given = text === null ? null : this.mechanism === 'XOAUTH2' ? parseXoauth2(text) : parseOauthBearer(text);
    if (given === null) return MALFORMED;
    const user = given.user === '' ? '' : saslPrep(given.user);
    if (user === null || given.token === '') return this.explain();
    return ask({ kind: 'token', mechanism: this.mechanism, user, token: given.token });
  }

  answered(answer: AuthAnswer): SaslStep {
    return answer.kind === 'refused' && answer.reply === 'badCredentials' ? this.explain() : conclude(answer);
  }

  private explain(): SaslStep {
    this.refused = true;
    return { kind: 'challenge', data: ERRORS[this.mechanism] };
  }
}

/** `user=NAME ^A auth=Bearer TOKEN ^A ^A`. */
function parseXoauth2(text: string): Credentials | null {
  const match = /^user=([^\x01]+)\x01auth=([^\x01]*)\x01\x01$/.exec(text);
  return match === null ? null : withToken(match[1]!, match[2]!);
}

/** `gs2-header ^A *(key=value ^A) ^A`. There is no channel binding for it, so that `p` is an error. */
function parseOauthBearer(text: string): Credentials | null {
  const header = parseGs2Header(text);
  if (header === null || header.flag === 'p') return null;
  const fields = text.slice(header.text.length).split('\x01');
  if (fields.length < 3 || fields.shift() !== '' || fields.pop() !== '' || fields.pop() !== '') return null;
  const values = new Map<string, string>();
  for (const field of fields) {
    const match = FIELD.exec(field);
    if (match === null || values.has(match[1]!)) return null;
    values.set(match[1]!, match[2]!);
  }
  const auth = values.get('auth');
  return auth === undefined ? null : withToken(header.identity, auth);
}

function withToken(user: string, auth: string): Credentials | null {
  if (auth === '') return { user, token: '' };
  const token = BEARER.exec(auth)?.[1];
  return token === undefined ? null : { user, token };
}
