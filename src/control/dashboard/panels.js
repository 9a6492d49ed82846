/**
 * Tables of what the engine has now: promises, lanes, tenants, next hops, destinations.
 */
import { byId, el, setAttribute, setText, showRows, tableRow } from './dom.js';
import { count, duration, fromNow, percent } from './format.js';
import { learntWords, stateWords, targetOf } from './words.js';

const PROMISES = [
  {
    key: 'latency',
    label: 'Delivered in time',
    target: ({ latency, latencyMs }) => `≥ ${percent(latency)} in ${duration(latencyMs)}`,
  },
  { key: 'bounces', label: 'Bounces', target: ({ bounces }) => `< ${percent(bounces)}` },
  { key: 'connections', label: 'Connections usable', target: ({ connections }) => `≥ ${percent(connections)}` },
];
const KPI_SPANS = ['5m', '1h', '1d'];
const LANES = [
  { name: 'immediate', look: 'c6' },
  { name: 'bulk', look: 'c5' },
  { name: 'deferred', look: 'c3' },
];
const SPAN_WORDS = { '5m': 'last 5 minutes', '1h': 'last hour', '24h': 'last 24 hours' };

/** `suspend(by, value)`: the operator wants to suspend the mail of a row. */
export function openPanels(suspend) {
  return {
    status({ kpis, queued }) {
      promises(kpis);
      setText(byId('lanes-note'), `${count(queued)} messages`);
    },
    lanes,
    upstreams,
    destinations: (items) => destinations(items, suspend),
    tenants: (items, span) => tenants(items, span, suspend),
  };
}

function promises({ targets, all }) {
  const body = byId('promises').tBodies[0];
  showRows(
    body,
    targets === undefined ? [] : PROMISES,
    4,
    'nothing is known yet',
    ({ key }) => key,
    () => {
      const row = tableRow(['name', 'n', 'n', 'n']);
      row.cells[0].append(el('span'), el('small'));
      return row;
    },
    (row, { key, label, target }) => {
      setText(row.cells[0].firstChild, label);
      setText(row.cells[0].lastChild, target(targets));
      KPI_SPANS.forEach((span, i) => {
        const { share = null, met = null } = all[span]?.[key] ?? {};
        const cell = row.cells[i + 1];
        setText(cell, share === null ? '–' : `${met ? '✓' : '✗'} ${percent(share)}`);
        setAttribute(cell, 'data-met', met === null ? null : met ? 'yes' : 'no');
      });
    },
  );
}

/** The last figures of the lanes. */
function lanes(store) {
  const values = ['queuedImmediate', 'queuedBulk', 'queuedDeferred'].map((name) => store.newest(name, 60_000) ?? 0);
  const sum = values.reduce((all, one) => all + one, 0);
  showRows(
    byId('lanes').tBodies[0],
    LANES.map((lane, i) => ({ ...lane, value: values[i] })),
    3,
    '',
    ({ name }) => name,
    ({ look }) => {
      const row = tableRow(['', 'n', 'wide']);
      row.cells[2].append(el('meter', { class: look, min: 0, max: 1, value: 0 }));
      return row;
    },
    (row, { name, value }) => {
      setText(row.cells[0], name);
      setText(row.cells[1], count(value));
      const meter = row.cells[2].firstElementChild;
      meter.value = sum === 0 ? 0 : value / sum;
      setAttribute(meter, 'aria-label', `${percent(meter.value)} of the queue`);
    },
  );
}

function tenants(items, span, suspend) {
  setText(document.querySelector('[data-span-note]'), SPAN_WORDS[span]);
  showRows(
    byId('tenants').tBodies[0],
    items,
    5,
    'no tenant had mail within a day',
    ({ tenant }) => tenant,
    ({ tenant }) => {
      const row = tableRow(['name', 'n wide', 'n', 'n', 'act']);
      row.cells[3].append(el('span'), el('small'));
      return withAct(row, `Suspend tenant ${tenant}`, () => suspend('tenant', tenant));
    },
    (row, { tenant, queued, delivered, bounced, bounceShare }) => {
      setText(row.cells[0], tenant);
      setText(row.cells[1], count(queued));
      setText(row.cells[2], count(delivered));
      setText(row.cells[3].firstChild, count(bounced));
      setText(row.cells[3].lastChild, bounced === 0 ? '' : percent(bounceShare));
    },
  );
}

function upstreams(items) {
  const hosts = items.flatMap((site) => site.hosts.map((host) => ({ ...host, site: site.site, limits: site.limits })));
  const bad = hosts.filter(({ state }) => state !== 'closed');
  setText(
    byId('upstreams-note'),
    hosts.length === 0
      ? ''
      : `${hosts.length} hosts, ${bad.length === 0 ? 'all in use' : `${bad.length} not simply in use`}`,
  );
  const now = Date.now();
  // What needs a look first.
  hosts.sort((a, b) => Number(a.state === 'closed') - Number(b.state === 'closed') || b.connections - a.connections);
  showRows(
    byId('upstreams').tBodies[0],
    hosts.slice(0, 40),
    6,
    'no mail went anywhere since the start',
    ({ site, name, address, port }) => `${site} ${name} ${address} ${port}`,
    () => {
      const row = tableRow(['name', 'condition', 'n', 'n', 'n wide', 'reply wide']);
      row.cells[0].append(el('span'), el('small'));
      row.cells[1].append(el('span', { class: 'health' }), el('small'));
      row.cells[5].append(el('span', { class: 'clip' }), el('small'));
      return row;
    },
    (row, host) => {
      const [name, health, connections, latency, failures, said] = row.cells;
      const bare = host.name === host.address;
      const place = `${host.address.includes(':') ? `[${host.address}]` : host.address}:${host.port}`;
      setText(name.firstChild, bare ? place : host.name);
      setText(name.lastChild, bare ? host.site : `${place} · ${host.site}`);
      setText(health.firstChild, stateWords(host.state));
      setAttribute(health.firstChild, 'data-state', host.state);
      const until = host.until > now ? `again ${fromNow(host.until, now)}` : '';
      setText(
        health.lastChild,
        [until, host.reason, learntWords(host, host.limits)].filter((one) => one !== '').join(' · '),
      );
      setText(connections, `${count(host.connections)}${host.limit === null ? '' : ` / ${count(host.limit)}`}`);
      setText(latency, duration(host.expectedMs));
      setText(failures, percent(host.failureShare));
      setText(said.firstChild, host.lastReply?.reply ?? '–');
      setAttribute(said.firstChild, 'title', host.lastReply?.reply ?? null);
      setText(said.lastChild, host.lastReply === null ? '' : fromNow(host.lastReply.at, now));
    },
  );
}

function destinations(items, suspend) {
  const all = items.map((one) => ({
    ...one,
    waiting: one.queued.immediate + one.queued.bulk + one.queued.deferred + one.cold,
  }));
  showRows(
    byId('destinations').tBodies[0],
    all,
    4,
    'nothing is queued and no connection is open',
    ({ destination }) => destination,
    ({ destination }) => {
      const { by, value } = targetOf(destination);
      const row = tableRow(['name', 'n', 'n', 'act']);
      row.cells[0].append(el('span'), el('small'));
      return value === '' ? row : withAct(row, `Suspend ${by} ${value}`, () => suspend(by, value));
    },
    (row, { destination, waiting, connections, waits }) => {
      setText(row.cells[0].firstChild, destination);
      setText(row.cells[0].lastChild, waits[0]?.reason ?? '');
      setText(row.cells[1], count(waiting));
      setText(row.cells[2], count(connections));
    },
  );
}

function withAct(row, label, act) {
  row.lastElementChild.append(
    el('button', { type: 'button', class: 'quiet small', 'aria-label': label, text: 'Suspend …', onclick: act }),
  );
  return row;
}
