/**
 * How far next hops are from here, as far as that is known before any was measured.
 */
import type { Settings } from './config/schema.js';
import { SluiceError } from './core/errors.js';
import { connectTimeBetween, connectTimeOver, coordinatesOf, regionInName } from './core/region.js';
import { openGeoLookup } from './net/geo-lookup.js';

/** The guess for addresses of a host, as ms of a connect time; undefined: nothing can be said. */
export type GuessDistance = (address: string) => number | undefined;
/** `region`: '' where none is given. null: where we are is not said. */
export type Distances = ((host: string, region: string) => GuessDistance) | null;

/**
 * By the region of a host, else the one that its name holds, else by address where there is a database of places.
 * @throws SluiceError `bad-geoip`: the database cannot be used.
 */
export function distancesFrom({ region: here, geoipFile }: Pick<Settings, 'region' | 'geoipFile'>): Distances {
  const from = coordinatesOf(here);
  if (geoipFile !== '' && from === undefined) {
    const problem = 'SLUICE_GEOIP_FILE needs a SLUICE_REGION of known place, such as eu-west-1 or +52.5+13.4';
    throw new SluiceError('bad-geoip', problem, { temporary: false });
  }
  if (here === '') return null;
  const lookUp = geoipFile === '' ? null : openGeoLookup(geoipFile);
  return (host, region) => {
    const distance = connectTimeBetween(here, region || regionInName(host));
    return (address) => {
      if (distance !== undefined || lookUp === null || from === undefined) return distance;
      const found = lookUp(address);
      return found === undefined ? undefined : connectTimeOver(from, found);
    };
  };
}
