/**
 * Search for messages, and the sheet that shows one.
 */
import { ask } from './api.js';
import { byId, el, setText } from './dom.js';
import { count, many } from './format.js';
import { foundWords } from './message-facts.js';
import { view } from './message-view.js';
import { queryOf } from './words.js';

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
  const { id, who, text } = foundWords(item);
  return el(
    'li',
    {},
    el(
      'button',
      { type: 'button', class: 'row-button', onclick: () => open(id) },
      el('b', { text: id }),
      el('span', { text: who }),
      el('small', { text }),
    ),
  );
}
