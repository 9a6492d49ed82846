/**
 * Search for messages, and one message with what happened to it, why it waits, and what can be done with it.
 */
import { ask } from './api.js';
import { byId, el, setText } from './dom.js';
import { bytes, clock, count, duration, fromNow, many, moment } from './format.js';
import { eventWords, queryOf } from './words.js';

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

/** `changed()`: the queue is another than before. */
export function openMessages(changed) {
  const dialog = byId('message');
  const body = dialog.querySelector('[data-body]');
  /** What is shown, so that an answer that comes late is dropped. */
  let turn = 0;

  const show = (title, ...parts) => {
    setText(byId('message-title'), title);
    body.replaceChildren(...parts.filter((part) => part !== null));
    if (!dialog.open) dialog.showModal();
    body.scrollTop = 0;
  };
  const waiting = (title) => show(title, el('p', { class: 'note', role: 'status', text: 'asking the engine …' }));
  const failed = (title, problem) => show(title, el('p', { class: 'said bad', role: 'alert', text: problem.message }));

  async function open(id, words = '') {
    const mine = ++turn;
    const title = `Message ${id}`;
    if (!dialog.open || words === '') waiting(title);
    try {
      const message = await find(id);
      if (mine !== turn) return;
      show(title, ...view(message, act), words === '' ? null : el('p', { class: 'said', role: 'status', text: words }));
      body.focus();
    } catch (problem) {
      if (mine === turn)
        failed(title, problem.status === 404 ? new Error(words || `Nothing is known of a message ${id}.`) : problem);
    }
  }

  async function act(id, { method, path, done }) {
    await ask(`v1/queue/${encodeURIComponent(id)}${path}`, { method });
    changed();
    await open(id, done);
  }

  async function search(text) {
    const query = queryOf(text);
    if (query === null) return;
    if (query.kind === 'id') {
      await open(query.value);
      return;
    }
    const mine = ++turn;
    const title = `${query.kind === 'tag' ? 'Tag' : 'Recipient'} ${query.value}`;
    waiting(title);
    try {
      const page = await ask(`v1/messages?${new URLSearchParams({ [query.kind]: query.value, limit: '50' })}`);
      if (mine !== turn) return;
      const items = page.items ?? [];
      const note =
        items.length === 0
          ? 'No message is known.'
          : page.next === null
            ? `${many(items.length, 'message')}.`
            : `The first ${count(items.length)}; there are more.`;
      show(
        title,
        el('p', { class: 'note', role: 'status', text: note }),
        el(
          'ul',
          { class: 'found' },
          items.map((item) => found(item, open)),
        ),
      );
    } catch (problem) {
      if (mine !== turn) return;
      failed(
        title,
        problem.status === 404
          ? new Error('This engine keeps no history to search in: only a queued message can be looked at, by its id.')
          : problem,
      );
    }
  }

  byId('search').addEventListener('submit', (event) => {
    event.preventDefault();
    void search(byId('query').value);
  });
  return { open };
}

/** What the history knows of a message, what the queue has of it, and why it waits. @throws Problem 404: nothing. */
async function find(id) {
  const path = encodeURIComponent(id);
  const none = (problem) => {
    if (problem.status === 404) return null;
    throw problem;
  };
  const [known, queued, why] = await Promise.all([
    ask(`v1/messages/${path}`).catch(none),
    ask(`v1/queue/${path}`).catch(none),
    ask(`v1/queue/${path}/why`).catch(none),
  ]);
  // Asked for once more so that its problem is the one that is told.
  if (known === null && queued === null) return ask(`v1/queue/${path}`);
  return { id, known, queued, why };
}

function found(item, open) {
  const { id = '', sender = '', state = '', at = item.acceptedAt ?? item.receivedAt ?? 0 } = item;
  const to =
    item.recipient ??
    (Array.isArray(item.recipients) ? item.recipients.map((one) => one.address ?? one).join(', ') : '');
  return el(
    'li',
    {},
    el(
      'button',
      { type: 'button', class: 'row-button', onclick: () => open(id) },
      el('b', { text: id }),
      el('span', { text: `${sender === '' ? '<>' : sender} → ${to}` }),
      el('small', { text: [moment(at), state].filter(Boolean).join(' · ') }),
    ),
  );
}

function view({ id, known, queued, why }, act) {
  const message = { ...known, ...queued };
  const facts = [
    [
      'State',
      queued === null
        ? (known.state ?? 'no longer in the queue')
        : `${queued.state}${queued.due > 0 && queued.state === 'deferred' ? `, next try ${fromNow(queued.due, Date.now())}` : ''}`,
    ],
    ['Sender', message.sender === '' ? '<>' : message.sender],
    ['Received', moment(message.receivedAt ?? message.acceptedAt ?? message.at)],
    ['Size', bytes(message.size)],
    ['From', [message.clientAddress ?? message.client, message.helo && `(${message.helo})`].filter(Boolean).join(' ')],
    ['Lane', why?.lane ?? message.lane],
    ['Tenant', why?.tenant ?? message.tenant],
    ['Tags', message.tags?.join(', ')],
    ['Attempts', queued === null ? undefined : count(queued.attempts)],
  ].filter(([, value]) => value !== undefined && value !== null && value !== '');
  return [
    queued === null ? null : actions(id, queued, act),
    el(
      'dl',
      { class: 'facts' },
      facts.map(([name, value]) => el('div', {}, el('dt', { text: name }), el('dd', { text: value }))),
    ),
    ...waits(why),
    ...recipients(queued),
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

function recipients(queued) {
  if (queued === null) return [];
  const now = Date.now();
  const rows = queued.recipientDetails.map(({ address, status, reply, host, lastAttempt }) =>
    el(
      'li',
      { data: { kind: status } },
      el('b', { class: 'kind', text: status }),
      el('span', { class: 'who', text: address }),
      el('span', {
        class: 'text',
        text:
          lastAttempt === 0 ? 'not tried yet' : [reply, host, fromNow(lastAttempt, now)].filter(Boolean).join(' · '),
      }),
    ),
  );
  return [el('h3', { text: many(rows.length, 'recipient') }), el('ul', { class: 'steps' }, rows)];
}

/** From the history; where there is none, what the queue remembers. */
function timeline(known, queued) {
  const events = known?.timeline ?? remembered(queued);
  const steps = events.map(eventWords).map(({ at, kind, who, text }, i) => {
    const since = i === 0 ? '' : `+${duration(at - events[0].at)}`;
    return el(
      'li',
      { data: { kind } },
      el('time', { text: clock(at), title: moment(at) }),
      el('b', { class: 'kind', text: kind }),
      el('span', { class: 'who', text: who }),
      el('span', { class: 'text', text }),
      el('small', { text: since }),
    );
  });
  const note =
    known === null
      ? el('p', { class: 'note', text: 'This engine keeps no history: this is what the queue remembers.' })
      : null;
  return [el('h3', { text: 'Timeline' }), note, el('ol', { class: 'steps timeline' }, steps)];
}

function remembered({ receivedAt, sender, size, clientAddress, recipientDetails }) {
  const kinds = { pending: 'deferred', delivered: 'delivered', failed: 'bounced' };
  const accepted = {
    kind: 'accepted',
    at: receivedAt,
    sender,
    size,
    client: clientAddress,
    protocol: 'SMTP',
    recipients: recipientDetails.map(({ address }) => address),
  };
  const tries = recipientDetails
    .filter(({ lastAttempt }) => lastAttempt > 0)
    .map(({ address, status, reply, host, lastAttempt }) => ({
      kind: kinds[status],
      at: lastAttempt,
      recipient: address,
      reply: [reply, host].filter(Boolean).join(' · '),
    }));
  return [accepted, ...tries.sort((a, b) => a.at - b.at)];
}
