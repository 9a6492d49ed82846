/**
 * SASL mechanisms from the client's side, one object for one dialogue, and the choice among them.
 *
 * A mechanism gets decoded challenges and gives answers not yet encoded; base64 and the AUTH command are the session's.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { Mechanism } from './authentication.js';
import { type ChannelBinding, type DerivedKeys, ScramClient } from './scram-client.js';

/** What we have to show to a host. */
export interface ClientCredentials {
  readonly user: string;
  /** '' for none. */
  readonly password: string;
  /** A bearer token takes the place of the password; the host of the session gets it. */
  readonly token: boolean;
  /** TLS shows a client certificate, so that EXTERNAL makes sense. */
  readonly certificate: boolean;
  /** The one mechanism to use, '' for the best that both know. */
  readonly mechanism: Mechanism | '';
  /** Secrets may be sent without TLS. */
  readonly inClear: boolean;
  /** Keys kept between dialogues with this host. */
  readonly derived: DerivedKeys | null;
}

/** One dialogue. */
export interface SaslDialogue {
  readonly mechanism: Mechanism;
  /** What the client says first; null where the server does. */
  readonly first: Buffer | null;
  /** The answer to a challenge, null when the server broke the mechanism. */
  respond(challenge: Buffer): Buffer | null;
  /** The server has proved what it has to; a 235 counts only then. */
  readonly complete: boolean;
}

/** Best first. */
const FOR_PASSWORDS: readonly Mechanism[] = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'CRAM-MD5', 'PLAIN', 'LOGIN'];
const FOR_TOKENS: readonly Mechanism[] = ['OAUTHBEARER', 'XOAUTH2'];
/** Those that give the secret away to whoever reads along. */
const BARE: readonly Mechanism[] = ['PLAIN', 'LOGIN', 'XOAUTH2', 'OAUTHBEARER'];

/** The mechanism to use, or why there is none. `canBind`: there is data for channel binding. */
export function chooseMechanism(
  credentials: ClientCredentials,
  offered: readonly string[],
  secure: boolean,
  canBind: boolean,
): { readonly mechanism: Mechanism } | { readonly problem: string } {
  if (offered.length === 0) return { problem: 'the host offers no AUTH' };
  const { mechanism: wanted } = credentials;
  const known =
    wanted !== ''
      ? [wanted]
      : credentials.token
        ? FOR_TOKENS
        : credentials.password !== ''
          ? FOR_PASSWORDS
          : credentials.certificate
            ? (['EXTERNAL'] as const)
            : [];
  let withheld = false;
  for (const mechanism of known) {
    if (!offered.includes(mechanism)) continue;
    if (mechanism === 'SCRAM-SHA-256-PLUS' && !canBind) continue;
    if (!secure && !credentials.inClear && BARE.includes(mechanism)) withheld = true;
    else return { mechanism };
  }
  const names = offered.slice(0, 16).join(' ').slice(0, 200);
  if (withheld) return { problem: `no TLS, and the host's mechanisms (${names}) would show the secret to the network` };
  return {
    problem: `none of the host's mechanisms (${names}) can be used${wanted === '' ? '' : `, ${wanted} is set`}`,
  };
}

/** Begins a dialogue. `binding`: data of `tls-exporter`, null where there is none. `host`, `port`: for OAUTHBEARER. */
export function beginDialogue(
  mechanism: Mechanism,
  credentials: ClientCredentials,
  token: string,
  binding: Buffer | null,
  offered: readonly string[],
): SaslDialogue {
  const { user, password } = credentials;
  switch (mechanism) {
    case 'PLAIN':
      return fixed(mechanism, [`\0${user}\0${password}`], true);
    case 'LOGIN':
      return fixed(mechanism, [user, password], false);
    case 'EXTERNAL':
      return fixed(mechanism, [user], true);
    case 'CRAM-MD5':
      return cramMd5(user, password);
    case 'XOAUTH2':
      // The answer to the error that a refused token gets is empty (Google and Microsoft document it so).
      return fixed(mechanism, [`user=${user}\x01auth=Bearer ${token}\x01\x01`, ''], true);
    case 'OAUTHBEARER':
      // RFC 7628 section 3.2.3: the error is answered with a single ^A.
      return fixed(
        mechanism,
        [`n,${user === '' ? '' : `a=${saslName(user)}`},\x01auth=Bearer ${token}\x01\x01`, '\x01'],
        true,
      );
    case 'SCRAM-SHA-256-PLUS':
    case 'SCRAM-SHA-256':
      return scram(mechanism, credentials, bindingFor(mechanism, binding, offered));
  }
}

function bindingFor(mechanism: Mechanism, data: Buffer | null, offered: readonly string[]): ChannelBinding {
  if (data === null) return { kind: 'none' };
  if (mechanism === 'SCRAM-SHA-256-PLUS') return { kind: 'bound', data };
  return { kind: offered.includes('SCRAM-SHA-256-PLUS') ? 'none' : 'not-offered' };
}

/** A dialogue whose answers do not depend on what the server says. */
function fixed(mechanism: Mechanism, answers: readonly string[], clientFirst: boolean): SaslDialogue {
  let next = clientFirst ? 1 : 0;
  return {
    mechanism,
    first: clientFirst ? Buffer.from(answers[0]!) : null,
    respond: () => (next < answers.length ? Buffer.from(answers[next++]!) : null),
    complete: true,
  };
}

/** RFC 2195. */
function cramMd5(user: string, password: string): SaslDialogue {
  let answered = false;
  return {
    mechanism: 'CRAM-MD5',
    first: null,
    respond: (challenge) => {
      if (answered || challenge.length === 0) return null;
      answered = true;
      return Buffer.from(`${user} ${createHmac('md5', password).update(challenge).digest('hex')}`);
    },
    get complete() {
      return answered;
    },
  };
}

function scram(mechanism: Mechanism, credentials: ClientCredentials, binding: ChannelBinding): SaslDialogue {
  const nonce = randomBytes(24).toString('base64');
  const client = new ScramClient(credentials.user, credentials.password, binding, nonce, credentials.derived);
  return {
    mechanism,
    first: client.first,
    respond: (challenge) => client.respond(challenge),
    get complete() {
      return client.verified;
    },
  };
}

/** RFC 5801 section 4: `=` and `,` in a name. */
function saslName(name: string): string {
  return name.replaceAll('=', '=3D').replaceAll(',', '=2C');
}
