/**
 * What happens to the next hops. Figures are of the size that relays of large senders have, and the same for all
 * algorithms; none was changed to suit one.
 */
import type { NextHopModel } from './next-hop.js';

export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly hosts: readonly NextHopModel[];
  /** For how long messages arrive, ms. */
  readonly duration: number;
  /** Messages a second at a time, and the most it ever is. */
  perSecond(now: number): number;
  readonly greatest: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const USUAL: NextHopModel = { latency: 150, sigma: 0.5, servers: 16, limit: 20 };
const DURATION = 15 * MINUTE;

function steady(name: string, about: string, perSecond: number, hosts: readonly NextHopModel[]): Scenario {
  return { name, about, hosts, duration: DURATION, perSecond: () => perSecond, greatest: perSecond };
}

function within(now: number, from: number, to: number): boolean {
  return now >= from * MINUTE && now < to * MINUTE;
}

export const scenarios: readonly Scenario[] = [
  steady('healthy', 'four equal hosts, 40 messages a second', 40, [USUAL, USUAL, USUAL, USUAL]),
  steady('slow', 'one of four hosts takes ten times as long', 40, [USUAL, USUAL, USUAL, { ...USUAL, latency: 1500 }]),
  steady('unequal', 'one large and three small hosts, 75 % of what they can', 60, [
    { ...USUAL, servers: 12 },
    { ...USUAL, servers: 2 },
    { ...USUAL, servers: 2 },
    { ...USUAL, servers: 2 },
  ]),
  steady('brown-out', 'from minute 4 to 9 one of three hosts takes ten times as long and fails three in ten', 40, [
    USUAL,
    USUAL,
    {
      ...USUAL,
      temper: (now) => (within(now, 4, 9) ? { slower: 10, loses: 0.15, defers: 0.15 } : {}),
    },
  ]),
  steady('overload', 'the same with two hosts of which neither can carry the load alone', 40, [
    { ...USUAL, servers: 4 },
    { ...USUAL, servers: 4, temper: (now) => (within(now, 4, 9) ? { slower: 10, loses: 0.15, defers: 0.15 } : {}) },
  ]),
  steady('rate-limit', 'one of three hosts defers what is more than 300 a minute; all together get 2400', 40, [
    USUAL,
    USUAL,
    { ...USUAL, perMinute: 300 },
  ]),
  {
    name: 'diurnal',
    about: 'load between 5 and 85 a second; one of three hosts slows to four times as long at the peak',
    hosts: [USUAL, USUAL, { ...USUAL, temper: (now) => ({ slower: 1 + 3 * peak(now) }) }],
    duration: 2 * DURATION,
    perSecond: (now) => 5 + 80 * peak(now),
    greatest: 85,
  },
  steady('flapping', 'one of three hosts is down 10 s of every 40', 40, [
    USUAL,
    USUAL,
    { ...USUAL, temper: (now) => ({ down: now % (40 * SECOND) >= 30 * SECOND }) },
  ]),
];

/** 0 at night, 1 at the peak: a day in 15 minutes. */
function peak(now: number): number {
  return (1 - Math.cos((2 * Math.PI * now) / (15 * MINUTE))) / 2;
}
