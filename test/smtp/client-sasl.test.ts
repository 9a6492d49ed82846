/**
 * SASL mechanisms of the client against the examples of the RFCs.
 */
import { describe, expect, it } from 'vitest';
import { beginDialogue, type ClientCredentials, chooseMechanism } from '../../src/smtp/client-sasl.js';
import { DerivedKeys, ScramClient } from '../../src/smtp/scram-client.js';

function credentials(user: string, password: string, more: Partial<ClientCredentials> = {}): ClientCredentials {
  return { user, password, token: false, certificate: false, mechanism: '', inClear: false, derived: null, ...more };
}

describe('SCRAM-SHA-256', () => {
  const NONCE = 'rOprNGfwEbeRWgbNEkqO';
  const FIRST = `r=${NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`;

  // RFC 7677 section 3.
  it('computes the example of RFC 7677', () => {
    const client = new ScramClient('user', 'pencil', { kind: 'none' }, NONCE);
    expect(client.first.toString()).toBe('n,,n=user,r=rOprNGfwEbeRWgbNEkqO');
    expect(client.respond(Buffer.from(FIRST))?.toString()).toBe(
      `c=biws,r=${NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`,
    );
    expect(client.verified).toBe(false);
    expect(client.respond(Buffer.from('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='))?.toString()).toBe('');
    expect(client.verified).toBe(true);
  });

  it.each([
    ['an error', 'e=other-error'],
    ['another signature', 'v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='],
    ['a shorter signature', 'v=6rri'],
    ['nothing', ''],
  ])('does not believe %s', (_name, final) => {
    const client = new ScramClient('user', 'pencil', { kind: 'none' }, NONCE);
    client.respond(Buffer.from(FIRST));
    expect([client.respond(Buffer.from(final)), client.verified]).toEqual([null, false]);
  });

  it.each([
    ['a nonce that is ours alone', `r=${NONCE},s=c2FsdA==,i=4096`],
    ['another nonce', 'r=xOprNGfwEbeRWgbNEkqOyy,s=c2FsdA==,i=4096'],
    ['few iterations', `r=${NONCE}x,s=c2FsdA==,i=4095`],
    ['endless iterations', `r=${NONCE}x,s=c2FsdA==,i=9999999`],
    ['an extension that must be known', `m=x,r=${NONCE}x,s=c2FsdA==,i=4096`],
  ])('ends at %s', (_name, first) => {
    const client = new ScramClient('user', 'pencil', { kind: 'none' }, NONCE);
    expect(client.respond(Buffer.from(first))).toBeNull();
  });

  it('names the channel: bound, could be bound, cannot', () => {
    const first = (kind: 'bound' | 'not-offered' | 'none') =>
      new ScramClient(
        'a=b,c',
        'x',
        kind === 'bound' ? { kind, data: Buffer.from('xy') } : { kind },
        'N',
      ).first.toString();
    expect(first('bound')).toBe('p=tls-exporter,,n=a=3Db=2Cc,r=N');
    expect(first('not-offered')).toBe('y,,n=a=3Db=2Cc,r=N');
    expect(first('none')).toBe('n,,n=a=3Db=2Cc,r=N');
  });

  it('gives the same proof from kept keys, and other ones for another salt or password', () => {
    const derived = new DerivedKeys();
    const proof = (password: string, first = FIRST, kept: DerivedKeys | null = derived) =>
      new ScramClient('user', password, { kind: 'none' }, NONCE, kept).respond(Buffer.from(first))!.toString();
    const fresh = proof('pencil', FIRST, null);
    expect([proof('pencil'), proof('pencil')]).toEqual([fresh, fresh]);
    expect(proof('pen')).toBe(proof('pen', FIRST, null));
    const salted = FIRST.replace('s=W22', 's=X22');
    expect(proof('pen', salted)).toBe(proof('pen', salted, null));
  });
});

describe('the others', () => {
  const run = (
    mechanism: Parameters<typeof beginDialogue>[0],
    user: string,
    secret: string,
    ...challenges: string[]
  ) => {
    const dialogue = beginDialogue(mechanism, credentials(user, secret), secret, null, []);
    const said = [dialogue.first, ...challenges.map((one) => dialogue.respond(Buffer.from(one)))];
    return said.map((one) => one?.toString() ?? null);
  };

  it('CRAM-MD5: the example of RFC 2195', () => {
    expect(run('CRAM-MD5', 'tim', 'tanstaaftanstaaf', '<1896.697170952@postoffice.reston.mci.net>')).toEqual([
      null,
      'tim b913a602c7eda7a495b4e6e7334d3890',
    ]);
    expect(run('CRAM-MD5', 'tim', 'x', '')).toEqual([null, null]);
  });

  it('PLAIN: the example of RFC 4616, and nothing after it', () => {
    expect(run('PLAIN', 'tim', 'tanstaaftanstaaf', 'what')).toEqual(['\0tim\0tanstaaftanstaaf', null]);
  });

  it('LOGIN answers two prompts and no third', () => {
    expect(run('LOGIN', 'tim', 'pw', 'Username:', 'Password:', 'Again:')).toEqual([null, 'tim', 'pw', null]);
  });

  it("XOAUTH2: Google's example, and an empty answer to an error", () => {
    const [first, afterError] = run(
      'XOAUTH2',
      'someuser@example.com',
      'ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg',
      '{}',
    );
    expect(Buffer.from(first!).toString('base64')).toBe(
      'dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==',
    );
    expect(afterError).toBe('');
  });

  it('OAUTHBEARER: RFC 7628 section 3.1, and ^A to an error', () => {
    expect(run('OAUTHBEARER', 'a=b,c@example.com', 'tok', '{}')).toEqual([
      'n,a=a=3Db=2Cc@example.com,\x01auth=Bearer tok\x01\x01',
      '\x01',
    ]);
    expect(run('OAUTHBEARER', '', 'tok')).toEqual(['n,,\x01auth=Bearer tok\x01\x01']);
  });

  it('EXTERNAL names who we want to be', () => {
    expect(run('EXTERNAL', 'me@example.com', '')).toEqual(['me@example.com']);
  });
});

describe('the choice', () => {
  const offered = ['PLAIN', 'SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'XOAUTH2', 'EXTERNAL'];

  it('takes the channel binding only where there is one', () => {
    expect(chooseMechanism(credentials('a', 'b'), offered, true, true)).toEqual({ mechanism: 'SCRAM-SHA-256-PLUS' });
    expect(chooseMechanism(credentials('a', 'b'), offered, true, false)).toEqual({ mechanism: 'SCRAM-SHA-256' });
  });

  it('falls to no weaker mechanism than the one that is set', () => {
    const set = credentials('a', 'b', { mechanism: 'CRAM-MD5' });
    expect(chooseMechanism(set, offered, true, true)).toHaveProperty(
      'problem',
      expect.stringContaining('CRAM-MD5 is set'),
    );
  });
});
