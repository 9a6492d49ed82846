/**
 * Tokens in reverse-paths: what goes in comes out, what was changed does not, and every local part fits.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReturnPath } from '../../src/delivery/return-path.js';
import { PLAIN_HANDLING } from '../../src/message/envelope.js';
import { Verp } from '../../src/outcomes/verp.js';
import { KEY_NAME, openVerpKey } from '../../src/outcomes/verp-key.js';
import { TOKEN_LENGTH, VerpTokens } from '../../src/outcomes/verp-token.js';
import { parsePath } from '../../src/smtp/address.js';
import { envelope } from '../helpers/mail.js';

const KEY = Buffer.alloc(32, 7);
const tokens = new VerpTokens(KEY, ['acme', 'other']);
const ID = 1_764_000_000_123_456;

describe('VerpTokens', () => {
  it('gives back what it was made of', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        fc.nat({ max: 65_535 }),
        fc.emailAddress(),
        fc.constantFrom('', 'acme', 'other'),
        fc.emailAddress(),
        (id, recipient, address, tenant, other) => {
          const text = tokens.make(id, recipient, address, tenant);
          expect(text).toMatch(new RegExp(`^[a-z2-7]{${TOKEN_LENGTH}}$`));
          for (const form of [text, text.toUpperCase()]) {
            const token = tokens.read(form)!;
            expect(token).toMatchObject({ id, recipient, tenant });
            expect(token.isAbout(address.toUpperCase())).toBe(true);
            if (other.toLowerCase() !== address.toLowerCase()) expect(token.isAbout(other)).toBe(false);
          }
        },
      ),
    );
  });

  it('takes nothing that was changed, made with another key, or of a tenant that is not known', () => {
    const text = tokens.make(ID, 3, 'ann@example.com', 'acme');
    fc.assert(
      fc.property(
        fc.nat({ max: TOKEN_LENGTH - 1 }),
        fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz234567'),
        (at, c) => {
          const changed = text.slice(0, at) + c + text.slice(at + 1);
          expect(tokens.read(changed) === null).toBe(changed !== text);
        },
      ),
    );
    fc.assert(fc.property(fc.string({ maxLength: 50 }), (junk) => tokens.read(junk) === null));
    expect(new VerpTokens(Buffer.alloc(32, 8), ['acme']).read(text)).toBeNull();
    expect(new VerpTokens(KEY, []).read(text)).toBeNull();
  });
});

describe('Verp', () => {
  const verp = new Verp(
    {
      tenants: [
        { tenant: 'acme', pattern: 'bounces-*@acme.example' },
        { tenant: 'other', pattern: 'bounces.other.example' },
      ],
      addresses: ['fbl.example.org', 'complaints@example.org'],
    },
    tokens,
  );
  const mail = (tenant: string, sender = 'news@acme.example') => ({
    ...envelope(ID, ['ann@example.com', 'bob@example.com'], { sender }),
    handling: { ...PLAIN_HANDLING, tenant },
  });

  it('applies to mail of its tenants, never to the null sender', () => {
    const returnPath: ReturnPath = verp;
    expect(returnPath.appliesTo(mail('acme'))).toBe(true);
    expect(returnPath.appliesTo(mail('acme', ''))).toBe(false);
    expect(returnPath.appliesTo(mail(''))).toBe(false);
    expect(new Verp({ tenants: [], addresses: [] }, tokens).appliesTo(mail('acme'))).toBe(false);
  });

  it('makes paths that are valid and tell the recipient', () => {
    for (const tenant of ['acme', 'other']) {
      const path = verp.of(mail(tenant), 1);
      expect(parsePath(`<${path}>`, 0, 'reverse')).toMatchObject({ address: path });
      expect(path.slice(0, path.indexOf('@')).length).toBeLessThanOrEqual(64);
      const token = verp.read(path.toUpperCase())!;
      expect(token).toMatchObject({ id: ID, recipient: 1, tenant });
      expect(token.isAbout('bob@example.com')).toBe(true);
      expect(verp.isBounceAddress(path)).toBe(true);
    }
    expect(verp.of(mail('acme'), 0)).toMatch(/^bounces-[a-z2-7]{39}@acme\.example$/);
    expect(verp.of(mail('other'), 0)).toMatch(/^b\+[a-z2-7]{39}@bounces\.other\.example$/);
  });

  it('knows which addresses take bounces', () => {
    const yes = ['x@fbl.example.org', 'Complaints@EXAMPLE.org', 'anything@bounces.other.example'];
    const no = [
      'x@example.org',
      'news@acme.example',
      'bounces-x@acme.example',
      'x@sub.fbl.example.org',
      'postmaster',
      '',
    ];
    expect(yes.filter((address) => !verp.isBounceAddress(address))).toEqual([]);
    expect(no.filter((address) => verp.isBounceAddress(address))).toEqual([]);
    expect([...verp.domains].sort()).toEqual(['bounces.other.example', 'fbl.example.org']);
    expect([...verp.sharedDomains].sort()).toEqual(['acme.example', 'example.org']);
    expect(verp.read(`b+${'a'.repeat(39)}@bounces.other.example`)).toBeNull();
  });

  it('says what is wrong with a pattern', () => {
    const of = (pattern: string) => () => new Verp({ tenants: [{ tenant: 't', pattern }], addresses: [] }, tokens);
    expect(of(`${'b'.repeat(26)}*@example.org`)).toThrow(/at most 25 characters/);
    expect(of(`${'b'.repeat(25)}*@example.org`)).not.toThrow();
    for (const wrong of ['b@example.org', '*b*@example.org', 'b+*@', ''])
      expect(of(wrong)).toThrow(/verp of tenant t: .*no domain, and no address with one \*/);
  });
});

describe('openVerpKey', () => {
  it('makes a key once, for this user alone, and refuses a file that is none', () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-key-'));
    try {
      const key = openVerpKey(directory);
      expect(key.length).toBe(32);
      expect(openVerpKey(directory)).toEqual(key);
      expect(statSync(join(directory, KEY_NAME)).mode & 0o777).toBe(0o600);
      writeFileSync(join(directory, KEY_NAME), 'short');
      expect(() => openVerpKey(directory)).toThrow(/verp\.key: it does not hold 32 bytes/);
      expect(readFileSync(join(directory, KEY_NAME), 'utf8')).toBe('short');
      expect(() => openVerpKey(join(directory, 'missing'))).toThrow(/neither read nor made/);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
