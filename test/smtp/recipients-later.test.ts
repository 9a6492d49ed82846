/**
 * Recipients that the host decides later: order of replies, what is consumed meanwhile, deadlines, and that nothing
 * depends on how the stream is cut or when decisions come.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeReply } from '../../src/smtp/replies.js';
import { FakeHost, testOptions } from './fake-host.js';

const MAIL = 'EHLO client.example\r\nMAIL FROM:<a@client.example>\r\n';
const rcpt = (domain: string) => `RCPT TO:<b@${domain}>\r\n`;

/** A session after MAIL whose host decides later. */
function late(): FakeHost {
  const host = new FakeHost(testOptions({ decisionTimeout: 5000, commandTimeout: 60_000 }));
  host.say(MAIL);
  host.late = true;
  host.sent = '';
  return host;
}

function feed(host: FakeHost, text: string): number {
  const bytes = Buffer.from(text, 'latin1');
  return host.session.feed(bytes, 0, bytes.length, host.now);
}

describe('a recipient that is decided later', () => {
  it('is answered when it is decided, and nothing is consumed before', () => {
    const host = late();
    const first = rcpt('accept.example');
    expect(feed(host, `${first}RSET\r\n`)).toBe(first.length);
    expect([host.sent, host.session.waiting]).toEqual(['', true]);
    expect(feed(host, 'RSET\r\n')).toBe(0);
    host.decide();
    expect([host.sent, host.session.waiting]).toEqual(['250 2.1.5 Recipient ok\r\n', false]);
    feed(host, rcpt('reject.example'));
    host.decide();
    expect(host.say('DATA\r\nx\r\n.\r\n')).toMatch(/^354 .*\r\n250 2\.0\.0 Ok: queued/);
    expect(host.accepted[0]!.recipients.map(({ address }) => address)).toEqual(['b@accept.example']);
  });

  it('is answered 451 when no decision comes, and one that comes too late decides nothing', () => {
    const host = late();
    feed(host, rcpt('accept.example'));
    const old = host.undecided!.question;
    expect(host.session.deadline).toBe(host.now + 5000);
    host.now += 4999;
    host.session.timeout(host.now);
    expect(host.sent).toBe('');
    host.now += 1;
    host.session.timeout(host.now);
    expect(host.sent).toMatch(/^451 4\.4\.3 .*\r\n$/);
    expect([host.session.closed, host.session.deadline]).toEqual([false, host.now + 60_000]);
    feed(host, rcpt('accept.example'));
    host.sent = '';
    host.session.recipientDecided(old, makeReply(554, '5.7.1', 'No'), host.now);
    expect([host.sent, host.session.waiting]).toEqual(['', true]);
    host.decide();
    expect(host.sent).toMatch(/^250 /);
    host.session.recipientDecided(old, null, host.now);
    expect(host.session.waiting).toBe(false);
  });

  it('ends the session with a 421, and with the connection it is forgotten', () => {
    const ended = late();
    feed(ended, rcpt('bye.example'));
    ended.decide();
    expect([ended.sent.slice(0, 3), ended.closes]).toEqual(['421', 1]);
    const gone = late();
    feed(gone, rcpt('accept.example'));
    gone.session.abort();
    gone.decide();
    expect([gone.sent, gone.session.deadline]).toEqual(['', Number.POSITIVE_INFINITY]);
  });

  it('leaves a shutdown for after the transaction', () => {
    const host = late();
    feed(host, rcpt('accept.example'));
    host.session.shutdown();
    expect(host.closes).toBe(0);
    host.decide();
    expect(host.say('RSET\r\n')).toMatch(/^250 .*\r\n421 4\.3\.2/);
  });

  it('gives the same whatever the chunks and whenever the decisions come', () => {
    const command = fc.oneof(
      fc.constantFrom('accept.example', 'reject.example', 'other.example', 'bye.example').map(rcpt),
      fc.constantFrom('RSET\r\n', 'NOOP\r\n', 'MAIL FROM:<c@client.example>\r\n', 'DATA\r\nx\r\n.\r\n'),
      fc.constantFrom('BDAT 3 LAST\r\nabc', 'RCPT TO:<bad\r\n', 'EHLO again\r\n'),
    );
    const stream = fc.array(command, { maxLength: 14 }).map((commands) => `${MAIL}${commands.join('')}QUIT\r\n`);
    fc.assert(
      fc.property(
        stream,
        fc.array(fc.nat(40), { minLength: 1, maxLength: 30 }),
        fc.array(fc.boolean()),
        (text, cuts, later) => {
          const whole = new FakeHost();
          whole.say(text);
          const host = new FakeHost();
          let decisions = 0;
          let at = 0;
          for (let i = 0; at < text.length && !host.session.closed; i++) {
            // Some at once and some later, in an order of their own.
            host.late = later[decisions % Math.max(1, later.length)] ?? true;
            const length = 1 + cuts[i % cuts.length]!;
            host.say(text.slice(at, at + length));
            at += length;
            decisions++;
          }
          expect(host.trace()).toEqual(whole.trace());
        },
      ),
      { numRuns: 300 },
    );
  });
});
