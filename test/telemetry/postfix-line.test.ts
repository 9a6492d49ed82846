/**
 * Lines in the form of Postfix's, read as its readers do: by the shapes that pflogsumm, postfix_exporter and fail2ban look
 * for. The programs themselves read the log of a real engine in test/e2e/operators.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AcceptedEvent, OutcomeEvent } from '../../src/telemetry/log-line.js';
import { type OutcomeDetail, PostfixLines } from '../../src/telemetry/postfix-line.js';

const TIME = new Date(2026, 10, 4, 17, 3, 9, 250).getTime();
const accepted: AcceptedEvent = {
  id: 'FQZ3K1B2C4',
  from: 'ann@shop.example',
  to: 'bob@mail.example',
  recipients: 2,
  size: 10_240,
  client: '192.0.2.7',
  helo: 'c.example',
  protocol: 'ESMTP',
};
const outcome: OutcomeEvent = {
  id: 'FQZ3K1B2C4',
  to: 'bob@mail.example',
  status: 'delivered',
  dsn: '2.0.0',
  reply: '250 2.0.0 Ok: queued as 4711',
  delay: 2345,
  attempts: 1,
  category: '',
};
const detail: OutcomeDetail = {
  from: 'ann@shop.example',
  ahead: 120,
  attempt: { host: 'mx.mail.example', address: '198.51.100.9:25', tls: '', ms: 225 },
};

/** What all readers take off first: time, host, program, process. */
const HEAD = /^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ (?:(postfix)\/)?(\w+)\[\d+\]: (.*)$/;
/** As pflogsumm looks for a delivery. */
const DELIVERY =
  /to=<([^>]*)>, (?:orig_to=<[^>]*>, )?relay=([^,]+), (?:conn_use=[^,]+, )?delay=([^,]+), (?:delays=[^,]+, )?(?:dsn=[^,]+, )?status=(\S+)(.*)$/m;
/** As postfix_exporter looks for one. */
const DELAYS = /, relay=(\S+), .*, delays=([0-9.]+)\/([0-9.]+)\/([0-9.]+)\/([0-9.]+), /;

const lines = () => new PostfixLines('relay', 4711);

/** The lines of a text, without what readers take off first. */
function read(text: string): (readonly [program: string, rest: string])[] {
  expect(text.endsWith('\n')).toBe(true);
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => {
      const match = HEAD.exec(line);
      expect(match, line).not.toBeNull();
      return [match![2]!, match![3]!] as const;
    });
}

describe('lines of messages', () => {
  it('of an accepted one are of smtpd and qmgr', () => {
    expect(lines().accepted(TIME, accepted)).toBe(
      'Nov  4 17:03:09 relay postfix/smtpd[4711]: FQZ3K1B2C4: client=unknown[192.0.2.7]\n' +
        'Nov  4 17:03:09 relay postfix/qmgr[4711]: FQZ3K1B2C4: from=<ann@shop.example>, size=10240, nrcpt=2 (queue active)\n',
    );
    const [[, login]] = read(lines().accepted(TIME, { ...accepted, client: '2001:db8::7', account: 'ann' })) as [
      [string, string],
    ];
    expect(login).toBe('FQZ3K1B2C4: client=unknown[2001:db8::7], sasl_username=ann');
    expect(read(lines().accepted(TIME, { ...accepted, client: '' })).map(([program]) => program)).toEqual(['qmgr']);
  });

  it('of a delivery tell relay, delays that add up, code and reply', () => {
    const text = lines().outcome(TIME, outcome, detail);
    expect(text).toBe(
      'Nov  4 17:03:09 relay postfix/smtp[4711]: FQZ3K1B2C4: to=<bob@mail.example>, ' +
        'relay=mx.mail.example[198.51.100.9]:25, delay=2.3, delays=0.12/2/0/0.23, dsn=2.0.0, ' +
        'status=sent (250 2.0.0 Ok: queued as 4711)\n',
    );
    expect(DELIVERY.exec(text)!.slice(1, 5)).toEqual([
      'bob@mail.example',
      'mx.mail.example[198.51.100.9]:25',
      '2.3',
      'sent',
    ]);
    expect(DELAYS.exec(text)).not.toBeNull();
  });

  it.each([
    ['deferred', '451 4.3.0 later', 'deferred', 'host mx.mail.example[198.51.100.9] said: 451 4.3.0 later'],
    ['failed', '550 5.1.1 no such user', 'bounced', 'host mx.mail.example[198.51.100.9] said: 550 5.1.1 no such user'],
    ['deferred', 'connection lost', 'deferred', 'connection lost'],
  ] as const)('of a recipient %s with "%s"', (status, reply, shown, words) => {
    const text = lines().outcome(TIME, { ...outcome, status, dsn: '', reply }, detail);
    expect(DELIVERY.exec(text)![4]).toBe(shown);
    expect(text).toContain(`, dsn=${shown === 'bounced' ? '5' : '4'}.0.0, status=${shown} (${words})\n`);
  });

  it('of one that was not tried have no relay', () => {
    const text = lines().outcome(TIME, { ...outcome, status: 'deferred' }, { ...detail, attempt: null });
    expect(DELIVERY.exec(text)![2]).toBe('none');
    expect(DELAYS.exec(text)!.slice(1)).toEqual(['none', '0.12', '2.2', '0', '0']);
  });

  it('of an expired one are the last deferral and the return', () => {
    const both = read(lines().outcome(TIME, { ...outcome, status: 'expired' }, detail));
    expect(both.map(([program]) => program)).toEqual(['smtp', 'qmgr']);
    expect(both[0]![1]).toContain('status=deferred');
    expect(both[1]![1]).toBe('FQZ3K1B2C4: from=<ann@shop.example>, status=expired, returned to sender');
  });

  it('end with removed', () => {
    expect(read(lines().removed(TIME, 'F1'))).toEqual([['qmgr', 'F1: removed']]);
  });

  it('are one line each whatever the strings hold, and the delays never are more than the delay', () => {
    fc.assert(
      fc.property(
        fc.record({ to: fc.string({ unit: 'binary' }), reply: fc.string({ unit: 'binary' }) }),
        fc.nat({ max: 1e9 }),
        fc.nat({ max: 1e9 }),
        fc.nat({ max: 1e9 }),
        (hostile, delay, ahead, ms) => {
          const attempt = { ...detail.attempt!, ms };
          const text = lines().outcome(TIME, { ...outcome, ...hostile, delay }, { ...detail, ahead, attempt });
          expect(text.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028]/);
          const [a, b, c, d] = DELAYS.exec(text)!.slice(2).map(Number) as [number, number, number, number];
          // Each is rounded to two digits or to whole seconds.
          expect(Math.abs(a + b + c + d - delay / 1000)).toBeLessThanOrEqual(2);
        },
      ),
    );
  });
});

describe('other lines', () => {
  const json = (level: number, msg: string, fields: object): string =>
    `${JSON.stringify({ level, time: TIME, ...fields, msg })}\n`;

  it('are those of Postfix where it has such', () => {
    const fields = { address: '192.0.2.9', user: 'ann', mechanism: 'PLAIN', reason: 'wrong password' };
    expect(read(lines().general(json(40, 'authentication failed', fields)))).toEqual([
      ['smtpd', 'warning: unknown[192.0.2.9]: SASL PLAIN authentication failed: wrong password, sasl_username=ann'],
    ]);
    const refused = { client: '192.0.2.9', from: 'a@b.example', code: 552, reason: 'too large' };
    expect(read(lines().general(json(40, 'refused', refused)))).toEqual([
      ['smtpd', 'NOQUEUE: reject: END-OF-MESSAGE from unknown[192.0.2.9]: 552 too large; from=<a@b.example>'],
    ]);
    const hop = { host: 'mx.example', address: '2001:db8::1:25', reason: 'Connection timed out' };
    expect(read(lines().general(json(40, 'next hop could not be used', hop)))).toEqual([
      ['smtp', 'connect to mx.example[2001:db8::1]:25: Connection timed out'],
    ]);
  });

  it('are readable and of sluice otherwise', () => {
    expect(lines().general(json(50, 'no room', { path: '/a b', n: 1, err: { message: 'x\ny' } }))).toBe(
      'Nov  4 17:03:09 relay sluice[4711]: error: no room path="/a b" n=1 error="x\\ny"\n',
    );
    expect(read(lines().general('not JSON\u001b[31m\n'))).toEqual([['sluice', 'not JSON\\u001b[31m']]);
    const hostile = { address: 'x]: \u001b', user: 'a\nb', mechanism: 'PLAIN', reason: '' };
    expect(read(lines().general(json(40, 'authentication failed', hostile)))).toHaveLength(1);
  });
});
