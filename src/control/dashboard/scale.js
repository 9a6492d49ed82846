/**
 * From values to places on a chart. Pure.
 */

const STEPS = [1, 2, 2.5, 5, 10];
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const TIME_STEPS = [
  10 * SECOND,
  30 * SECOND,
  MINUTE,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  15 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  3 * HOUR,
  6 * HOUR,
  12 * HOUR,
  24 * HOUR,
];

/** Marks from 0 on, evenly and roundly, the last of them at or above `most`; `wanted` intervals at most. */
export function ticks(most, wanted = 4) {
  const top = most > 0 && Number.isFinite(most) ? most : 1;
  const rough = top / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (STEPS.find((one) => one * power >= rough * (1 - 1e-9)) ?? 10);
  const marks = [];
  for (let i = 0; i <= Math.ceil(top / step - 1e-9); i++) marks.push(Number((i * step).toPrecision(12)));
  return marks;
}

/** Round moments within a span of time, `wanted` at most. `offset`: of the place's time from UTC, ms. */
export function timeTicks(from, to, wanted = 6, offset = 0) {
  const step = TIME_STEPS.find((one) => (to - from) / one <= wanted) ?? TIME_STEPS.at(-1);
  const marks = [];
  for (let at = Math.ceil((from + offset) / step) * step - offset; at <= to; at += step) marks.push(at);
  return marks;
}

/** A function that maps a range of values to one of places. */
export function linear(from, to, start, end) {
  const width = to - from || 1;
  return (value) => start + ((value - from) / width) * (end - start);
}

/** The greatest value of lists, 0 where there is none. */
export function greatest(lists) {
  let most = 0;
  for (const list of lists) for (const value of list) if (value !== null && value > most) most = value;
  return most;
}

/** Each list on top of those before it; what is null counts as 0. */
export function stacked(lists) {
  const sums = [];
  for (const list of lists) {
    const below = sums.at(-1);
    sums.push(list.map((value, i) => (value ?? 0) + (below?.[i] ?? 0)));
  }
  return sums;
}

/**
 * The path of a line. A gap where a value is null; a value alone between gaps is drawn as a short dash. `x`, `y`: from
 * time and value to places.
 */
export function linePath(times, values, x, y) {
  let path = '';
  let open = false;
  for (let i = 0; i < times.length; i++) {
    const value = values[i] ?? null;
    if (value === null) {
      open = false;
      continue;
    }
    const [left, top] = [place(x(times[i])), place(y(value))];
    path += `${open ? 'L' : 'M'}${left} ${top}`;
    if (!open && (values[i + 1] ?? null) === null) path += 'h1';
    open = true;
  }
  return path;
}

/** The path of an area between two lists of the same length without gaps. */
export function areaPath(times, upper, lower, x, y) {
  if (times.length === 0) return '';
  const there = times.map((at, i) => `${place(x(at))} ${place(y(upper[i]))}`);
  const back = times.map((at, i) => `${place(x(at))} ${place(y(lower?.[i] ?? 0))}`).reverse();
  return `M${there.join('L')}L${back.join('L')}Z`;
}

/** The index of the moment nearest to `at`, -1 where there is none. `times` rise. */
export function nearest(times, at) {
  let [low, high] = [0, times.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < at) low = middle + 1;
    else high = middle;
  }
  if (low > 0 && at - times[low - 1] < times[low] - at) return low - 1;
  return times.length === 0 ? -1 : low;
}

function place(value) {
  return Math.round(value * 10) / 10;
}
