/**
 * The injector over an intake that writes down: what is sent for what was said, and what is refused.
 */
import fc from 'fast-check';
import PostalMime from 'postal-mime';
import { describe, expect, it } from 'vitest';
import type { ComposedItem, ItemOutcome, MailItem, Refusal } from '../../src/injection/mail-item.js';
import { replies } from '../../src/smtp/replies.js';
import { type Handed, InjectionWorld } from './injection-world.js';

const plain = { from: 'a@x.example', to: 'b@y.example', subject: 's', text: 't' } satisfies ComposedItem;

async function sent(world: InjectionWorld, item: MailItem): Promise<Handed> {
  const result = await world.one(item);
  if ('status' in result) throw new Error(`${result.code}: ${result.detail}`);
  return result;
}

async function refused(world: InjectionWorld, item: MailItem): Promise<Refusal> {
  const result = await world.one(item);
  if ('status' in result) return result;
  throw new Error(`taken: ${result.content.toString()}`);
}

function headerNames(content: Buffer): string[] {
  const header = content.toString('latin1').split('\r\n\r\n')[0]!;
  return [...header.matchAll(/^([^\s:]+):/gm)].map(([, name]) => name!.toLowerCase());
}

function idOf(outcome: ItemOutcome | undefined): string {
  if (outcome === undefined || !('id' in outcome)) throw new Error(JSON.stringify(outcome));
  return outcome.id;
}

describe('a composed message', () => {
  it('that is plain is written as it is', async () => {
    const world = new InjectionWorld();
    const { content, transaction } = await sent(world, {
      from: 'Ann "A." Smith <a@x.example>',
      to: ['b@y.example', '"Bob, C" <c@y.example>'],
      cc: '<d@y.example>',
      bcc: ['e@y.example'],
      replyTo: 'r@x.example',
      subject: 'one two',
      text: 'a\n.b\r\nc\rd',
      headers: { 'X-One': '1', 'X-Two': ['2', '3'] },
    });
    expect(content.toString()).toBe(
      'From: "Ann \\"A.\\" Smith" <a@x.example>\r\nReply-To: r@x.example\r\nTo: b@y.example,\r\n "Bob, C" <c@y.example>\r\n' +
        'Cc: d@y.example\r\nSubject: one two\r\nX-One: 1\r\nX-Two: 2\r\nX-Two: 3\r\nMIME-Version: 1.0\r\n' +
        'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\na\r\n.b\r\nc\r\nd',
    );
    expect(transaction).toMatchObject({
      sender: 'a@x.example',
      bodyType: '7BIT',
      smtpUtf8: false,
      protocol: 'HTTP',
      content: {
        form: 'plain',
        dotLines: 1,
        eightBit: false,
        binary: false,
        endsWithCrlf: false,
        size: content.length,
      },
    });
    const to = transaction.recipients.map(({ address }) => address);
    expect(to).toEqual(['b@y.example', 'c@y.example', 'd@y.example', 'e@y.example']);
    expect(world.segments.available).toBe(world.segments.count);
  });

  it('sends to each address once, and has the reverse-path that it is given', async () => {
    const world = new InjectionWorld();
    const item = { ...plain, to: ['b@y.example', 'B <b@y.example>'], cc: 'b@y.example', mailFrom: '' };
    const { transaction } = await sent(world, item);
    expect(transaction.recipients).toHaveLength(1);
    expect(transaction.sender).toBe('');
    expect((await sent(world, { ...plain, mailFrom: 'bounce@x.example' })).transaction.sender).toBe('bounce@x.example');
  });

  it('beyond ASCII, with HTML or with attachments is MIME, and says the same', async () => {
    const world = new InjectionWorld();
    const data = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) & 255));
    const text = `Grüße ${'lang '.repeat(300)}\n.x\n`;
    const html = `<p>${'ü'.repeat(40_000)}</p>`;
    const { content, transaction } = await sent(world, {
      ...plain,
      from: 'Jürgen <j@bücher.example>',
      subject: 'Grüße → 😀',
      text,
      html,
      attachments: [
        { filename: 'Résumé "1".pdf', contentType: 'application/pdf', content: data.toString('base64') },
        { filename: 'p.png', content: 'AAAA', cid: 'logo@x', disposition: 'inline' },
        { content: 'QQ==' },
      ],
    });
    expect(transaction).toMatchObject({ sender: 'j@xn--bcher-kva.example', smtpUtf8: false, bodyType: '7BIT' });
    const mail = await PostalMime.parse(content);
    expect(mail.from).toEqual({
      name: 'Jürgen',
      address: expect.stringMatching(/^j@(xn--bcher-kva|bücher)\.example$/),
    });
    expect(mail.subject).toBe('Grüße → 😀');
    expect(mail.text?.replaceAll('\r\n', '\n').trimEnd()).toBe(text.trimEnd());
    expect(mail.html?.trimEnd()).toBe(html);
    expect(mail.attachments.map(({ filename }) => filename)).toContain('Résumé "1".pdf');
    const file = mail.attachments.find(({ mimeType }) => mimeType === 'application/pdf')!;
    expect(Buffer.from(file.content as ArrayBuffer).equals(data)).toBe(true);
    expect(mail.attachments.find(({ filename }) => filename === 'p.png')?.contentId).toBe('<logo@x>');
  });

  it('with a local part beyond ASCII needs SMTPUTF8', async () => {
    const world = new InjectionWorld();
    const { transaction, content } = await sent(world, { ...plain, to: 'üser@bücher.example' });
    expect(transaction).toMatchObject({ smtpUtf8: true, bodyType: '8BITMIME' });
    expect(transaction.recipients[0]!.address).toBe('üser@bücher.example');
    expect(content.toString()).toContain('üser@');
  });

  it('with long lines or words is encoded or folded, so that no line is longer than RFC 5322 allows', async () => {
    const world = new InjectionWorld();
    const items: ComposedItem[] = [
      { ...plain, text: 'x'.repeat(5000) },
      { ...plain, subject: 'word '.repeat(150).trim() },
      { ...plain, headers: { 'List-Unsubscribe': `<https://x.example/${'u'.repeat(800)}>, <mailto:u@x.example>` } },
      { ...plain, text: `${'y'.repeat(998)}\n` },
      { ...plain, to: Array.from({ length: 300 }, (_, i) => `recipient.${i}@y.example`) },
    ];
    for (const item of items) {
      const { content } = await sent(world, item);
      for (const line of content.toString('latin1').split('\r\n')) expect(line.length).toBeLessThanOrEqual(998);
      const mail = await PostalMime.parse(content);
      expect(mail.subject).toBe(item.subject);
      expect(mail.text?.trimEnd()).toBe(item.text!.trimEnd());
    }
  });

  it('that is long is encoded in pieces that cut nothing apart', async () => {
    const world = new InjectionWorld();
    for (const [text, end] of [
      // The bounds of pieces fall between CR and LF, and within a pair of surrogates.
      [`${'→'.repeat(98_303)}\r\n${'x'.repeat(98_301)}😀\n`, '\n'],
      [`${'a line\n'.repeat(25_000)}\r\r`, ''],
    ] as const) {
      const { content } = await sent(world, { ...plain, text: `${text}${end}` });
      const [header, body] = content.toString('latin1').split('\r\n\r\n') as [string, string];
      expect(header).toMatch(/^Content-Transfer-Encoding: base64$/m);
      const decoded = Buffer.from(body.replaceAll('\r\n', ''), 'base64').toString();
      expect(decoded === `${text}${end}`.replace(/\r\n|\r|\n/g, '\r\n')).toBe(true);
    }
  });

  it('is what it was, whatever its text', async () => {
    const world = new InjectionWorld();
    const line = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc.string({ unit: 'grapheme', maxLength: 20 }),
      fc.constantFrom('.', '..', '.\r', 'From x', '--', '', 'x'.repeat(1200), ' '),
    );
    const texts = fc
      .tuple(fc.array(line, { maxLength: 8 }), fc.constantFrom('\n', '\r\n', '\r'))
      .map(([lines, end]) => lines.join(end).replaceAll('\0', ''))
      .filter((text) => !/\p{Surrogate}/u.test(text));
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        const { content, transaction } = await sent(world, { ...plain, text });
        const wanted = text.replace(/\r\n|\r|\n/g, '\n');
        const decoded = (await PostalMime.parse(content)).text ?? '';
        expect(decoded.replaceAll('\r\n', '\n').replace(/\n$/, '')).toBe(wanted.replace(/\n$/, ''));
        expect(transaction.content.binary).toBe(false);
        expect(/(?<!\r)\n|\r(?!\n)/.test(content.toString('latin1'))).toBe(false);
        expect(world.segments.available).toBe(world.segments.count);
      }),
      { numRuns: 150 },
    );
  });
});

describe('what an item says', () => {
  it('starts no line of its own in a header', async () => {
    const world = new InjectionWorld();
    const nasty = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc
        .tuple(
          fc.string({ maxLength: 5 }),
          fc.constantFrom('\r\n', '\n', '\r', '\r\n\r\n', '\u2028', '\0', '\u000b', '\u0085'),
        )
        .map(([before, end]) => `${before}${end}X-Evil: 1`),
      fc.constantFrom('=?utf-8?q?a=0D=0AX-Evil:_1?=', '"', '\\', '"\r\n x', 'a;b=c', '\u{1f600}'.repeat(50)),
    );
    const known = new Set([
      ...['from', 'reply-to', 'to', 'cc', 'subject', 'date', 'message-id', 'mime-version', 'x-mine'],
      ...['content-type', 'content-transfer-encoding', 'content-disposition', 'content-id'],
    ]);
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(
        nasty,
        fc.constantFrom('subject', 'name', 'header', 'headerName', 'filename', 'contentType', 'cid', 'replyTo'),
        fc.boolean(),
        async (text, where, mime) => {
          const attachment = { content: 'QUJD', filename: 'f' };
          const item: ComposedItem = {
            ...plain,
            ...(mime ? { html: '<p>' } : {}),
            ...(where === 'subject' ? { subject: text } : {}),
            ...(where === 'name' ? { to: `${text} <b@y.example>` } : {}),
            ...(where === 'replyTo' ? { replyTo: text } : {}),
            ...(where === 'header' ? { headers: { 'X-Mine': text } } : {}),
            ...(where === 'headerName' ? { headers: { [`X-Mine${text}`]: '1' } } : {}),
            ...(where === 'filename' ? { attachments: [{ ...attachment, filename: text }] } : {}),
            ...(where === 'contentType' ? { attachments: [{ ...attachment, contentType: text }] } : {}),
            ...(where === 'cid' ? { attachments: [{ ...attachment, cid: text }] } : {}),
          };
          const result = await world.one(item);
          if ('status' in result) {
            expect([422]).toContain(result.status);
            return;
          }
          taken++;
          const names = headerNames(result.content).filter(
            (name) => where !== 'headerName' || !name.startsWith('x-mine'),
          );
          expect(names.filter((name) => !known.has(name))).toEqual([]);
          expect(new Set(names).size).toBe(names.length);
          expect(result.content.toString('utf8')).not.toMatch(/^X-Evil/m);
          expect(result.transaction.recipients).toHaveLength(1);
        },
      ),
      { numRuns: 300 },
    );
    expect(taken).toBeGreaterThan(50);
  });

  it('is refused by name where it is not allowed', async () => {
    const world = new InjectionWorld();
    const cases: readonly (readonly [MailItem, RegExp])[] = [
      [{ ...plain, from: '' }, /^from: /],
      [{ ...plain, from: 'a@x.example, c@x.example' }, /^from: /],
      [{ ...plain, from: 'a@x.example>' }, /^from: a > without/],
      [{ ...plain, to: '@r.example:b@y.example' }, /^to: not one address/],
      [{ ...plain, to: 'postmaster' }, /^to: /],
      [{ ...plain, to: undefined }, /no recipients/],
      [{ ...plain, to: Array.from({ length: 11 }, (_, i) => `b${i}@y.example`) }, /at most 10/],
      [{ ...plain, subject: 'a\nb' }, /^subject: control/],
      [{ ...plain, subject: '\ud800' }, /^subject: /],
      [{ ...plain, subject: 'x'.repeat(901) }, /^subject: at most/],
      [{ ...plain, text: 'a\0' }, /^text: NUL/],
      [{ ...plain, html: '\udc00' }, /^html: /],
      [{ ...plain, headers: { Bcc: 'x@y.example' } }, /^headers.Bcc/],
      [{ ...plain, headers: { received: 'x' } }, /^headers.received/],
      [{ ...plain, headers: { 'Content-Type': 'x' } }, /^headers.Content-Type/],
      [{ ...plain, headers: { 'X-Sluice-Lane': 'bulk' } }, /^headers.X-Sluice-Lane/],
      [{ ...plain, headers: { 'a b': 'x' } }, /^headers: a name/],
      [{ ...plain, headers: { 'X-Big': 'x '.repeat(40_000) } }, /^headers: at most/],
      [{ ...plain, attachments: [{ content: '###' }] }, /^attachments.0.content: allowed: base64/],
      [{ ...plain, attachments: [{ content: '', contentType: 'message/rfc822' }] }, /^attachments.0.contentType/],
      [{ raw: '*', mailFrom: '', rcptTo: 'b@y.example' }, /^raw: allowed: base64/],
      [{ raw: '', rcptTo: 'b@y.example' }, /From has no address/],
      [{ ...plain, holdFor: 5, holdUntil: '2030-01-01T00:00:00Z' }, /not both/],
      [{ ...plain, holdUntil: 'tomorrow' }, /RFC 3339/],
      [{ ...plain, holdFor: 7201 }, /at most 7200 s/],
      [{ ...plain, tenant: 'nobody' }, /^tenant: /],
    ];
    world.tenants = ['acme'];
    const strict = new InjectionWorld({ maxRecipients: 10, maxHold: 7_200_000 });
    strict.tenants = ['acme'];
    for (const [item, words] of cases) {
      const refusal = await refused(strict, item);
      expect(refusal.detail).toMatch(words);
      expect(refusal.status).toBe(422);
    }
    expect(strict.handed).toEqual([]);
    expect(strict.segments.available).toBe(strict.segments.count);
  });

  it('goes along as wishes and times', async () => {
    const world = new InjectionWorld({ maxHold: 7_200_000 });
    world.tenants = ['acme'];
    const item = { ...plain, lane: 'immediate', tenant: 'acme', tags: ['a'], campaign: 'c', holdFor: 60 } as const;
    const { submitter, transaction } = await sent(world, item);
    expect(submitter.wishes).toEqual({ lane: 'immediate', tenant: 'acme', tags: ['a', 'c'] });
    expect(transaction.holdFor).toBe(60_000);
    expect((await sent(world, plain)).submitter.wishes).toBeUndefined();
  });
});

describe('a message as it is', () => {
  const raw = (text: string): string => Buffer.from(text, 'latin1').toString('base64');

  it('is kept byte by byte, and its facts are right', async () => {
    const world = new InjectionWorld();
    const text = 'Subject: s\r\n\r\n.dot\r\n..two\r\n\xe4\r\nno end';
    const { content, transaction } = await sent(world, {
      mailFrom: 'a@x.example',
      rcptTo: ['b@y.example'],
      raw: raw(text),
    });
    expect(content.toString('latin1')).toBe(text);
    expect(transaction.bodyType).toBe('8BITMIME');
    expect(transaction.content).toMatchObject({ form: 'plain', dotLines: 2, eightBit: true, endsWithCrlf: false });
  });

  it('gets its envelope from its header where none is given', async () => {
    const world = new InjectionWorld();
    const text =
      'From: Ann <a@x.example>\r\nTo: "B, C" <b@y.example>,\r\n c@y.example\r\nBcc: d@y.example\r\nCc: g: e@y.example;\r\n' +
      'X-To: no@y.example\r\n\r\nTo: body@y.example\r\n';
    const { transaction } = await sent(world, { raw: Buffer.from(text) });
    expect(transaction.sender).toBe('a@x.example');
    const to = transaction.recipients.map(({ address }) => address);
    expect(to).toEqual(['b@y.example', 'c@y.example', 'd@y.example', 'e@y.example']);
    expect((await sent(world, { raw: Buffer.from(text), mailFrom: '' })).transaction.sender).toBe('');
    expect((await refused(world, { raw: Buffer.from('From: a@x.example\r\n\r\n') })).code).toBe('no-recipients');
  });

  it('with bare line ends is dealt with as the policy of the SMTP side says', async () => {
    const item = { mailFrom: 'a@x.example', rcptTo: 'b@y.example', raw: raw('S: s\n\nx\ny\n') };
    expect(await refused(new InjectionWorld(), item)).toMatchObject({
      status: 422,
      reply: expect.stringContaining('Bare LF'),
    });
    const converted = await sent(new InjectionWorld({ bareNewline: 'convert' }), item);
    expect(converted.content.toString()).toBe('S: s\r\n\r\nx\r\ny\r\n');
    expect((await sent(new InjectionWorld({ bareNewline: 'pass' }), item)).transaction.content.binary).toBe(true);
  });

  it('of any bytes is taken as it is or refused, and its memory goes back', async () => {
    const world = new InjectionWorld({ maxMessageSize: 600, maxTextLine: 100 });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 800 }), async (bytes) => {
        const result = await world.one({ mailFrom: '', rcptTo: 'b@y.example', raw: Buffer.from(bytes) });
        if (!('status' in result)) expect(result.content.equals(Buffer.from(bytes))).toBe(true);
        else expect(result.reply).not.toBe('');
        expect(world.segments.available).toBe(world.segments.count);
      }),
    );
    const large = await refused(world, { mailFrom: '', rcptTo: 'b@y.example', raw: Buffer.alloc(700, 'x\r\n') });
    expect(large.status).toBe(413);
  });
});

describe('items of a request', () => {
  it('are settled in their order, each by itself, also when there are many', async () => {
    const world = new InjectionWorld();
    const bad: Refusal = { status: 422, code: 'not-allowed', detail: 'x', reply: '' };
    const items = Array.from({ length: 501 }, (_, i): MailItem | Refusal => {
      if (i % 5 === 1) return bad;
      if (i % 5 === 2) return { ...plain, html: `<p>${i}` };
      return { ...plain, subject: `n${i}`, ...(i % 5 === 3 ? { to: 'nobody' } : {}) };
    });
    world.refuse = ({ content }) => (content.includes('Subject: n4\r\n') ? replies.spoolFull : null);
    const outcomes = await world.submit(items);
    expect(outcomes).toHaveLength(501);
    for (const [i, outcome] of outcomes.entries()) {
      if (i === 4) expect(outcome).toMatchObject({ status: 507, reply: expect.stringMatching(/^452 4\.3\.1 /) });
      else if (i % 5 === 1) expect(outcome).toBe(bad);
      else if (i % 5 === 3) expect(outcome).toMatchObject({ code: 'bad-address' });
      else expect(idOf(outcome)).not.toBe('');
    }
    expect(world.segments.available).toBe(world.segments.count);
    await world.injector.settled();
  });

  it('are refused as SMTP would, while nothing can be taken', async () => {
    const world = new InjectionWorld();
    for (const [reply, status] of [
      [replies.shuttingDown, 503],
      [replies.spoolFull, 507],
      [replies.outOfMemory, 507],
      [replies.relayDenied, 422],
    ] as const) {
      world.admission = reply;
      expect(await refused(world, plain)).toMatchObject({ status, code: 'refused', detail: reply.text });
    }
    world.admission = null;
    // Shared memory that runs out on the way.
    const tiny = new InjectionWorld();
    const held = Array.from({ length: tiny.segments.count }, () => tiny.segments.lease());
    expect(await refused(tiny, plain)).toMatchObject({ status: 507 });
    for (const segment of held) tiny.segments.release(segment);
    expect(await sent(tiny, plain)).toBeDefined();
  });

  it('go to the recipients that are taken, and say which are not', async () => {
    const world = new InjectionWorld();
    world.recipients = (_, address) => {
      if (address.startsWith('bad')) return replies.relayDenied;
      return address.startsWith('later') ? Promise.resolve(replies.recipientNotVerified) : null;
    };
    const [mixed, none, bad] = await world.submit([
      { ...plain, to: ['b@y.example', 'bad@y.example', 'later@y.example'] },
      { ...plain, to: ['bad@y.example', 'later@y.example'] },
      { ...plain, to: 'bad@y.example' },
    ]);
    expect(mixed).toMatchObject({
      refused: [
        { recipient: 'bad@y.example', reply: expect.stringMatching(/^554 5\.7\.1 /) },
        { recipient: 'later@y.example', reply: expect.stringMatching(/^450 4\.3\.0 /) },
      ],
    });
    expect(world.handed[0]!.transaction.recipients.map(({ address }) => address)).toEqual(['b@y.example']);
    expect(none).toMatchObject({ status: 503 });
    expect(bad).toMatchObject({ status: 422 });
  });

  it('count as under way until they are answered', async () => {
    const world = new InjectionWorld();
    world.waits = true;
    let over = false;
    const submitted = world.submit([plain]);
    void world.injector.settled().then(() => {
      over = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(over).toBe(false);
    world.answer();
    await submitted;
    await new Promise((resolve) => setImmediate(resolve));
    expect(over).toBe(true);
  });
});

describe('an idempotency key', () => {
  const digest = (byte: number) => () => Buffer.alloc(32, byte);

  it('of a request lets each of its items be taken once', async () => {
    const world = new InjectionWorld();
    const client = { idempotencyKey: 'k1', digest: digest(1) };
    const items = [plain, { ...plain, subject: 'refused' }, { ...plain, html: '<p>' }];
    world.refuse = ({ content }) => (content.includes('Subject: refused') ? replies.notPrepared : null);
    const first = await world.submit(items, client);
    expect(first.map((one) => 'id' in one)).toEqual([true, false, true]);
    world.refuse = null;
    const again = await world.submit(items, client);
    expect(again[0]).toEqual({ id: idOf(first[0]), refused: [], repeated: true });
    expect(again[1]).toMatchObject({ repeated: false });
    expect(again[2]).toEqual({ id: idOf(first[2]), refused: [], repeated: true });
    // Three, and the one that was refused once more.
    expect(world.handed).toHaveLength(4);
    for (const outcome of await world.submit(items, { ...client, digest: digest(2) }))
      expect(outcome).toMatchObject({ status: 422, code: 'key-reused' });
    expect(world.handed).toHaveLength(4);
  });

  it('of an item is known whatever request it comes in, and by tenant', async () => {
    const world = new InjectionWorld();
    const item = { ...plain, idempotencyKey: 'k' };
    const [first, twin] = await world.submit([item, item]);
    expect(idOf(twin)).toBe(idOf(first));
    expect(await world.submit([plain, item])).toMatchObject([{ repeated: false }, { id: idOf(first), repeated: true }]);
    expect(await world.submit([{ ...item, tenant: 'acme' }])).toMatchObject([{ repeated: false }]);
    expect(await world.submit([{ ...item, text: 'other' }])).toMatchObject([{ code: 'key-reused' }]);
    // The key of a request is another than that of an item.
    expect(await world.submit([plain], { idempotencyKey: 'k' })).toMatchObject([{ repeated: false }]);
  });

  it('waits for the request under way, and tries itself where that was refused', async () => {
    const world = new InjectionWorld();
    world.waits = true;
    const item = { ...plain, idempotencyKey: 'k' };
    const [one, two, three] = [world.submit([item]), world.submit([item]), world.submit([{ ...item, text: 'o' }])];
    expect(await three).toMatchObject([{ code: 'key-reused' }]);
    world.answer();
    const [first] = await one;
    expect(await two).toMatchObject([{ id: idOf(first), repeated: true }]);
    expect(world.handed).toHaveLength(1);

    world.refuse = () => replies.spoolFull;
    const other = { ...plain, idempotencyKey: 'k2' };
    const [failing, next] = [world.submit([other]), world.submit([other])];
    await new Promise((resolve) => setImmediate(resolve));
    world.answer();
    expect(await failing).toMatchObject([{ status: 507 }]);
    await expect.poll(() => world.handed.length).toBe(3);
    world.refuse = null;
    world.answer();
    expect(await next).toMatchObject([{ repeated: false }]);
  });

  it('counts for its time, is swept after it, and is not taken where there are too many', async () => {
    const world = new InjectionWorld({}, 3);
    const put = (n: number) => world.submit([{ ...plain, idempotencyKey: `k${n}` }]);
    for (const n of [1, 2, 3]) expect(await put(n)).toMatchObject([{ repeated: false }]);
    expect(await put(4)).toMatchObject([{ status: 503, code: 'keys-full' }]);
    // Known ones are told all the same.
    expect(await put(1)).toMatchObject([{ repeated: true }]);
    world.wall += 1000;
    expect(world.answered.sweep()).toBe(false);
    expect(await put(1)).toMatchObject([{ repeated: true }]);
    world.wall += 1000;
    world.answered.sweep();
    expect(world.table.size).toBe(0);
    expect(await put(1)).toMatchObject([{ repeated: false }]);
  });
});
