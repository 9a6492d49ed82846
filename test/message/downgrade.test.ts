import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { downgradeTo7Bit } from '../../src/message/downgrade.js';
import { encodeBase64, encodeQuotedPrintable, natureOf } from '../../src/message/downgrade-encoding.js';
import { pythonOrSkip, runPython } from '../helpers/python.js';

function lines(...each: string[]): Buffer {
  return Buffer.from(`${each.join('\r\n')}\r\n`, 'utf8');
}

function converted(content: Buffer): string {
  const result = downgradeTo7Bit(content);
  if ('refused' in result) throw new Error(result.refused);
  expect(natureOf(result.ok)).toEqual({ eightBit: false, noText: false, longLine: false });
  return result.ok.toString('latin1');
}

function refusal(content: Buffer): string {
  const result = downgradeTo7Bit(content);
  return 'refused' in result ? result.refused : 'converted';
}

/** An independent decoder of quoted-printable, as plain as RFC 2045 section 6.7 reads. */
function decodeQuotedPrintable(text: string): Buffer {
  const joined = text.replace(/[ \t]+(?=\r\n)/g, '').replace(/=\r\n/g, '');
  return Buffer.from(
    joined.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
}

const plainHeader = ['From: a@a.test', 'MIME-Version: 1.0', 'Content-Type: text/plain; charset=utf-8'];

describe('downgradeTo7Bit', () => {
  it('gives 7-bit content back as it is, signed or not', () => {
    const content = lines('DKIM-Signature: x', 'Content-Transfer-Encoding: 8bit', '', 'hello');
    expect(downgradeTo7Bit(content)).toEqual({ ok: content });
    expect(downgradeTo7Bit(Buffer.alloc(0))).toEqual({ ok: Buffer.alloc(0) });
  });

  it('encodes text as quoted-printable and replaces the field', () => {
    const content = lines(
      'From: a@a.test',
      'Content-Transfer-Encoding: 8bit',
      'MIME-Version: 1.0',
      '',
      'caf\u00e9 = x ',
    );
    expect(converted(content)).toBe(
      'From: a@a.test\r\nContent-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n\r\ncaf=C3=A9 =3D x=20\r\n',
    );
  });

  it('adds the field where it is missing, and MIME where there is none', () => {
    expect(converted(lines(...plainHeader, '', '\u00e9'))).toContain(
      'charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9\r\n',
    );
    expect(converted(lines('From: a@a.test', '', '\u00e9'))).toBe(
      'From: a@a.test\r\nContent-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n' +
        'Content-Type: text/plain; charset=unknown-8bit\r\n\r\n=C3=A9\r\n',
    );
    expect(converted(lines('', '\u00e9'))).toContain('unknown-8bit');
  });

  it('encodes what is no text, and text that is not in lines, as base64', () => {
    const header = 'MIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\nContent-Type: ';
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    for (const type of ['image/png', 'text/plain']) {
      const text = converted(Buffer.concat([Buffer.from(`${header}${type}\r\n\r\n`), bytes]));
      expect(text).toContain('Content-Transfer-Encoding: base64\r\n');
      expect(Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'base64')).toEqual(bytes);
    }
  });

  it('splits long lines of text', () => {
    const text = converted(lines(...plainHeader, '', 'x'.repeat(2000)));
    expect(text.split('\r\n').every((line) => line.length <= 76)).toBe(true);
  });

  it('changes only the parts that need it, and the label around them', () => {
    const content = lines(
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; (a comment) boundary="b (1)"',
      'Content-Transfer-Encoding: 8bit (why not)',
      '',
      'preamble',
      '--b (1)',
      'Content-Type: multipart/signed; boundary=s',
      '',
      '--s',
      '',
      'signed and seven bit ',
      '--s--',
      '--b (1)  ',
      '--b (1)',
      'Content-Type: text/html',
      '',
      '<p>\u00e9</p>',
      '--b (1)x is no delimiter',
      '--b (1)',
      'Content-Type: application/octet-stream',
      'Content-Transfer-Encoding: binary',
      '',
      '\u00e9',
      '--b (1)--',
      'epilogue',
    );
    expect(converted(content).split('\r\n')).toEqual([
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; (a comment) boundary="b (1)"',
      'Content-Transfer-Encoding: 7bit',
      '',
      'preamble',
      '--b (1)',
      'Content-Type: multipart/signed; boundary=s',
      '',
      '--s',
      '',
      'signed and seven bit ',
      '--s--',
      '--b (1)  ',
      '--b (1)',
      'Content-Type: text/html',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      '<p>=C3=A9</p>',
      '--b (1)x is no delimiter',
      '--b (1)',
      'Content-Type: application/octet-stream',
      'Content-Transfer-Encoding: base64',
      '',
      'w6k=',
      '--b (1)--',
      'epilogue',
      '',
    ]);
  });

  it('goes into enclosed messages, and digests', () => {
    const content = lines(
      'MIME-Version: 1.0',
      'Content-Type: multipart/digest; boundary=b',
      '',
      '--b',
      '',
      'Subject: inner',
      'MIME-Version: 1.0',
      '',
      '\u00e9',
      '--b',
      'Content-Type: message/rfc822',
      'Content-Transfer-Encoding: 8bit',
      '',
      ...plainHeader,
      '',
      '\u00e9',
      '--b--',
    );
    const text = converted(content);
    expect(text.match(/=C3=A9/g)?.length).toBe(2);
    expect(text).toContain('Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nFrom: a@a.test');
  });

  it('encodes what RFC 6532 and 6533 allow to be encoded', () => {
    const content = lines(
      'MIME-Version: 1.0',
      'Content-Type: message/global',
      'Content-Transfer-Encoding: 8bit',
      '',
      'Subject: \u00e9',
      '',
      'x',
    );
    expect(converted(content)).toContain('quoted-printable\r\n\r\nSubject: =C3=A9\r\n\r\nx\r\n');
  });

  it.each([
    ['header not ASCII', ['Subject: \u00e9', '', 'x'], /header field is not ASCII/],
    ['header line too long', [`Subject: ${'x'.repeat(999)}`, '', '\u00e9'], /header field has a line/],
    ['DKIM', ['DKIM-Signature: v=1', ...plainHeader, '', '\u00e9'], /signature/],
    ['ARC', ['ARC-Message-Signature: i=1', ...plainHeader, '', '\u00e9'], /signature/],
    ['signed', ['Content-Type: multipart/signed; boundary=b', '', '--b', '', '\u00e9', '--b--'], /signature/],
    ['encrypted', ['Content-Type: multipart/encrypted; boundary=b', '', '--b', '', '\u00e9', '--b--'], /encrypted/],
    ['partial', ['Content-Type: message/partial', '', '', '\u00e9'], /message\/partial/],
    ['delivery status', ['Content-Type: message/delivery-status', '', '\u00e9'], /message\/delivery-status/],
    ['no boundary', ['Content-Type: multipart/mixed', '', '\u00e9'], /without boundary/],
    ['no parts', ['Content-Type: multipart/mixed; boundary=b', '', '\u00e9'], /without parts/],
    ['no end', ['Content-Type: multipart/mixed; boundary=b', '', '--b', '', '\u00e9'], /has no end/],
    ['8-bit preamble', ['Content-Type: multipart/mixed; boundary=b', '', '\u00e9', '--b', '', 'x', '--b--'], /outside/],
    ['two types', ['Content-Type: text/plain', 'Content-Type: text/html', '', '\u00e9'], /two Content-Type/],
    ['bad type', ['Content-Type: nonsense', '', '\u00e9'], /cannot be read/],
    ['open quote', ['Content-Type: text/plain; x="y', '', '\u00e9'], /no end/],
    ['no field', ['Subject: x', 'no field', '', '\u00e9'], /no field/],
    ['no header at all', ['\u00e9'], /no end/],
    ['unknown encoding', ['Content-Transfer-Encoding: x-uue', '', '\u00e9'], /unknown transfer encoding/],
    ['base64 with 8-bit', ['Content-Transfer-Encoding: base64', '', '\u00e9'], /base64 cannot have/],
    [
      'multipart in base64',
      [
        'Content-Type: multipart/mixed; boundary=b',
        'Content-Transfer-Encoding: base64',
        '',
        '--b',
        '',
        '\u00e9',
        '--b--',
      ],
      /malformed/,
    ],
  ])('refuses: %s', (_, content, reason) => {
    expect(refusal(lines(...content))).toMatch(reason);
  });

  it('refuses too deep a nesting', () => {
    const deep: string[] = [];
    for (let i = 0; i < 30; i++) deep.push('Content-Type: message/rfc822', '');
    expect(refusal(lines(...deep, 'Subject: x', '', '\u00e9'))).toMatch(/nested too deeply/);
  });

  it('never throws, and gives 7 bit whenever it converts', () => {
    const token = fc.constantFrom(
      'Content-Type: multipart/mixed; boundary=b',
      'Content-Type: message/rfc822',
      'Content-Transfer-Encoding: 8bit',
      '--b',
      '--b--',
      '',
      '',
      '\u00e9',
      'x'.repeat(1200),
      'a\rb',
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 30 }), (each) => {
        const result = downgradeTo7Bit(lines(...each));
        if ('ok' in result) {
          expect(natureOf(result.ok)).toEqual({ eightBit: false, noText: false, longLine: false });
        } else expect(result.refused).not.toBe('');
      }),
      { numRuns: 500 },
    );
  });
});

describe('encodings keep the bytes', () => {
  const textLine = fc.oneof(
    fc.string({ unit: 'binary' }).map((line) => line.replace(/[\r\n]/g, '')),
    fc.constantFrom(
      '.',
      '..x',
      'From x',
      ' ',
      '\t',
      'x '.repeat(60),
      '='.repeat(200),
      '.'.repeat(3000),
      'From '.repeat(700),
      ' '.repeat(500),
      'x'.repeat(75),
      'x'.repeat(76),
    ),
  );

  it('quoted-printable, in lines of 76', () => {
    fc.assert(
      fc.property(fc.array(textLine), fc.boolean(), (each, ended) => {
        const bytes = Buffer.from(each.join('\r\n') + (ended ? '\r\n' : ''), 'utf8');
        const text = encodeQuotedPrintable(bytes).toString('latin1');
        expect(text).toMatch(/^[\t\r\n\x20-\x7e]*$/);
        for (const line of text.split('\r\n')) {
          expect(line.length).toBeLessThanOrEqual(76);
          expect(line).not.toMatch(/^\.|^From |[ \t]$|[\r\n]/);
        }
        expect(decodeQuotedPrintable(text)).toEqual(bytes);
      }),
    );
  });

  it('base64, in lines of 76', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (each) => {
        const bytes = Buffer.from(each);
        const text = encodeBase64(bytes).toString('latin1');
        for (const line of text.split('\r\n')) expect(line.length).toBeLessThanOrEqual(76);
        expect(Buffer.from(text, 'base64')).toEqual(bytes);
      }),
    );
  });

  it('as another decoder sees them', (ctx) => {
    pythonOrSkip(ctx);
    const body = Buffer.concat([
      Buffer.from('.caf\u00e9 =\r\nFrom x \r\n'),
      Buffer.from([0xff, 0x80]),
      Buffer.from('z'.repeat(300)),
    ]);
    const binary = Buffer.from(Array.from({ length: 600 }, (_, i) => i & 255));
    const content = Buffer.concat([
      Buffer.from('MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n'),
      body,
      Buffer.from('\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n'),
      binary,
      Buffer.from('\r\n--b--\r\n'),
    ]);
    const result = downgradeTo7Bit(content);
    if ('refused' in result) throw new Error(result.refused);
    const decoded = runPython(
      `import sys, email, json
message = email.message_from_bytes(sys.stdin.buffer.read())
print(json.dumps([part.get_payload(decode=True).hex() for part in message.get_payload()]))`,
      result.ok,
    );
    expect(decoded).toEqual([body.toString('hex'), binary.toString('hex')]);
  });
});
