/** Hashes and keys of passwords, against node:crypto and the vectors of the RFCs. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalName, canonicalPassword, nameProblem } from '../../src/accounts/canonical-text.js';
import { cramProblem, makeCramSecret, verifyCram, verifyCramPassword } from '../../src/accounts/cram-secret.js';
import {
  dummyHash,
  hashCost,
  hashPassword,
  hashProblem,
  USUAL_HASH,
  verifyPassword,
} from '../../src/accounts/password-hash.js';
import {
  makeScramKeys,
  parseScramKeys,
  type ScramKeys,
  verifyScramPassword,
  verifyScramProof,
} from '../../src/accounts/scram-keys.js';

describe('password hashes', () => {
  it.each(['argon2id', 'scrypt'] as const)('of kind %s are made with a fresh salt and checked', async (kind) => {
    const [one, two] = [await hashPassword('pass wörd', kind), await hashPassword('pass wörd', kind)];
    expect(one).not.toBe(two);
    expect(hashProblem(one)).toBe('');
    expect(await verifyPassword(one, 'pass wörd')).toBe(true);
    // The same password with a combining accent.
    expect(await verifyPassword(one, 'pass wo\u0308rd')).toBe(true);
    expect(await verifyPassword(one, 'pass word')).toBe(false);
    expect(await verifyPassword(one, '')).toBe(false);
    const dummy = dummyHash(one);
    expect(hashProblem(dummy)).toBe('');
    expect(hashCost(dummy)).toBe(hashCost(one));
    expect(await verifyPassword(dummy, 'pass wörd')).toBe(false);
  });

  it('check what other programs made', async () => {
    // argon2 of the reference implementation's test.c, version 19; scrypt of RFC 7914 section 12.
    const argon = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4';
    expect(await verifyPassword(argon, 'password')).toBe(true);
    const key = Buffer.from(
      '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887',
      'hex',
    );
    const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
    const scrypt = `$scrypt$ln=14,r=8,p=1$${base64(Buffer.from('SodiumChloride'))}$${base64(key)}`;
    expect(hashProblem(scrypt)).toBe('');
    expect(await verifyPassword(scrypt, 'pleaseletmein')).toBe(true);
    expect(await verifyPassword(scrypt, 'pleaseletmeout')).toBe(false);
  });

  it.each([
    ['$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4', 'not of the form'],
    ['$argon2id$v=19$m=9999999,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4', 'm=9999999'],
    ['$argon2id$v=19$m=256,t=0,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4', 't=0'],
    ['$argon2id$v=19$m=256,t=2,p=99$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4', 'p=99'],
    ['$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4AA', 'base64'],
    ['$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQxx$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4', 'base64'],
    ['$scrypt$ln=25,r=8,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4', 'ln=25'],
    ['$scrypt$ln=15,r=8,p=0$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4', 'p=0'],
    ['secret', 'not of the form'],
  ])('%s cannot be checked', (hash, why) => {
    expect(hashProblem(hash)).toContain(why);
  });

  it('have a usual one that is sound', () => expect(hashProblem(USUAL_HASH)).toBe(''));
});

describe('SCRAM keys', () => {
  it('give the exchange of RFC 7677 section 3', async () => {
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
    const salted = pbkdf2Sync('pencil', salt, 4096, 32, 'sha256');
    const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();
    const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest();
    const keys: ScramKeys = { iterations: 4096, salt, storedKey, serverKey: hmac(salted, 'Server Key') };
    const message =
      'n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
    const proof = 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';
    expect(verifyScramProof(keys, message, proof)).toBe('6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
    expect(verifyScramProof(keys, `${message}x`, proof)).toBeNull();
    expect(verifyScramProof(keys, message, 'AAAA')).toBeNull();
    expect(await verifyScramPassword(keys, 'pencil')).toBe(true);
    expect(await verifyScramPassword(keys, 'pen')).toBe(false);
  });

  it('are made and read back', async () => {
    const keys = parseScramKeys(await makeScramKeys('sécret', 4096)) as ScramKeys;
    expect(keys.salt).toHaveLength(16);
    expect(await verifyScramPassword(keys, 'sécret')).toBe(true);
    expect(await verifyScramPassword(keys, 'secret')).toBe(false);
  });

  it.each(['SCRAM-SHA-256$1:AAAAAAAAAAAA$x:y', 'SCRAM-SHA-1$4096:x', ''])('%j are none', (text) => {
    expect(parseScramKeys(text)).toBeTypeOf('string');
  });

  it('are bounded in iterations', async () => {
    const text = (await makeScramKeys('x', 4096)).replace('$4096:', '$4095:');
    expect(parseScramKeys(text)).toContain('4095');
  });
});

describe('CRAM secrets', () => {
  it('give HMAC-MD5 without the password', () => {
    // RFC 2195 section 2.
    const secret = makeCramSecret('tanstaaftanstaaf');
    const challenge = '<1896.697170952@postoffice.reston.mci.net>';
    expect(verifyCram(secret, challenge, 'b913a602c7eda7a495b4e6e7334d3890')).toBe(true);
    expect(verifyCram(secret, challenge, 'b913a602c7eda7a495b4e6e7334d3891')).toBe(false);
    expect(verifyCram(secret, challenge, 'zz')).toBe(false);
    expect(verifyCramPassword(secret, 'tanstaaftanstaaf')).toBe(true);
    expect(verifyCramPassword(secret, 'tanstaaf')).toBe(false);
    expect(cramProblem(secret)).toBe('');
    expect(cramProblem('CRAM-MD5$00')).toContain('64 hex digits');
  });

  it('agree with node:crypto for any key and message', () => {
    const ascii = fc.string({ unit: 'binary-ascii', maxLength: 200 });
    fc.assert(
      fc.property(ascii, ascii, (key, message) => {
        fc.pre(canonicalPassword(key) === key);
        const digest = createHmac('md5', key).update(message).digest('hex');
        return verifyCram(makeCramSecret(key), message, digest);
      }),
      { numRuns: 300 },
    );
  });
});

describe('names', () => {
  it('are compared without case and composed', () => {
    expect(canonicalName('Ann@Example.ORG')).toBe('ann@example.org');
    expect(canonicalName('JO\u0308RG')).toBe('jörg');
  });
  it.each(['', 'a b', 'a\u0000b', '#a', '$a', '\ue000', 'x'.repeat(256)])('cannot be %j', (name) => {
    expect(nameProblem(name)).not.toBe('');
  });
  it.each(['ann', 'ann@example.org', 'jörg', "o'neil:x"])('can be %j', (name) => expect(nameProblem(name)).toBe(''));
});
