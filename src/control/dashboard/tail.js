/**
 * Events as they happen, over the WebSocket /v1/events.
 *
 * Contract: bounded: the newest KEPT rows, written at most every PAINT ms. Where much mail flows, accepted and delivered
 * are left out unless they were asked for, so that looking costs the engine little. Closed while the page is hidden. Where
 * there is no such WebSocket a note says so, and it is tried again, ever more seldom.
 */
import { currentToken } from './api.js';
import { byId, el, setAttribute, setText } from './dom.js';
import { clock, count, rate } from './format.js';
import { eventWords } from './words.js';

const KEPT = 150;
const PAINT = 400;
const FIRST_WAIT = 2000;
const LONGEST_WAIT = 60_000;
/** Messages a second beyond which successes are left out at first. */
const MUCH = 100;
const GROUPS = [
  { name: 'accepted', kinds: ['accepted'], plenty: true },
  { name: 'delivered', kinds: ['delivered'], plenty: true },
  { name: 'deferred', kinds: ['deferred'] },
  { name: 'bounced', kinds: ['bounced', 'expired', 'dropped'] },
  { name: 'returned', kinds: ['returned', 'complained'] },
  { name: 'orders', kinds: ['suspended', 'resumed'] },
];

/** `open(id)`: shows a message. */
export function openTail(open) {
  const tail = new Tail(open);
  return {
    resume: () => tail.connect(),
    rest: () => tail.close(),
    turn: () => tail.turn(),
    rate: (value) => tail.heed(value),
  };
}

class Tail {
  constructor(open) {
    this.open = open;
    this.socket = null;
    this.retry = 0;
    this.wait = FIRST_WAIT;
    this.paused = false;
    this.chosen = false;
    this.fresh = [];
    this.seen = 0;
    this.painting = 0;
    this.boxes = GROUPS.map(({ name, kinds, plenty }) => {
      const box = el('input', { type: 'checkbox', checked: true });
      byId('tail-kinds').append(el('label', {}, box, el('span', { text: name })));
      return { box, kinds, plenty };
    });
    byId('tail-kinds').addEventListener('change', () => {
      this.chosen = true;
      this.anew();
    });
    byId('tail-pause').addEventListener('click', () => this.turn());
    this.note('waiting for the engine');
  }

  /** Opens it where it is not open. */
  connect() {
    if (this.socket !== null || this.paused || document.hidden || Date.now() < this.retry) return;
    const kinds = this.kinds();
    if (kinds.length === 0) {
      this.note('no events are chosen');
      return;
    }
    const url = new URL('v1/events', document.baseURI);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    if (this.boxes.some(({ box }) => !box.checked))
      url.search = new URLSearchParams({ kind: kinds.join(',') }).toString();
    const token = currentToken();
    let socket;
    try {
      socket = new WebSocket(url, token === '' ? ['sluice.events'] : ['sluice.events', `bearer.${token}`]);
    } catch {
      this.later('this token cannot be sent by a WebSocket');
      return;
    }
    let opened = false;
    this.socket = socket;
    socket.addEventListener('open', () => {
      opened = true;
      this.wait = FIRST_WAIT;
      this.note('listening');
    });
    socket.addEventListener('message', ({ data }) => this.socket === socket && this.take(data));
    socket.addEventListener('close', ({ reason }) => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.later(opened ? reason || 'the connection ended' : 'live events are not there');
    });
  }

  close() {
    const { socket } = this;
    this.socket = null;
    socket?.close();
  }

  /** Pauses, or goes on. */
  turn() {
    this.paused = !this.paused;
    setAttribute(byId('tail-pause'), 'aria-pressed', String(this.paused));
    setText(byId('tail-pause'), this.paused ? 'Go on' : 'Pause');
    this.anew();
    if (this.paused) this.note('paused');
  }

  /** How much mail flows, messages a second. */
  heed(value) {
    if (this.chosen || value < MUCH || !this.boxes.some(({ box, plenty }) => plenty && box.checked)) return;
    this.chosen = true;
    for (const { box, plenty } of this.boxes) if (plenty) box.checked = false;
    this.anew();
    this.note(`much mail flows (${rate(value)}/s): successes are left out`);
  }

  kinds() {
    return this.boxes.filter(({ box }) => box.checked).flatMap(({ kinds }) => kinds);
  }

  anew() {
    this.close();
    this.retry = 0;
    this.connect();
  }

  later(words) {
    this.retry = Date.now() + this.wait;
    this.note(`${words}; tried again in ${Math.round(this.wait / 1000)} s`);
    this.wait = Math.min(LONGEST_WAIT, this.wait * 2);
  }

  note(words) {
    setText(byId('tail-note'), words);
  }

  take(data) {
    let events;
    try {
      events = JSON.parse(data);
    } catch {
      return;
    }
    const all = Array.isArray(events) ? events : [events];
    this.seen += all.length;
    this.fresh.push(...all.slice(-KEPT));
    if (this.fresh.length > KEPT) this.fresh.splice(0, this.fresh.length - KEPT);
    if (this.painting === 0) this.painting = setTimeout(() => this.paint(), PAINT);
  }

  paint() {
    this.painting = 0;
    const list = byId('tail');
    const rows = this.fresh.map((event) => this.row(eventWords(event))).reverse();
    this.fresh = [];
    // Who reads further down keeps the place.
    const box = list.parentElement;
    const before = box.scrollTop > 0 ? list.offsetHeight : 0;
    list.prepend(...rows);
    while (list.children.length > KEPT) list.lastElementChild.remove();
    if (before > 0) box.scrollTop += list.offsetHeight - before;
    this.note(`${count(this.seen)} seen, the newest ${list.children.length} are here`);
  }

  row({ at, kind, id, who, text }) {
    const link =
      id === '' ? null : el('button', { type: 'button', class: 'link', text: id, onclick: () => this.open(id) });
    return el(
      'li',
      { data: { kind } },
      el('time', { text: clock(at) }),
      el('b', { class: 'kind', text: kind }),
      el('span', { class: 'who', text: who }),
      el('span', { class: 'text', text }),
      link,
    );
  }
}
