import { describe, expect, it } from 'vitest';
import { parseDestination } from '../../src/delivery/destination.js';
import { addressSite, transparentDestination } from '../../src/delivery/transparent-destination.js';
import { PLAIN_HANDLING } from '../../src/message/envelope.js';
import {
  ORIGINAL_DESTINATION,
  originalDestinationOf,
  withOriginalDestination,
} from '../../src/message/original-destination.js';

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

  it.each(['192.0.2.1:25', '[2001:db8::7]:2525'])('goes to that host and port (%s)', async (to) => {
    const handling = withOriginalDestination(PLAIN_HANDLING, to);
    const key = transparentDestination(handling, 'pool', true)!;
    expect(key).toBe(`host/${to}@pool!`);
    const { kind, name } = parseDestination(key);
    expect(kind).toBe('host');
    const [address, port] = to.startsWith('[') ? ['2001:db8::7', 2525] : ['192.0.2.1', 25];
    expect(await addressSite(name, 7)!.resolve()).toMatchObject({
      kind: 'hosts',
      hosts: [{ name: address, address, port, limit: 7, tls: { mode: 'opportunistic', verify: 'any' } }],
      limit: 7,
      expires: Number.POSITIVE_INFINITY,
    });
  });

  it('is no other mail, and its site no other destination', () => {
    expect(transparentDestination(PLAIN_HANDLING)).toBeNull();
    for (const name of ['relay.example:25', '192.0.2.1', '192.0.2.1:x', '[relay]:25', ''])
      expect(addressSite(name, 1)).toBeNull();
  });
});
