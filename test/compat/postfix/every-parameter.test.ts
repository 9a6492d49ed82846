/**
 * Nothing is dropped in silence: each parameter that Postfix knows (parameters.txt, what `postconf -d` of 3.7 prints) and
 * each entry of a table ends in the report, whatever its value; and no password does.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importPostfix } from '../../../src/compat/postfix/import-postfix.js';
import { SluiceError } from '../../../src/core/errors.js';

const names = readFileSync('test/compat/postfix/parameters.txt', 'utf8').trim().split('\n');
const VALUES = [
  'yes',
  'no',
  '7',
  '1d',
  '[mail.example]:587',
  'smtp:[mail.example]',
  'hash:/nowhere/table',
  'a b, c',
  '',
];
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-every-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Names of parameters that the report of an import speaks of. */
function told(main: string, master = ''): Set<string> {
  const { ledger } = importPostfix(main, master, folder);
  return new Set(ledger.entries.flatMap(({ what }) => [what, what.split(' ')[0]!]));
}

describe('every parameter', { timeout: 120_000 }, () => {
  it('is one of many', () => expect(names.length).toBeGreaterThan(800));

  it.each(VALUES)('has its end with the value "%s"', (value) => {
    const silent = names.filter((name) => !told(`${name} = ${value}\n`).has(name));
    expect(silent).toEqual([]);
  });

  it('has its end beside any others, in any form of main.cf', () => {
    const line = fc.record({
      name: fc.constantFrom(...names, 'no_such_parameter', 'slow_destination_rate_delay'),
      value: fc.oneof(
        fc.constantFrom(...VALUES, '$myhostname', `\${mydomain?{a}:{b}}`, '{ a, b }'),
        fc.stringMatching(/^[ -~]{0,20}$/),
      ),
      style: fc.constantFrom('{n} = {v}', '{n}={v}', '{n} =\n\t{v}', '# c\n{n} = {v}\n  # c\n\n', '{n} = {v}\r'),
    });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
        const text = lines
          .map(({ name, value, style }) => style.replace('{n}', name).replace('{v}', () => value))
          .join('\n');
        try {
          const found = told(text, 'slow unix - - n - 5 smtp\n  -o smtp_helo_name=a.example\n');
          expect(lines.map(({ name }) => name).filter((name) => !found.has(name))).toEqual([]);
        } catch (error) {
          // A reference without an end, or one that is none: the import says so and writes nothing.
          if (!(error instanceof SluiceError)) throw error;
          expect(error.code).toBe('bad-postfix');
        }
      }),
      { numRuns: 300 },
    );
  });

  it('of a service in master.cf has its end', () => {
    const silent = names.filter((name) => {
      const { ledger } = importPostfix('', `submission inet n - n - - smtpd\n  -o ${name}=x1\n`, folder);
      return !ledger.entries.some(({ what }) => what === `-o ${name} of submission`);
    });
    expect(silent).toEqual([]);
  });
});

describe('every entry of a table', () => {
  it.each([
    'transport_maps',
    'sender_dependent_relayhost_maps',
    'sender_dependent_default_transport_maps',
    'smtp_tls_policy_maps',
    'smtp_sasl_password_maps',
    'canonical_maps',
    'smtp_generic_maps',
    'relay_recipient_maps',
    'header_checks',
    'smtpd_sender_login_maps',
  ])('%s ends in a table of sluice.toml or in the report', (parameter) => {
    const keys = ['a@b.example', '@b.example', 'b.example', '.b.example', 'user', '[c.example]:25', '*', '<>'];
    writeFileSync(join(folder, 'table'), keys.map((key) => `${key} smtp:[d.example]\n`).join(''));
    const { ledger, env, toml } = importPostfix(
      `smtp_sasl_auth_enable = yes\nsmtpd_sender_restrictions = reject_sender_login_mismatch\n${parameter} = texthash:${join(folder, 'table')}\n`,
      '',
      folder,
    );
    const known = `${env}${toml}${JSON.stringify(ledger.entries)}`;
    for (const [place, key] of keys.entries())
      expect(known.includes(`table:${place + 1}`) || known.includes(key), `${parameter} ${key}`).toBe(true);
  });

  it('shows no password in the report, also of logins that nobody uses', () => {
    const secret = 'hunter2-secret';
    writeFileSync(
      join(folder, 'sasl'),
      `[a.example]:587 user:${secret}\n[b.example] user:${secret}\n@c.example ${secret}\n`,
    );
    for (const relayhost of ['[a.example]:587', '[nowhere.example]', 'not a host', '']) {
      const { ledger } = importPostfix(
        `relayhost = ${relayhost}\nsmtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = texthash:${join(folder, 'sasl')}\n`,
        '',
        folder,
      );
      expect(JSON.stringify(ledger.entries)).not.toContain(secret);
    }
  });
});
