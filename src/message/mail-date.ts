/**
 * Dates as RFC 5322 section 3.3 writes them, in UTC: `Tue, 01 Jul 2025 09:03:07 +0000`.
 *
 * The text of the last second asked for is kept: under load the same one is asked for thousands of times.
 */
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

let keptSecond = Number.NaN;
let keptText = '';

function two(n: number): string {
  return n < 10 ? `0${n}` : String(n);
}

/** `wall`: milliseconds since the epoch, by the wall clock. */
export function mailDate(wall: number): string {
  const second = Math.floor(wall / 1000);
  if (second === keptSecond) return keptText;
  const d = new Date(second * 1000);
  const day = `${DAYS[d.getUTCDay()]}, ${two(d.getUTCDate())} ${MONTHS[d.getUTCMonth()]}`;
  const year = String(d.getUTCFullYear()).padStart(4, '0');
  keptText = `${day} ${year} ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())} +0000`;
  keptSecond = second;
  return keptText;
}
