import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { describe, expect, it } from 'vitest';
import { firstDomain } from '../../src/message/address-domains.js';
import { NO_HEADER_RULES } from '../../src/message/header-rules.js';
import { FieldName, HeaderScan } from '../../src/message/header-scan.js';
import { createPreparer } from '../../src/message/prepare.js';
import type { PreparedMessage } from '../../workers/contract.js';
import { conformanceMessages } from './conformance-fixture.js';
import { countDotLines, joined, place, requestFor, stuff, unstuff } from './content-fixture.js';
import { makeKey, resolverFor } from './dkim-keys.js';

const config = { hostname: 'mx.example', rules: NO_HEADER_RULES, keys: [], maxHeaderSize: 1_000_000, maxHops: 100 };
const FROM = new FieldName('From');

/** The domain that should sign, '' for none: exactly one From field with an address, and nothing that looks like another. */
function authorDomain(bytes: Buffer): string {
  if (/^from[ \t]*\r\n[ \t]/im.test(bytes.toString('latin1'))) return '';
  const scan = new HeaderScan();
  scan.scan(bytes, true);
  const values = Array.from({ length: scan.count }, (_, i) => (scan.is(i, FROM) ? scan.value(i) : undefined));
  const from = values.filter((value) => value !== undefined);
  return from.length === 1 ? firstDomain(from[0]!) : '';
}

describe('the shared messages', () => {
  const messages = conformanceMessages();

  it('stay byte-exact behind the added fields, in wire and plain form', (ctx) => {
    if (messages === undefined) return ctx.skip();
    const preparer = createPreparer(config);
    for (const { path, bytes } of messages) {
      const wire = stuff(bytes);
      const both: [PreparedMessage, Buffer][] = [];
      for (const [content, form] of [
        [wire, 'wire'],
        [bytes, 'plain'],
      ] as const) {
        const placed = place(content, 1024, true);
        const request = requestFor(placed, { form, dotLines: countDotLines(content), submission: false });
        both.push([preparer.prepare(request, placed.memory), content]);
      }
      for (const [answer, content] of both) {
        expect(answer, path).toMatchObject({ status: 'ok', resumeAt: 0 });
        expect(joined(content, answer).subarray(answer.header.length).equals(content), path).toBe(true);
        expect(Buffer.from(answer.header).toString('latin1'), path).toMatch(
          /^Received: [^\r\n]+(\r\n\t[^\r\n]+)+\r\n$/,
        );
      }
    }
    expect(messages.length).toBeGreaterThan(300);
  });

  it('lose nothing but Bcc and Return-Path on submission', (ctx) => {
    if (messages === undefined) return ctx.skip();
    const preparer = createPreparer(config);
    for (const { path, bytes } of messages) {
      const wire = stuff(bytes);
      const placed = place(wire, 4096);
      const answer = preparer.prepare(requestFor(placed, { dotLines: countDotLines(wire) }), placed.memory);
      const after = unstuff(joined(wire, answer)).toString('latin1');
      const before = bytes.toString('latin1');
      if (answer.resumeAt === 0) {
        expect(after.endsWith(before), path).toBe(true);
        continue;
      }
      const end = before.startsWith('\r\n')
        ? 0
        : before.indexOf('\r\n\r\n') < 0
          ? before.length
          : before.indexOf('\r\n\r\n') + 2;
      const head = before
        .slice(0, end)
        .replace(/^(?:bcc|resent-bcc|return-path)[ \t]*:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*/gim, '');
      expect(after.endsWith(head + before.slice(end)), path).toBe(true);
    }
  });

  it('verify once signed, whichever the form they came in', async (ctx) => {
    if (messages === undefined) return ctx.skip();
    const rsa = makeKey('placeholder.example', 'rsa', 'rsa', 1024);
    const ed = makeKey('placeholder.example', 'ed', 'ed25519');
    let count = 0;
    const unsigned: string[] = [];
    for (const { path, bytes, strict } of messages) {
      const domain = authorDomain(bytes);
      // A message that has no empty line is no message to the verifier.
      if (!strict || domain === '' || !bytes.includes('\r\n\r\n')) {
        unsigned.push(path);
        continue;
      }
      const keys = [
        { ...rsa, domain },
        { ...ed, domain, headerCanonicalization: 'simple', bodyCanonicalization: 'simple' } as const,
      ];
      const preparer = createPreparer({ ...config, keys });
      const wire = stuff(bytes);
      const headers: string[] = [];
      for (const [content, form] of [
        [wire, 'wire'],
        [bytes, 'plain'],
      ] as const) {
        const placed = place(content, 2048, form === 'wire');
        const answer = preparer.prepare(requestFor(placed, { form, dotLines: countDotLines(content) }), placed.memory);
        const message = joined(content, answer);
        headers.push(Buffer.from(answer.header.subarray(0, 1000)).toString('latin1'));
        const { results } = await dkimVerify(form === 'wire' ? unstuff(message) : message, {
          resolver: resolverFor(keys),
        });
        const ours = results.filter(
          ({ selector, signingDomain }) => signingDomain === domain && /^(rsa|ed)$/.test(selector ?? ''),
        );
        expect(
          ours.map(({ status }) => status.result),
          path,
        ).toEqual(['pass', 'pass']);
      }
      expect(headers[0]!.match(/\tbh=\S+/)?.[0], path).toBe(headers[1]!.match(/\tbh=\S+/)?.[0]);
      count++;
    }
    console.log(`${count} messages signed and verified; not signed (loose, or no single author): ${unsigned.length}`);
    expect(count).toBeGreaterThan(250);
  }, 60_000);
});
