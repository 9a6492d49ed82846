import { describe, expect, it } from 'vitest';
import { parseDestination } from '../../src/delivery/destination.js';
import { transparentDestination } from '../../src/delivery/transparent-destination.js';
import { PLAIN_HANDLING } from '../../src/message/envelope.js';
import {
  ORIGINAL_DESTINATION,
  originalDestinationOf,
  withOriginalDestination,
} from '../../src/message/original-destination.js';
import { envelope } from '../helpers/mail.js';

describe('mail of a transparent listener', () => {
  it('carries where it was going, whatever its header says', () => {
    const claimed = {
      ...PLAIN_HANDLING,
      lane: 'immediate' as const,
      fields: { [ORIGINAL_DESTINATION]: 'x', other: 'y' },
    };
    expect(withOriginalDestination(claimed, '192.0.2.1:25')).toEqual({
      ...claimed,
      fields: { [ORIGINAL_DESTINATION]: '192.0.2.1:25', other: 'y' },
    });
    expect(withOriginalDestination(claimed, '')).toEqual({ ...claimed, fields: { other: 'y' } });
    expect(originalDestinationOf(withOriginalDestination(claimed, ''))).toBe('');
    expect(withOriginalDestination(PLAIN_HANDLING, '')).toBe(PLAIN_HANDLING);
    expect(PLAIN_HANDLING.fields).toEqual({});
  });

  it.each(['192.0.2.1:25', '[2001:db8::7]:2525'])('goes to that host and port (%s)', (to) => {
    const handling = withOriginalDestination(PLAIN_HANDLING, to);
    const key = transparentDestination(envelope(1, ['a@b.example'], { handling, tlsOptional: true }), 'pool');
    expect(key).toBe(`host/${to}@pool!`);
    expect(parseDestination(key)).toEqual({ kind: 'host', name: to, egress: 'pool', tlsOptional: true });
    expect(transparentDestination(envelope(1, ['a@b.example'], { handling }), '')).toBe(`host/${to}`);
  });
});
