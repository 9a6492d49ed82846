/**
 * Providers that ask for fewer messages: their words, and what becomes of the mail and of the host.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { throttlingOf } from '../../src/delivery/throttling.js';
import { outcomeOf } from '../../src/delivery/verdicts.js';
import { type Script, SmtpPeer } from '../helpers/smtp-peer.js';
import { DeliveryWorld, hostAt, NOTHING_LEFT } from './delivery-world.js';

const replyOf = (line: string) => ({ code: Number(line.slice(0, 3)), text: line.slice(4), lines: [line.slice(4)] });

describe('replies', () => {
  it.each([
    ['454 Throttling failure: Maximum sending rate exceeded.', 'rate'],
    ['454 4.7.0 Throttling failure: Maximum sending rate exceeded', 'rate'],
    ['454 Throttling failure: Daily message quota exceeded.', 'quota'],
    ['432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending', 'rate'],
    ['432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded', 'rate'],
    ['554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message', 'quota'],
    ['550 5.4.5 Daily user sending limit exceeded. For more information on Gmail sending limits go to', 'quota'],
    ['550 5.4.5 Daily SMTP relay sending limit exceeded for user.', 'quota'],
    ['450 4.2.1 Peak SMTP relay limit exceeded for customer.', 'rate'],
    ['421 4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address', 'rate'],
    ['451 Authentication failed: Maximum credits exceeded', 'quota'],
    ['421 Too many concurrent SMTP connections from this IP address', 'rate'],
    ['250 2.0.0 queued', null],
    ['452 4.5.3 Too many recipients', null],
    ['451 4.7.1 Greylisting in action', null],
    ['450 4.2.1 The user you are trying to contact is receiving mail too quickly.', null],
    ['552 5.2.2 mailbox full; quota exceeded', null],
    ['554 5.7.1 spam', null],
  ])('%s: %s', (line, kind) => {
    expect(throttlingOf(replyOf(line))).toBe(kind);
  });

  it('of class 5 that ask for less do not fail the mail', () => {
    const reply = replyOf('550 5.4.5 Daily user sending limit exceeded.');
    expect(outcomeOf({ stage: 'content', reply }, 'h', true)).toMatchObject({ kind: 'deferred', enhanced: '4.4.5' });
  });
});

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function setUp(script: Script, limit = 1) {
  const at = await SmtpPeer.start(script);
  const run = new DeliveryWorld([hostAt(at.port, { limit })]);
  ends.push(async () => expect(await run.end()).toEqual(NOTHING_LEFT));
  ends.push(() => at.close());
  return { at, run };
}

describe('a host that asks for less', () => {
  it('gets nothing for a moment; what waits then goes out', async () => {
    let said = 0;
    const { at, run } = await setUp((stage) =>
      stage === 'dot' && said++ === 0 ? '454 Throttling failure: Maximum sending rate exceeded.' : undefined,
    );
    await run.sendMany(5);
    await run.decided(1);
    expect([run.outcomes.length, run.count('deferred'), run.throttlings.length]).toEqual([1, 1, 1]);
    await run.decided(5);
    expect([run.count('delivered'), run.count('deferred'), at.messages.length]).toEqual([4, 1, 4]);
    expect(run.failures).toEqual([]);
  });

  it('of a day defers all that waits, with its words', async () => {
    const { at, run } = await setUp((stage) =>
      stage === 'dot' ? '454 Throttling failure: Daily message quota exceeded.' : undefined,
    );
    await run.sendMany(5);
    await run.decided(5);
    expect([run.count('deferred'), at.messages.length, run.throttlings.length]).toEqual([5, 0, 1]);
    expect(run.replies.every((reply) => reply.includes('Daily message quota'))).toBe(true);
    expect(at.commands.filter((line) => line === 'DATA')).toHaveLength(1);
  });

  it('with a 421 on a kept connection is heeded before the mail is tried again', async () => {
    let said = 0;
    const { at, run } = await setUp((stage, _connection, count) =>
      stage === 'MAIL' && count === 1 && said++ === 0 ? '421 4.7.28 unusual rate of mail' : undefined,
    );
    await run.sendMany(3);
    await run.decided(3);
    expect([run.count('delivered'), run.throttlings.length, at.messages.length]).toEqual([3, 1, 3]);
  });

  it('leaves the mail to another host of the site', async () => {
    const other = await SmtpPeer.start();
    ends.push(() => other.close());
    const { at, run } = await setUp((stage) => (stage === 'MAIL' ? '454 Throttling failure: x' : undefined));
    run.hosts = [hostAt(at.port, { limit: 1 }), hostAt(other.port, { limit: 1 })];
    await run.sendMany(10);
    await run.decided(10);
    expect([run.count('deferred'), other.messages.length]).toEqual([1, 9]);
  });
});
