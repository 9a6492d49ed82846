import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DROP_NAME, dropHead, parseDropHead } from '../../../src/compat/sendmail/drop-format.js';
import type { Notify } from '../../../src/compat/sendmail/options.js';
import { type Outgoing, xtext } from '../../../src/compat/sendmail/outgoing.js';
import { writeDrop } from '../../../src/compat/sendmail/write-drop.js';

const MESSAGE: Outgoing = {
  ...{ sender: 'a@x.example', recipients: ['b@x.example'], notify: ['DELAY'], ret: 'HDRS', envelopeId: 'i+3Dd' },
  ...{ body: '7BIT', smtpUtf8: false, content: Buffer.from('Subject: s\r\n\r\n\n{"x"\r\n') },
};
const headOf = (change: Record<string, unknown>) => {
  const { content, ...envelope } = MESSAGE;
  return Buffer.from(`SLUICE-MAILDROP 1\n${JSON.stringify({ ...envelope, size: content.length, ...change })}\n`);
};

describe('a file of the maildrop', () => {
  it('gives back what was put into it', () => {
    const address = fc.constantFrom('a@x.example', '"q r"@x.example', 'ü@x.example', 'postmaster');
    const notify = fc.constantFrom<Notify>([], ['NEVER'], ['SUCCESS', 'DELAY']);
    fc.assert(
      fc.property(
        fc.array(address, { minLength: 1, maxLength: 5 }),
        notify,
        fc.string({ maxLength: 100 }),
        fc.uint8Array(),
        (recipients, words, id, bytes) => {
          const content = Buffer.from(bytes);
          const message: Outgoing = { ...MESSAGE, recipients, notify: words, envelopeId: xtext(id), content };
          const head = parseDropHead(Buffer.concat([dropHead(message), content]));
          if (typeof head === 'string') throw new Error(head);
          expect({ ...head.envelope, content }).toEqual(message);
          expect([head.size, head.contentAt]).toEqual([content.length, dropHead(message).length]);
        },
      ),
    );
  });

  it.each<[string, Buffer, string]>([
    ['nothing', Buffer.alloc(0), 'does not begin'],
    ['another version', Buffer.from('SLUICE-MAILDROP 2\n{}\n'), 'does not begin'],
    ['no envelope', Buffer.from('SLUICE-MAILDROP 1\n{'), 'not one line'],
    ['no JSON', Buffer.from('SLUICE-MAILDROP 1\n{\n'), 'not JSON'],
    ['no object', Buffer.from('SLUICE-MAILDROP 1\nnull\n'), 'not an object'],
    ['a sender that steers SMTP', headOf({ sender: 'a@x.example> SIZE=1' }), 'sender'],
    ['no sender', headOf({ sender: undefined }), 'sender'],
    ['no recipients', headOf({ recipients: [] }), 'no recipients'],
    ['a recipient that is none', headOf({ recipients: ['b@x.example', 'c@x.example\r\nDATA'] }), 'a recipient is not'],
    ['too many', headOf({ recipients: Array(10_001).fill('b@x.example') }), 'more than'],
    ['notify', headOf({ notify: ['NEVER', 'DELAY'] }), 'notify'],
    ['ret', headOf({ ret: 'ALL' }), 'ret'],
    ['envelopeId', headOf({ envelopeId: 'a b' }), 'xtext'],
    ['body', headOf({ body: 'BINARYMIME' }), 'body'],
    ['size', headOf({ size: -1 }), 'size'],
  ])('with %s is told from one', (_, file, words) => expect(parseDropHead(file)).toContain(words));

  it('is never taken for one where it is noise, and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.boolean(), (bytes, magic) => {
        const given = Buffer.concat([Buffer.from(magic ? 'SLUICE-MAILDROP 1\n' : ''), Buffer.from(bytes)]);
        expect(typeof parseDropHead(given)).toBe('string');
      }),
    );
  });

  it('is written whole under a name that nobody guesses, for the engine to read', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-drop-'));
    const mask = process.umask(0o077);
    try {
      const path = writeDrop(folder, MESSAGE);
      expect(readdirSync(folder)).toEqual([path.slice(folder.length + 1)]);
      expect(path.slice(folder.length + 1)).toMatch(DROP_NAME);
      expect(statSync(path).mode & 0o777).toBe(0o644);
      const file = readFileSync(path);
      const head = parseDropHead(file);
      if (typeof head === 'string') throw new Error(head);
      expect(file.subarray(head.contentAt).equals(MESSAGE.content)).toBe(true);
    } finally {
      process.umask(mask);
      rmSync(folder, { recursive: true });
    }
  });
});
