/**
 * The page: asks the engine for what it shows, at most once in INTERVAL, not at all while nobody looks, and more seldom
 * where the engine does not answer.
 */
import { ask, currentToken, setToken } from './api.js';
import { byId, setAttribute, setText } from './dom.js';
import { FigureStore } from './figure-store.js';
import { openFigures } from './figures.js';
import { duration } from './format.js';
import { openKeys } from './keys.js';
import { openMessages } from './messages.js';
import { openOrders } from './orders.js';
import { openPanels } from './panels.js';
import { openTail } from './tail.js';
import { askForToken } from './token.js';

/** Least time between two rounds of questions, and the longest where nobody answers, ms. */
const INTERVAL = 2000;
const LONGEST = 10_000;
/** Rounds between two looks at what is dearer to tell. */
const SELDOM = 3;

const live = new FigureStore();
let shown = live;
let round = 0;
let wait = INTERVAL;
let timer = 0;
let running = false;
let lastBegan = 0;
let seldomDue = 0;

const figures = openFigures();
const messages = openMessages(() => refresh(true));
const orders = openOrders(() => refresh(true));
const panels = openPanels((by, value) => orders.prefill(by, value));
const tail = openTail((id) => messages.open(id));
openKeys({ span: chooseSpan, pause: () => tail.turn(), suspend: () => orders.focus() });

/** One round of questions. Figures of the last minutes are asked for always: the tiles show them. */
async function look() {
  const ready = await readiness();
  const span = byId('span').querySelector('input:checked').value;
  const seldom = round % SELDOM === 0;
  const questions = [
    ask(`v1/figures?span=5m&after=${live.last}`).then((report) => live.add(report)),
    ask('v1/status').then((status) => {
      figures.status(status);
      panels.status(status);
      tell(ready, status);
    }),
  ];
  if (shown !== live && Date.now() >= seldomDue) questions.push(moreFigures());
  if (seldom) questions.push(ask('v1/upstreams?order=busiest&limit=30').then((page) => panels.upstreams(page.items)));
  if (round % SELDOM === 1)
    questions.push(ask('v1/destinations?order=busiest&limit=15').then((page) => panels.destinations(page.items)));
  if (round % SELDOM === 2 || round < SELDOM)
    questions.push(
      ask('v1/orders').then((page) => orders.show(page.items)),
      ask(`v1/tenants?span=${span}&limit=12`).then((page) => panels.tenants(page.items, span)),
    );
  await Promise.all(questions);
  figures.figures(live, shown);
  panels.lanes(live);
  tail.rate((live.recent('accepted', 5000) ?? 0) + (live.recent('delivered', 5000) ?? 0));
  round++;
}

async function moreFigures() {
  const store = shown;
  seldomDue = Date.now() + Math.min(store.step, 30_000);
  store.add(await ask(`v1/figures?span=${store.span}&after=${store.last}`));
}

/** '' where mail is taken, else why not. */
async function readiness() {
  try {
    await ask('readyz');
    return '';
  } catch (problem) {
    if (problem.status === 503) return problem.message;
    throw problem;
  }
}

async function cycle() {
  if (running || document.hidden) return;
  running = true;
  lastBegan = Date.now();
  clearTimeout(timer);
  try {
    await look();
    wait = INTERVAL;
    tail.resume();
  } catch (problem) {
    await trouble(problem);
  }
  running = false;
  timer = setTimeout(cycle, Math.max(0, lastBegan + wait - Date.now()));
}

async function trouble(problem) {
  if (problem.status === 401) {
    setToken(await askForToken(currentToken() === '' ? '' : 'The engine does not know this token.'));
    wait = 0;
    return;
  }
  wait = Math.min(LONGEST, Math.max(INTERVAL, wait * 1.5));
  const words = problem.status === 0 ? 'The engine does not answer' : `The engine says: ${problem.message}`;
  banner(`${words}. What is shown is of before; the next try is in ${duration(wait)}.`, 'gone');
  state(problem.status === 0 ? 'no answer' : 'in trouble', 'bad');
}

/** What the engine says of itself. */
function tell(reason, { version, startedAt, pid }) {
  state(reason === '' ? 'ready' : 'not ready', reason === '' ? 'good' : 'warn');
  setText(byId('about'), `${version} · up ${duration(Date.now() - startedAt)} · pid ${pid}`);
  banner(reason === '' ? '' : `Mail is not taken: ${reason}.`, 'warn');
}

function state(words, kind) {
  setText(byId('state').querySelector('[data-words]'), words);
  setAttribute(byId('state'), 'data-kind', kind);
  document.title = kind === 'good' ? 'Sluice' : `Sluice: ${words}`;
}

function banner(words, kind) {
  const element = byId('banner');
  setText(element.querySelector('[data-words]'), words);
  setAttribute(element, 'data-kind', kind);
  element.hidden = words === '';
}

/** Soon, but no sooner than INTERVAL after the last. `fresh`: all is asked for, not a third. */
function refresh(fresh = false) {
  if (fresh) round = 0;
  clearTimeout(timer);
  timer = setTimeout(cycle, Math.max(0, lastBegan + INTERVAL - Date.now()));
}

function chooseSpan(span) {
  const input = byId('span').querySelector(`input[value="${span}"]`);
  input.checked = true;
  input.dispatchEvent(new Event('change', { bubbles: true }));
}

byId('span').addEventListener('change', (event) => {
  const span = event.target.value;
  shown = live;
  if (span !== '5m') {
    shown = new FigureStore();
    shown.clear(span);
    seldomDue = 0;
    round = 0;
  }
  figures.figures(live, shown);
  refresh();
});
document.addEventListener('visibilitychange', () => {
  if (document.hidden) {
    clearTimeout(timer);
    tail.rest();
  } else refresh(true);
});
void cycle();
