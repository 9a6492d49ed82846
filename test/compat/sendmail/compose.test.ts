import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compose } from '../../../src/compat/sendmail/compose.js';
import { textLines } from '../../../src/compat/sendmail/text-lines.js';

const lines = (text: string, dotEnds = true) => textLines(Buffer.from(text), dotEnds).toString();
const OPTIONS = {
  hostname: 'h.example',
  sender: 'ann@h.example',
  fullName: '',
  gateway: false,
  now: 0,
  messageId: 'm',
};
const made = (text: string, options: Partial<typeof OPTIONS> = {}) =>
  compose(textLines(Buffer.from(text), true), { ...OPTIONS, ...options });
const head = (text: string, options: Partial<typeof OPTIONS> = {}) =>
  made(text, options).content.toString().split('\r\n\r\n')[0]!.split('\r\n');
const ADDED = ['Message-Id: <m@h.example>', 'Date: Thu, 01 Jan 1970 00:00:00 +0000', 'From: ann@h.example'];

describe('lines of standard input', () => {
  it.each([
    ['', ''],
    ['a', 'a\r\n'],
    ['a\nb\n', 'a\r\nb\r\n'],
    ['a\r\nb\r\n', 'a\r\nb\r\n'],
    ['a\r\r\nb', 'a\r\nb\r\n'],
    ['a\n.\nb\n', 'a\r\n'],
    ['a\n.', 'a\r\n'],
    ['.\r\nb', ''],
    ['..\n.a\n', '..\r\n.a\r\n'],
    ['From ann Tue\n>From b\nSubject: x\n\nFrom c\n', 'Subject: x\r\n\r\nFrom c\r\n'],
    ['10%\r20%\r100%\ndone\n', '10%\r\n20%\r\n100%\r\ndone\r\n'],
  ])('%j', (given, expected) => expect(lines(given)).toBe(expected));

  it('keeps a lone dot where it is text', () => expect(lines('a\n.\nb\n', false)).toBe('a\r\n.\r\nb\r\n'));

  it('ends every line with CRLF and has no other CR or LF', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'\r\n.aF>') }), fc.boolean(), (text, dotEnds) => {
        const out = lines(text, dotEnds);
        expect(out).toMatch(/^(?:[^\r\n]*\r\n)*$/);
        expect(lines(out, false)).toBe(out);
      }),
    );
  });
});

describe('a message of sendmail', () => {
  it('gets what it lacks at the end of its header', () => {
    expect(head('Subject: s\n\ntext\n')).toEqual(['Subject: s', ...ADDED]);
    expect(made('Subject: s\n\ntext\n').content.toString()).toMatch(/\r\n\r\ntext\r\n$/);
    expect(head('From: x@y.example\nDate: d\nMessage-ID: <i>\n\n')).toEqual([
      'From: x@y.example',
      'Date: d',
      'Message-ID: <i>',
    ]);
  });

  it.each([
    ['text without a header\n', 'text without a header\r\n'],
    ['Subject: s\ntext at once\n', 'text at once\r\n'],
    ['\nbody\n', 'body\r\n'],
    ['', ''],
  ])('%j has a header', (text, body) => {
    const content = made(text).content.toString();
    expect(content.slice(content.indexOf('\r\n\r\n') + 4)).toBe(body);
    expect(content).toContain('From: ann@h.example\r\n');
  });

  it.each([
    ['Ann', 'From: Ann <ann@h.example>'],
    ['Ann B. Example', 'From: "Ann B. Example" <ann@h.example>'],
    ['a "b" \\', 'From: "a \\"b\\" \\\\" <ann@h.example>'],
    ['x\r\nBcc: y', 'From: "x Bcc: y" <ann@h.example>'],
    ['Größe', 'From: =?utf-8?B?R3LDtsOfZQ==?= <ann@h.example>'],
  ])('is from %j', (fullName, from) => expect(head('\n', { fullName })[2]).toBe(from));

  it('of another host is left as it is', () => {
    const text = 'To: root\nBcc: x@x.example\n\ntext\n';
    expect(made(text, { gateway: true }).content.toString()).toBe('To: root\r\n\r\ntext\r\n');
  });

  it('is from MAILER-DAEMON where the sender is null', () =>
    expect(head('\n', { sender: '' })[2]).toBe('From: MAILER-DAEMON@h.example'));

  it('names its recipients once, and hides those of Bcc', () => {
    const text =
      'To: a@x.example, team: b@x.example,\n c@x.example;\nBcc: hidden@x.example,\n\tdeep\nCc: a@x.example\n\n';
    expect(made(text).recipients).toEqual([
      'a@x.example',
      'b@x.example',
      'c@x.example',
      'hidden@x.example',
      'deep@h.example',
    ]);
    expect(made(text).content.toString()).not.toMatch(/bcc|hidden|deep/i);
  });

  it('that is resent goes to the Resent- recipients alone', () => {
    const { recipients, content } = made('To: a@x.example\nResent-To: b@x.example\nResent-Bcc: c@x.example\n\n');
    expect(recipients).toEqual(['b@x.example', 'c@x.example']);
    expect(content.toString().split('\r\n').slice(0, 5)).toEqual([
      'To: a@x.example',
      'Resent-To: b@x.example',
      'Resent-Message-Id: <m@h.example>',
      'Resent-Date: Thu, 01 Jan 1970 00:00:00 +0000',
      'Resent-From: ann@h.example',
    ]);
  });

  it('gets a domain for addresses without one, as from cron', () => {
    expect(head('From: root (Cron Daemon)\nTo: root\nSubject: to root, from root\nReturn-Path: <x>\n\n')).toEqual([
      'From: root@h.example (Cron Daemon)',
      'To: root@h.example',
      'Subject: to root, from root',
      ...ADDED.slice(0, 2),
    ]);
  });

  it('says what of it is beyond ASCII', () => {
    const ask = (text: Buffer) => {
      const { eightBit, utf8Header } = compose(textLines(text, true), OPTIONS);
      return [eightBit, utf8Header];
    };
    expect(ask(Buffer.from('Subject: s\n\nx\n'))).toEqual([false, false]);
    expect(ask(Buffer.from('Subject: s\n\nü\n'))).toEqual([true, false]);
    expect(ask(Buffer.from('Subject: ü\n\nx\n'))).toEqual([true, true]);
    expect(ask(Buffer.from('Subject: ü\n\nx\n', 'latin1'))).toEqual([true, false]);
    expect(compose(textLines(Buffer.from('To: ü@x.example\n\n'), true), OPTIONS).recipients).toEqual(['ü@x.example']);
  });

  it('keeps its body byte for byte, whatever it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = Buffer.from(bytes.filter((byte) => byte !== 13 && byte !== 10));
        const { content } = compose(textLines(Buffer.concat([Buffer.from('Subject: s\n\n '), text]), true), OPTIONS);
        const body = content.subarray(content.indexOf('\r\n\r\n') + 5);
        expect(body.equals(Buffer.concat([text, Buffer.from('\r\n')]))).toBe(true);
      }),
    );
  });
});
