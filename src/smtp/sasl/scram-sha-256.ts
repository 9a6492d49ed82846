/**
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), the binding being tls-exporter (RFC 9266).
 *
 * The accounts are asked twice: for salt and iterations of the user, then whether the proof fits. What protects the
 * channel is checked here: the binding data of this TLS session, that a client which could bind was not made to believe
 * that the server cannot (flag `y`), that both nonces come back.
 */
import { randomBytes } from 'node:crypto';
import type { AccountGrant, AuthAnswer } from '../authentication.js';
import { decodeBase64 } from './base64.js';
import { decodeSaslName, type Gs2Header, parseGs2Header } from './gs2-header.js';
import {
  ask,
  BAD_CREDENTIALS,
  CLIENT_FIRST,
  conclude,
  MALFORMED,
  type SaslContext,
  type SaslMechanism,
  type SaslStep,
  textOf,
} from './mechanism.js';
import { saslPrep } from './saslprep.js';

const BINDING = 'tls-exporter';
const PROOF_BYTES = 32;
const NONCE_BYTES = 18;
/** Of the client's nonce: it comes back in ours. */
const MAX_NONCE = 1024;
const DOWNGRADED: SaslStep = { kind: 'failed', reply: 'bindingDowngraded', counted: true };

type Stage = 'first' | 'salt' | 'final' | 'proof' | 'end';

export class ScramSha256 implements SaslMechanism {
  private readonly plus: boolean;
  private readonly context: SaslContext;
  private readonly serverNonce: string;
  private stage: Stage = 'first';
  private header: Gs2Header | null = null;
  private user = '';
  private nonce = '';
  private clientFirstBare = '';
  private serverFirst = '';
  private account: AccountGrant | null = null;

  /** `serverNonce`: for tests with the example of the RFC. */
  constructor(plus: boolean, context: SaslContext, serverNonce = randomBytes(NONCE_BYTES).toString('base64')) {
    this.plus = plus;
    this.context = context;
    this.serverNonce = serverNonce;
  }

  begin(initial: Buffer | null): SaslStep {
    return initial === null ? CLIENT_FIRST : this.respond(initial);
  }

  respond(message: Buffer): SaslStep {
    const text = textOf(message);
    if (text === null) return MALFORMED;
    if (this.stage === 'first') return this.takeFirst(text);
    if (this.stage === 'final') return this.takeFinal(text);
    // The client has our signature and has nothing left to say (RFC 4954 section 4: an empty line).
    if (this.account === null || text !== '') return MALFORMED;
    return { kind: 'accepted', account: this.account };
  }

  answered(answer: AuthAnswer): SaslStep {
    if (this.stage === 'salt' && answer.kind === 'salt') {
      this.stage = 'final';
      this.serverFirst = `r=${this.nonce},s=${answer.salt},i=${answer.iterations}`;
      return { kind: 'challenge', data: this.serverFirst };
    }
    if (this.stage === 'proof' && answer.kind === 'accepted' && answer.serverSignature !== undefined) {
      this.stage = 'end';
      this.account = answer.account;
      return { kind: 'challenge', data: `v=${answer.serverSignature}` };
    }
    // Without our signature the client could not know that we know the password: that is no success.
    return answer.kind === 'refused' ? conclude(answer) : { kind: 'failed', reply: 'authUnavailable', counted: false };
  }

  /** `gs2-header n=user,r=nonce[,extensions]`. */
  private takeFirst(text: string): SaslStep {
    const header = parseGs2Header(text);
    if (header === null || this.plus !== (header.flag === 'p')) return MALFORMED;
    if (this.plus && header.binding !== BINDING) return MALFORMED;
    if (header.flag === 'y' && this.context.offered.includes('SCRAM-SHA-256-PLUS')) return DOWNGRADED;
    // A mandatory extension (m=) is one that nobody has defined: it does not match.
    const bare = text.slice(header.text.length);
    const match = /^n=([^,]+),r=([!-+\x2d-~]+)(?:,[A-Za-z]=[^,]+)*$/.exec(bare);
    if (match === null || match[2]!.length > MAX_NONCE) return MALFORMED;
    const name = decodeSaslName(match[1]!);
    if (name === null) return MALFORMED;
    const user = saslPrep(name);
    if (user === null || (header.identity !== '' && header.identity !== name)) return BAD_CREDENTIALS;
    this.header = header;
    this.user = user;
    this.nonce = match[2]! + this.serverNonce;
    this.clientFirstBare = bare;
    this.stage = 'salt';
    return ask({ kind: 'scram-salt', user });
  }

  /** `c=binding,r=nonce[,extensions],p=proof`. */
  private takeFinal(text: string): SaslStep {
    const match = /^(c=([A-Za-z0-9+/=]+),r=([!-+\x2d-~]+)(?:,[A-Za-oq-z]=[^,]+)*),p=([A-Za-z0-9+/=]+)$/.exec(text);
    if (match === null) return MALFORMED;
    const [, withoutProof, binding, nonce, proof] = match as unknown as [string, string, string, string, string];
    if (decodeBase64(proof)?.length !== PROOF_BYTES || decodeBase64(binding) === null) return MALFORMED;
    if (binding !== this.expectedBinding() || nonce !== this.nonce) return BAD_CREDENTIALS;
    this.stage = 'proof';
    const authMessage = `${this.clientFirstBare},${this.serverFirst},${withoutProof}`;
    const mechanism = this.plus ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256';
    return ask({ kind: 'scram-proof', mechanism, user: this.user, authMessage, proof });
  }

  /** What `c=` must be; a text that is no base64 where the session has no binding data. */
  private expectedBinding(): string {
    const header = Buffer.from(this.header!.text);
    if (!this.plus) return header.toString('base64');
    const data = this.context.channelBinding();
    return data === null ? '' : Buffer.concat([header, data]).toString('base64');
  }
}
