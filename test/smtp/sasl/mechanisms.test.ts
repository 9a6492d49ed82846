import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AuthAnswer, MECHANISMS, type Mechanism } from '../../../src/smtp/authentication.js';
import { replies } from '../../../src/smtp/replies.js';
import { BearerToken } from '../../../src/smtp/sasl/bearer-token.js';
import { CramMd5 } from '../../../src/smtp/sasl/cram-md5.js';
import { createMechanism } from '../../../src/smtp/sasl/create-mechanism.js';
import type { SaslContext, SaslMechanism, SaslStep } from '../../../src/smtp/sasl/mechanism.js';
import { ScramSha256 } from '../../../src/smtp/sasl/scram-sha-256.js';
import { BINDING, certificate, fakeAccounts, ITERATIONS, SALT, scramFinal } from '../fake-accounts.js';

const context: SaslContext = {
  hostname: 'mx.test',
  offered: MECHANISMS,
  channelBinding: () => BINDING,
  clientCertificate: certificate,
};
const withoutPlus: SaslContext = { ...context, offered: MECHANISMS.filter((name) => !name.endsWith('PLUS')) };

const refused: AuthAnswer = { kind: 'refused', reply: 'badCredentials' };
const blocked: AuthAnswer = { kind: 'refused', reply: 'authBlocked' };

function first(name: Mechanism, message: string | Buffer): SaslStep {
  return createMechanism(name, context).begin(Buffer.from(message));
}

/** What a step says, short: the reply of a failure, the text of a challenge. */
function said(step: SaslStep): unknown {
  if (step.kind === 'failed') return step.reply;
  if (step.kind === 'challenge') return step.data.toString();
  return step.kind === 'question' ? step.question : step;
}

describe('PLAIN', () => {
  it('asks for user and password', () => {
    const question = { kind: 'password', mechanism: 'PLAIN', user: 'tim', password: 'tanstaaftanstaaf' };
    expect(said(first('PLAIN', '\0tim\0tanstaaftanstaaf'))).toEqual(question);
    expect(said(first('PLAIN', 'tim\0tim\0tanstaaftanstaaf'))).toEqual(question);
    expect(said(createMechanism('PLAIN', context).begin(null))).toBe('');
  });

  it('prepares both (RFC 4013)', () => {
    expect(said(first('PLAIN', '\0I\u00adX\0p\u2168'))).toMatchObject({ user: 'IX', password: 'pIX' });
    expect(said(first('PLAIN', '\0a\u0007b\0x'))).toBe('badCredentials');
    expect(said(first('PLAIN', '\0ab\0\u00ad'))).toBe('badCredentials');
  });

  it('lets nobody act for somebody else', () => {
    expect(first('PLAIN', 'root\0tim\0x')).toEqual({ kind: 'failed', reply: 'badCredentials', counted: true });
  });

  it.each(['', 'tim', 'tim\0x', '\0\0', '\0tim\0', '\0\0x', '\0a\0b\0c\0d', '\0tim\0x\0'])('refuses %j', (message) => {
    expect(said(first('PLAIN', message))).toBe('authMalformed');
  });

  it('refuses what is not UTF-8', () => {
    expect(said(first('PLAIN', Buffer.from('\0tim\0\xff', 'latin1')))).toBe('authMalformed');
  });
});

describe('LOGIN', () => {
  it('asks for the user, then for the password', () => {
    const login = createMechanism('LOGIN', context);
    expect(said(login.begin(null))).toBe('Username:');
    expect(said(login.respond(Buffer.from('tim')))).toBe('Password:');
    expect(said(login.respond(Buffer.from('secret')))).toEqual({
      kind: 'password',
      mechanism: 'LOGIN',
      user: 'tim',
      password: 'secret',
    });
  });

  it('refuses empty answers, NUL and what is not UTF-8', () => {
    for (const message of ['', 'a\0b']) expect(said(first('LOGIN', message))).toBe('authMalformed');
    const login = createMechanism('LOGIN', context);
    login.begin(Buffer.from('tim'));
    expect(said(login.respond(Buffer.alloc(0)))).toBe('authMalformed');
    expect(said(first('LOGIN', Buffer.from([0xc0])))).toBe('authMalformed');
  });
});

describe('CRAM-MD5', () => {
  it('follows the example of RFC 2195', () => {
    const challenge = '<1896.697170952@postoffice.reston.mci.net>';
    const cram = new CramMd5(context, challenge);
    expect(said(cram.begin(null))).toBe(challenge);
    expect(said(cram.respond(Buffer.from('tim b913a602c7eda7a495b4e6e7334d3890')))).toEqual({
      kind: 'cram',
      user: 'tim',
      challenge,
      digest: 'b913a602c7eda7a495b4e6e7334d3890',
    });
  });

  it('never repeats a challenge, and has the form of a message identifier', () => {
    const challenges = Array.from({ length: 50 }, () => said(createMechanism('CRAM-MD5', context).begin(null)));
    expect(new Set(challenges).size).toBe(50);
    for (const challenge of challenges) expect(challenge).toMatch(/^<[0-9a-f]{32}@mx\.test>$/);
  });

  it('takes names with blanks, no initial response, no other digests', () => {
    const respond = (message: string) => {
      const cram = createMechanism('CRAM-MD5', context);
      cram.begin(null);
      return said(cram.respond(Buffer.from(message)));
    };
    expect(respond(`a b ${'AB'.repeat(16)}`)).toMatchObject({ user: 'a b', digest: 'ab'.repeat(16) });
    expect(said(first('CRAM-MD5', ''))).toBe('noInitialResponse');
    for (const message of ['', 'tim', `tim ${'a'.repeat(31)}`, ` ${'a'.repeat(32)}`, `tim ${'g'.repeat(32)}`]) {
      expect(respond(message)).toBe('authMalformed');
    }
  });
});

describe('SCRAM-SHA-256', () => {
  const bare = 'n=user,r=rOprNGfwEbeRWgbNEkqO';
  const serverNonce = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';

  it('follows the example of RFC 7677 section 3', () => {
    const scram = new ScramSha256(false, withoutPlus, serverNonce);
    expect(said(scram.begin(Buffer.from(`n,,${bare}`)))).toEqual({ kind: 'scram-salt', user: 'user' });
    expect(said(scram.answered({ kind: 'salt', salt: SALT, iterations: ITERATIONS }))).toBe(
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
    );
    const proof = 'p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';
    const step = scram.respond(Buffer.from(`c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,${proof}`));
    if (step.kind !== 'question') throw new Error(step.kind);
    const answer = fakeAccounts(step.question);
    expect(said(scram.answered(answer))).toBe('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
    expect(scram.respond(Buffer.alloc(0))).toEqual({ kind: 'accepted', account: { name: 'user', senders: null } });
  });

  /** The whole dialogue with a client that speaks it rightly; what its last message is made of may be changed. */
  function whole(plus: boolean, header: string, change: (final: string) => string = (final) => final): SaslStep {
    const scram = new ScramSha256(plus, plus ? context : withoutPlus);
    let step = scram.begin(Buffer.from(header + bare));
    if (step.kind !== 'question') return step;
    step = scram.answered(fakeAccounts(step.question));
    if (step.kind !== 'challenge') return step;
    const final = scramFinal(header, bare, step.data.toString(), plus ? BINDING : undefined);
    step = scram.respond(Buffer.from(change(final)));
    if (step.kind !== 'question') return step;
    step = scram.answered(fakeAccounts(step.question));
    return step.kind === 'challenge' ? scram.respond(Buffer.alloc(0)) : step;
  }

  it.each([
    [false, 'n,,'],
    [false, 'y,,'],
    [false, 'n,a=user,'],
    [true, 'p=tls-exporter,,'],
    [true, 'p=tls-exporter,a=user,'],
  ])('accepts (plus: %s) %j', (plus, header) => {
    expect(whole(plus, header).kind).toBe('accepted');
  });

  it('refuses a client that was made to believe that there is no PLUS', () => {
    expect(said(new ScramSha256(false, context).begin(Buffer.from(`y,,${bare}`)))).toBe('bindingDowngraded');
  });

  it('refuses another channel, another nonce, another identity, a changed header', () => {
    const other = Buffer.concat([Buffer.from('p=tls-exporter,,'), Buffer.alloc(32)]).toString('base64');
    const changes: [boolean, string, (final: string) => string][] = [
      [true, 'p=tls-exporter,,', (final) => final.replace(/c=[^,]+/, `c=${other}`)],
      [true, 'p=tls-exporter,,', (final) => final.replace(/c=[^,]+/, 'c=biws')],
      [false, 'y,,', (final) => final.replace(/c=[^,]+/, 'c=biws')],
      [false, 'n,,', (final) => final.replace(/r=./, 'r=X')],
      [false, 'n,,', (final) => final.replace(/p=.*/, `p=${Buffer.alloc(32).toString('base64')}`)],
      [false, 'n,a=root,', (final) => final],
    ];
    for (const [plus, header, change] of changes) expect(said(whole(plus, header, change))).toBe('badCredentials');
  });

  it('accepts no success without the signature of the server, and none cut short', () => {
    const scram = new ScramSha256(false, withoutPlus, serverNonce);
    scram.begin(Buffer.from(`n,,${bare}`));
    expect(said(scram.answered({ kind: 'accepted', account: { name: 'x', senders: null } }))).toBe('authUnavailable');
    const bad = new ScramSha256(false, withoutPlus);
    bad.begin(Buffer.from(`n,,${bare}`));
    expect(said(bad.answered(blocked))).toBe('authBlocked');
  });

  it.each([
    [false, ''],
    [false, bare],
    [false, `n,${bare}`],
    [false, `x,,${bare}`],
    [false, `p=tls-exporter,,${bare}`],
    [false, `n,user,${bare}`],
    [false, `n,a=,${bare}`],
    [false, 'n,,m=x,n=user,r=abc'],
    [false, 'n,,n=user'],
    [false, 'n,,n=user,r='],
    [false, 'n,,n=,r=abc'],
    [false, 'n,,n=us=er,r=abc'],
    [false, 'n,,n=user,r=a c'],
    [false, `n,,n=user,r=${'a'.repeat(2000)}`],
    [true, `n,,${bare}`],
    [true, `y,,${bare}`],
    [true, `p=tls-unique,,${bare}`],
    [true, `p=,,${bare}`],
  ])('refuses as a first message (plus: %s) %j', (plus, message) => {
    expect(said(new ScramSha256(plus, context).begin(Buffer.from(message)))).toBe('authMalformed');
  });

  it.each([
    () => '',
    (final: string) => final.replace(/,p=.*/, ''),
    (final: string) => final.replace(/p=.*/, 'p='),
    (final: string) => final.replace(/p=.*/, 'p=AAAA'),
    (final: string) => final.replace(/c=[^,]+/, 'c=bi@s'),
    (final: string) => `${final},x=y`,
    (final: string) => final.slice(0, -1),
  ])('refuses a malformed last message %#', (change) => {
    expect(said(whole(false, 'n,,', change))).toBe('authMalformed');
  });

  it('decodes names, and takes extensions that it does not know', () => {
    expect(said(new ScramSha256(false, withoutPlus).begin(Buffer.from('n,,n=a=2Cb=3Dc,r=x,z=1')))).toEqual({
      kind: 'scram-salt',
      user: 'a,b=c',
    });
  });
});

describe('XOAUTH2 and OAUTHBEARER', () => {
  const token = 'vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==';

  it('follow the examples of RFC 7628 section 4.1 and of Google', () => {
    const bearer = Buffer.from(
      'bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB',
      'base64',
    );
    expect(said(first('OAUTHBEARER', bearer))).toEqual({
      kind: 'token',
      mechanism: 'OAUTHBEARER',
      user: 'user@example.com',
      token,
    });
    const xoauth2 = Buffer.from(
      'dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==',
      'base64',
    );
    expect(said(first('XOAUTH2', xoauth2))).toMatchObject({
      user: 'someuser@example.com',
      token: 'ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg',
    });
  });

  it('let the token name the user with OAUTHBEARER only', () => {
    expect(said(first('OAUTHBEARER', 'n,,\x01auth=bearer t\x01\x01'))).toMatchObject({ user: '', token: 't' });
    expect(said(first('XOAUTH2', 'user=\x01auth=Bearer t\x01\x01'))).toBe('authMalformed');
  });

  it.each([
    ['XOAUTH2', 'user=u\x01auth=Bearer bad\x01\x01', '401'],
    ['OAUTHBEARER', 'n,a=u,\x01auth=Bearer bad\x01\x01', 'invalid_token'],
    // The client asks what it needs.
    ['OAUTHBEARER', 'n,,\x01auth=\x01\x01', 'invalid_token'],
  ] as const)('%s says why, then that it failed', (mechanism, message, status) => {
    const bearer = new BearerToken(mechanism);
    let step = bearer.begin(Buffer.from(message));
    if (step.kind === 'question') step = bearer.answered(refused);
    if (step.kind !== 'challenge') throw new Error(step.kind);
    expect(JSON.parse(step.data.toString())).toMatchObject({ status });
    expect(bearer.refused).toBe(true);
    expect(bearer.respond(Buffer.from('\x01'))).toEqual({ kind: 'failed', reply: 'badCredentials', counted: true });
  });

  it('say at once that the accounts cannot be asked, or that the client is blocked', () => {
    for (const reply of ['authUnavailable', 'authBlocked'] as const) {
      const bearer = new BearerToken('XOAUTH2');
      bearer.begin(Buffer.from('user=u\x01auth=Bearer t\x01\x01'));
      expect(said(bearer.answered({ kind: 'refused', reply }))).toBe(reply);
    }
  });

  it.each([
    ['XOAUTH2', ''],
    ['XOAUTH2', 'user=u\x01auth=Bearer t\x01'],
    ['XOAUTH2', 'user=u\x01auth=Basic t\x01\x01'],
    ['XOAUTH2', 'user=u\x01auth=Bearer t t\x01\x01'],
    ['XOAUTH2', 'auth=Bearer t\x01user=u\x01\x01'],
    ['OAUTHBEARER', ''],
    ['OAUTHBEARER', '\x01\x01'],
    ['OAUTHBEARER', 'n,,\x01\x01'],
    ['OAUTHBEARER', 'n,,\x01host=h\x01\x01'],
    ['OAUTHBEARER', 'n,,auth=Bearer t\x01\x01'],
    ['OAUTHBEARER', 'n,,\x01auth=Bearer t\x01'],
    ['OAUTHBEARER', 'n,,\x01auth=Bearer t\x01auth=Bearer t\x01\x01'],
    ['OAUTHBEARER', 'n,,\x01auth=Bearer t\x01=x\x01\x01'],
    ['OAUTHBEARER', 'p=tls-exporter,,\x01auth=Bearer t\x01\x01'],
    ['OAUTHBEARER', 'n,a=x=y,\x01auth=Bearer t\x01\x01'],
  ] as const)('%s refuses %j', (mechanism, message) => {
    expect(said(first(mechanism, message))).toBe('authMalformed');
  });
});

describe('EXTERNAL', () => {
  it('asks for the identity of the certificate, or for one that is named', () => {
    expect(said(first('EXTERNAL', ''))).toEqual({ kind: 'certificate', user: '', certificate });
    expect(said(first('EXTERNAL', 'user'))).toMatchObject({ user: 'user' });
    expect(said(createMechanism('EXTERNAL', context).begin(null))).toBe('');
    expect(said(first('EXTERNAL', 'a\0b'))).toBe('authMalformed');
    expect(said(first('EXTERNAL', '\u0007'))).toBe('badCredentials');
  });
});

describe('any bytes', () => {
  const piece = fc.constantFrom('n', 'y', 'p=tls-exporter', ',', '=', 'a=', 'n=user', 'r=abc', 'c=biws', '\x01', '\0');
  const more = fc.constantFrom('auth=Bearer t', 'user=u', ' ', 'm=', '=2C', 'p=AAAA', 'ü', '\xad');
  const message = fc.oneof(
    fc.array(fc.oneof(piece, more), { maxLength: 12 }).map((parts) => Buffer.from(parts.join(''))),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  );
  const answer = fc.constantFrom<AuthAnswer>(
    refused,
    blocked,
    { kind: 'refused', reply: 'authUnavailable' },
    { kind: 'salt', salt: SALT, iterations: ITERATIONS },
    { kind: 'accepted', account: { name: 'user', senders: null } },
    { kind: 'accepted', account: { name: 'user', senders: null }, serverSignature: 'c2ln' },
  );

  it('end every dialogue after a few steps, in a reply that exists', () => {
    const run = (mechanism: SaslMechanism, messages: readonly Buffer[], answers: readonly AuthAnswer[]) => {
      let [m, a] = [0, 0];
      let step = mechanism.begin(messages.length % 2 === 0 ? null : messages[m++]!);
      for (let steps = 0; steps < 8; steps++) {
        if (step.kind === 'challenge') step = mechanism.respond(messages[m++ % messages.length]!);
        else if (step.kind === 'question') step = mechanism.answered(answers[a++ % answers.length]!);
        else return step;
      }
      throw new Error('a dialogue without an end');
    };
    fc.assert(
      fc.property(
        fc.constantFrom(...MECHANISMS),
        fc.array(message, { minLength: 1, maxLength: 6 }),
        fc.array(answer, { minLength: 1, maxLength: 4 }),
        (name, messages, answers) => {
          const end = run(createMechanism(name, context), messages, answers);
          if (end.kind === 'failed') expect(replies[end.reply]).toBeDefined();
          else expect(end.kind).toBe('accepted');
        },
      ),
      { numRuns: 3000 },
    );
  });
});
