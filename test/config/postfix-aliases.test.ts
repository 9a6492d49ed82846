import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadSettings } from '../../src/config/load-settings.js';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'sluice-aliases-'));
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

const load = (env: Record<string, string>) => loadSettings(env, cwd);

describe('variables of the Postfix images', () => {
  it('count as settings, and it is told where they came from', () => {
    writeFileSync(join(cwd, 'password'), 'secret\n');
    writeFileSync(join(cwd, '.env'), 'POSTFIX_maximal_queue_lifetime=2\n');
    const { settings, sources, problems, warnings } = load({
      RELAYHOST: '[smtp.example.net]:587',
      RELAYHOST_USERNAME: 'relay',
      RELAYHOST_PASSWORD_FILE: 'password',
      POSTFIX_smtp_tls_security_level: 'may',
      POSTFIX_myhostname: 'mail.example.org',
      POSTFIX_mynetworks: '127.0.0.0/8 !10.1.0.0/16, 10.0.0.0/8 [2001:db8::]/32',
      POSTFIX_message_size_limit: '1048576',
    });
    expect([problems, warnings]).toEqual([[], []]);
    expect(settings.upstream[0]).toMatchObject({ host: 'smtp.example.net', port: 587, tls: 'required', verify: false });
    expect([settings.upstreamUser, settings.upstreamPassword]).toEqual(['relay', 'secret']);
    expect([settings.hostname, settings.maxMessageSize]).toEqual(['mail.example.org', 1048576]);
    expect(settings.relayNetworks.map(({ network, excluded }) => `${excluded ? '!' : ''}${network}`)).toEqual([
      '2001:db8::/32',
      '10.0.0.0/8',
      '!10.1.0.0/16',
      '127.0.0.0/8',
    ]);
    expect(settings.expire).toBe(2 * 86_400_000);
    expect(sources.get('SLUICE_UPSTREAM')).toBe('RELAYHOST, environment');
    expect(sources.get('SLUICE_UPSTREAM_PASSWORD')).toBe(join(cwd, 'password'));
    expect(sources.get('SLUICE_EXPIRE')).toBe('POSTFIX_maximal_queue_lifetime, .env');
  });

  it('count for nothing where the setting is given, and no password goes to another host', () => {
    writeFileSync(join(cwd, '.env'), 'SLUICE_HOSTNAME=own.example.org\nSLUICE_UPSTREAM=smtp://own.example\n');
    const { settings, warnings } = load({
      RELAYHOST: 'other.example',
      RELAYHOST_USERNAME: 'relay',
      RELAYHOST_PASSWORD: 'secret',
      POSTFIX_myhostname: 'other.example.org',
    });
    expect(settings.hostname).toBe('own.example.org');
    expect(settings.upstream.map(({ host }) => host)).toEqual(['own.example']);
    expect([settings.upstreamUser, settings.upstreamPassword]).toEqual(['', '']);
    expect(warnings).toEqual([]);
  });

  it('are named where they have no effect or a value that is not allowed', () => {
    const { problems, warnings } = load({
      RELAYHOST_PASSWORD: 'secret',
      ALLOWED_SENDER_DOMAINS: 'example.org',
      POSTFIX_smtpd_milters: 'inet:x:1',
      POSTFIX_message_size_limit: 'much',
    });
    expect(warnings.map((line) => line.split(':')[0])).toEqual([
      'RELAYHOST_PASSWORD',
      'ALLOWED_SENDER_DOMAINS',
      'POSTFIX_smtpd_milters',
    ]);
    expect(problems).toEqual([
      expect.stringMatching(
        /^SLUICE_MAX_MESSAGE_SIZE: "much" is not allowed.*\(it came from POSTFIX_message_size_limit, environment\)$/,
      ),
    ]);
    expect(JSON.stringify([problems, warnings])).not.toContain('secret');
  });
});
