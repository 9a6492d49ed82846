/**
 * Next hops: the values of SLUICE_UPSTREAM.
 *
 * Contract: as value-type.ts.
 */
import { formatHostPort } from './address-type.js';
import { parseSmtpUrl } from './smtp-url.js';
import type { ValueType } from './value-type.js';

/** One next hop. `pool`: most connections to it; `weight`: its share of the mail against the others. */
export interface UpstreamAddress {
  readonly host: string;
  readonly port: number;
  readonly pool: number;
  readonly weight: number;
}

const DEFAULT_POOL = 50;
const DEFAULT_WEIGHT = 1;
const MAX_POOL = 1000;
const MAX_WEIGHT = 1000;

function parameter(query: URLSearchParams, name: string, fallback: number, max: number): number {
  const given = query.get(name);
  if (given === null) return fallback;
  const value = /^\d{1,6}$/.test(given) ? Number(given) : Number.NaN;
  return value >= 1 && value <= max ? value : Number.NaN;
}

/** A `smtp://host:port?pool=50&weight=1` to deliver to. */
export function upstreamAddress(): ValueType<UpstreamAddress> {
  return {
    allowed: 'smtp://host:port?pool=50&weight=1',
    unit: '',
    parse: (text) => {
      const parsed = parseSmtpUrl(text, ['pool', 'weight']);
      if ('problem' in parsed) return parsed;
      const { host, port, query } = parsed.value;
      if (port === 0) return { problem: 'port 0 cannot be connected to' };
      const pool = parameter(query, 'pool', DEFAULT_POOL, MAX_POOL);
      if (Number.isNaN(pool)) return { problem: `pool is not a number from 1 to ${MAX_POOL}` };
      const weight = parameter(query, 'weight', DEFAULT_WEIGHT, MAX_WEIGHT);
      if (Number.isNaN(weight)) return { problem: `weight is not a number from 1 to ${MAX_WEIGHT}` };
      return { value: { host, port, pool, weight } };
    },
    format: (value) => `smtp://${formatHostPort(value.host, value.port)}?pool=${value.pool}&weight=${value.weight}`,
  };
}
