/**
 * Wishes about TLS survive the spool.
 */
import { describe, expect, it } from 'vitest';
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
});
