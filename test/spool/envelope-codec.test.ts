/**
 * Wishes about TLS and handling survive the spool.
 */
import { describe, expect, it } from 'vitest';
import { PLAIN_HANDLING } from '../../src/message/envelope.js';
import { packEnvelope, unpackEnvelope } from '../../src/spool/envelope-codec.js';
import { envelopeOf } from './helpers.js';

describe('an envelope', () => {
  it.each([{ requireTls: true }, { requireTls: false }, { requireTls: false, tlsOptional: true }])(
    'with %j',
    (wish) => {
      const envelope = { ...envelopeOf(1, 100), ...wish };
      expect(unpackEnvelope(packEnvelope(envelope))).toStrictEqual(envelope);
    },
  );

  it.each([
    { lane: 'immediate' as const, holdUntil: 1_764_000_100_000.5 },
    { deliverBy: { at: 1_764_000_200_000.25, mode: 'R' as const, trace: false } },
    { tags: [], fields: {}, deliverBy: null },
  ])('to be handled with %j', (handling) => {
    const envelope = envelopeOf(1, 100, true, handling);
    expect(unpackEnvelope(packEnvelope(envelope))).toStrictEqual(envelope);
  });

  it('about which nothing was said gets the one handling of all such', () => {
    const envelope = { ...envelopeOf(1, 100), handling: PLAIN_HANDLING };
    expect(unpackEnvelope(packEnvelope(envelope)).handling).toBe(PLAIN_HANDLING);
  });
});
