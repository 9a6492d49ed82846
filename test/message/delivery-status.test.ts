import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildDeliveryStatus, type DeliveryStatusInput, shouldNotify } from '../../src/message/delivery-status.js';
import { fold, statusOf } from '../../src/message/delivery-status-fields.js';
import { downgradeTo7Bit } from '../../src/message/downgrade.js';
import { natureOf } from '../../src/message/downgrade-encoding.js';
import {
  NOTIFY_DELAY,
  NOTIFY_FAILURE,
  NOTIFY_NEVER,
  NOTIFY_SUCCESS,
  type ReturnContent,
} from '../../src/message/envelope.js';
import { pythonOrSkip, runPython } from '../helpers/python.js';

const ARRIVED = Date.UTC(2026, 0, 2, 3, 4, 5);

const failedRecipient = {
  address: 'user@b.test',
  originalRecipient: 'rfc822;User+2Btag@b.test',
  kind: 'failed' as const,
  reply: '550 5.1.1 No such user here',
  enhanced: '5.1.1',
  host: 'mx.b.test',
  attemptedAt: ARRIVED + 60_000,
};

function input(changes: Partial<DeliveryStatusInput> = {}): DeliveryStatusInput {
  return {
    hostname: 'relay.test',
    sender: 'sender@a.test',
    envelopeId: 'QQ+2B314',
    ret: '',
    smtpUtf8: false,
    queueId: 'FQZ3K1B2C4',
    arrivedAt: ARRIVED,
    now: ARRIVED + 3_600_000,
    retryUntil: 0,
    recipients: [failedRecipient],
    original: {
      content: Buffer.from('Subject: x\r\nMessage-ID: <m1@a.test>\r\n\r\n.body\r\nmore\r\n'),
      complete: true,
    },
    ...changes,
  };
}

/** Plain form of the notice. */
function plainOf(changes: Partial<DeliveryStatusInput> = {}): Buffer {
  return unstuffed(buildDeliveryStatus(input(changes)).content);
}

function unstuffed(content: Buffer): Buffer {
  return Buffer.from(content.toString('latin1').replace(/(^|\r\n)\./g, '$1'), 'latin1');
}

/** Parts as [media type, body], by the boundary in the header and nothing else. */
function partsOf(plain: Buffer): [string, string][] {
  const text = plain.toString('latin1');
  const boundary = /boundary="([^"]+)"/.exec(text)![1]!;
  const sections = text.split(`\r\n--${boundary}`);
  expect(sections.at(-1)).toBe('--\r\n');
  return sections.slice(1, -1).map((section) => {
    const blank = section.indexOf('\r\n\r\n');
    const type = /content-type: ([^;\r\n]+)/i.exec(section.slice(0, blank))![1]!;
    return [type, section.slice(blank + 4)];
  });
}

function reportOf(plain: Buffer): string {
  return partsOf(plain)[1]![1];
}

describe('buildDeliveryStatus', () => {
  it('writes the fields of RFC 3464', () => {
    const plain = plainOf();
    const header = plain.toString('latin1').split('\r\n\r\n')[0]!;
    expect(header).toContain('From: MAILER-DAEMON@relay.test (Mail Delivery System)\r\n');
    expect(header).toContain('To: sender@a.test\r\n');
    expect(header).toContain('Subject: Undelivered Mail Returned to Sender\r\n');
    expect(header).toContain('Auto-Submitted: auto-replied\r\n');
    expect(header).toContain('References: <m1@a.test>\r\n');
    expect(header).toMatch(/Message-ID: <FQZ3K1B2C4\.[0-9a-f]+@relay\.test>\r\n/);
    expect(reportOf(plain)).toBe(
      [
        'Original-Envelope-Id: QQ+314',
        'Reporting-MTA: dns; relay.test',
        'X-Sluice-Queue-Id: FQZ3K1B2C4',
        'Arrival-Date: Fri, 02 Jan 2026 03:04:05 +0000',
        '',
        'Original-Recipient: rfc822; User+tag@b.test',
        'Final-Recipient: rfc822; user@b.test',
        'Action: failed',
        'Status: 5.1.1',
        'Remote-MTA: dns; mx.b.test',
        'Diagnostic-Code: smtp; 550 5.1.1 No such user here',
        'Last-Attempt-Date: Fri, 02 Jan 2026 03:05:05 +0000',
        '',
      ].join('\r\n'),
    );
    const [type, text] = partsOf(plain)[0]!;
    expect(type).toBe('text/plain');
    expect(text).toContain(
      '<user@b.test>\r\n    The mail server mx.b.test said:\r\n    550 5.1.1 No such user here\r\n',
    );
  });

  it('has an envelope that cannot bounce', () => {
    const notice = buildDeliveryStatus(input());
    expect(notice).toMatchObject({
      sender: '',
      recipient: { address: 'sender@a.test', notify: NOTIFY_NEVER, originalRecipient: '' },
      bodyType: '7BIT',
      smtpUtf8: false,
    });
    expect(() => buildDeliveryStatus(input({ sender: '' }))).toThrow(/null sender/);
    expect(() => buildDeliveryStatus(input({ recipients: [] }))).toThrow(/recipient/);
  });

  it('says of delays until when it is tried', () => {
    const plain = plainOf({
      recipients: [{ ...failedRecipient, kind: 'delayed', reply: '451 busy', enhanced: '' }],
      retryUntil: ARRIVED + 432_000_000,
    });
    expect(plain.toString()).toContain('Subject: Delayed Mail (still being tried)');
    expect(reportOf(plain)).toMatch(
      /Action: delayed\r\nStatus: 4\.0\.0\r\n[\s\S]*Will-Retry-Until: Wed, 07 Jan 2026 03:04:05 /,
    );
    // RFC 3461 section 4.3: only the header goes back unless something failed.
    expect(partsOf(plain)[2]![0]).toBe('text/rfc822-headers');
  });

  it('tells given up, passed on and delivered apart', () => {
    const recipients = [
      { ...failedRecipient, kind: 'expired' as const, reply: 'connect to mx.b.test: timed out', enhanced: '' },
      { ...failedRecipient, kind: 'relayed' as const, reply: '250 2.0.0 ok', enhanced: '2.0.0' },
      { ...failedRecipient, kind: 'delivered' as const, reply: '250 2.1.5 ok', enhanced: '2.1.5', host: '' },
    ];
    const report = reportOf(plainOf({ recipients }));
    expect(report.match(/^(Action|Status|Diagnostic-Code): .*/gm)?.map((line) => line.trim())).toEqual([
      'Action: failed',
      'Status: 4.4.7',
      'Diagnostic-Code: X-Sluice; connect to mx.b.test: timed out',
      'Action: relayed',
      'Status: 2.0.0',
      'Diagnostic-Code: smtp; 250 2.0.0 ok',
      'Action: delivered',
      'Status: 2.1.5',
      'Diagnostic-Code: smtp; 250 2.1.5 ok',
    ]);
    expect(plainOf({ recipients: recipients.slice(1) }).toString()).toContain('Successful Mail Delivery Report');
  });

  it('gives back what RET asks for, within the limit', () => {
    const whole = 'Subject: x\r\nMessage-ID: <m1@a.test>\r\n\r\n.body\r\nmore\r\n';
    const header = 'Subject: x\r\nMessage-ID: <m1@a.test>\r\n';
    const back = (changes: Partial<DeliveryStatusInput>) => partsOf(plainOf(changes))[2];
    expect(back({})).toEqual(['message/rfc822', whole]);
    expect(back({ ret: 'FULL' })).toEqual(['message/rfc822', whole]);
    expect(back({ ret: 'HDRS' })).toEqual(['text/rfc822-headers', header]);
    expect(back({ maxReturned: 20 })).toEqual(['text/rfc822-headers', header]);
    expect(back({ original: { content: Buffer.from(whole.slice(0, 45)), complete: false } })).toEqual([
      'text/rfc822-headers',
      header,
    ]);
    expect(back({ original: { content: Buffer.from('Subject: x\r\nTo: unfinis'), complete: false } })).toEqual([
      'text/rfc822-headers',
      'Subject: x\r\n',
    ]);
    expect(back({ original: { content: Buffer.alloc(0), complete: false } })).toEqual(['text/rfc822-headers', '']);
    expect(back({ original: { content: Buffer.from('\r\nbody'), complete: true }, ret: 'HDRS' })?.[1]).toBe('');
    expect(back({ original: { content: Buffer.from('Subject: x\r\n\r\nno end'), complete: true } })?.[1]).toBe(
      'Subject: x\r\n\r\nno end\r\n',
    );
  });

  it('marks 8-bit content, and can be brought into 7 bit', () => {
    const content = Buffer.from('Subject: x\r\n\r\ncaf\u00e9\r\n');
    const notice = buildDeliveryStatus(input({ original: { content, complete: true } }));
    expect(notice).toMatchObject({ bodyType: '8BITMIME', smtpUtf8: false, facts: { eightBit: true } });
    const text = notice.content.toString('latin1');
    expect(text.match(/Content-Transfer-Encoding: 8bit/g)?.length).toBe(2);
    const down = downgradeTo7Bit(unstuffed(notice.content));
    expect('ok' in down && down.ok.toString('latin1')).toContain('caf=C3=A9');
  });

  it('gives only the header back of what cannot be sent in lines, mended', () => {
    const content = Buffer.from(`Subject: a\rb\nc\0d\r\nX: ${'y'.repeat(2500)}\r\n\r\nbare\nlines`, 'latin1');
    const [type, body] = partsOf(plainOf({ original: { content, complete: true }, ret: 'FULL' }))[2]!;
    expect(type).toBe('text/rfc822-headers');
    expect(body.startsWith('Subject: a b c d\r\nX: yyy')).toBe(true);
    expect(body.replace(/[^y]/g, '').length).toBe(2500);
  });

  it('uses the types of RFC 6533 for SMTPUTF8 mail that needs them', () => {
    const recipients = [
      {
        ...failedRecipient,
        address: '\u0438\u0432\u0430\u043d@b.test',
        originalRecipient: 'utf-8;\\x{438}van@b.test',
        reply: '550 5.1.1 \u043d\u0435\u0442',
      },
    ];
    const original = { content: Buffer.from('Subject: \u043f\r\n\r\nx\r\n'), complete: true };
    const notice = buildDeliveryStatus(input({ smtpUtf8: true, recipients, original }));
    const parts = partsOf(unstuffed(notice.content));
    expect(parts.map(([type]) => type)).toEqual(['text/plain', 'message/global-delivery-status', 'message/global']);
    const report = Buffer.from(parts[1]![1], 'latin1').toString('utf8');
    expect(report).toContain('Original-Recipient: utf-8; \u0438van@b.test\r\n');
    expect(report).toContain('Final-Recipient: utf-8; \u0438\u0432\u0430\u043d@b.test\r\n');
    expect(report).toContain('Diagnostic-Code: smtp; 550 5.1.1 \u043d\u0435\u0442\r\n');
    expect(notice).toMatchObject({ bodyType: '8BITMIME', smtpUtf8: false });
    expect(buildDeliveryStatus(input({ smtpUtf8: true, sender: '\u00e9@a.test' })).smtpUtf8).toBe(true);
    const headers = partsOf(plainOf({ smtpUtf8: true, recipients, original, ret: 'HDRS' }));
    expect(headers[2]![0]).toBe('message/global-headers');
  });

  it('stays with the plain types where they do', () => {
    expect(partsOf(plainOf({ smtpUtf8: true }))[1]![0]).toBe('message/delivery-status');
    const report = reportOf(
      plainOf({
        recipients: [
          { ...failedRecipient, originalRecipient: 'utf-8;\\x{438}van@b.test', reply: '550 \u043d\u0435\u0442' },
        ],
      }),
    );
    expect(report).toContain('Original-Recipient: utf-8; \\x{438}van@b.test\r\n');
    expect(report).toContain('Diagnostic-Code: smtp; 550 ???\r\n');
  });

  it('counts its dot lines and doubles their dots', () => {
    const content = Buffer.from('Subject: x\r\n\r\n.\r\n..\r\n.x\r\ny.\r\n');
    const notice = buildDeliveryStatus(input({ original: { content, complete: true } }));
    expect(notice.facts).toMatchObject({ form: 'wire', dotLines: 3, size: notice.content.length, endsWithCrlf: true });
    expect(notice.content.toString()).toContain('\r\n\r\n..\r\n...\r\n..x\r\ny.\r\n');
  });

  it('lets nothing from outside add a line, a field or a part', () => {
    const nasty = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.constantFrom(
        '550 x\r\nStatus: 2.0.0\r\n\r\nFinal-Recipient: rfc822; evil@x.test',
        '550-a\n550 b\r.\r\n',
        'x'.repeat(5000),
        ' '.repeat(3000),
        '\u2028\u0085\u{1f600}'.repeat(500),
      ),
    );
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
      nasty.map((text) => Buffer.from(text)),
    );
    const ret = fc.constantFrom<ReturnContent>('', 'FULL', 'HDRS');
    fc.assert(
      fc.property(
        nasty,
        nasty,
        nasty,
        nasty,
        content,
        ret,
        fc.boolean(),
        (reply, address, orcpt, envelopeId, bytes, asked, utf8) => {
          const notice = buildDeliveryStatus(
            input({
              recipients: [{ ...failedRecipient, reply, address, originalRecipient: `rfc822;${orcpt}`, host: reply }],
              envelopeId,
              ret: asked,
              smtpUtf8: utf8,
              original: { content: bytes, complete: true },
            }),
          );
          expect(natureOf(notice.content)).toEqual({ eightBit: notice.facts.eightBit, noText: false, longLine: false });
          expect(notice.facts.dotLines).toBe(notice.content.toString('latin1').match(/(^|\r\n)\./g)?.length ?? 0);
          const parts = partsOf(unstuffed(notice.content));
          expect(parts.length).toBe(3);
          const report = parts[1]![1];
          expect(report.match(/\r\n\r\n/g)?.length).toBe(1);
          expect(report.match(/^Status: /gm)?.length).toBe(1);
          for (const line of report.split('\r\n')) {
            expect(line).toMatch(
              /^$|^(Original-Envelope-Id|Reporting-MTA|X-Sluice-Queue-Id|Arrival-Date|Original-Recipient|Final-Recipient|Action|Status|Remote-MTA|Diagnostic-Code|Last-Attempt-Date): |^ {4}\S/,
            );
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('is what another parser reads', (ctx) => {
    pythonOrSkip(ctx);
    const long = `550 5.7.1 ${'refused for a reason that takes many words '.repeat(20)}end`;
    const recipients = [
      { ...failedRecipient, reply: long, enhanced: '' },
      {
        ...failedRecipient,
        address: 'two@b.test',
        originalRecipient: '',
        kind: 'expired' as const,
        reply: '451 4.2.2 full',
        enhanced: '',
      },
    ];
    const parsed = runPython(
      `import sys, email, json
from email import policy
message = email.message_from_bytes(sys.stdin.buffer.read(), policy=policy.default)
text, report, original = message.get_payload()
print(json.dumps({
  'type': message.get_content_type(), 'report-type': message.get_param('report-type'), 'to': str(message['To']),
  'defects': [str(defect) for part in message.walk() for defect in part.defects],
  'text': text.get_content(),
  'groups': [[[name, ' '.join(str(value).split())] for name, value in group.items()] for group in report.get_payload()],
  'subject': original.get_payload()[0]['Subject'], 'body': original.get_payload()[0].get_payload(),
}))`,
      plainOf({ recipients }),
    ) as Record<string, unknown> & { text: string; groups: [string, string][][] };
    expect(parsed).toMatchObject({
      type: 'multipart/report',
      'report-type': 'delivery-status',
      to: 'sender@a.test',
      defects: [],
      subject: 'x',
      body: '.body\r\nmore\r\n',
    });
    expect(parsed.text).toContain('<two@b.test>');
    expect(parsed.groups.length).toBe(3);
    expect(Object.fromEntries(parsed.groups[1]!)).toMatchObject({
      Status: '5.7.1',
      Action: 'failed',
      'Diagnostic-Code': `smtp; ${long}`,
    });
    expect(Object.fromEntries(parsed.groups[2]!)).toMatchObject({ Status: '4.2.2', Action: 'failed' });
  });
});

describe('shouldNotify', () => {
  it.each([
    [0, ['failed', 'expired', 'delayed']],
    [NOTIFY_NEVER, []],
    [NOTIFY_FAILURE, ['failed', 'expired']],
    [NOTIFY_DELAY, ['delayed']],
    [NOTIFY_SUCCESS, ['delivered', 'relayed']],
    [NOTIFY_SUCCESS | NOTIFY_FAILURE, ['failed', 'expired', 'delivered', 'relayed']],
  ])('NOTIFY bits %i: %s', (notify, expected) => {
    const kinds = ['failed', 'expired', 'delayed', 'delivered', 'relayed'] as const;
    expect(kinds.filter((kind) => shouldNotify({ notify }, kind))).toEqual(expected);
  });
});

describe('statusOf', () => {
  it.each([
    ['failed', '550 5.1.1 x', '', '5.1.1'],
    ['failed', '550 no code', '', '5.0.0'],
    ['failed', '554 5.0.0 x', '5.0.0', '5.0.0'],
    ['failed', 'mail loops back to myself', '5.4.6', '5.4.6'],
    ['failed', '550 4.1.1 wrong class', '', '5.0.0'],
    ['expired', '451 4.2.2 full', '', '4.2.2'],
    ['expired', '', '', '4.4.7'],
    ['delayed', '451', '', '4.0.0'],
    ['relayed', '250 queued', '', '2.0.0'],
  ] as const)('%s, %s, %s: %s', (kind, reply, given, expected) => {
    expect(statusOf(kind, reply, given)).toBe(expected);
  });
});

describe('fold', () => {
  it('keeps every word and short lines', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1, maxLength: 30 }).map((word) => word.replace(/\s/g, '_'))),
        (each) => {
          const folded = fold(each.join(' '), '  ');
          for (const line of folded.split('\r\n')) expect(line.length).toBeLessThanOrEqual(78);
          expect(folded.split(/\s+/).filter((word) => word !== '')).toEqual(each);
        },
      ),
    );
  });
});
