import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AuthAnswer, MECHANISMS } from '../../src/smtp/authentication.js';
import type { TlsFacts } from '../../src/smtp/server-host.js';
import type { ServerSessionOptions } from '../../src/smtp/server-options.js';
import {
  BINDING,
  base64,
  certificate,
  fakeAccounts,
  fakeTls,
  PASSWORD,
  scramFinal,
  TOKEN,
  USER,
} from './fake-accounts.js';
import { FakeHost, testOptions } from './fake-host.js';

const plain = (user: string, password: string) => `AUTH PLAIN ${base64(`\0${user}\0${password}`)}\r\n`;
const RIGHT = plain(USER, PASSWORD);
const WRONG = plain(USER, 'wrong');

/** A session under TLS after EHLO with all mechanisms. */
function secured(
  changes: Partial<ServerSessionOptions> = {},
  tls: TlsFacts | null = fakeTls({ clientCertificate: certificate }),
) {
  const options = testOptions({ tls: 'optional', auth: 'optional', mechanisms: MECHANISMS, ...changes });
  const host = new FakeHost(options, tls);
  host.accounts = fakeAccounts;
  host.say('EHLO x\r\n');
  return host;
}

/** Text of the challenge that `reply` is. */
function challenge(reply: string): string {
  return Buffer.from(/^334 (.*)\r\n$/.exec(reply)![1]!, 'base64').toString();
}

/** What a client says in its turn, given the last reply. */
type Turn = (reply: string) => string;

const bare = 'n=user,r=abc';
const dialogues: Record<string, { turns: Turn[]; end: RegExp }> = {
  'PLAIN with initial response': { turns: [() => RIGHT], end: /^235 2\.7\.0/ },
  'PLAIN asked for': { turns: [() => 'auth plain\r\n', () => `${base64(`\0${USER}\0${PASSWORD}`)}\r\n`], end: /^235/ },
  'PLAIN with a wrong password': { turns: [() => WRONG], end: /^535 5\.7\.8/ },
  LOGIN: {
    turns: [() => 'AUTH LOGIN\r\n', () => `${base64(USER)}\r\n`, () => `${base64(PASSWORD)}\r\n`],
    end: /^235/,
  },
  'LOGIN with the user as initial response': {
    turns: [() => `AUTH LOGIN ${base64(USER)}\r\n`, () => `${base64(PASSWORD)}\r\n`],
    end: /^235/,
  },
  'CRAM-MD5': {
    turns: [
      () => 'AUTH CRAM-MD5\r\n',
      (reply) => {
        const digest = createHmac('md5', PASSWORD).update(challenge(reply)).digest('hex');
        return `${base64(`${USER} ${digest}`)}\r\n`;
      },
    ],
    end: /^235/,
  },
  'SCRAM-SHA-256-PLUS': {
    turns: [
      () => `AUTH SCRAM-SHA-256-PLUS ${base64(`p=tls-exporter,,${bare}`)}\r\n`,
      (reply) => `${base64(scramFinal('p=tls-exporter,,', bare, challenge(reply), BINDING))}\r\n`,
      () => '\r\n',
    ],
    end: /^235/,
  },
  'SCRAM-SHA-256 asked for': {
    turns: [
      () => 'AUTH SCRAM-SHA-256\r\n',
      () => `${base64(`n,,${bare}`)}\r\n`,
      (reply) => `${base64(scramFinal('n,,', bare, challenge(reply)))}\r\n`,
      () => '\r\n',
    ],
    end: /^235/,
  },
  'SCRAM-SHA-256 downgraded': {
    turns: [() => `AUTH SCRAM-SHA-256 ${base64(`y,,${bare}`)}\r\n`],
    end: /^535 5\.7\.8/,
  },
  XOAUTH2: { turns: [() => `AUTH XOAUTH2 ${base64(`user=u\x01auth=Bearer ${TOKEN}\x01\x01`)}\r\n`], end: /^235/ },
  'XOAUTH2 with a bad token': {
    turns: [() => `AUTH XOAUTH2 ${base64('user=u\x01auth=Bearer bad\x01\x01')}\r\n`, () => '\r\n'],
    end: /^535 5\.7\.8/,
  },
  OAUTHBEARER: { turns: [() => `AUTH OAUTHBEARER ${base64(`n,,\x01auth=Bearer ${TOKEN}\x01\x01`)}\r\n`], end: /^235/ },
  'OAUTHBEARER with a bad token': {
    turns: [() => `AUTH OAUTHBEARER ${base64('n,,\x01auth=Bearer bad\x01\x01')}\r\n`, () => 'AQ==\r\n'],
    end: /^535 5\.7\.8/,
  },
  EXTERNAL: { turns: [() => 'AUTH EXTERNAL =\r\n'], end: /^235/ },
  'EXTERNAL asked for': { turns: [() => 'AUTH EXTERNAL\r\n', () => '\r\n'], end: /^235/ },
  'EXTERNAL as somebody else': { turns: [() => `AUTH EXTERNAL ${base64('other')}\r\n`], end: /^535/ },
};

describe('dialogues', () => {
  it.each(Object.entries(dialogues))('%s', (_, { turns, end }) => {
    for (const bytewise of [false, true]) {
      const host = secured();
      let reply = '';
      for (const [i, turn] of turns.entries()) {
        const line = turn(reply);
        reply = bytewise ? [...line].map((byte) => host.say(byte)).join('') : host.say(line);
        expect(reply).toMatch(i === turns.length - 1 ? end : /^334 [A-Za-z0-9+/]*=*\r\n$/);
      }
      const account = end.source.startsWith('^235') ? USER : '';
      expect([host.session.account, host.session.trusted]).toEqual([account, account !== '']);
      // And the session goes on.
      expect(host.say('NOOP\r\n')).toMatch(/^250 2\.0\.0/);
      expect(host.say(RIGHT)).toMatch(account === '' ? /^235/ : /^503 5\.5\.1/);
    }
  });
});

describe('AUTH', () => {
  it.each([
    ['AUTH', /^501 5\.5\.4/],
    ['AUTH PLAIN a b', /^501 5\.5\.4/],
    ['AUTH @@', /^501 5\.5\.4/],
    ['AUTH FOOBAR', /^504 5\.5\.4/],
    ['AUTH PLAIN ab@%', /^501 5\.5\.2/],
    ['AUTH PLAIN dXNlcnBhc3M', /^501 5\.5\.2/],
    ['AUTH PLAIN dXNlcnBhc3M=', /^501 5\.5\.2/],
    ['AUTH PLAIN AGEAYgBjAGQ=', /^501 5\.5\.2/],
    ['AUTH PLAIN =', /^501 5\.5\.2/],
    ['AUTH PLAIN AAA=', /^501 5\.5\.2/],
    ['AUTH CRAM-MD5 dXNlcg==', /^501 5\.7\.0/],
    ['AUTH PLAIN\r\n*', /^334 \r\n501 5\.7\.0/],
    ['AUTH LOGIN\r\n*', /^334 VXNlcm5hbWU6\r\n501 5\.7\.0/],
    ['AUTH LOGIN dXNlcg==\r\n*', /^334 UGFzc3dvcmQ6\r\n501 5\.7\.0/],
    ['AUTH LOGIN\r\nab@%', /^334 VXNlcm5hbWU6\r\n501 5\.5\.2/],
    ['AUTH LOGIN\r\n', /^334 VXNlcm5hbWU6\r\n501 5\.5\.2/],
    ['AUTH PLAIN\r\n=', /^334 \r\n501 5\.5\.2/],
    ['AUTH PLAIN\r\na\nb', /^334 \r\n501 5\.5\.2/],
    ['AUTH PLAIN\r\n\0', /^334 \r\n501 5\.5\.2/],
  ])('%j gets %s, and the session goes on', (lines, reply) => {
    const host = secured();
    expect(host.say(`${lines}\r\n`)).toMatch(reply);
    expect(host.say('NOOP\r\n')).toMatch(/^250 /);
    expect(host.session.account).toBe('');
    expect(host.questions).toEqual([]);
  });

  it('has its time and place', () => {
    const host = new FakeHost(testOptions({ auth: 'optional', mechanisms: ['PLAIN'] }), fakeTls());
    host.accounts = fakeAccounts;
    expect(host.say(RIGHT)).toMatch(/^503 5\.5\.1/);
    host.say('EHLO x\r\nMAIL FROM:<>\r\n');
    expect(host.say(RIGHT)).toMatch(/^503 5\.5\.1/);
    host.say('RSET\r\n');
    expect(host.say(RIGHT)).toMatch(/^235/);
    expect(host.say(RIGHT)).toMatch(/^503 5\.5\.1/);
    host.say('RSET\r\nEHLO y\r\n');
    expect([host.session.account, host.questions.length]).toEqual([USER, 1]);
  });

  it('is refused by what is missing without TLS', () => {
    const clear = secured({}, null);
    expect(clear.say(RIGHT)).toMatch(/^538 5\.7\.11/);
    expect(clear.say('AUTH EXTERNAL =\r\nAUTH SCRAM-SHA-256-PLUS\r\n')).toMatch(/^504 5\.5\.4 [^\r]*\r\n504 5\.5\.4/);
    expect(clear.say('AUTH CRAM-MD5\r\n')).toMatch(/^334 /);
    expect(secured({ authWithoutTls: true }, null).say(RIGHT)).toMatch(/^235/);
    for (const hidden of [{ auth: 'none' }, { mechanisms: [] }] as const) {
      expect(secured(hidden, null).say(RIGHT)).toMatch(/^502 5\.5\.1/);
    }
  });

  it('required, comes before MAIL', () => {
    const host = secured({ auth: 'required' });
    expect(host.say('MAIL FROM:<>\r\nVRFY x\r\n')).toMatch(/^530 5\.7\.0 [^\r]*\r\n252/);
    expect(host.say(`${RIGHT}MAIL FROM:<>\r\n`)).toMatch(/^235 [^\r]*\r\n250 2\.1\.0/);
    expect(host.say('EHLO y\r\nMAIL FROM:<>\r\n')).toMatch(/250 2\.1\.0 [^\r]*\r\n$/);
  });

  it('waits for the answer, and then takes what was pipelined', () => {
    const host = secured();
    host.accounts = null;
    const bytes = Buffer.from(`${RIGHT}MAIL FROM:<>\r\n`);
    const before = host.sent.length;
    const taken = host.session.feed(bytes, 0, bytes.length, 1000);
    expect(bytes.length - taken).toBe('MAIL FROM:<>\r\n'.length);
    expect([host.session.waiting, host.session.deadline]).toEqual([true, Number.POSITIVE_INFINITY]);
    expect(host.session.feed(bytes, taken, bytes.length, 1000)).toBe(0);
    // Neither is for the other.
    host.session.finish({ code: 250, enhanced: '', text: '', bytes: Buffer.from('250 x\r\n') }, 1000);
    expect(host.session.waiting).toBe(true);
    host.session.answered(fakeAccounts(host.questions[0]!), 1000);
    expect(host.session.waiting).toBe(false);
    expect(host.session.feed(bytes, taken, bytes.length, 1000)).toBe(bytes.length - taken);
    expect(host.sent.slice(before)).toMatch(/^235 [^\r]*\r\n250 2\.1\.0 [^\r]*\r\n$/);
    host.session.answered({ kind: 'refused', reply: 'authBlocked' }, 1000);
    expect(host.closes).toBe(0);
  });

  it('forgets an answer that comes when the client is gone', () => {
    const host = secured();
    host.accounts = null;
    const bytes = Buffer.from(RIGHT);
    host.session.feed(bytes, 0, bytes.length, 1000);
    host.session.abort();
    const { sent } = host;
    host.session.answered(fakeAccounts(host.questions[0]!), 1000);
    expect([host.sent, host.session.account]).toEqual([sent, '']);
  });

  it.each([
    ['authUnavailable', /^454 4\.7\.0 [^\r]*\r\n$/, 0],
    ['authBlocked', /^421 4\.7\.0 [^\r]*\r\n$/, 1],
    ['badCredentials', /^535 5\.7\.8 [^\r]*\r\n$/, 0],
  ] as const)('%s', (reply, expected, closes) => {
    const host = secured();
    host.accounts = (): AuthAnswer => ({ kind: 'refused', reply });
    expect(host.say(RIGHT)).toMatch(expected);
    expect(host.closes).toBe(closes);
  });

  it('ends the connection after too many failures, however they were ended', () => {
    const host = secured({ maxAuthFailures: 4 });
    const token = `AUTH XOAUTH2 ${base64('user=u\x01auth=Bearer bad\x01\x01')}\r\n`;
    expect(host.say(`${WRONG}${token}\r\n`)).toMatch(/^535 [^\r]*\r\n334 [^\r]*\r\n535 [^\r]*\r\n$/);
    expect(host.say(`${token}*\r\n`)).toMatch(/^334 [^\r]*\r\n501 5\.7\.0 [^\r]*\r\n$/);
    expect(host.say(plain('nobody', PASSWORD))).toMatch(/^535 [^\r]*\r\n421 4\.7\.0 [^\r]*\r\n$/);
    expect(host.closes).toBe(1);
    expect(secured({ maxAuthFailures: 0 }).say(WRONG.repeat(10))).not.toContain('421');
  });

  it('counts what is malformed as mistakes', () => {
    const host = secured({ maxErrors: 2 });
    expect(host.say('AUTH PLAIN\r\n*\r\nAUTH PLAIN =\r\n')).toMatch(/501 5\.5\.2 [^\r]*\r\n421 4\.7\.0/);
  });

  it('carries its count of failures on', () => {
    const host = secured();
    host.say(WRONG);
    expect(host.session.carried.authFailures).toBe(1);
  });

  it('says goodbye in the middle of a dialogue when there is a shutdown, and waits no longer than for a command', () => {
    const host = secured({ commandTimeout: 300, idleTimeout: 900 });
    host.say('AUTH LOGIN\r\n');
    expect(host.session.deadline).toBe(1300);
    host.session.shutdown();
    expect(host.sent).toMatch(/421 4\.3\.2 [^\r]*\r\n$/);
    const slow = secured({ commandTimeout: 300 });
    slow.say('AUTH LOGIN\r\n');
    slow.session.timeout(1300);
    expect(slow.sent).toMatch(/421 4\.4\.2 [^\r]*\r\n$/);
  });
});

describe('long lines', () => {
  const options = { maxCommandLine: 100, maxAuthLine: 1000 };
  const ofLength = (length: number) => base64(`user=u\x01auth=Bearer ${'t'.repeat(length)}\x01\x01`);

  it('are for AUTH only', () => {
    const host = secured(options);
    expect(host.say(`NOOP ${'x'.repeat(94)}\r\n`)).toMatch(/^500 5\.5\.2/);
    expect(host.say(`NOOP ${' '.repeat(94)}\r\n`)).toMatch(/^500 5\.5\.2/);
    expect(host.say(`AUTHORIZE ${'x'.repeat(94)}\r\n`)).toMatch(/^500 5\.5\.2/);
    expect(host.say(`AUTH XOAUTH2 ${ofLength(600)}\r\n`)).toMatch(/^334 /);
    expect(host.say(`\r\nAUTH XOAUTH2\r\n${ofLength(600)}\r\n\r\n`)).toMatch(
      /^535 [^\r]*\r\n334 \r\n334 [^\r]*\r\n535/,
    );
    const hidden = secured({ ...options, auth: 'none' });
    expect(hidden.say(`AUTH XOAUTH2 ${ofLength(600)}\r\n`)).toMatch(/^500 5\.5\.2/);
  });

  it('have their limit', () => {
    const host = secured(options);
    expect(host.say(`AUTH XOAUTH2 ${ofLength(900)}\r\n`)).toMatch(/^500 5\.5\.2/);
    expect(host.say(`AUTH XOAUTH2\r\n${ofLength(900)}\r\n`)).toMatch(/^334 \r\n500 5\.5\.6/);
    expect(host.say('NOOP\r\n')).toMatch(/^250/);
    expect(secured({ maxAuthLine: 50 }).say(`AUTH LOGIN\r\n${'YWFh'.repeat(12)}\r\nNOOP\r\n`)).toMatch(
      /^334 [^\r]*\r\n334 /,
    );
    expect(secured({ maxAuthLine: 50 }).say(`AUTH LOGIN\r\n${'YWFh'.repeat(13)}\r\nNOOP\r\n`)).toMatch(
      /^334 [^\r]*\r\n500 5\.5\.6 [^\r]*\r\n250/,
    );
    expect(host.say(`AUTH XOAUTH2\r\n${'A'.repeat(70_000)}`)).toMatch(/^334 \r\n421 4\.7\.0/);
  });
});

describe('MAIL after AUTH', () => {
  function limited(senders: readonly string[] | null): FakeHost {
    const host = secured();
    host.accounts = (question) => fakeAccounts(question, senders);
    host.say(RIGHT);
    return host;
  }

  it('takes the reverse-paths of the account only, and names them', () => {
    const host = limited(['ann@example.org', '@example.net']);
    expect(host.say('MAIL FROM:<eve@example.org>\r\n')).toBe(
      '553 5.7.1 Sender address not allowed: account user may send as ann@example.org, @example.net only\r\n',
    );
    for (const sender of ['Ann@Example.org', 'x@example.net', '']) {
      expect(host.say(`MAIL FROM:<${sender}>\r\nRSET\r\n`)).toMatch(/^250 2\.1\.0/);
    }
    expect(host.calls.filter((call) => call.startsWith('mail eve'))).toEqual([]);
    expect(limited([]).say('MAIL FROM:<a@b.example>\r\n')).toMatch(/^553 5\.7\.1 /);
    expect(limited(null).say('MAIL FROM:<a@b.example>\r\n')).toMatch(/^250 /);
    const many = limited(Array.from({ length: 100 }, (_, i) => `@d${i}.example.org`));
    expect(many.say('MAIL FROM:<a@b.example>\r\n').length).toBeLessThanOrEqual(512);
  });

  it('takes AUTH= and ignores it (RFC 4954 section 5)', () => {
    const host = limited(null);
    for (const value of ['<>', 'e+3Dmc2@example.com', 'user@example.com']) {
      expect(host.say(`MAIL FROM:<> AUTH=${value}\r\nRSET\r\n`)).toMatch(/^250 2\.1\.0/);
    }
    for (const value of ['=he+YYa', '=he+3', '', '=a=b']) {
      expect(host.say(`MAIL FROM:<> AUTH${value}\r\n`)).toMatch(/^501 5\.5\.4/);
    }
    expect(secured({ auth: 'none' }).say('MAIL FROM:<> AUTH=<>\r\n')).toMatch(/^555 5\.5\.4/);
  });
});

describe('any lines', () => {
  const message = fc.constantFrom(
    `\0${USER}\0${PASSWORD}`,
    `\0${USER}\0wrong`,
    USER,
    PASSWORD,
    `n,,${bare}`,
    `p=tls-exporter,,${bare}`,
    `user=u\x01auth=Bearer ${TOKEN}\x01\x01`,
    'user=u\x01auth=Bearer bad\x01\x01',
    'n,,\x01auth=Bearer bad\x01\x01',
    '\x01',
  );
  const text = fc.oneof(
    message.map(base64),
    fc.constantFrom('', '*', '=', 'ab@%', 'MAIL FROM:<>', 'EHLO x', 'NOOP', 'a\rb', 'a\nb', '\0', '\xff'),
  );
  const mechanism = fc.constantFrom(...MECHANISMS, 'FOO');
  const command = fc.tuple(mechanism, fc.option(text, { nil: undefined }));
  const line = fc.oneof(
    command.map(([name, initial]) => `AUTH ${name}${initial === undefined ? '' : ` ${initial}`}\r\n`),
    text.map((words) => `${words}\r\n`),
    fc.uint8Array({ maxLength: 30 }).map((bytes) => `${Buffer.from(bytes).toString('latin1')}\r\n`),
  );
  const limits = { maxErrors: 6, maxAuthFailures: 3, maxAuthLine: 80, maxCommandLine: 60 };
  // Challenges hold nonces.
  const masked = (host: FakeHost) => host.sent.replace(/^334 .*$/gm, '334');

  it('get one defined reply each, however they are cut', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
        const whole = secured(limits);
        const bytewise = secured(limits);
        for (const words of lines) {
          if (whole.session.closed) break;
          const replies = whole.say(words);
          expect(replies).toMatch(/^(?:\d{3}[ -][^\r\n]*\r\n)+$/);
          for (const byte of words) bytewise.say(byte);
        }
        expect(masked(bytewise)).toBe(masked(whole));
        expect([bytewise.session.account, bytewise.closes]).toEqual([whole.session.account, whole.closes]);
      }),
      { numRuns: 1500 },
    );
  });
});
