/**
 * Reports that come back, in the forms in use, and anything at all.
 */
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readReport } from '../../src/outcomes/read-report.js';
import { addressesIn, first, readGroups } from '../../src/outcomes/report-fields.js';
import { driverOrSkip } from '../helpers/conformance.js';
import {
  arf,
  exchangeDsn,
  eximBounce,
  gmailDelayed,
  htmlBounce,
  personal,
  postfixDsn,
  qmailBounce,
  severalRecipients,
  vacation,
} from './returned-mail.js';

const read = (text: string) => readReport(Buffer.from(text, 'utf8'));

describe('readReport', () => {
  it('reads delivery reports', async () => {
    const report = await read(postfixDsn({ returnPath: 'b+x@bounces.acme.example' }));
    expect(report).toMatchObject({
      kind: 'delivery',
      reporter: 'mx.example.com',
      recipients: [
        {
          action: 'failed',
          status: '5.1.1',
          diagnostic:
            '550 5.1.1 <ann@inside.example.com>: Recipient address rejected: User unknown in virtual mailbox table',
          addresses: ['ann@example.com', 'ann@inside.example.com'],
        },
      ],
    });
    if (report.kind !== 'delivery') return;
    expect(first(report.returned, 'return-path')).toBe('<b+x@bounces.acme.example>');
    expect(first(report.returned, 'message-id')).toBe('<1.2.3@acme.example>');
    expect(report.returned.get('received')?.[1]).toContain('by relay.example with ESMTP id HZM0A1B2C3 for');
  });

  it('reads those of others, with what they leave out', async () => {
    expect(await read(exchangeDsn())).toMatchObject({
      recipients: [{ action: 'failed', status: '5.1.10', addresses: ['ann@example.com'] }],
    });
    expect(await read(gmailDelayed())).toMatchObject({ recipients: [{ action: 'delayed', status: '4.4.1' }] });
    expect(await read(severalRecipients())).toMatchObject({
      recipients: [
        { action: 'failed', diagnostic: '552 5.2.2 Mailbox full' },
        { action: 'failed', status: '5.1.1', diagnostic: 'user unknown' },
        { action: 'other' },
      ],
    });
    // The fields in a part that says it is text, and no Action.
    const text = postfixDsn().replace('message/delivery-status', 'text/plain').replace('Action: failed\r\n', '');
    expect(await read(text)).toMatchObject({ kind: 'delivery', recipients: [{ action: 'failed', status: '5.1.1' }] });
    // Bare line feeds.
    expect(await read(postfixDsn().replaceAll('\r\n', '\n'))).toMatchObject({ recipients: [{ status: '5.1.1' }] });
  });

  it('reads complaints', async () => {
    const report = await read(arf({ mailFrom: 'b+x@bounces.acme.example', type: 'Fraud' }));
    expect(report).toMatchObject({
      kind: 'complaint',
      type: 'fraud',
      reporter: 'mail.example.com',
      mailFrom: 'b+x@bounces.acme.example',
      addresses: ['ann@example.com'],
    });
    expect(await read(arf({ rcptTo: '', returned: null }))).toMatchObject({ kind: 'complaint', addresses: [] });
  });

  it('reads bounces for people', async () => {
    expect(await read(qmailBounce())).toMatchObject({
      kind: 'delivery',
      recipients: [
        { action: 'failed', status: '5.1.1', addresses: ['ann@example.com'] },
        {
          action: 'failed',
          status: '5.2.2',
          diagnostic: expect.stringMatching(/^552 5\.2\.2 mailbox full/) as string,
          addresses: ['full@example.com'],
        },
      ],
    });
    const exim = await read(eximBounce());
    expect(exim).toMatchObject({
      kind: 'delivery',
      recipients: [
        {
          action: 'failed',
          status: '5.1.1',
          diagnostic: '550 5.1.1 <ann@example.com>: user unknown',
          addresses: ['ann@example.com'],
        },
      ],
    });
    if (exim.kind === 'delivery') expect(first(exim.returned, 'message-id')).toBe('<1.2.3@acme.example>');
    expect(await read(htmlBounce())).toMatchObject({
      recipients: [{ action: 'failed', status: '5.2.2', addresses: ['ann@example.com'] }],
    });
  });

  it('takes answers and letters for what they are', async () => {
    expect(await read(vacation())).toMatchObject({ kind: 'reply' });
    expect(await read(personal())).toMatchObject({ kind: 'unknown', subject: 'Re: Our news' });
    expect(await read('')).toMatchObject({ kind: 'unknown' });
  });

  it('reads a report that was cut anywhere, or says no', async () => {
    const whole = Buffer.from(postfixDsn());
    for (let end = 0; end <= whole.length; end += 7) {
      const report = await readReport(whole.subarray(0, end));
      expect(['delivery', 'reply', 'unknown']).toContain(report.kind);
    }
  });

  it('looks at the beginning alone where a message has many lines', async () => {
    const long = `${postfixDsn()}${'x\r\n'.repeat(100_000)}`;
    expect(await read(long)).toMatchObject({ kind: 'delivery', recipients: [{ status: '5.1.1' }] });
    const late = `From: a\r\n${'X-A: b\r\n'.repeat(2000)}${postfixDsn()}`;
    expect(await read(late)).toMatchObject({ kind: 'unknown' });
  });

  it('has an answer to anything', async () => {
    const samples = [postfixDsn(), arf({}), qmailBounce(), eximBounce(), htmlBounce()];
    const lines = samples.flatMap((sample) => sample.split('\r\n'));
    const spoilt = fc.oneof(
      fc
        .array(fc.oneof(fc.constantFrom(...lines), fc.string({ unit: 'binary' })), { maxLength: 60 })
        .map((all) => all.join('\r\n')),
      fc
        .tuple(fc.constantFrom(...samples), fc.nat({ max: 1500 }), fc.nat({ max: 60 }), fc.string({ unit: 'binary' }))
        .map(([sample, at, gone, put]) => sample.slice(0, at) + put + sample.slice(at + gone)),
    );
    await fc.assert(
      fc.asyncProperty(spoilt, async (text) => {
        const report = await read(text);
        expect(['delivery', 'complaint', 'reply', 'unknown']).toContain(report.kind);
        if (report.kind !== 'delivery') return;
        expect(report.recipients.length).toBeGreaterThan(0);
        for (const { diagnostic, addresses } of report.recipients) {
          expect(diagnostic).not.toMatch(/[\u0000-\u001f]/);
          for (const address of addresses) expect(address).toMatch(/^[^\s<>]+@[^\s<>]*$/);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('reads the reports of a corpus of real mail', async (ctx) => {
    const corpus = driverOrSkip(ctx, 'messages/mikel-mail/multipart_report_emails');
    for (const name of readdirSync(corpus)) {
      const report = await readReport(readFileSync(`${corpus}/${name}`));
      expect(report.kind, name).toBe('delivery');
    }
  });
});

describe('report fields', () => {
  it('takes groups apart and unfolds', () => {
    const groups = readGroups('A: 1\r\nb : 2\r\n  3\r\nnot a field\r\n\tfold of nothing\r\n\r\n \t\r\nA: 4\nA: 5\n');
    expect(groups.map((group) => [...group])).toEqual([
      [
        ['a', ['1']],
        ['b', ['2 3']],
      ],
      [['a', ['4', '5']]],
    ]);
  });

  it('finds addresses in every way they are written', () => {
    expect(addressesIn('rfc822; Ann <ann@example.com>')).toEqual(['ann@example.com']);
    expect(addressesIn('rfc822;ann+2Bnews@example.com')).toEqual(['ann+2Bnews@example.com', 'ann+news@example.com']);
    expect(addressesIn('utf-8; \\x{FC}@example.com')).toEqual(['ü@example.com']);
    expect(addressesIn('unknown')).toEqual([]);
  });
});
