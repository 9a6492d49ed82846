/** Accounts by client certificate. */
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { AuthQuestion, ClientCertificate } from '../../src/smtp/authentication.js';
import { accepted, accountFile, folder, openWorld, refused } from './account-world.js';

const HOST = '192.0.2.1';
const ours: ClientCertificate = {
  commonName: 'Relay One',
  names: ['relay1.example.org', 'Ann@example.org'],
  fingerprint: 'ab'.repeat(32),
};
const external = (user: string, certificate = ours): AuthQuestion => ({ kind: 'certificate', user, certificate });

async function world(config: string, env: Record<string, string> = {}) {
  const dir = folder();
  writeFileSync(`${dir}/s.toml`, config);
  return openWorld(dir, { SLUICE_CONFIG: `${dir}/s.toml`, SLUICE_TLS_CLIENT_CA: '/dev/null', ...env });
}

describe('client certificates', () => {
  it.each([
    'AB:'.repeat(31).concat('AB'),
    `sha256:${'ab'.repeat(32)}`,
    'relay one',
    'RELAY1.example.org',
    'ann@example.org',
  ])('are an account that lists %s', async (right) => {
    const { accounts } = await world(
      `[[account]]\nname = "ann"\ncertificates = ["${right}"]\nsenders = ["@a.example"]`,
    );
    expect(accounts.mechanisms).toEqual(['EXTERNAL']);
    expect(await accounts.answer(external(''), HOST)).toEqual(accepted('ann', ['@a.example']));
    expect(await accounts.answer(external('Ann'), HOST)).toEqual(accepted('ann', ['@a.example']));
    expect(await accounts.answer(external('bob'), HOST)).toEqual(refused);
    const other = { commonName: '', names: [], fingerprint: 'cd'.repeat(32) };
    expect(await accounts.answer(external('', other), HOST)).toEqual(refused);
    expect(await accounts.answer(external('ann', other), HOST)).toEqual(refused);
  });

  it('of several accounts need the name of one', async () => {
    const { accounts, log } = await world(
      '[[account]]\nname = "a"\ncertificates = ["relay one"]\n[[account]]\nname = "b"\ncertificates = ["relay one"]',
    );
    expect(await accounts.answer(external(''), HOST)).toEqual(refused);
    expect(log.lines[0]?.fields['reason']).toContain('several');
    expect(await accounts.answer(external('b'), HOST)).toEqual(accepted('b'));
  });

  it('name their account themselves only where the settings say so, and only one that is there', async () => {
    const dir = folder();
    const path = await accountFile(dir, { 'ann@example.org': ['x'] });
    const plain = await world('', { SLUICE_AUTH_FILE: path });
    expect(plain.accounts.mechanisms).not.toContain('EXTERNAL');
    expect(await plain.accounts.answer(external(''), HOST)).toEqual(refused);
    const byMail = await world('', { SLUICE_AUTH_FILE: path, SLUICE_AUTH_CERTIFICATE_NAMES: 'email' });
    expect(await byMail.accounts.answer(external(''), HOST)).toEqual(accepted('ann@example.org'));
    const byName = await world('[[account]]\nname = "cn"', { SLUICE_AUTH_CERTIFICATE_NAMES: 'common-name' });
    expect(await byName.accounts.answer(external(''), HOST)).toEqual(refused);
    expect(await byName.accounts.answer(external('', { ...ours, commonName: 'CN' }), HOST)).toEqual(accepted('cn'));
  });

  it('follow the configuration', async () => {
    const { accounts } = await world('[[account]]\nname = "ann"\ncertificates = ["relay one"]');
    accounts.configure([]);
    expect(accounts.mechanisms).toEqual([]);
    expect(await accounts.answer(external(''), HOST)).toEqual(refused);
  });
});
