import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generateDkimKey } from '../../../src/message/dkim/dkim-generate.js';
import { loadSigningKeys } from '../../../src/message/dkim/key-store.js';
import { makeKey, recordOf } from '../dkim-keys.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-dkim-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function put(path: string, text: string, mode = 0o600): string {
  const file = join(dir, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

describe('loadSigningKeys', () => {
  it('reads every selector of every domain in order of name', () => {
    const key = makeKey('x', 'y', 'ed25519').pem;
    for (const path of [
      'b.example/s2.pem',
      'b.example/s1.pem',
      'a.example/s.2025.pem',
      'a.example/notes.txt',
      '.git/x.pem',
    ]) {
      put(path, key);
    }
    const warnings: string[] = [];
    const keys = loadSigningKeys(dir, { bodyCanonicalization: 'simple', warn: (line) => warnings.push(line) });
    expect(keys.map(({ domain, selector }) => `${domain} ${selector}`)).toEqual([
      'a.example s.2025',
      'b.example s1',
      'b.example s2',
    ]);
    expect(keys[0]).toMatchObject({ pem: key, headerCanonicalization: 'relaxed', bodyCanonicalization: 'simple' });
    expect(warnings).toEqual([]);
  });

  it('warns of keys everybody can read, weak ones and misplaced ones', () => {
    const key = makeKey('x', 'y', 'rsa', 1024).pem;
    const file = put('a.example/s.pem', key, 0o644);
    const misplaced = put('a.pem', key);
    const warnings: string[] = [];
    expect(loadSigningKeys(dir, { warn: (line) => warnings.push(line) })).toHaveLength(1);
    expect(warnings).toEqual([
      expect.stringMatching(`${file}: .*chmod 600`),
      expect.stringMatching(`${file}: RSA with 1024 bits is weak`),
      expect.stringMatching(`${misplaced}: ignored`),
    ]);
  });

  const pair = generateKeyPairSync('ed25519');
  const encrypted = { type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' } as const;
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  it.each([
    ['rubbish', 'a.example/s.pem', 'rubbish', 'no private key in PEM form'],
    ['nothing', 'a.example/s.pem', '', 'no private key in PEM form'],
    [
      'a public key',
      'a.example/s.pem',
      pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      'public key',
    ],
    ['a passphrase', 'a.example/s.pem', pair.privateKey.export(encrypted).toString(), 'passphrase'],
    ['another kind', 'a.example/s.pem', ec.export({ type: 'pkcs8', format: 'pem' }).toString(), 'type ec'],
    ['a small one', 'a.example/s.pem', makeKey('x', 'y', 'rsa', 512).pem, '512 bits'],
    ['a bad domain', 'a b.example/s.pem', makeKey('x', 'y', 'ed25519').pem, 'not a domain name'],
    ['a bad selector', 'a.example/s_é.pem', makeKey('x', 'y', 'ed25519').pem, 'not a selector'],
  ])('refuses %s, naming the file', (_, path, text, hint) => {
    const file = put(path, text);
    expect(() => loadSigningKeys(dir)).toThrow(expect.objectContaining({ code: 'bad-dkim-key', temporary: false }));
    expect(() => loadSigningKeys(dir)).toThrow(file);
    expect(() => loadSigningKeys(dir)).toThrow(hint);
  });

  it('refuses a folder that is not there and a key that cannot be read', () => {
    expect(() => loadSigningKeys(join(dir, 'none'))).toThrow(/none: cannot be read/);
    mkdirSync(join(dir, 'a.example', 's.pem'), { recursive: true });
    expect(() => loadSigningKeys(dir)).toThrow(/s\.pem: cannot be read/);
  });
});

describe('generateDkimKey', () => {
  it.each(['rsa', 'ed25519'] as const)('makes a %s key that loads and whose record fits it', (type) => {
    const made = generateDkimKey(dir, 'Bücher.example', 's1', type);
    expect(made.path).toBe(join(dir, 'xn--bcher-kva.example', 's1.pem'));
    expect(statSync(made.path).mode & 0o777).toBe(0o600);
    const [key] = loadSigningKeys(dir);
    expect(made.recordName).toBe('s1._domainkey.xn--bcher-kva.example');
    expect(made.recordValue).toBe(recordOf(key!));
    expect(made.recordStrings.join('')).toBe(made.recordValue);
    expect(Math.max(...made.recordStrings.map((text) => text.length))).toBeLessThanOrEqual(255);
    expect(made.recordStrings).toHaveLength(type === 'rsa' ? 2 : 1);
  });

  it('never overwrites a key', () => {
    const { path } = generateDkimKey(dir, 'a.example', 's', 'ed25519');
    const before = readFileSync(path);
    expect(() => generateDkimKey(dir, 'a.example', 's', 'ed25519')).toThrow(
      expect.objectContaining({ code: 'dkim-key-exists' }),
    );
    expect(readFileSync(path)).toEqual(before);
  });

  it('refuses bad names and sizes', () => {
    expect(() => generateDkimKey(dir, '../up', 's')).toThrow(/not a domain name/);
    expect(() => generateDkimKey(dir, 'a.example', '../s')).toThrow(/not a selector/);
    expect(() => generateDkimKey(dir, 'a.example', 's', 'rsa', 512)).toThrow(/1024 to 8192/);
  });
});
