import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { describe, expect, it } from 'vitest';
import { copyField, relaxField } from '../../../src/message/dkim/header-canonicalization.js';
import type { SigningKeyPem } from '../../../src/message/dkim/key-store.js';
import type { SignerOptions } from '../../../src/message/dkim/signer.js';
import { NO_HEADER_RULES, parseHeaderRules } from '../../../src/message/header-rules.js';
import { HeaderScan } from '../../../src/message/header-scan.js';
import { createPreparer } from '../../../src/message/prepare.js';
import type { PrepareConfig, PrepareRequest } from '../../../workers/contract.js';
import { joined, place, requestFor } from '../content-fixture.js';
import { makeKey, resolverFor } from '../dkim-keys.js';

const rsa = makeKey('example.com', 'rsa', 'rsa');
const ed = makeKey('example.com', 'ed', 'ed25519');

function signed(
  text: string,
  keys: readonly SigningKeyPem[],
  changes: Partial<PrepareRequest> = {},
  configChanges: Partial<PrepareConfig> = {},
  options: SignerOptions = {},
): Buffer {
  const config = {
    hostname: 'mx.example',
    rules: NO_HEADER_RULES,
    keys,
    maxHeaderSize: 65_536,
    maxHops: 5,
    ...configChanges,
  };
  const bytes = Buffer.from(text, 'latin1');
  const placed = place(bytes, 50, true);
  return joined(bytes, createPreparer(config, options).prepare(requestFor(placed, changes), placed.memory));
}

async function verdicts(message: Buffer, keys: readonly SigningKeyPem[]): Promise<string[]> {
  const { results } = await dkimVerify(message, { resolver: resolverFor(keys) });
  return results.map(
    ({ status, signingDomain, selector }) => `${status.result} ${signingDomain ?? '-'} ${selector ?? '-'}`,
  );
}

const MESSAGE = 'From: Joe <joe@example.com>\r\nTo: a@b.example\r\nSubject: x  y\r\n\tz\r\n\r\nHi  there \r\n\r\n';

describe('header canonicalization', () => {
  it('gives the examples of RFC 6376 section 3.4.5', () => {
    const scan = new HeaderScan();
    scan.scan(Buffer.from('A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n'), true);
    const target = Buffer.alloc(100);
    const relaxed = relaxField(scan, 1, target, relaxField(scan, 0, target, 0));
    expect(target.toString('latin1', 0, relaxed)).toBe('a:X\r\nb:Y Z\r\n');
    const simple = copyField(scan, 1, target, copyField(scan, 0, target, 0));
    expect(target.toString('latin1', 0, simple)).toBe('A: X\r\nB : Y\t\r\n\tZ  \r\n');
  });
});

describe('DkimSigner', () => {
  it('signs with every key of the domain, on top of Received, made-up fields included', async () => {
    const message = signed(MESSAGE, [rsa, ed]);
    expect(await verdicts(message, [rsa, ed])).toEqual(['pass example.com rsa', 'pass example.com ed']);
    expect(
      message
        .toString('latin1')
        .match(/^[A-Za-z-]+(?=:)/gm)
        ?.slice(0, 5),
    ).toEqual(['DKIM-Signature', 'DKIM-Signature', 'Received', 'Date', 'Message-ID']);
    expect(message.toString('latin1')).toMatch(/h=From:From:Subject:Subject:Date:Date:Message-ID:To:To:Cc;/);
    for (const line of message.toString('latin1').split('\r\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  it.each(['simple/simple', 'simple/relaxed', 'relaxed/simple', 'relaxed/relaxed'])('%s verifies', async (form) => {
    const [headerCanonicalization, bodyCanonicalization] = form.split('/') as ['simple', 'relaxed'];
    const keys = [rsa, ed].map((key) => ({ ...key, headerCanonicalization, bodyCanonicalization }));
    const message = signed(MESSAGE, keys);
    expect(message.toString()).toContain(`c=${form};`);
    expect(await verdicts(message, keys)).toEqual(['pass example.com rsa', 'pass example.com ed']);
  });

  it('signs with the example keys of RFC 8463 appendix A', async () => {
    // The seed of section A.2 in PKCS #8.
    const seed = Buffer.from('nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=', 'base64');
    const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]).toString('base64');
    const pem = `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`;
    const key = { domain: 'football.example.com', selector: 'brisbane', pem };
    const text =
      'From: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q <suzie@shopping.example.net>\r\nSubject: Is dinner ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\nMessage-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\nHi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n';
    const message = signed(text, [key]);
    expect(message.toString()).toContain('bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=');
    const record = 'v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=';
    const { results } = await dkimVerify(message, { resolver: async () => [[record]] });
    expect(results.map(({ status }) => status.result)).toEqual(['pass']);
  });

  it('breaks when a signed or oversigned field is added, a field changed, or the body', async () => {
    const text = signed(MESSAGE, [rsa]).toString('latin1');
    for (const broken of [
      `From: evil@example.com\r\n${text}`,
      `Subject: evil\r\n${text}`,
      `Cc: evil@example.com\r\n${text}`,
      text.replace('x  y', 'x y z'),
      text.replace('Hi', 'Ho'),
    ]) {
      // A body that does not match is "neutral" to this verifier.
      expect(await verdicts(Buffer.from(broken, 'latin1'), [rsa])).toEqual([expect.stringMatching(/^(fail|neutral) /)]);
    }
    const kept = text.replace('x  y\r\n\tz', 'x y z').replace('Hi  there ', 'Hi there');
    expect(await verdicts(Buffer.from(`X-Other: 1\r\n${kept}`, 'latin1'), [rsa])).toEqual(['pass example.com rsa']);
  });

  it.each([
    ['a subdomain by its parent', 'From: <a@deep.mail.EXAMPLE.com>\r\n', ['example.com']],
    [
      'the first of several authors',
      'From: a@example.com, b@other.example\r\nSender: c@other.example\r\n',
      ['example.com'],
    ],
    ['another domain', 'From: a@other.example\r\n', []],
    ['a longer domain', 'From: a@notexample.com\r\n', []],
    ['Sender only', 'Sender: a@example.com\r\n', []],
    ['two From fields', 'From: a@example.com\r\nFrom: a@example.com\r\n', []],
    ['a From torn from its colon', 'To: x\r\nFrom\r\n : a@evil.example\r\nFrom: a@example.com\r\n', []],
    ['no address', 'From: example.com\r\n', []],
    ['a name that looks like one', 'From: "a@example.com" <a@other.example>\r\n', []],
    ['an IDN', 'From: a@b\xc3\xbccher.example\r\n', ['xn--bcher-kva.example']],
  ])('chooses the key by author: %s', async (_, head, domains) => {
    const keys = [ed, makeKey('Bücher.example', 's', 'ed25519')];
    const text = signed(`${head}\r\nbody\r\n`, keys).toString('latin1');
    expect([...text.matchAll(/\td=([^;]+);/g)].map(([, domain]) => domain)).toEqual(domains);
  });

  it('prefers the nearest domain that has keys', () => {
    const near = makeKey('mail.example.com', 's', 'ed25519');
    expect(signed('From: a@mail.example.com\r\n\r\n', [ed, near]).toString()).toContain('d=mail.example.com; s=s;');
  });

  it('signs submissions only, and content without a header never', () => {
    expect(signed(MESSAGE, [ed], { submission: false }).toString()).not.toContain('DKIM-Signature');
    expect(signed(`junk\r\n${MESSAGE}`, [ed]).toString()).not.toContain('DKIM-Signature');
  });

  it('signs what the rules make of the message', async () => {
    const rules = parseHeaderRules({
      rewriteDomains: 'old.example=example.com',
      remove: 'X-A',
      add: 'Reply-To: r@example.com',
    });
    const message = signed(
      'X-A: 1\r\nFrom: a@old.example\r\nBcc: b\r\n\r\n..dot\r\n',
      [rsa],
      { dotLines: 1 },
      { rules },
    );
    expect(message.toString()).not.toMatch(/^(Bcc|X-A):/m);
    expect(message.toString()).toContain('Reply-To:');
    const plain = Buffer.from(message.toString('latin1').replace('\r\n..dot', '\r\n.dot'), 'latin1');
    expect(await verdicts(plain, [rsa])).toEqual(['pass example.com rsa']);
  });

  it('verifies with more instances of a field than are signed', async () => {
    const head = Array.from({ length: 30 }, (_, i) => `To: t${i}@b.example\r\n`).join('');
    const message = signed(head + MESSAGE, [rsa]);
    expect(
      message
        .toString('latin1')
        .match(/\bh=[^;]+/)?.[0]
        .match(/\bTo\b/g),
    ).toHaveLength(20);
    expect(await verdicts(message, [rsa])).toEqual(['pass example.com rsa']);
  });

  it('takes other lists of fields, From always among them', async () => {
    const message = signed(MESSAGE, [rsa], {}, {}, { signed: ['Subject'], oversigned: ['X-Extra'] });
    expect(message.toString('latin1')).toContain('h=From:From:Subject:X-Extra;');
    expect(await verdicts(message, [rsa])).toEqual(['pass example.com rsa']);
  });

  it('verifies without an empty line, without a body, without a last CRLF', async () => {
    // This verifier sees no header where the empty line is missing: it gets one, which changes nothing that is signed.
    for (const [text, missing] of [
      ['From: a@example.com\r\n', '\r\n'],
      ['From: a@example.com\r\nX: no end', '\r\n\r\n'],
      ['From: a@example.com\r\n\r\n', ''],
      ['From: a@example.com\r\n\r\nno end', ''],
    ] as const) {
      const message = Buffer.concat([signed(text, [rsa, ed]), Buffer.from(missing)]);
      expect(await verdicts(message, [rsa, ed])).toEqual(['pass example.com rsa', 'pass example.com ed']);
    }
  });
});
