/**
 * One message on the page: what it is, why it waits, what happened to it, and what can be done with it.
 */
import { el, setText } from './dom.js';
import { clock, duration, fromNow, many, moment } from './format.js';
import { factsOf, recipientsOf, stepsOf } from './message-facts.js';

const ACTIONS = {
  retry: {
    label: 'Try now',
    question: 'Try it now, before its time?',
    method: 'POST',
    path: '/retry',
    done: 'It is tried now.',
  },
  hold: {
    label: 'Hold',
    question: 'Hold it? It is not tried until it is released.',
    method: 'POST',
    path: '/hold',
    done: 'It is held.',
  },
  release: {
    label: 'Release',
    question: 'Release it? It is tried again.',
    method: 'POST',
    path: '/release',
    done: 'It is released.',
  },
  delete: {
    label: 'Delete',
    question: 'Delete it for good? Nobody gets it, and its sender is not told.',
    method: 'DELETE',
    path: '',
    done: 'It is deleted.',
  },
};

/** What is known of a message, as parts of the page. `act(id, action)`: does what was asked for. */
export function view({ id, known, queued, why }, act) {
  const facts = factsOf({ known, queued, why }, Date.now());
  return [
    queued === null ? null : actions(id, queued, act),
    el(
      'dl',
      { class: 'facts' },
      facts.map(([name, value]) => el('div', {}, el('dt', { text: name }), el('dd', { text: value }))),
    ),
    ...waits(why),
    ...recipients(known, queued),
    ...timeline(known, queued),
  ].filter((part) => part !== null);
}

/** Buttons; each asks before it does anything. */
function actions(id, { state }, act) {
  const names = ['retry', state === 'held' ? 'release' : 'hold', 'delete'];
  const bar = el('div', { class: 'row actions', role: 'group', 'aria-label': 'Act on this message' });
  const choose = () =>
    bar.replaceChildren(
      ...names.map((name) =>
        el('button', {
          type: 'button',
          class: name === 'delete' ? 'danger' : '',
          text: ACTIONS[name].label,
          onclick: () => confirm(name),
        }),
      ),
    );
  const confirm = (name) => {
    const { label, question } = ACTIONS[name];
    const said = el('span', { class: 'question', text: question });
    const yes = el('button', {
      type: 'button',
      class: name === 'delete' ? 'danger full' : 'main',
      text: `Yes, ${label.toLowerCase()}`,
    });
    const no = el('button', {
      type: 'button',
      text: 'No',
      onclick: () => {
        choose();
        bar.children[names.indexOf(name)].focus();
      },
    });
    yes.addEventListener('click', async () => {
      yes.disabled = true;
      try {
        await act(id, ACTIONS[name]);
      } catch (problem) {
        setText(said, problem.message);
        yes.disabled = false;
      }
    });
    bar.replaceChildren(said, yes, no);
    no.focus();
  };
  choose();
  return bar;
}

function waits(why) {
  if (why === null || why.waits.length === 0) return [];
  const now = Date.now();
  const lines = why.waits.map(({ kind, reason, until, recipients }) =>
    el(
      'li',
      {},
      el('b', { class: 'kind', text: kind }),
      el('span', {
        text: [
          reason,
          until === 0 ? '' : fromNow(until, now),
          recipients.length === 0 ? '' : `for ${recipients.slice(0, 3).join(', ')}${recipients.length > 3 ? ' …' : ''}`,
        ]
          .filter(Boolean)
          .join(' · '),
      }),
    ),
  );
  return [el('h3', { text: 'Why it waits' }), el('ul', { class: 'waits' }, lines)];
}

function recipients(known, queued) {
  const all = recipientsOf(known, queued, Date.now());
  if (all.length === 0) return [];
  const rows = all.map(({ status, address, text }) =>
    el(
      'li',
      { data: { kind: status } },
      el('b', { class: 'kind', text: status }),
      el('span', { class: 'who', text: address }),
      el('span', { class: 'text', text }),
    ),
  );
  return [el('h3', { text: many(rows.length, 'recipient') }), el('ul', { class: 'steps' }, rows)];
}

function timeline(known, queued) {
  const all = stepsOf(known, queued);
  const steps = all.map(({ at, kind, who, text }, i) =>
    el(
      'li',
      { data: { kind } },
      el('time', { text: clock(at), title: moment(at) }),
      el('b', { class: 'kind', text: kind }),
      el('span', { class: 'who', text: who }),
      el('span', { class: 'text', text }),
      el('small', { text: i === 0 ? '' : `+${duration(at - all[0].at)}` }),
    ),
  );
  const note = el('p', { class: 'note', text: 'The history knows nothing of it: this is what the queue remembers.' });
  return [el('h3', { text: 'Timeline' }), known === null ? note : null, el('ol', { class: 'steps timeline' }, steps)];
}
