/**
 * MAIL parameters about time and priority: DELIVERBY (RFC 2852), FUTURERELEASE (RFC 4865), MT-PRIORITY (RFC 6710).
 */
import { describe, expect, it } from 'vitest';
import type { TlsFacts } from '../../src/smtp/server-host.js';
import type { ServerSessionOptions } from '../../src/smtp/server-options.js';
import { certificate, fakeAccounts, fakeTls, PASSWORD, USER } from './fake-accounts.js';
import { FakeHost, testOptions } from './fake-host.js';

const NOON = Date.UTC(2026, 5, 1, 12);
const HOUR = 3_600_000;

function session(changes: Partial<ServerSessionOptions> = {}, tls: TlsFacts | null = null): FakeHost {
  const host = new FakeHost(testOptions({ maxHold: HOUR, relayClient: true, ...changes }), tls);
  host.accounts = fakeAccounts;
  host.now = NOON;
  return host;
}

const mail = (host: FakeHost, parameter: string) => host.say(`MAIL FROM:<a@client.example> ${parameter}\r\n`);

/** The transaction that a parameter makes. `took`: between MAIL and the end, ms. */
function accepted(parameter: string, took = 0) {
  const host = session();
  host.say('EHLO x\r\n');
  expect(mail(host, parameter)).toMatch(/^250 2\.1\.0/);
  host.now += took;
  host.say('RCPT TO:<b@accept.example>\r\nDATA\r\nx\r\n.\r\n');
  return host.accepted[0]!;
}

describe('DELIVERBY', () => {
  it('is offered to everybody, with the least time', () => {
    expect(session({ relayClient: false, minDeliverBy: 60 }).say('EHLO x\r\n')).toContain('250-DELIVERBY 60\r\n');
  });

  it.each([
    ['BY=120;R', { within: 120_000, mode: 'R', trace: false }],
    ['by=+120;rt', { within: 120_000, mode: 'R', trace: true }],
    ['BY=999999999;N', { within: 999_999_999_000, mode: 'N', trace: false }],
    ['BY=0;N', { within: 0, mode: 'N', trace: false }],
    ['BY=-30;NT', { within: -30_000, mode: 'N', trace: true }],
  ])('%s', (parameter, deliverBy) => {
    expect(accepted(parameter)).toMatchObject({ deliverBy });
    // What remains is counted from the end of the message.
    expect(accepted(parameter, 5000)).toMatchObject({ deliverBy: { ...deliverBy, within: deliverBy.within - 5000 } });
  });

  it.each([
    'BY',
    'BY=10',
    'BY=10;X',
    'BY=10;RN',
    'BY=1.5;R',
    'BY=1234567890;R',
    'BY=0;R',
    'BY=-1;R',
    'BY=10;R BY=10;R',
  ])('refuses %s with 501', (parameter) => {
    const host = session();
    host.say('EHLO x\r\n');
    expect(mail(host, parameter)).toMatch(/^501 5\.5\.4 /);
    expect(mail(host, 'BY=10;R')).toMatch(/^250 /);
  });

  it('refuses less than the least time with mode R only', () => {
    const host = session({ minDeliverBy: 60 });
    host.say('EHLO x\r\n');
    expect(mail(host, 'BY=59;R')).toMatch(/^555 5\.5\.4 .*60/);
    expect(mail(host, 'BY=59;N')).toMatch(/^250 /);
  });
});

describe('FUTURERELEASE', () => {
  const offer = (reply: string) => /250[- ]FUTURERELEASE (.*)\r\n/.exec(reply)?.[1];

  it('is offered with the longest hold and the latest date to who may submit, or may yet prove it', () => {
    expect(offer(session().say('EHLO x\r\n'))).toBe('3600 2026-06-01T13:00:00Z');
    expect(offer(session({ maxHold: 0 }).say('EHLO x\r\n'))).toBeUndefined();
    expect(offer(session({ relayClient: false }).say('EHLO x\r\n'))).toBeUndefined();
    const login = { relayClient: false, auth: 'optional', mechanisms: ['PLAIN'], authWithoutTls: true } as const;
    expect(offer(session(login).say('EHLO x\r\n'))).toBeDefined();
    const certified = fakeTls({ clientCertificate: certificate, mayRelay: true });
    expect(offer(session({ relayClient: false, tls: 'implicit' }, certified).say('EHLO x\r\n'))).toBeDefined();
  });

  it('is before the time for delivery, which begins with the release', () => {
    expect(accepted('HOLDFOR=60 BY=120;R', 5000)).toMatchObject({ holdFor: 55_000, deliverBy: { within: 120_000 } });
  });

  it('names a date that moves on, and is never later than what is taken', () => {
    const host = session();
    host.now += 119_999;
    expect(offer(host.say('EHLO x\r\n'))).toBe('3600 2026-06-01T13:01:00Z');
    expect(mail(host, 'HOLDUNTIL=2026-06-01T13:01:00Z')).toMatch(/^250 /);
  });

  it.each([
    ['HOLDFOR=1', 1000],
    ['holdfor=3600', HOUR],
    ['HOLDUNTIL=2026-06-01T12:30:00Z', HOUR / 2],
    ['HOLDUNTIL=2026-06-01T15:00:00.5+02:30', HOUR / 2 + 500],
    ['HOLDUNTIL=2026-06-01t12:29:60z', HOUR / 2],
    ['HOLDUNTIL=2020-01-01T00:00:00Z', 0],
  ])('%s', (parameter, holdFor) => {
    expect(accepted(parameter).holdFor).toBe(holdFor);
    expect(accepted(parameter, 400).holdFor).toBe(Math.max(0, holdFor - 400));
  });

  it.each([
    'HOLDFOR',
    'HOLDFOR=0',
    'HOLDFOR=-1',
    'HOLDFOR=1h',
    'HOLDFOR=3601',
    'HOLDUNTIL=2026-06-01T13:00:01Z',
    'HOLDUNTIL=2026-06-01',
    'HOLDUNTIL=2026-06-01T12:30:00',
    'HOLDUNTIL=2026-02-30T12:30:00Z',
    'HOLDUNTIL=2026-06-01T24:00:01Z',
    'HOLDUNTIL=2026-13-01T12:30:00Z',
    'HOLDFOR=10 HOLDUNTIL=2026-06-01T12:30:00Z',
    'HOLDFOR=10 HOLDFOR=10',
  ])('refuses %s with 501', (parameter) => {
    const host = session();
    host.say('EHLO x\r\n');
    expect(mail(host, parameter)).toMatch(/^501 5\.5\.4 /);
    expect(mail(host, 'HOLDFOR=10')).toMatch(/^250 /);
  });

  it('is for submission: unknown to strangers, after AUTH for those who can', () => {
    const stranger = session({ relayClient: false });
    stranger.say('EHLO x\r\n');
    expect(mail(stranger, 'HOLDFOR=10')).toMatch(/^555 5\.5\.4 /);
    const host = session({ relayClient: false, auth: 'optional', mechanisms: ['PLAIN'], authWithoutTls: true });
    host.say('EHLO x\r\n');
    expect(mail(host, 'HOLDFOR=10')).toMatch(/^530 5\.7\.0 /);
    host.say(`AUTH PLAIN ${Buffer.from(`\0${USER}\0${PASSWORD}`).toString('base64')}\r\n`);
    expect(mail(host, 'HOLDFOR=10')).toMatch(/^250 /);
  });
});

describe('MT-PRIORITY', () => {
  it.each([-9, -8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])('%i is taken as it is', (priority) => {
    expect(accepted(`MT-PRIORITY=${priority}`).priority).toBe(priority);
  });

  // RFC 6710 section 3: priority-value = (["-"] NZDIGIT) / "0".
  it.each(['', '=', '=+1', '=-0', '=00', '=01', '=10', '=-10', '=1.5', '=high', '=1 MT-PRIORITY=1'])(
    'refuses MT-PRIORITY%s with 501',
    (value) => {
      const host = session();
      host.say('EHLO x\r\n');
      expect(mail(host, `MT-PRIORITY${value}`)).toMatch(/^501 5\.5\.4 /);
    },
  );

  it('needs EHLO', () => {
    const host = session();
    host.say('HELO x\r\n');
    expect(mail(host, 'MT-PRIORITY=1')).toMatch(/^555 5\.5\.4 /);
  });
});
