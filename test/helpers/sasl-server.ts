/**
 * The server side of SASL for tests, written from the RFCs and apart from what is tested: one user, one password, one
 * token.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

export interface SaslAccount {
  readonly user: string;
  readonly password?: string;
  readonly token?: string;
  /** A server that does not know the password and says so with a false signature. */
  readonly falseSignature?: boolean;
  readonly iterations?: number;
}

export type SaslStep =
  | { readonly kind: 'challenge'; readonly text: string }
  | { readonly kind: 'done'; readonly ok: boolean };

/** One dialogue: `next` takes the client's decoded message, null for none yet. */
export type SaslServerDialogue = (message: Buffer | null) => SaslStep;

const done = (ok: boolean): SaslStep => ({ kind: 'done', ok });
const challenge = (text: string): SaslStep => ({ kind: 'challenge', text });

export function saslDialogue(mechanism: string, account: SaslAccount, binding: Buffer | null): SaslServerDialogue {
  switch (mechanism) {
    case 'PLAIN':
      return (message) =>
        message === null ? challenge('') : done(message.toString() === `\0${account.user}\0${account.password}`);
    case 'LOGIN':
      return login(account);
    case 'CRAM-MD5':
      return cram(account);
    case 'XOAUTH2':
      return bearer(`user=${account.user}\x01auth=Bearer ${account.token}\x01\x01`, '');
    case 'OAUTHBEARER':
      return bearer(`n,a=${account.user},\x01auth=Bearer ${account.token}\x01\x01`, '\x01');
    case 'EXTERNAL':
      return (message) => (message === null ? challenge('') : done(message.toString() === account.user));
    case 'SCRAM-SHA-256':
      return scram(account, null);
    case 'SCRAM-SHA-256-PLUS':
      return scram(account, binding);
    default:
      return () => done(false);
  }
}

function login({ user, password }: SaslAccount): SaslServerDialogue {
  let step = 0;
  let given = '';
  return (message) => {
    step++;
    if (step === 1) return challenge('Username:');
    if (step === 2) {
      given = message!.toString();
      return challenge('Password:');
    }
    return done(given === user && message!.toString() === password);
  };
}

function cram({ user, password }: SaslAccount): SaslServerDialogue {
  const text = `<${randomBytes(8).toString('hex')}@peer.example>`;
  return (message) =>
    message === null
      ? challenge(text)
      : done(message.toString() === `${user} ${createHmac('md5', password!).update(text).digest('hex')}`);
}

function bearer(expected: string, afterError: string): SaslServerDialogue {
  let failed = false;
  return (message) => {
    if (message === null) return challenge('');
    if (failed) return done(message.toString() !== afterError);
    if (message.toString() === expected) return done(true);
    failed = true;
    return challenge('{"status":"invalid_token"}');
  };
}

function scram(account: SaslAccount, binding: Buffer | null): SaslServerDialogue {
  const salt = Buffer.from('a salt of sixteen');
  const iterations = account.iterations ?? 4096;
  const salted = pbkdf2Sync(account.password!, salt, iterations, 32, 'sha256');
  const mac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  let step = 0;
  let header = '';
  let bare = '';
  let first = '';
  let nonce = '';
  let ok = false;
  return (message) => {
    step++;
    const text = message?.toString() ?? '';
    if (step === 1) {
      if (message === null) {
        step--;
        return challenge('');
      }
      const match = /^((?:p=tls-exporter|[ny]),,)(n=([^,]*),r=([^,]+))$/.exec(text);
      if (match === null || match[3] !== account.user.replaceAll('=', '=3D').replaceAll(',', '=2C')) return done(false);
      if (match[1]!.startsWith('p=') !== (binding !== null)) return done(false);
      [header, bare] = [match[1]!, match[2]!];
      nonce = `${match[4]}${randomBytes(9).toString('base64')}`;
      first = `r=${nonce},s=${salt.toString('base64')},i=${iterations}`;
      return challenge(first);
    }
    if (step === 2) {
      const match = /^(c=([^,]+),r=([^,]+)),p=(.+)$/.exec(text);
      if (match === null || match[3] !== nonce) return done(false);
      const channel = Buffer.concat([Buffer.from(header), binding ?? Buffer.alloc(0)]).toString('base64');
      const signed = `${bare},${first},${match[1]}`;
      const clientKey = mac(salted, 'Client Key');
      const signature = mac(createHash('sha256').update(clientKey).digest(), signed);
      const proof = Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]!)).toString('base64');
      if (match[2] !== channel || match[4] !== proof) return done(false);
      ok = true;
      const server = account.falseSignature ? randomBytes(32) : mac(mac(salted, 'Server Key'), signed);
      return challenge(`v=${server.toString('base64')}`);
    }
    return done(ok && text === '');
  };
}
