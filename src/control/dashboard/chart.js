/**
 * A chart of lines or stacked areas over time, in SVG.
 *
 * Contract: drawn anew from the store by `draw`; nothing else moves, its size on the page is fixed. Values under the
 * pointer, or (arrow keys) at the chosen moment, stand in the legend, so nothing covers the lines. The same figures are
 * there as a table, and in words for those who do not see it.
 */
import { byId, el, setAttribute, setText, svg } from './dom.js';
import { clock, moment } from './format.js';
import { areaPath, greatest, linear, linePath, nearest, stacked, ticks, timeTicks } from './scale.js';

const HEIGHT = 150;
const LEFT = 46;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 20;
/** Rows of the table. */
const ROWS = 60;

export class Chart {
  /** `lines`: `{name, label, look}`, in order; `show`: a value as text; `least`: what the axis reaches at least. */
  constructor({ id, title, unit, lines, show, stack = false, least = 1, limit = null }) {
    Object.assign(this, { title, lines, show, stack, least, limit });
    this.store = null;
    this.chosen = null;
    this.width = 0;
    this.readings = new Map();
    const legend = lines.map(({ name, label, look }) => {
      const value = el('b', { class: 'value', text: '–' });
      this.readings.set(name, value);
      return el('li', { class: look }, el('i', { class: 'key' }), el('span', { text: label }), value);
    });
    this.when = el('span', { class: 'when', text: 'now' });
    this.toggle = el('button', {
      type: 'button',
      class: 'quiet small',
      'aria-pressed': 'false',
      text: 'Table',
      onclick: () => this.turn(),
    });
    this.toggle.setAttribute('aria-label', `${title} as a table`);
    this.grid = svg('g', { class: 'grid' });
    this.areas = lines.map(({ look }) => (stack ? svg('path', { class: `area ${look}` }) : null));
    this.paths = lines.map(({ look }) => svg('path', { class: `line ${look}` }));
    this.cross = svg('line', { class: 'cross', y1: TOP, y2: HEIGHT - BOTTOM });
    this.dots = lines.map(({ look }) => svg('circle', { class: `dot ${look}`, r: 3.5 }));
    this.cursor = svg('g', { class: 'cursor', visibility: 'hidden' }, this.cross, ...this.dots);
    this.empty = svg('text', { class: 'empty', y: HEIGHT / 2, 'text-anchor': 'middle' });
    this.picture = svg(
      'svg',
      { height: HEIGHT, role: 'img', tabindex: '0', 'aria-describedby': `${id}-words` },
      ...[this.grid, ...this.areas.filter((one) => one !== null), ...this.paths, this.cursor, this.empty],
    );
    this.words = el('p', { id: `${id}-words`, class: 'unseen' });
    this.spoken = el('p', { class: 'unseen', 'aria-live': 'polite' });
    this.table = el('div', {
      class: 'values',
      hidden: true,
      tabindex: '0',
      role: 'region',
      'aria-label': `${title}, values`,
    });
    this.element = el(
      'figure',
      { class: stack ? 'chart stack' : 'chart', id },
      el('figcaption', {}, el('h2', {}, title, el('small', { text: unit })), this.when, this.toggle),
      el('ul', { class: 'legend' }, legend),
      el('div', { class: 'plot' }, this.picture, this.table),
      this.words,
      this.spoken,
    );
    this.listen();
    byId('charts').append(this.element);
  }

  /** Shows what a store has now. */
  draw(store = this.store) {
    this.store = store;
    if (store === null || this.width === 0) return;
    const { at } = store;
    const values = this.lines.map(({ name }) => store.of(name));
    const tops = this.stack ? stacked(values) : values;
    const marks = ticks(Math.max(this.least, greatest(tops)));
    const end = at.length === 0 ? Date.now() : store.last;
    this.x = linear(end - store.width, end, LEFT, this.width - RIGHT);
    this.y = linear(0, marks.at(-1), HEIGHT - BOTTOM, TOP);
    this.tops = tops;
    this.drawGrid(marks, end);
    const reach = store.step * 3;
    this.lines.forEach((_, i) => {
      setAttribute(this.paths[i], 'd', linePath(at, withGaps(at, tops[i], reach), this.x, this.y) || 'M0 0');
      if (this.areas[i] !== null)
        setAttribute(this.areas[i], 'd', areaPath(at, tops[i], tops[i - 1], this.x, this.y) || 'M0 0');
    });
    this.empty.setAttribute('x', String((LEFT + this.width - RIGHT) / 2));
    const nothing = values.every((list) => list.every((value) => value === null));
    setText(this.empty, at.length === 0 ? 'gathering figures' : nothing ? 'nothing in this time' : '');
    this.point();
    this.tell();
    if (!this.table.hidden) this.fillTable();
  }

  drawGrid(marks, end) {
    const right = this.width - RIGHT;
    const across = marks.map((mark) => {
      const y = this.y(mark);
      return [
        svg('line', { x1: LEFT, x2: right, y1: y, y2: y }),
        svg('text', { x: LEFT - 6, y: y + 4, 'text-anchor': 'end', text: this.show(mark, true) }),
      ];
    });
    const offset = -new Date(end).getTimezoneOffset() * 60_000;
    const down = timeTicks(end - this.store.width, end, this.width < 380 ? 3 : 5, offset)
      .map((time) => ({ time, x: this.x(time) }))
      .filter(({ x }) => x > LEFT + 16 && x < right - 14)
      .map(({ time, x }) => [
        svg('line', { class: 'tick', x1: x, x2: x, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 4 }),
        svg('text', {
          x,
          y: HEIGHT - 3,
          'text-anchor': 'middle',
          text: this.store.width < 600_000 ? clock(time) : clock(time).slice(0, 5),
        }),
      ]);
    const target =
      this.limit !== null && this.limit <= marks.at(-1)
        ? [svg('line', { class: 'limit', x1: LEFT, x2: right, y1: this.y(this.limit), y2: this.y(this.limit) })]
        : [];
    this.grid.replaceChildren(...across.flat(), ...down.flat(), ...target);
  }

  /** The values of the moment that is pointed at, or the newest. */
  point() {
    const { at } = this.store;
    const index = this.chosen === null ? -1 : nearest(at, this.chosen);
    setAttribute(this.cursor, 'visibility', index < 0 ? 'hidden' : 'visible');
    setText(this.when, index < 0 ? 'now' : this.store.width > 3_600_000 ? moment(at[index]) : clock(at[index]));
    const still = this.store.step * 3;
    for (const { name } of this.lines) {
      const value = index < 0 ? this.store.newest(name, Math.max(still, 30_000)) : this.store.of(name)[index];
      setText(this.readings.get(name), this.show(value));
    }
    if (index < 0) return;
    const x = this.x(at[index]);
    this.cross.setAttribute('x1', x);
    this.cross.setAttribute('x2', x);
    this.lines.forEach((_, i) => {
      const value = this.tops[i][index] ?? null;
      setAttribute(this.dots[i], 'visibility', value === null ? 'hidden' : null);
      this.dots[i].setAttribute('cx', x);
      this.dots[i].setAttribute('cy', this.y(value ?? 0));
    });
  }

  /** In words, for who does not see the lines. */
  tell() {
    const parts = this.lines.map(({ name, label }) => {
      const most = greatest([this.store.of(name)]);
      return `${label}: now ${this.show(this.store.newest(name, 30_000))}, at most ${this.show(most)}`;
    });
    setAttribute(this.picture, 'aria-label', this.title);
    setText(this.words, `${parts.join('; ')}. Arrow keys read single values.`);
  }

  listen() {
    new ResizeObserver(([entry]) => {
      this.width = Math.round(entry.contentRect.width);
      this.picture.setAttribute('viewBox', `0 0 ${this.width} ${HEIGHT}`);
      this.draw();
    }).observe(this.picture);
    const from = (event) => {
      if (this.store === null || this.store.at.length === 0) return;
      const { left } = this.picture.getBoundingClientRect();
      const share = (event.clientX - left - LEFT) / (this.width - LEFT - RIGHT);
      this.choose(this.store.last - this.store.width * (1 - share));
    };
    this.picture.addEventListener('pointermove', from);
    this.picture.addEventListener('pointerdown', from);
    this.picture.addEventListener('pointerleave', () => this.choose(null));
    this.picture.addEventListener('blur', () => this.choose(null));
    this.picture.addEventListener('keydown', (event) => this.key(event));
  }

  key(event) {
    const times = this.store?.at ?? [];
    if (times.length === 0) return;
    const last = times.length - 1;
    const index = this.chosen === null ? last : nearest(times, this.chosen);
    const next = {
      ArrowLeft: index - 1,
      ArrowRight: index + 1,
      PageUp: index - 10,
      PageDown: index + 10,
      Home: 0,
      End: last,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.choose(times[Math.min(last, Math.max(0, next))]);
    const said = this.lines.map(({ name, label }) => `${label} ${this.readings.get(name).textContent}`);
    setText(this.spoken, `${this.when.textContent}: ${said.join(', ')}`);
  }

  choose(moment) {
    this.chosen = moment;
    if (this.store !== null && this.x !== undefined) this.point();
  }

  /** Lines or the table. */
  turn() {
    const tabled = this.table.hidden;
    this.table.hidden = !tabled;
    this.picture.classList.toggle('away', tabled);
    this.toggle.setAttribute('aria-pressed', String(tabled));
    if (tabled && this.store !== null) this.fillTable();
  }

  fillTable() {
    const { at } = this.store;
    const head = el(
      'tr',
      {},
      el('th', { scope: 'col', text: 'Time' }),
      this.lines.map(({ label }) => el('th', { scope: 'col', class: 'n', text: label })),
    );
    const rows = [];
    for (let i = at.length - 1; i >= Math.max(0, at.length - ROWS); i--)
      rows.push(
        el(
          'tr',
          {},
          el('th', { scope: 'row', text: clock(at[i]) }),
          this.lines.map(({ name }) => el('td', { class: 'n', text: this.show(this.store.of(name)[i] ?? null) })),
        ),
      );
    this.table.replaceChildren(el('table', {}, el('thead', {}, head), el('tbody', {}, rows)));
  }
}

/** Where intervals are missing (the engine was away), the line breaks. */
function withGaps(times, values, reach) {
  return values.map((value, i) => (i > 0 && times[i] - times[i - 1] > reach ? null : value));
}
