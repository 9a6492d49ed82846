/**
 * Where something stands on the earth, and about how long a connection takes from one place to another.
 *
 * A place is a name (`eu-central-1`, `berlin-2`) or coordinates as ISO 6709 writes them in degrees (`+52.5+13.4`). The
 * cities of the regions of Amazon Web Services, as its documentation names them, have coordinates here; other names are
 * only the same as themselves.
 */

export interface Coordinates {
  /** Degrees north and east. */
  readonly latitude: number;
  readonly longitude: number;
}

/** Round trip by fibre: light takes 1 ms for 100 km there and back, and cables are about half as long again as the earth. */
const KM_PER_MS = 100 / 1.5;
/** Least time for a connection to another place, and to the same one, ms. */
const ELSEWHERE = 5;
const SAME = 1;
const EARTH_RADIUS = 6371;

const CITIES: Readonly<Record<string, readonly [number, number]>> = {
  'us-east-1': [38.9, -77.4],
  'us-east-2': [40, -83],
  'us-west-1': [37.4, -122],
  'us-west-2': [45.8, -119.7],
  'ca-central-1': [45.5, -73.6],
  'ca-west-1': [51, -114.1],
  'mx-central-1': [20.6, -100.4],
  'sa-east-1': [-23.5, -46.6],
  'eu-west-1': [53.3, -6.3],
  'eu-west-2': [51.5, -0.1],
  'eu-west-3': [48.9, 2.4],
  'eu-central-1': [50.1, 8.7],
  'eu-central-2': [47.4, 8.5],
  'eu-north-1': [59.3, 18.1],
  'eu-south-1': [45.5, 9.2],
  'eu-south-2': [41.6, -0.9],
  'il-central-1': [32.1, 34.8],
  'me-south-1': [26.1, 50.6],
  'me-central-1': [24.5, 54.4],
  'af-south-1': [-33.9, 18.4],
  'ap-south-1': [19.1, 72.9],
  'ap-south-2': [17.4, 78.5],
  'ap-southeast-1': [1.3, 103.8],
  'ap-southeast-2': [-33.9, 151.2],
  'ap-southeast-3': [-6.2, 106.8],
  'ap-southeast-4': [-37.8, 145],
  'ap-northeast-1': [35.7, 139.7],
  'ap-northeast-2': [37.6, 127],
  'ap-northeast-3': [34.7, 135.5],
  'ap-east-1': [22.3, 114.2],
};

/** A place as it is kept, undefined when it is none. */
export function canonicalRegion(text: string): string | undefined {
  const region = text.toLowerCase();
  return /^[a-z][a-z0-9-]{0,39}$/.test(region) || coordinatesOf(region) !== undefined ? region : undefined;
}

/** Coordinates of a place, undefined where only its name is known. */
export function coordinatesOf(region: string): Coordinates | undefined {
  const city = Object.hasOwn(CITIES, region) ? CITIES[region] : undefined;
  if (city !== undefined) return { latitude: city[0], longitude: city[1] };
  const match = /^([+-]\d{1,2}(?:\.\d{1,6})?)([+-]\d{1,3}(?:\.\d{1,6})?)\/?$/.exec(region);
  if (match === null) return undefined;
  const [latitude, longitude] = [Number(match[1]), Number(match[2])];
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 ? { latitude, longitude } : undefined;
}

/** The region that a host name holds, '' for none: `email-smtp.eu-west-1.amazonaws.com`. */
export function regionInName(host: string): string {
  return host.split('.').find((label) => Object.hasOwn(CITIES, label)) ?? '';
}

/** About the time of a connection between two places, ms; undefined when nothing can be said. */
export function connectTimeBetween(one: string, other: string): number | undefined {
  if (one === '' || other === '') return undefined;
  if (one === other) return SAME;
  const [here, there] = [coordinatesOf(one), coordinatesOf(other)];
  return here === undefined || there === undefined ? undefined : connectTimeOver(here, there);
}

/** The same for coordinates (great circle, haversine formula). */
export function connectTimeOver(one: Coordinates, other: Coordinates): number {
  const [a, b] = [radians(one.latitude), radians(other.latitude)];
  const across = Math.sin((b - a) / 2) ** 2;
  const along = Math.sin(radians(other.longitude - one.longitude) / 2) ** 2;
  const km = 2 * EARTH_RADIUS * Math.asin(Math.min(1, Math.sqrt(across + Math.cos(a) * Math.cos(b) * along)));
  return ELSEWHERE + km / KM_PER_MS;
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}
