import { describe, expect, it } from 'vitest';
import { isTooManyRecipients, outcomeOf } from '../../src/delivery/verdicts.js';
import type { Stage } from '../../src/smtp/client-host.js';

const verdict = (stage: Stage, code: number, text = 'text') => ({ stage, reply: { code, text, lines: [text] } });

describe('outcomeOf', () => {
  it.each([
    ['content', 250, 'delivered'],
    ['content', 252, 'delivered'],
    ['content', 354, 'deferred'],
    ['content', 421, 'deferred'],
    ['content', 452, 'deferred'],
    ['content', 554, 'failed'],
    // Only the reply to the content delivers.
    ['data', 250, 'deferred'],
    ['rcpt', 250, 'deferred'],
    ['mail', 250, 'deferred'],
    ['mail', 550, 'failed'],
    ['rcpt', 450, 'deferred'],
    ['rcpt', 599, 'failed'],
    ['data', 503, 'failed'],
  ] as const)('%s %i is %s', (stage, code, kind) => {
    expect(outcomeOf(verdict(stage, code), 'up.example', true).kind).toBe(kind);
  });

  it('keeps the reply, its code and the host', () => {
    expect(outcomeOf(verdict('rcpt', 550, '5.1.1 no such user'), 'up.example', false)).toEqual({
      kind: 'failed',
      reply: '550 5.1.1 no such user',
      enhanced: '5.1.1',
      host: 'up.example',
      relayed: false,
    });
  });

  it('is relayed only when delivered to a host that does not speak DSN', () => {
    expect(outcomeOf(verdict('content', 250), 'h', false).relayed).toBe(true);
    expect(outcomeOf(verdict('content', 250), 'h', true).relayed).toBe(false);
    expect(outcomeOf(verdict('content', 451), 'h', false).relayed).toBe(false);
  });
});

describe('isTooManyRecipients', () => {
  it.each([
    ['rcpt', 452, true],
    ['rcpt', 552, true],
    ['rcpt', 450, false],
    ['data', 452, false],
    ['content', 552, false],
  ] as const)('%s %i: %s', (stage, code, expected) => {
    expect(isTooManyRecipients(verdict(stage, code))).toBe(expected);
  });
});
