/**
 * Coordinates of addresses, from a database file in MaxMind's format that the operator provides (GeoLite2 City, DB-IP
 * City Lite and others). The file is read once at the start.
 */
import { readFileSync } from 'node:fs';
import { type CityResponse, Reader } from 'mmdb-lib';
import { messageOf, SluiceError } from '../core/errors.js';
import type { Coordinates } from '../core/region.js';

/** Where an address is, undefined when the database does not tell. */
export type GeoLookup = (address: string) => Coordinates | undefined;

/** @throws SluiceError `bad-geoip`: the file cannot be read or is no such database. */
export function openGeoLookup(path: string): GeoLookup {
  let reader: Reader<CityResponse>;
  try {
    reader = new Reader<CityResponse>(readFileSync(path));
  } catch (error) {
    const problem = `SLUICE_GEOIP_FILE: ${path} cannot be used as a MaxMind database (${messageOf(error)})`;
    throw new SluiceError('bad-geoip', problem, { temporary: false, cause: error });
  }
  return (address) => {
    // The reader would take the first bits of the other family for an address of its own.
    if (address.includes(':') && reader.metadata.ipVersion === 4) return undefined;
    try {
      const { latitude, longitude } = reader.get(address)?.location ?? {};
      return latitude === undefined || longitude === undefined ? undefined : { latitude, longitude };
    } catch {
      // A record that is broken: nothing is known of it.
      return undefined;
    }
  };
}
