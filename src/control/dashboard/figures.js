/**
 * The charts and tiles: which figures there are and how they are told.
 */
import { Chart } from './chart.js';
import { byId, el, setAttribute, setText } from './dom.js';
import { count, duration, percent, rate } from './format.js';

/** How far back the rates of the tiles look, ms. */
const RECENT = 10_000;

const CHARTS = [
  {
    id: 'chart-flow',
    title: 'Throughput',
    unit: 'per second',
    show: (value, axis) => (axis ? String(value) : rate(value)),
    lines: [
      { name: 'accepted', label: 'accepted', look: 'c1' },
      { name: 'delivered', label: 'delivered', look: 'c2' },
      { name: 'deferred', label: 'deferred', look: 'c3' },
      { name: 'bounced', label: 'bounced', look: 'c4' },
    ],
  },
  {
    id: 'chart-latency',
    title: 'Delivery latency',
    unit: '250 to 250',
    show: duration,
    least: 10,
    lines: [
      { name: 'latencyP50', label: 'p50', look: 'c2' },
      { name: 'latencyP95', label: 'p95', look: 'c1' },
      { name: 'latencyP99', label: 'p99', look: 'c5' },
    ],
  },
  {
    id: 'chart-queue',
    title: 'Queue by lane',
    unit: 'messages',
    show: (value, axis) => (axis && value % 1 !== 0 ? '' : count(value)),
    stack: true,
    least: 4,
    lines: [
      { name: 'queuedImmediate', label: 'immediate', look: 'c6' },
      { name: 'queuedBulk', label: 'bulk', look: 'c5' },
      { name: 'queuedDeferred', label: 'deferred', look: 'c3' },
    ],
  },
  {
    id: 'chart-connections',
    title: 'Connections',
    unit: 'open',
    show: (value, axis) => (axis && value % 1 !== 0 ? '' : count(value)),
    least: 4,
    lines: [
      { name: 'serverConnections', label: 'from clients', look: 'c1' },
      { name: 'upstreamConnections', label: 'to next hops', look: 'c2' },
    ],
  },
  {
    id: 'chart-bounces',
    title: 'Bounces',
    unit: 'share of recipients that came to an end',
    show: percent,
    least: 0.025,
    lines: [{ name: 'bounceShare', label: 'bounced', look: 'c4' }],
  },
  {
    id: 'chart-lag',
    title: 'Main thread',
    unit: 'longest delay',
    show: duration,
    least: 20,
    lines: [{ name: 'lag', label: 'lag', look: 'c5' }],
  },
];

const TILES = [
  { key: 'accepted', label: 'Accepted', unit: '/s', look: 'c1' },
  { key: 'delivered', label: 'Delivered', unit: '/s', look: 'c2' },
  { key: 'deferred', label: 'Deferred', unit: '/s', look: 'c3' },
  { key: 'bounced', label: 'Bounced', unit: '/s', look: 'c4' },
  { key: 'queued', label: 'In the queue', unit: '' },
  { key: 'latency', label: 'Latency p95', unit: '' },
  { key: 'bounces', label: 'Bounces, 1 h', unit: '' },
];

/** Puts charts and tiles on the page. */
export function openFigures() {
  const charts = CHARTS.map((chart) => new Chart(chart));
  const byBounces = charts.find(({ lines }) => lines[0].name === 'bounceShare');
  const tiles = new Map();
  for (const { key, label, unit, look = '' } of TILES) {
    const value = el('b', { text: '–' });
    const below = el('small', { text: '' });
    byId('tiles').append(
      el(
        'div',
        { class: `tile ${look}`, id: `tile-${key}` },
        el('dt', { text: label }),
        el('dd', {}, el('span', {}, value, unit === '' ? null : el('i', { text: unit })), below),
      ),
    );
    tiles.set(key, { value, below });
  }
  const tell = (key, value, below) => {
    setText(tiles.get(key).value, value);
    setText(tiles.get(key).below, below);
  };
  return {
    /** The last seconds, whatever span the charts show. */
    figures(store, shown) {
      for (const key of ['accepted', 'delivered', 'deferred', 'bounced'])
        setText(tiles.get(key).value, rate(store.recent(key, RECENT)));
      const latency = store.newest('latencyP95', 60_000);
      const middle = store.newest('latencyP50', 60_000);
      tell('latency', duration(latency), `p50 ${duration(middle)}`);
      for (const chart of charts) chart.draw(shown);
    },
    status(status) {
      for (const [key, field] of [
        ['accepted', 'accepted'],
        ['delivered', 'delivered'],
        ['deferred', 'deferred'],
        ['bounced', 'failed'],
      ])
        setText(tiles.get(key).below, `${count(status[field])} since the start`);
      if (status.kpis.targets !== undefined) byBounces.limit = status.kpis.targets.bounces;
      tell('queued', count(status.queued), `${count(status.upstreamConnections)} connections out`);
      const hour = status.kpis.all?.['1h'];
      tell('bounces', percent(hour?.bounces.share), `target below ${percent(status.kpis.targets?.bounces)}`);
      setAttribute(byId('tile-bounces'), 'data-met', hour?.bounces.met === false ? 'no' : null);
    },
  };
}
