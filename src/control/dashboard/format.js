/**
 * Numbers, times and shares as people read them. Pure: no page, no clock.
 */

const GROUPED = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const NONE = '–';

/** Whole things: `12,345`, from a hundred thousand on `123 k`. null: nothing is known. */
export function count(value) {
  if (!isNumber(value)) return NONE;
  const size = Math.abs(value);
  if (size < 100_000) return GROUPED.format(value);
  if (size < 1e6) return `${(value / 1e3).toFixed(0)} k`;
  if (size < 1e9) return `${trimmed(value / 1e6, size < 1e7 ? 2 : 1)} M`;
  return `${trimmed(value / 1e9, 2)} G`;
}

/** How many a second, without the unit: `0`, `0.25`, `12.3`, `1,234`. */
export function rate(value) {
  if (!isNumber(value)) return NONE;
  const size = Math.abs(value);
  if (size < 0.005) return '0';
  if (size < 1) return value.toFixed(2);
  return size < 100 ? value.toFixed(1) : count(Math.round(value));
}

/** A span of time in ms with its unit: `8 ms`, `1.2 s`, `3 min`, `2.5 h`, `4 d`. */
export function duration(ms) {
  if (!isNumber(ms)) return NONE;
  const size = Math.abs(ms);
  if (size < 10) return `${trimmed(ms, 1)} ms`;
  if (size < 1000) return `${Math.round(ms)} ms`;
  if (size < 10_000) return `${trimmed(ms / 1000, 1)} s`;
  if (size < 100_000) return `${Math.round(ms / 1000)} s`;
  if (size < 6_000_000) return `${Math.round(ms / 60_000)} min`;
  if (size < 172_800_000) return `${trimmed(ms / 3_600_000, 1)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

/** A share of one: `0 %`, `0.42 %`, `12.5 %`, `100 %`. Never `100 %` for what is less. */
export function percent(share) {
  if (!isNumber(share)) return NONE;
  const value = share * 100;
  if (value === 0 || value === 100) return `${value} %`;
  if (value > 99.99 && value < 100) return '> 99.99 %';
  if (value > 0 && value < 0.01) return '< 0.01 %';
  return `${trimmed(value, value < 10 || value > 99 ? 2 : 1)} %`;
}

/** Bytes: `512 B`, `1.5 KiB`, `20 MiB`. */
export function bytes(value) {
  if (!isNumber(value)) return NONE;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [rest, unit] = [value, 0];
  while (rest >= 1024 && unit < units.length - 1) {
    rest /= 1024;
    unit++;
  }
  return `${trimmed(rest, unit === 0 || rest >= 100 ? 0 : 1)} ${units[unit]}`;
}

/** A moment of today as `14:03:09`, in the time of who looks. `at`: ms since the epoch, 0: none. */
export function clock(at) {
  if (!isNumber(at) || at === 0) return NONE;
  const date = new Date(at);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}

/** A moment with its day: `2026-11-24 14:03:09`. */
export function moment(at) {
  if (!isNumber(at) || at === 0) return NONE;
  const date = new Date(at);
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()];
  return `${day.map((part) => String(part).padStart(2, '0')).join('-')} ${clock(at)}`;
}

/** `in 5 min`, `3 s ago`, `now`; '' for none. Both ms since the epoch. */
export function fromNow(at, now) {
  if (!isNumber(at) || at === 0) return '';
  const distance = at - now;
  if (Math.abs(distance) < 1000) return 'now';
  return distance > 0 ? `in ${duration(distance)}` : `${duration(-distance)} ago`;
}

/** `1 message`, `2 messages`. */
export function many(value, one, more = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : more}`;
}

function isNumber(value) {
  return typeof value === 'number' && Number.isFinite(value);
}

/** With so many digits at most, without zeros at the end. */
function trimmed(value, digits) {
  return String(Number(value.toFixed(digits)));
}
