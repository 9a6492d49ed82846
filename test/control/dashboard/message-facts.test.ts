/** A message as history and queue know it. */
import { describe, expect, it } from 'vitest';
import { factsOf, foundWords, recipientsOf, stepsOf } from '../../../src/control/dashboard/message-facts.js';

const queued = {
  ...{ id: 'F1', sender: '', size: 2048, receivedAt: 1000, recipients: 2, attempts: 1, due: 61_000, state: 'deferred' },
  ...{ reason: '', clientAddress: '192.0.2.1', helo: 'client.example' },
  recipientDetails: [
    { address: 'a@b.example', status: 'delivered', reply: '250 ok', host: 'mx', lastAttempt: 3000 },
    { address: 'c@b.example', status: 'pending', reply: '451 later', host: 'mx', lastAttempt: 2000 },
    { address: 'd@b.example', status: 'pending', reply: '', host: '', lastAttempt: 0 },
  ],
};
const known = {
  ...{ id: 'F1', sender: 'x@y.example', tenant: 'shop', tags: ['spring'], lane: 'bulk', size: 10, acceptedAt: 1000 },
  ...{ recipientCount: 3, client: '192.0.2.1', protocol: 'ESMTP', tls: '', signed: ['y.example/s'], account: 'x' },
  recipients: [{ address: 'a@b.example', status: 'bounced', at: 2000, reply: '550 no', host: 'mx' }],
  timeline: [
    { at: 1000, kind: 'accepted', recipient: '', reply: '', attempt: null },
    { at: 2000, kind: 'bounced', recipient: 'a@b.example', reply: '550 no', delay: 1000, due: 0, attempt: null },
  ],
};

describe('a message', () => {
  it('in the queue is told of without a history', () => {
    const facts = new Map(factsOf({ known: null, queued, why: null }, 1000));
    expect(facts.get('State')).toBe('deferred, next try in 60 s');
    expect(facts.get('Sender')).toBe('<>');
    expect(facts.get('From')).toBe('192.0.2.1 (client.example)');
    expect(facts.has('Tenant')).toBe(false);
    expect(recipientsOf(null, queued, 4000).map(({ text }) => text)).toEqual([
      '250 ok · mx · 1 s ago',
      '451 later · mx · 2 s ago',
      'not tried yet',
    ]);
    expect(stepsOf(null, queued).map(({ at, kind }) => [at, kind])).toEqual([
      [1000, 'accepted'],
      [2000, 'deferred'],
      [3000, 'delivered'],
    ]);
  });

  it('that is gone is told of by the history', () => {
    const facts = new Map(factsOf({ known, queued: null, why: null }, 1000));
    expect(facts.get('State')).toBe('no longer in the queue');
    expect([facts.get('Tags'), facts.get('Account'), facts.has('Attempts')]).toEqual(['spring', 'x', false]);
    expect(recipientsOf(known, null, 2500)[0]).toEqual({
      ...{ address: 'a@b.example', status: 'bounced', text: '550 no · mx · now' },
    });
    const [accepted, bounced] = stepsOf(known, null);
    expect(accepted).toMatchObject({
      who: 'x@y.example → a@b.example',
      text: expect.stringContaining('signed by y.example/s'),
    });
    expect(bounced).toMatchObject({ who: 'a@b.example', text: '550 no · after 1 s' });
    expect(stepsOf(null, null)).toEqual([]);
  });

  it('that was found is one line', () => {
    expect(foundWords(known)).toMatchObject({ id: 'F1', who: 'x@y.example → a@b.example and 2 more' });
    expect(() => foundWords({})).not.toThrow();
  });
});
