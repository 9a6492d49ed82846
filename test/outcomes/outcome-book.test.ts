/**
 * What follows from outcomes: categories, suppression, figures.
 */
import { describe, expect, it } from 'vitest';
import { PLAIN_HANDLING } from '../../src/message/envelope.js';
import { OutcomeBook } from '../../src/outcomes/outcome-book.js';
import type { OutcomeKind } from '../../src/queue/outcome.js';
import { envelope } from '../helpers/mail.js';

function world() {
  const counted: unknown[] = [];
  const suppressed: unknown[] = [];
  const book = new OutcomeBook({
    clock: { now: () => 10_000, wall: () => 10_000 },
    counts: {
      outcome: (...told) => counted.push(told),
      cameBack: (...told) => counted.push(['cameBack', ...told]),
      complained: (...told) => counted.push(['complained', ...told]),
      connection: (...told) => counted.push(['connection', ...told]),
    },
    suppression: { bounced: (...told) => suppressed.push(told) },
    siteOf: (host, recipient) => `site of ${host === '' ? recipient : host}`,
  });
  const message = (holdUntil = 0) => ({
    envelope: {
      ...envelope(1, ['ann@example.com'], { receivedAt: 4000 }),
      handling: { ...PLAIN_HANDLING, tenant: 'acme', holdUntil },
    },
  });
  const tell = (status: OutcomeKind | 'expired', reply: string, enhanced: string, host = 'mx.example.com', hold = 0) =>
    book.outcome(message(hold), 0, { reply, enhanced, host }, status);
  return { book, tell, counted, suppressed };
}

describe('OutcomeBook', () => {
  it('counts deliveries from when they could first be sent', () => {
    const { tell, counted, suppressed } = world();
    expect(tell('delivered', '250 2.0.0 ok', '2.0.0')).toBe('');
    expect(tell('delivered', '250 2.0.0 ok', '2.0.0', 'mx.example.com', 9000)).toBe('');
    expect(counted).toEqual([
      ['delivered', 'acme', 'site of mx.example.com', 6000, 10_000],
      ['delivered', 'acme', 'site of mx.example.com', 1000, 10_000],
    ]);
    expect(suppressed).toEqual([]);
  });

  it('suppresses on a hard bounce, and on nothing that may pass', () => {
    const { tell, suppressed } = world();
    expect(tell('failed', '550 5.1.1 no such user', '5.1.1')).toBe('bad-mailbox');
    expect(tell('deferred', '450 4.1.1 no such user', '4.1.1')).toBe('bad-mailbox');
    expect(tell('expired', '450 4.1.1 no such user', '4.1.1')).toBe('bad-mailbox');
    expect(tell('failed', '550 5.7.1 this is spam', '5.7.1')).toBe('spam-content');
    expect(suppressed).toEqual([['acme', 'ann@example.com', 'bad-mailbox', '550 5.1.1 no such user']]);
  });

  it('counts nothing that the engine did itself', () => {
    const { tell, counted, suppressed } = world();
    expect(tell('failed', 'the recipient is on the suppression list: bad-mailbox', '5.1.1', 'local')).toBe(
      'suppressed',
    );
    expect(tell('delivered', 'discarded by route hole', '2.0.0', '')).toBe('');
    expect([counted, suppressed]).toEqual([[], []]);
    expect(tell('failed', 'no such domain: example.com', '5.1.2', '')).toBe('bad-domain');
    expect(counted).toEqual([['failed', 'acme', 'site of ann@example.com', 6000, 10_000]]);
  });

  it('books what comes back to the site of the recipient, where there is one', () => {
    const { book, counted } = world();
    book.cameBack('bounce', 'acme', 'ann@example.com', 'mx.example.com');
    book.cameBack('complaint', 'acme', '', 'mx.example.com');
    book.connection('mx.example.com', false);
    expect(counted).toEqual([
      ['cameBack', 'acme', 'site of ann@example.com', 10_000],
      ['complained', 'acme', 'site of mx.example.com', 10_000],
      ['connection', 'site of mx.example.com', false, 10_000],
    ]);
  });
});
