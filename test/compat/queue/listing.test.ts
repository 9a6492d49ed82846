import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HEADING, type ListedMail, listingJson, listingLines, summary } from '../../../src/compat/queue/listing.js';
import { contentFilter, envelopeLines } from '../../../src/compat/queue/shown-message.js';

/** Tue Nov 24 17:25:40 where the test runs. */
const ARRIVAL = new Date(2026, 10, 24, 17, 25, 40).getTime() / 1000;
const MAIL: ListedMail = {
  ...{ queue: 'deferred', id: '75065210637', arrival: ARRIVAL, size: 315, sender: 's@s.example' },
  recipients: [
    { address: 'bob@t.example', reason: 'connect to 127.0.0.1[127.0.0.1]:9: Connection refused' },
    { address: 'x@t.example', reason: 'connect to 127.0.0.1[127.0.0.1]:9: Connection refused' },
  ],
};

// What Postfix 3.7.11 printed for this message.
const POSTFIX = [
  '-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------',
  '75065210637     315 Tue Nov 24 17:25:40  s@s.example',
  '                       (connect to 127.0.0.1[127.0.0.1]:9: Connection refused)',
  '                                         bob@t.example',
  '                                         x@t.example',
];
const POSTFIX_JSON =
  '{"queue_name": "deferred", "queue_id": "75065210637", "arrival_time": ARRIVAL, "message_size": 315, ' +
  '"forced_expire": false, "sender": "s@s.example", "recipients": [{"address": "bob@t.example", "delay_reason": ' +
  '"connect to 127.0.0.1[127.0.0.1]:9: Connection refused"}, {"address": "x@t.example", "delay_reason": "connect to ' +
  '127.0.0.1[127.0.0.1]:9: Connection refused"}]}';

describe('the queue as Postfix shows it', () => {
  it('is the same to the byte', () => {
    expect([HEADING, ...listingLines(MAIL)]).toEqual(POSTFIX);
    expect(listingJson(MAIL)).toBe(POSTFIX_JSON.replace('ARRIVAL', String(ARRIVAL)));
  });

  it('marks what is active or held, and names the null sender', () => {
    expect(listingLines({ ...MAIL, queue: 'active' })[0]).toMatch(/^75065210637\* {5}315 /);
    expect(listingLines({ ...MAIL, id: 'ABCDEFGHIJ', queue: 'hold' })[0]).toMatch(/^ABCDEFGHIJ! {5}315 /);
    expect(listingLines({ ...MAIL, sender: '' })[0]).toMatch(/ MAILER-DAEMON$/);
    expect(JSON.parse(listingJson({ ...MAIL, queue: 'hold', sender: '' }))).toMatchObject({
      queue_name: 'hold',
      sender: 'MAILER-DAEMON',
    });
  });

  it('shows a reason once for those that have the same', () => {
    const recipients = ['', 'late', 'late', '', 'full'].map((reason, i) => ({ address: `r${i}@x.example`, reason }));
    const lines = listingLines({ ...MAIL, recipients }).map((line) => line.trim());
    expect(lines.slice(1)).toEqual([
      'r0@x.example',
      '(late)',
      'r1@x.example',
      'r2@x.example',
      '(reason unavailable)',
      'r3@x.example',
      '(full)',
      'r4@x.example',
    ]);
  });

  it.each([
    [0, 1, '-- 0 Kbytes in 1 Request.'],
    [2047, 2, '-- 1 Kbytes in 2 Requests.'],
  ])('%i bytes in %i messages', (bytes, messages, line) => expect(summary(bytes, messages)).toBe(line));

  it('is one line each and JSON whatever a reply or an address holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (address, reason) => {
        const mail: ListedMail = { ...MAIL, recipients: [{ address, reason }] };
        for (const line of listingLines(mail)) expect(line).not.toMatch(/[\u0000-\u001f\u007f]/);
        const [one] = (JSON.parse(listingJson(mail)) as { recipients: Record<string, string>[] }).recipients;
        expect(Object.keys(one!)).toEqual(reason === '' ? ['address'] : ['address', 'delay_reason']);
      }),
    );
  });
});

describe('a message as postcat shows it', () => {
  const CONTENT = 'Subject: s\r\n folded\r\nTo: x\r\n\r\nbody: text\r\n\r\nend';
  const shown = (header: boolean, body: boolean, sizes: readonly number[]) => {
    const filter = contentFilter(header, body);
    let out = '';
    let at = 0;
    for (const size of [...sizes, CONTENT.length]) {
      const end = Math.min(at + size, CONTENT.length);
      out += filter(Buffer.from(CONTENT.slice(at, end)), end === CONTENT.length).toString();
      at = end;
      if (at === CONTENT.length) break;
    }
    return out;
  };

  it('is header, body or both, however it comes in pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 })), (sizes) => {
        expect(shown(true, false, sizes)).toBe('Subject: s\n folded\nTo: x\n');
        expect(shown(false, true, sizes)).toBe('\nbody: text\n\nend\n');
        expect(shown(true, true, sizes)).toBe(`${CONTENT.replaceAll('\r\n', '\n')}\n`);
      }),
    );
  });

  it('begins with records of its envelope', () => {
    const mail = { ...MAIL, clientAddress: '', helo: '', recipients: [{ address: 'a@x.example', done: false }] };
    expect(envelopeLines(mail)).toEqual([
      '*** ENVELOPE RECORDS deferred/75065210637 ***',
      'message_size:             315               0               1               0             315               0',
      'message_arrival_time: Tue Nov 24 17:25:40 2026',
      'create_time: Tue Nov 24 17:25:40 2026',
      'sender: s@s.example',
      'original_recipient: a@x.example',
      'recipient: a@x.example',
    ]);
  });
});
