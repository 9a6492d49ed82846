import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressSet, LOOPBACK, plainAddress } from '../../src/net/address-set.js';

const network = (text: string) => ({ network: text.replace('!', ''), excluded: text.startsWith('!') });
const setOf = (...texts: string[]) => addressSet(texts.map(network));

describe('addressSet', () => {
  it.each([
    ['192.0.2.0/24', '192.0.2.255', true],
    ['192.0.2.0/24', '192.0.3.0', false],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['2001:db8::/32', '2001:db8:1::1', true],
    ['2001:db8::1', '2001:db8::2', false],
    ['192.0.2.0/24', '::ffff:192.0.2.9', true],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['192.0.2.0/24', '', false],
    ['192.0.2.0/24', 'junk', false],
  ])('%s holds %s: %s', (set, address, expected) => {
    expect(setOf(set)(address)).toBe(expected);
  });

  it('lets later entries win', () => {
    const holds = setOf('10.0.0.0/8', '!10.1.0.0/16', '10.1.2.0/24');
    expect(['10.0.0.1', '10.1.0.1', '10.1.2.3', '11.0.0.1'].map(holds)).toEqual([true, false, true, false]);
  });

  it('holds loopback in either family', () => {
    const holds = addressSet(LOOPBACK);
    expect(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '128.0.0.1', '::2'].map(holds)).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  it('agrees with arithmetic', () => {
    const quad = fc.integer({ min: 0, max: 0xffffffff });
    const dotted = (n: number) => [24, 16, 8, 0].map((shift) => (n >>> shift) & 255).join('.');
    fc.assert(
      fc.property(quad, fc.integer({ min: 0, max: 32 }), fc.integer({ min: 0, max: 32 }), (base, prefix, flip) => {
        // An address that differs from the network in one bit, or not at all.
        const address = flip === 32 ? base : (base ^ (1 << flip)) >>> 0;
        const same = flip === 32 || flip < 32 - prefix;
        expect(setOf(`${dotted(base)}/${prefix}`)(dotted(address))).toBe(same);
      }),
    );
  });

  it('takes the IPv4 out of a mapped address only', () => {
    expect(['::ffff:192.0.2.1', '::ffff:0:1', '2001:db8::1', '192.0.2.1'].map(plainAddress)).toEqual([
      '192.0.2.1',
      '::ffff:0:1',
      '2001:db8::1',
      '192.0.2.1',
    ]);
  });
});
