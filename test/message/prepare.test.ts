import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_HEADER_RULES, parseHeaderRules } from '../../src/message/header-rules.js';
import { createPreparer } from '../../src/message/prepare.js';
import type { PrepareConfig } from '../../workers/contract.js';
import { countDotLines, joined, place, requestFor } from './content-fixture.js';
import { makeKey } from './dkim-keys.js';

const config: PrepareConfig = {
  hostname: 'mx.example',
  rules: NO_HEADER_RULES,
  keys: [],
  maxHeaderSize: 65_536,
  maxHops: 5,
};
const plain = createPreparer(config);
const RECEIVED =
  'Received: from client.example ([192.0.2.7])\r\n\tby mx.example with ESMTP id FQZ3K1B2C4\r\n\tfor <rcpt@example.net>; Tue, 01 Jul 2025 09:03:07 +0000\r\n';
const DATE = 'Date: Tue, 01 Jul 2025 09:03:07 +0000\r\n';

function prepared(text: string, changes: Parameters<typeof requestFor>[1] = {}, preparer = plain) {
  const bytes = Buffer.from(text, 'latin1');
  const placed = place(bytes, 64, true);
  const answer = preparer.prepare(requestFor(placed, changes), placed.memory);
  return { ...answer, text: joined(bytes, answer).toString('latin1') };
}

describe('prepare', () => {
  it('puts Received on top and keeps every byte', () => {
    const text = 'Date: x\r\nMessage-ID: <a>\r\nFrom: a@b\r\n\r\nbody\r\n';
    const answer = prepared(text);
    expect(answer).toMatchObject({ status: 'ok', resumeAt: 0 });
    expect(answer.text).toBe(RECEIVED + text);
  });

  it('adds Date and Message-ID to a submission only, below Received', () => {
    const text = 'From: a@b\r\n\r\nbody\r\n';
    const id = `Message-ID: <${Date.UTC(2025, 6, 1, 9, 3, 7).toString(36)}.FQZ3K1B2C4@mx.example>\r\n`;
    expect(prepared(text).text).toBe(RECEIVED + DATE + id + text);
    expect(prepared(text, { submission: false }).text).toBe(RECEIVED + text);
    expect(prepared(`dAtE : x\r\nMESSAGE-ID: y\r\n${text}`).text).toBe(
      `${RECEIVED}dAtE : x\r\nMESSAGE-ID: y\r\n${text}`,
    );
  });

  it('takes Bcc, Resent-Bcc and Return-Path out of a submission, and nothing else', () => {
    const head = 'Date: x\r\nMessage-ID: <a>\r\n';
    const text = `bcc: a@b,\r\n c@d\r\n${head}Return-Path: <x>\r\nBccx: 1\r\nResent-Bcc: e\r\nTo: f\r\n\r\nBcc: in the body\r\n`;
    const answer = prepared(text);
    expect(answer.text).toBe(`${RECEIVED}${head}Bccx: 1\r\nTo: f\r\n\r\nBcc: in the body\r\n`);
    expect(answer.resumeAt).toBe(text.indexOf('\r\n\r\n') + 2);
    expect(prepared(text, { submission: false }).text).toBe(RECEIVED + text);
  });

  it('keeps dot lines and 8-bit bytes of a header that changes', () => {
    const text = 'Date: \xff\r\nMessage-ID: <a>\r\n..stuffed\r\nBcc: a\r\n..x: y\r\nX: \x80\r\n\r\n..\r\nbody';
    const answer = prepared(text, { dotLines: 3 });
    expect(answer.text).toBe(RECEIVED + text.replace('Bcc: a\r\n', ''));
    expect(countDotLines(Buffer.from(answer.text, 'latin1'))).toBe(countDotLines(Buffer.from(text, 'latin1')));
  });

  it.each([
    ['no field first', 'hello\r\nBcc: x\r\n\r\nbody\r\n'],
    ['an empty header', '\r\nBcc: x\r\n'],
    ['nothing', ''],
  ])('keeps content with an empty header: %s', (_, text) => {
    expect(prepared(text, { submission: false }).text).toBe(RECEIVED + text);
    expect(prepared(text).text.endsWith(text)).toBe(true);
    expect(prepared(text).resumeAt).toBe(0);
  });

  it.each([
    ['TLS-Required: No', true],
    ['tls-required:\r\n NO ', true],
    ['TLS-Required: yes', false],
    ['TLS-Required-By: No', false],
    ['X: TLS-Required: No', false],
  ])('sees that TLS is optional: %j', (field, expected) => {
    expect(prepared(`Date: x\r\n${field}\r\n\r\nbody\r\n`).tlsOptional).toBe(expected);
    // Also where the header changes.
    expect(prepared(`Bcc: x\r\n${field}\r\n\r\nTLS-Required: No\r\n`).tlsOptional).toBe(expected);
  });

  it('ends loops by the number of Received fields', () => {
    const four = 'Received: x\r\nRECEIVED: y\r\nreceived : z\r\nReceived: w\r\n';
    expect(prepared(`${four}Received-SPF: x\r\n\r\nReceived: x\r\n`).status).toBe('ok');
    expect(prepared(`${four}To: a\r\nReceived: x\r\n\r\n`)).toMatchObject({ status: 'too-many-hops', resumeAt: 0 });
  });

  it('refuses a header over the limit', () => {
    const small = createPreparer({ ...config, maxHeaderSize: 100 });
    expect(prepared(`A: ${'b'.repeat(95)}\r\n\r\nbody`, {}, small).status).toBe('ok');
    expect(prepared(`A: ${'b'.repeat(96)}\r\n\r\nbody`, {}, small)).toMatchObject({ status: 'header-too-large' });
  });

  it('applies the rules: removes, replaces the first and drops others, adds, rewrites', () => {
    const rules = parseHeaderRules({
      remove: 'X-Secret',
      replace: 'X-Mailer: Sluice',
      add: 'X-Added: 1 | Date: fixed',
      rewriteDomains: 'old.example=new.example',
    });
    const text =
      'From: "a@old.example" <a@old.example>,\r\n b@old.example\r\nx-mailer: One\r\n folded\r\nX-Secret: 1\r\nX-Mailer: Two\r\nTo: c@old.example\r\nMessage-ID: <a>\r\n\r\nX-Secret: body\r\n';
    expect(prepared(text, {}, createPreparer({ ...config, rules })).text).toBe(
      `${RECEIVED}X-Added: 1\r\nDate: fixed\r\nFrom: "a@old.example" <a@new.example>,\r\n b@new.example\r\nX-Mailer: Sluice\r\nTo: c@old.example\r\nMessage-ID: <a>\r\n\r\nX-Secret: body\r\n`,
    );
  });

  it('makes a new Message-ID where the rules take it out', () => {
    const preparer = createPreparer({ ...config, rules: parseHeaderRules({ remove: 'Message-ID' }) });
    const { text } = prepared('Date: x\r\nMessage-ID: <secret>\r\n\r\n', {}, preparer);
    expect(text).not.toContain('<secret>');
    expect(text.match(/^Message-ID: <\S+@mx\.example>\r$/gm)).toHaveLength(1);
  });

  it('says which messages need a worker', () => {
    const signing = createPreparer({ ...config, keys: [makeKey('b.example', 's', 'ed25519')] });
    const placed = place(Buffer.from('x'));
    expect(signing.mayHash(requestFor(placed))).toBe(true);
    expect(signing.mayHash(requestFor(placed, { submission: false }))).toBe(false);
    expect(plain.mayHash(requestFor(placed))).toBe(false);
  });

  it('gives the same for every segment size, edited and signed', () => {
    const preparer = createPreparer({
      ...config,
      rules: parseHeaderRules({ remove: 'X-A', rewriteDomains: 'a.example=b.example' }),
      keys: [makeKey('b.example', 's', 'ed25519')],
    });
    const unit = fc.constantFrom(
      'From: x@a.example\r\n',
      'Bcc: x\r\n',
      'X-A: y\r\n',
      ' fold\r\n',
      '..dot\r\n',
      '\r\n',
      ' ',
      '\t ',
      '\r',
      'x',
    );
    fc.assert(
      fc.property(
        fc.array(unit, { maxLength: 40 }),
        fc.integer({ min: 1, max: 30 }),
        fc.boolean(),
        (units, size, apart) => {
          const bytes = Buffer.from(`From: x@a.example\r\n${units.join('')}`);
          const dotLines = countDotLines(bytes);
          const whole = place(bytes);
          const split = place(bytes, size, apart);
          const expected = preparer.prepare(requestFor(whole, { dotLines }), whole.memory);
          const answer = preparer.prepare(requestFor(split, { dotLines }), split.memory);
          expect(answer.resumeAt).toBe(expected.resumeAt);
          expect(Buffer.from(answer.header).toString('latin1')).toBe(Buffer.from(expected.header).toString('latin1'));
          expect(countDotLines(joined(bytes, answer))).toBe(dotLines);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('fields that say how a message is to be handled', () => {
  const HEAD = 'Date: x\r\nMessage-ID: <a>\r\nFrom: a@b.example\r\n';
  const WISHES = 'x-sluice-LANE: immediate\r\nX-Sluice-Tags : a\r\n\tb\r\nX-Sluice-Tenant: acme\r\n';

  it('come back from a submission and leave with nobody', () => {
    const text = `${HEAD}${WISHES}To: c\r\n\r\nX-Sluice-Lane: bulk\r\n`;
    const sent = prepared(text);
    expect(sent.text).toBe(RECEIVED + text.replace(WISHES, ''));
    expect(sent.fields).toEqual({ 'x-sluice-lane': 'immediate', 'x-sluice-tags': 'a\tb', 'x-sluice-tenant': 'acme' });
    const strangers = prepared(text, { submission: false });
    expect(strangers.text).toBe(sent.text);
    expect(strangers.fields).toBeUndefined();
  });

  it('are not signed, and change nothing of a signature', () => {
    const signing = createPreparer({ ...config, keys: [makeKey('b.example', 's', 'ed25519')] });
    const without = prepared(`${HEAD}\r\nbody\r\n`, {}, signing);
    const wished = prepared(`${WISHES}${HEAD}\r\nbody\r\n`, {}, signing);
    expect(without.text).toContain('DKIM-Signature: ');
    expect(wished.text).toBe(without.text);
  });

  it('change nothing else wherever they stand, in pieces of any size', () => {
    const lines = fc.constantFrom(
      'Subject: x\r\n',
      'To: a,\r\n b\r\n',
      '..stuffed\r\n',
      'X-Sluice-Lane-2: y\r\n',
      'Bcc: z\r\n',
    );
    const wish = fc.constantFrom('X-Sluice-Lane: bulk\r\n', 'X-Sluice-Tags:\r\n a\r\n', 'X-SLUICE-TENANT: t\r\n');
    const header = fc.array(fc.oneof(lines, wish), { maxLength: 12 });
    fc.assert(
      fc.property(header, fc.boolean(), (fields, submission) => {
        const isWish = (line: string) => /^x-sluice-(?:lane|tags|tenant):/i.test(line);
        const text = (kept: readonly string[]) => `${HEAD}${kept.join('')}\r\nbody\r\n`;
        const answer = prepared(text(fields), { submission });
        const plainer = prepared(text(fields.filter((line) => !isWish(line))), { submission });
        expect(answer.text).toBe(plainer.text);
        expect(plainer.fields).toBeUndefined();
        expect(answer.fields !== undefined).toBe(submission && fields.some(isWish));
      }),
    );
  });

  it('and those that rules look at are captured from everybody, the first of each, cut to 256 bytes', () => {
    const names = ['x-campaign', 'constructor', 'subject', ...Array.from({ length: 20 }, (_, i) => `x-${i}`)];
    const looking = createPreparer({ ...config, captured: names });
    const utf8 = Buffer.from(`Subject: ${'é'.repeat(200)}\r\n`).toString('latin1');
    const text = `${HEAD}X-Campaign:  spring\r\n  sale \r\nX-CAMPAIGN: other\r\nConstructor: c\r\n${utf8}X-12: in\r\nX-13: out\r\n\r\n`;
    const answer = prepared(text, { submission: false }, looking);
    expect(answer.fields).toEqual({
      'x-campaign': 'spring  sale',
      constructor: 'c',
      subject: 'é'.repeat(128),
      'x-12': 'in',
    });
    expect(answer.text).toBe(RECEIVED + text);
  });
});
