/**
 * Parameters of an upstream's URL by which it is chosen among others: `region=`, `cost=`, `quota=`, `check=`.
 */
import { canonicalRegion } from '../core/region.js';
import { duration, type ValueType } from './value-type.js';

export interface UpstreamChoice {
  /** Where it stands: a name or coordinates, '' where not given. */
  readonly region: string;
  /** Of about equal upstreams the one with the least; 0: not given. */
  readonly cost: number;
  /** Messages in 24 hours at most, 0: no limit. */
  readonly quota: number;
  /** Time without mail after which it is looked whether it answers, ms; 0: not. */
  readonly check: number;
}

export const CHOICE_PARAMETERS = ['region', 'cost', 'quota', 'check'] as const;

const REGION = 'a name such as eu-west-1, or degrees north and east such as +52.5+13.4';
const MOST = { cost: 1_000_000, quota: 1_000_000_000 } as const;
const CHECK = duration({ min: 1000, max: 86_400_000 });

/** A place on the earth. */
export function region(): ValueType<string> {
  return {
    allowed: REGION,
    unit: '',
    parse: (text) => {
      const value = text === '' ? '' : canonicalRegion(text);
      return value === undefined ? { problem: '' } : { value };
    },
    format: (value) => value,
  };
}

/** `one`: a parameter's value, '' where not given. */
export function readChoice(one: (name: string) => string): UpstreamChoice | { problem: string } {
  const place = one('region') === '' ? '' : canonicalRegion(one('region'));
  if (place === undefined) return { problem: `region is not ${REGION}` };
  const numbers = { cost: 0, quota: 0 };
  for (const name of ['cost', 'quota'] as const) {
    const given = one(name);
    if (given === '') continue;
    if (!/^\d{1,10}$/.test(given) || Number(given) < 1 || Number(given) > MOST[name])
      return { problem: `${name} is not a number from 1 to ${MOST[name]}` };
    numbers[name] = Number(given);
  }
  const check = one('check') === '' ? { value: 0 } : CHECK.parse(one('check'));
  if ('problem' in check) return { problem: `check is not ${CHECK.allowed}` };
  return { region: place, ...numbers, check: check.value };
}

/** As parameters again, for printing. */
export function choiceParameters({ region, cost, quota, check }: UpstreamChoice): [string, string | number][] {
  return [
    ['region', region],
    ['cost', cost],
    ['quota', quota],
    ['check', check === 0 ? '' : CHECK.format(check)],
  ];
}
