/**
 * The records and policies of MTA-STS and TLSRPT: the cases in shared/conformance, and that nothing breaks the parsers.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { announcedId, namesHost, parseStsPolicy, parseStsRecord } from '../../src/security/sts-policy.js';
import { parseReportRecord, reportTargets } from '../../src/security/tls-report-record.js';
import { conformanceCases } from './conformance-cases.js';

interface RecordCase {
  readonly record: string;
  readonly ok: boolean;
}
interface StsCases {
  readonly txt_records: readonly RecordCase[];
  readonly policies: readonly { readonly policy: string; readonly ok: boolean }[];
  readonly mx_match: readonly { readonly pattern: string; readonly mx: string; readonly match: boolean }[];
}

const sts = conformanceCases<StsCases>('mta-sts/mta-sts-cases.json');
const reports = conformanceCases<{ readonly txt_records: readonly RecordCase[] }>('tlsrpt/tlsrpt-cases.json');

describe.skipIf(sts === undefined)('MTA-STS by the conformance cases', () => {
  // Strict where the cases are contested: a record or policy against the grammar is none.
  it.each(sts?.txt_records ?? [])('record $record', ({ record, ok }) => {
    expect(parseStsRecord(record) !== undefined).toBe(ok);
  });

  it.each(sts?.policies ?? [])('policy $policy', ({ policy, ok }) => {
    expect('policy' in parseStsPolicy(policy)).toBe(ok);
  });

  it.each(sts?.mx_match ?? [])('$pattern for $mx', ({ pattern, mx, match }) => {
    expect(namesHost([pattern], mx)).toBe(match);
  });
});

describe.skipIf(reports === undefined)('TLSRPT by the conformance cases', () => {
  it.each(reports?.txt_records ?? [])('record $record', ({ record, ok }) => {
    expect(parseReportRecord(record) !== undefined).toBe(ok);
  });
});

describe('MTA-STS', () => {
  it('reads a policy', () => {
    expect(
      parseStsPolicy(
        'version: STSv1\r\nmode: enforce\r\nmx: MAIL.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n',
      ),
    ).toEqual({ policy: { mode: 'enforce', mx: ['mail.example.com', '*.example.net'], maxAge: 604_800 } });
  });

  it('takes the first of a field that is repeated, and a year for longer', () => {
    const text = 'version: STSv1\nmode: testing\nmode: enforce\nmx: a.example\nmax_age: 9999999999\nmax_age: 1\n\n';
    expect(parseStsPolicy(text)).toEqual({ policy: { mode: 'testing', mx: ['a.example'], maxAge: 31_557_600 } });
  });

  it('says what is wrong', () => {
    expect(parseStsPolicy('version: STSv1\nmode: enforce\nmx: a_b.example\nmax_age: 1')).toEqual({
      problem: 'mx "a_b.example" is no host name',
    });
    expect(parseStsPolicy('<html>')).toEqual({ problem: 'not a field: "<html>"' });
  });

  it('needs exactly one record', () => {
    expect(announcedId(['google-site=1', 'v=STSv1; id=a1;'])).toBe('a1');
    expect(announcedId(['v=STSv1; id=a1;', 'v=STSv1; id=a2;'])).toBeUndefined();
    expect(announcedId([])).toBeUndefined();
  });

  it('reads back what is written by the grammar', () => {
    const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?$/);
    const host = fc.tuple(fc.boolean(), fc.array(label, { minLength: 1, maxLength: 4 })).map(([wild, labels]) => {
      return `${wild ? '*.' : ''}${labels.join('.')}`;
    });
    const space = fc.stringMatching(/^[ \t]{0,3}$/);
    fc.assert(
      fc.property(
        fc.array(host, { minLength: 1, maxLength: 5 }),
        fc.nat(31_557_600),
        fc.constantFrom('\n', '\r\n'),
        space,
        (mx, maxAge, end, gap) => {
          const fields = ['version:STSv1', 'mode:enforce', ...mx.map((one) => `mx:${one}`), `max_age:${maxAge}`];
          const text = fields.map((field) => `${field.replace(':', `${gap}:${gap}`)}${gap}`).join(end);
          expect(parseStsPolicy(text)).toEqual({ policy: { mode: 'enforce', mx, maxAge } });
        },
      ),
    );
  });

  it('never throws', () => {
    const piece = fc.constantFrom(
      'v=STSv1',
      ';',
      'id',
      '=',
      'version',
      ':',
      'STSv1',
      '\n',
      '\r',
      'mode',
      'none',
      'mx',
      '*.',
      'max_age',
      '1',
      ' ',
    );
    const text = fc.array(fc.oneof(piece, fc.string({ unit: 'binary' }))).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (given) => {
        const id = parseStsRecord(given);
        if (id !== undefined) expect(id).toMatch(/^[A-Za-z0-9]{1,32}$/);
        const parsed = parseStsPolicy(given);
        if ('policy' in parsed) expect(parsed.policy.maxAge).toBeGreaterThanOrEqual(0);
        else expect(parsed.problem).not.toBe('');
      }),
    );
  });
});

describe('TLSRPT', () => {
  it('names its targets', () => {
    expect(
      reportTargets(['spf', 'v=TLSRPTv1; rua=mailto:r%2Bx@a.example?subject=x,https://b.example/v1/,ftp://c.example/']),
    ).toEqual([
      { kind: 'mailto', address: 'r+x@a.example' },
      { kind: 'https', url: 'https://b.example/v1/' },
    ]);
  });

  it('takes no address that could end a command, no credentials, and only so many', () => {
    expect(parseReportRecord('v=TLSRPTv1; rua=mailto:a%0d%0aRCPT@b.example')).toEqual([]);
    expect(parseReportRecord('v=TLSRPTv1; rua=https://u:p@b.example/')).toEqual([]);
    const many = Array.from({ length: 20 }, (_, i) => `mailto:a${i}@b.example`).join(',');
    expect(parseReportRecord(`v=TLSRPTv1; rua=${many}`)).toHaveLength(5);
  });

  it('never throws', () => {
    const piece = fc.constantFrom('v=TLSRPTv1', ';', 'rua=', 'mailto:', 'https://', '%', ',', 'a@b.c', ' ');
    fc.assert(
      fc.property(
        fc.array(fc.oneof(piece, fc.string({ unit: 'binary' }))).map((parts) => parts.join('')),
        (given) => {
          for (const target of parseReportRecord(given) ?? [])
            expect(target.kind === 'https' ? target.url : target.address).not.toMatch(/[\s<>]/);
        },
      ),
    );
  });
});
