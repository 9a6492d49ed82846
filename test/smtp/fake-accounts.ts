/**
 * Accounts for tests: one user with one password, one token and one certificate, checked as a real source would; and a
 * client that speaks SCRAM.
 */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import type { AccountGrant, AuthAnswer, AuthQuestion } from '../../src/smtp/authentication.js';
import type { TlsFacts } from '../../src/smtp/server-host.js';

export const USER = 'user';
export const PASSWORD = 'pencil';
export const TOKEN = 'good-token';
/** Of RFC 7677 section 3. */
export const SALT = 'W22ZaJ0SNY7soEsUEjb6gQ==';
export const ITERATIONS = 4096;
export const BINDING = Buffer.from('0123456789abcdef0123456789abcdef');

const REFUSED: AuthAnswer = { kind: 'refused', reply: 'badCredentials' };

export function fakeTls(changes: Partial<TlsFacts> = {}): TlsFacts {
  return {
    version: 'TLSv1.3',
    cipher: 'TLS_AES_256_GCM_SHA384',
    clientCertificate: null,
    mayRelay: false,
    channelBinding: () => BINDING,
    ...changes,
  };
}

export const certificate = { commonName: 'user', names: ['user@example.org'], fingerprint: 'ab'.repeat(32) };

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ b[i]!));
}

const salted = pbkdf2Sync(PASSWORD, Buffer.from(SALT, 'base64'), ITERATIONS, 32, 'sha256');
const clientKey = hmac(salted, 'Client Key');
const storedKey = createHash('sha256').update(clientKey).digest();

/** The client's proof for an AuthMessage of RFC 5802 section 3, base64. */
export function scramProof(authMessage: string): string {
  return xor(clientKey, hmac(storedKey, authMessage)).toString('base64');
}

/** Answers as a source with this one account. */
export function fakeAccounts(question: AuthQuestion, senders: AccountGrant['senders'] = null): AuthAnswer {
  const accepted: AuthAnswer = { kind: 'accepted', account: { name: USER, senders } };
  switch (question.kind) {
    case 'password':
      return question.user === USER && question.password === PASSWORD ? accepted : REFUSED;
    case 'cram': {
      const digest = createHmac('md5', PASSWORD).update(question.challenge).digest('hex');
      return question.user === USER && question.digest === digest ? accepted : REFUSED;
    }
    case 'scram-salt':
      return { kind: 'salt', salt: SALT, iterations: ITERATIONS };
    case 'scram-proof': {
      if (question.user !== USER || question.proof !== scramProof(question.authMessage)) return REFUSED;
      const serverSignature = hmac(hmac(salted, 'Server Key'), question.authMessage).toString('base64');
      return { ...accepted, serverSignature };
    }
    case 'token':
      return question.token === TOKEN ? accepted : REFUSED;
    case 'certificate':
      return question.certificate === certificate && question.user !== 'other' ? accepted : REFUSED;
  }
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** The client's last message: `header` and `bare` make up its first one, `serverFirst` is what came back. */
export function scramFinal(header: string, bare: string, serverFirst: string, binding = Buffer.alloc(0)): string {
  const nonce = /^r=([^,]+)/.exec(serverFirst)![1]!;
  const withoutProof = `c=${Buffer.concat([Buffer.from(header), binding]).toString('base64')},r=${nonce}`;
  return `${withoutProof},p=${scramProof(`${bare},${serverFirst},${withoutProof}`)}`;
}
