/**
 * The figures of one span as the page has them: what came first, and what was added since. Pure.
 */

/** An engine that starts anew has no figures of before: what the page had stays until it is too old. */
export class FigureStore {
  span = '5m';
  step = 1000;
  points = 300;
  at = [];
  series = {};

  /** The end of the last interval, by which later ones are asked for; 0: all. */
  get last() {
    return this.at.at(-1) ?? 0;
  }

  /** How much time is shown, ms. */
  get width() {
    return this.step * this.points;
  }

  /** Forgets everything: another span is shown. */
  clear(span) {
    this.span = span;
    this.at = [];
    this.series = {};
  }

  /** Adds a report; one of another span, and intervals that are there already, are passed over. */
  add({ span, step, points, at, series }) {
    if (span !== this.span) return;
    this.step = step;
    this.points = points;
    const known = this.last;
    const first = at.findIndex((one) => one > known);
    if (first < 0) return;
    const before = this.at.length;
    this.at = [...this.at, ...at.slice(first)];
    const drop = this.at.findIndex((one) => one > this.last - this.width);
    for (const name of Object.keys(series)) {
      const old = this.series[name] ?? new Array(before).fill(null);
      this.series[name] = [...old, ...series[name].slice(first)].slice(drop);
    }
    this.at = this.at.slice(drop);
  }

  /** The values of a figure, oldest first. */
  of(name) {
    return this.series[name] ?? [];
  }

  /** The mean of the last values of a figure that are there; null where none is. `ms`: how far back. */
  recent(name, ms) {
    const values = this.of(name);
    let [sum, number] = [0, 0];
    for (let i = values.length - 1; i >= 0 && (number === 0 || this.last - this.at[i] < ms); i--) {
      if (values[i] === null) continue;
      sum += values[i];
      number++;
    }
    return number === 0 ? null : sum / number;
  }

  /** The newest value of a figure that is there, no older than `ms`. */
  newest(name, ms) {
    const values = this.of(name);
    for (let i = values.length - 1; i >= 0 && this.last - this.at[i] <= ms; i--)
      if (values[i] !== null) return values[i];
    return null;
  }
}
