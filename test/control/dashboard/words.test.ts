/** What the engine says, in words for the page. */
import { describe, expect, it } from 'vitest';
import {
  eventWords,
  learntWords,
  orderWords,
  queryOf,
  selectorWords,
  stateWords,
  targetOf,
} from '../../../src/control/dashboard/words.js';
import type { MailEvent } from '../../../src/telemetry/mail-event.js';

const message = { at: 1000, id: 'F1', sender: 'a@b.example', tenant: '', tags: [], lane: 'bulk' };

describe('a search', () => {
  it.each([
    ['  ', null],
    ['fqz3k1b2c4', { kind: 'id', value: 'FQZ3K1B2C4' }],
    [' bob@b.example ', { kind: 'recipient', value: 'bob@b.example' }],
    ['<bob@b.example>', { kind: 'recipient', value: 'bob@b.example' }],
    ['tag: spring', { kind: 'tag', value: 'spring' }],
    ['#newsletter', { kind: 'tag', value: 'newsletter' }],
    ['tag:a@b', { kind: 'tag', value: 'a@b' }],
    ['spring', { kind: 'tag', value: 'spring' }],
  ])('for "%s" is %j', (text, query) => expect(queryOf(text)).toEqual(query));
});

describe('events', () => {
  const events: readonly (readonly [MailEvent, string, string])[] = [
    [
      {
        ...message,
        ...{
          kind: 'accepted',
          recipients: ['x@y.example', 'z@y.example'],
          size: 1234,
          account: '',
          client: '192.0.2.1',
        },
        ...{ protocol: 'ESMTPS', tls: 'TLSv1.3', signed: ['b.example/s1'] },
      },
      'a@b.example → x@y.example and 1 more',
      '1,234 bytes · by ESMTPS · from 192.0.2.1 · TLSv1.3 · signed by b.example/s1',
    ],
    [
      {
        ...message,
        ...{ kind: 'deferred', recipient: 'x@y.example', reply: '451 later', dsn: '4.7.1', category: '', attempts: 1 },
        ...{ delay: 2000, due: 61_000, attempt: { host: 'mx.example', address: '192.0.2.2:25', tls: '', ms: 45 } },
      },
      'x@y.example',
      '451 later · mx.example 192.0.2.2:25, in the clear, 45 ms · after 2 s · next try in 60 s',
    ],
    [
      {
        ...message,
        ...{ kind: 'expired', recipient: 'x@y.example', reply: 'too old', dsn: '5.4.7', category: '', attempts: 9 },
        ...{ delay: 345_600_000, due: 0, attempt: null },
      },
      'x@y.example',
      'too old · after 4 d',
    ],
    [
      {
        ...{ kind: 'complained', at: 1, id: '', recipient: 'x@y.example', tenant: '', reply: 'abuse', category: '' },
        verified: false,
      },
      'x@y.example',
      'abuse (not proven to be about our mail)',
    ],
    [
      {
        ...{ kind: 'suspended', at: 1, order: 'o1', domain: 'y.example', tenant: 'shop', pool: '', campaign: '' },
        ...{ reason: 'asked to', by: 'operator', until: 0 },
      },
      'domain y.example, tenant shop',
      'order o1 · asked to · by operator',
    ],
  ];

  it.each(events)('%# are told', (event, who, text) => {
    expect(eventWords(event)).toEqual({ at: event.at, kind: event.kind, id: 'id' in event ? event.id : '', who, text });
  });

  it('that are not known are passed on, and broken ones break nothing', () => {
    expect(eventWords({ kind: 'signed', at: 5, id: 'F1', detail: 'by b.example' })).toEqual({
      ...{ at: 5, kind: 'signed', id: 'F1', who: '', text: 'by b.example' },
    });
    for (const kind of ['accepted', 'delivered', 'returned', 'resumed', ''])
      expect(() => eventWords({ kind })).not.toThrow();
  });
});

describe('hosts and orders', () => {
  it('are told by state, by what was learnt, and by how long', () => {
    expect(stateWords('ejected')).toBe('put out');
    expect(stateWords('new-one')).toBe('new-one');
    const host = { planned: 10, defersAbove: 12.5, quotaLeft: null };
    const learnt = { learnt: [{ source: '', connections: 3, messagesPerSecond: 1.5 }] };
    expect(learntWords(host, learnt)).toBe('takes 3 connections, takes 1.5/s, planned 10/min, defers above 12.5/min');
    expect(learntWords({ planned: null, defersAbove: null, quotaLeft: null }, {})).toBe('');
    expect(orderWords({ until: 0, by: 'rule', reason: '' }, 1000)).toBe('until resumed · by rule');
    expect(orderWords({ until: 61_000, by: 'operator', reason: 'why' }, 1000)).toBe('60 s more · by operator · why');
    expect(selectorWords({ domain: 'a.example', tenant: '', pool: 'ses', campaign: '' })).toBe(
      'domain a.example, pool ses',
    );
  });

  it('can be suspended by what their destination is', () => {
    expect(targetOf('mx/a.example')).toEqual({ by: 'domain', value: 'a.example' });
    expect(targetOf('upstream/ses')).toEqual({ by: 'pool', value: 'ses' });
    expect(targetOf('mx/a.example@warm!')).toEqual({ by: 'domain', value: 'a.example' });
    expect(targetOf('discard/*').value).toBe('');
    expect(targetOf('').value).toBe('');
  });
});
