import { describe, expect, it } from 'vitest';
import type { ServerSessionOptions } from '../../src/smtp/server-options.js';
import { ServerSession } from '../../src/smtp/server-session.js';
import { base64, certificate, fakeAccounts, fakeTls, PASSWORD, USER } from './fake-accounts.js';
import { FakeHost, testOptions } from './fake-host.js';

const PLAIN = `AUTH PLAIN ${base64(`\0${USER}\0${PASSWORD}`)}\r\n`;
const auth = { auth: 'optional', mechanisms: ['PLAIN', 'CRAM-MD5'] } as const;

function keywords(host: FakeHost): string[] {
  const lines = host.say('EHLO x\r\n').split('\r\n').slice(1, -1);
  return lines.map((line) => line.slice(4));
}

function begun(options: Partial<ServerSessionOptions>, text = ''): FakeHost {
  const host = new FakeHost(testOptions(options));
  host.accounts = fakeAccounts;
  host.say(text);
  return host;
}

/** A session that answered STARTTLS. */
function starting(options: Partial<ServerSessionOptions> = { tls: 'optional' }): FakeHost {
  return begun(options, 'EHLO x\r\nSTARTTLS\r\n');
}

describe('STARTTLS', () => {
  it('is answered 220, and then the host begins TLS', () => {
    const host = begun({ tls: 'optional' }, 'EHLO x\r\n');
    expect(host.say('starttls\r\n')).toMatch(/^220 2\.0\.0 [^\r]*\r\n$/);
    expect(host.calls).toEqual(['starttls']);
    host.session.secured(fakeTls(), 1000);
    expect(host.say('NOOP\r\n')).toMatch(/^250 /);
  });

  it('drops what came in the clear behind it (CVE-2011-0411)', () => {
    const host = begun({ tls: 'optional' }, 'EHLO x\r\n');
    const injected = 'RSET\r\nMAIL FROM:<evil@client.example>\r\nRCPT TO:<a@accept.example>\r\nDATA\r\n';
    expect(host.say(`STARTTLS\r\n${injected}`)).toMatch(/^220 [^\r]*\r\n$/);
    expect(host.say(`${injected}\x16\x03\x01`)).toBe('');
    host.session.secured(fakeTls(), 1000);
    expect(host.say('RSET\r\n')).toMatch(/^250 [^\r]*\r\n$/);
    expect(host.calls).toEqual(['starttls']);
  });

  it('drops half a command, too', () => {
    const host = begun({ tls: 'optional' }, 'EHLO x\r\nSTARTTLS\r\nMAIL FR');
    host.session.secured(fakeTls(), 1000);
    expect(host.say('NOOP\r\n')).toMatch(/^250 /);
  });

  it.each([
    ['optional', 'EHLO x\r\n', 'STARTTLS now', /^501 5\.5\.4/],
    ['required', 'EHLO x\r\n', 'STARTTLS now', /^501 5\.5\.4/],
    ['none', 'EHLO x\r\n', 'STARTTLS', /^502 5\.5\.1/],
    ['none', '', 'STARTTLS', /^502 5\.5\.1/],
    ['implicit', 'EHLO x\r\n', 'STARTTLS', /^502 5\.5\.1/],
    ['optional', 'EHLO x\r\nMAIL FROM:<>\r\n', 'STARTTLS', /^503 5\.5\.1/],
    ['optional', 'EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@accept.example>\r\n', 'STARTTLS', /^503 5\.5\.1/],
    ['optional', 'EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@accept.example>\r\nBDAT 1\r\nx', 'STARTTLS', /^503 5\.5\.1/],
  ] as const)('tls=%s, after %j: %s gets %s', (tls, before, command, reply) => {
    const host = begun({ tls }, before);
    expect(host.say(`${command}\r\n`)).toMatch(reply);
    expect(host.calls).not.toContain('starttls');
  });

  it('is 454 while TLS cannot be had, and the session goes on', () => {
    const host = begun({ tls: 'optional' }, 'EHLO x\r\n');
    host.canTls = false;
    expect(host.say('STARTTLS\r\nMAIL FROM:<>\r\n')).toMatch(/^454 4\.7\.0 [^\r]*\r\n250 2\.1\.0/);
  });

  it('is 503 under TLS', () => {
    const host = starting();
    host.session.secured(fakeTls(), 1000);
    expect(host.say('EHLO x\r\nSTARTTLS\r\n')).toMatch(/\r\n503 5\.5\.1 [^\r]*\r\n$/);
  });

  it('makes everything unknown again but the counts', () => {
    const host = starting({ tls: 'optional', maxErrors: 3, ...auth, authWithoutTls: true });
    host.session.secured(fakeTls(), 1000);
    expect(host.say('MAIL FROM:<>\r\nFOO\r\n')).toMatch(/^503 5\.5\.1 [^\r]*\r\n500 /);
    expect(host.say('FOO\r\n')).toMatch(/^500 [^\r]*\r\n421 4\.7\.0/);
    const known = begun({ tls: 'optional', ...auth, authWithoutTls: true }, `EHLO x\r\n${PLAIN}STARTTLS\r\n`);
    expect([known.session.trusted, known.session.account]).toEqual([true, USER]);
    known.session.secured(fakeTls(), 1000);
    expect([known.session.trusted, known.session.account]).toEqual([false, '']);
  });

  it('may take as long as a command, then the connection is closed without a word', () => {
    const host = begun({ tls: 'optional', commandTimeout: 300 }, 'EHLO x\r\n');
    host.say('STARTTLS\r\n');
    expect(host.session.deadline).toBe(1300);
    host.now = 1200;
    host.say('\x16');
    expect(host.session.deadline).toBe(1300);
    const { sent } = host;
    host.session.timeout(1300);
    expect([host.sent, host.closes, host.session.closed]).toEqual([sent, 1, true]);
  });

  it('waits with the 421 of a shutdown until it can be read', () => {
    const host = starting();
    host.session.shutdown();
    expect(host.closes).toBe(0);
    host.session.secured(fakeTls(), 1000);
    expect(host.sent).toMatch(/421 4\.3\.2 [^\r]*\r\n$/);
    expect(host.closes).toBe(1);
  });

  it('is not expected twice', () => {
    const host = begun({ tls: 'optional' }, 'EHLO x\r\n');
    host.session.secured(fakeTls(), 1000);
    expect(keywords(host)).toContain('STARTTLS');
  });

  it('can be followed by a session of its own, which does not greet and knows the counts', () => {
    const first = begun({ tls: 'optional', maxErrors: 2 }, 'FOO\r\nEHLO x\r\nSTARTTLS\r\n');
    const { carried } = first.session;
    expect(structuredClone(carried)).toEqual(carried);
    first.session.abort();
    expect(first.say('NOOP\r\n')).toBe('');
    const host = new FakeHost(testOptions({ tls: 'optional', maxErrors: 2 }));
    const session = new ServerSession(host, testOptions({ tls: 'optional', maxErrors: 2 }), 0, fakeTls(), carried);
    const { sent } = host;
    session.feed(Buffer.from('FOO\r\n'), 0, 5, 0);
    expect(host.sent.slice(sent.length)).toMatch(/^500 [^\r]*\r\n421 4\.7\.0/);
    const busy = begun({ tls: 'optional' }, 'EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@accept.example>\r\nDATA\r\n.\r\n');
    busy.say('FOO\r\n');
    expect(busy.session.carried).toEqual({ errors: 1, messages: 1, authFailures: 0, idleCommands: 1 });
  });
});

describe('TLS required', () => {
  it('lets nothing through but what begins TLS or ends', () => {
    const host = begun({ maxErrors: 0, tls: 'required', auth: 'required', mechanisms: ['PLAIN', 'CRAM-MD5'] });
    const before530 =
      'MAIL FROM:<>\r\nRCPT TO:<a@accept.example>\r\nDATA\r\nVRFY x\r\nHELP\r\nAUTH CRAM-MD5\r\nBDAT 1 LAST\r\nx';
    for (const hello of ['', 'EHLO x\r\n', 'HELO x\r\n']) {
      host.say(hello);
      const codes = host.say(before530).match(/^\d{3}/gm);
      expect(codes).toEqual(Array(7).fill('530'));
      expect(host.say('NOOP\r\nRSET\r\n').match(/^\d{3}/gm)).toEqual(['250', '250']);
    }
    expect(host.say('STARTTLS\r\n')).toMatch(/^220 /);
    host.session.secured(fakeTls(), 1000);
    expect(host.say('EHLO x\r\nMAIL FROM:<>\r\n')).toMatch(/\r\n530 5\.7\.0 Authentication required\r\n$/);
    expect(host.say(`${PLAIN}MAIL FROM:<>\r\n`)).toMatch(/^235 2\.7\.0 [^\r]*\r\n250 2\.1\.0/);
  });

  it('says QUIT', () => {
    expect(begun({ tls: 'required' }, 'EHLO x\r\n').say('QUIT\r\n')).toMatch(/^221 /);
  });
});

describe('EHLO', () => {
  const all = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'EXTERNAL', 'XOAUTH2', 'CRAM-MD5', 'PLAIN'] as const;
  const options = { tls: 'optional', auth: 'optional', mechanisms: all } as const;
  const offered = (tls: ReturnType<typeof fakeTls> | null, changes: Partial<ServerSessionOptions> = {}) => {
    const words = keywords(new FakeHost(testOptions({ ...options, ...changes }), tls));
    return words.filter((word) => /^(?:STARTTLS|AUTH|REQUIRETLS)/.test(word));
  };

  it('offers by the situation', () => {
    expect(offered(null)).toEqual(['STARTTLS', 'AUTH SCRAM-SHA-256 CRAM-MD5']);
    expect(offered(null, { authWithoutTls: true })).toEqual(['STARTTLS', 'AUTH SCRAM-SHA-256 XOAUTH2 CRAM-MD5 PLAIN']);
    expect(offered(null, { tls: 'none' })).toEqual(['AUTH SCRAM-SHA-256 CRAM-MD5']);
    expect(offered(null, { tls: 'required' })).toEqual(['STARTTLS']);
    expect(offered(null, { mechanisms: ['PLAIN'] })).toEqual(['STARTTLS']);
    expect(offered(fakeTls())).toEqual(['REQUIRETLS', 'AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 XOAUTH2 CRAM-MD5 PLAIN']);
    const unbound = fakeTls({ channelBinding: () => null, clientCertificate: certificate });
    expect(offered(unbound)).toEqual(['REQUIRETLS', 'AUTH SCRAM-SHA-256 EXTERNAL XOAUTH2 CRAM-MD5 PLAIN']);
    expect(offered(fakeTls(), { auth: 'none' })).toEqual(['REQUIRETLS']);
    expect(offered(null, { tls: 'none', auth: 'none' })).toEqual([]);
  });

  it('goes on listing AUTH after AUTH', () => {
    const host = new FakeHost(testOptions({ ...options, mechanisms: ['PLAIN'] }), fakeTls());
    host.accounts = fakeAccounts;
    expect(host.say(`EHLO x\r\n${PLAIN}`)).toMatch(/235 2\.7\.0/);
    expect(keywords(host)).toContain('AUTH PLAIN');
  });

  it('asks for no binding data where no mechanism needs it', () => {
    const channelBinding = () => {
      throw new Error('asked');
    };
    expect(offered(fakeTls({ channelBinding }), { mechanisms: ['PLAIN'] })).toContain('AUTH PLAIN');
  });
});

describe('what is handed over', () => {
  const message = 'RCPT TO:<b@accept.example>\r\nDATA\r\n\r\n.\r\n';

  it.each([
    [false, false, 'EHLO', '', 'ESMTP'],
    [true, false, 'EHLO', '', 'ESMTPS'],
    [false, true, 'EHLO', '', 'ESMTPA'],
    [true, true, 'EHLO', '', 'ESMTPSA'],
    [false, false, 'EHLO', ' SMTPUTF8', 'UTF8SMTP'],
    [true, false, 'EHLO', ' SMTPUTF8', 'UTF8SMTPS'],
    [false, true, 'EHLO', ' SMTPUTF8', 'UTF8SMTPA'],
    [true, true, 'EHLO', ' SMTPUTF8', 'UTF8SMTPSA'],
    [false, false, 'HELO', '', 'SMTP'],
    [true, true, 'HELO', '', 'SMTP'],
  ])('tls %s, account %s, %s%s: %s', (tls, account, hello, parameter, protocol) => {
    const host = new FakeHost(testOptions({ ...auth, authWithoutTls: true }), tls ? fakeTls() : null);
    host.accounts = fakeAccounts;
    host.say(`${hello} x\r\n${account ? PLAIN : ''}MAIL FROM:<>${parameter}\r\n${message}`);
    expect(host.accepted).toMatchObject([
      { protocol, tls: tls ? 'TLSv1.3 TLS_AES_256_GCM_SHA384' : '', account: account ? USER : '', requireTls: false },
    ]);
  });

  it('says REQUIRETLS where it was offered (RFC 8689)', () => {
    const secured = new FakeHost(testOptions(), fakeTls());
    secured.say('EHLO x\r\n');
    expect(secured.say('MAIL FROM:<> REQUIRETLS=1\r\n')).toMatch(/^501 5\.5\.4/);
    expect(secured.say('MAIL FROM:<> REQUIRETLS REQUIRETLS\r\n')).toMatch(/^501 5\.5\.4/);
    secured.say(`MAIL FROM:<> requiretls\r\n${message}`);
    expect(secured.accepted).toMatchObject([{ requireTls: true }]);
    const clear = begun({ tls: 'optional' }, 'EHLO x\r\n');
    expect(clear.say('MAIL FROM:<> REQUIRETLS\r\n')).toMatch(/^555 5\.5\.4/);
  });

  it('trusts a certificate that may relay', () => {
    expect(new FakeHost(testOptions(), fakeTls({ mayRelay: true })).session.trusted).toBe(true);
    expect(new FakeHost(testOptions(), fakeTls()).session.trusted).toBe(false);
  });
});
