/**
 * The keyboard: single keys that can be turned off (WCAG 2.1.4), the help that tells of them, the theme.
 */
import { byId, el, setText } from './dom.js';

const KEYS = [
  ['/', 'search for a message'],
  ['1 2 3', 'the last 5 minutes, hour, day'],
  ['s', 'suspend or reroute mail'],
  ['p', 'pause the live events, go on'],
  ['t', 'light, dark, or as the system has it'],
  ['?', 'this help'],
  ['Tab', 'to the next control; Enter and Space use it'],
  ['← →', 'on a chart: read single values'],
  ['Esc', 'close'],
];
const SPANS = { 1: '5m', 2: '1h', 3: '24h' };
const THEMES = ['auto', 'light', 'dark'];

/** `span(name)`, `pause()`, `suspend()`: what keys do. */
export function openKeys({ span, pause, suspend }) {
  const help = byId('keys');
  const on = help.querySelector('[data-on]');
  on.checked = kept('sluice.keys') !== 'off';
  on.addEventListener('change', () => keep('sluice.keys', on.checked ? '' : 'off'));
  help.querySelector('[data-list]').append(
    ...KEYS.map(([key, words]) =>
      el(
        'div',
        {},
        el(
          'dt',
          {},
          key.split(' ').map((one) => el('kbd', { text: one })),
        ),
        el('dd', { text: words }),
      ),
    ),
  );
  const showHelp = () => help.showModal();
  byId('help').addEventListener('click', showHelp);
  for (const dialog of document.querySelectorAll('dialog')) {
    dialog.querySelector('[data-close]')?.addEventListener('click', () => dialog.close());
    // A click beside it closes it, but not the one that asks for the token.
    if (dialog.id !== 'token') dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  }
  byId('theme').addEventListener('click', turnTheme);
  tellTheme();
  const search = () => {
    byId('query').focus();
    byId('query').select();
  };
  // Out of the field, so that keys do what they say again.
  byId('query').addEventListener('keydown', (event) => event.key === 'Escape' && byId('query').blur());
  const actions = { '/': search, '?': showHelp, p: pause, s: suspend, t: turnTheme };
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !on.checked || isWriting(event.target)) return;
    if (document.querySelector('dialog[open]') !== null) return;
    const action = actions[event.key] ?? (SPANS[event.key] && (() => span(SPANS[event.key])));
    if (action === undefined) return;
    event.preventDefault();
    action();
  });
}

function isWriting(target) {
  return (
    target instanceof Element && target.closest('input:not([type=radio], [type=checkbox]), select, textarea') !== null
  );
}

function currentTheme() {
  return document.documentElement.dataset.theme ?? 'auto';
}

function turnTheme() {
  const next = THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length];
  if (next === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  keep('sluice.theme', next === 'auto' ? '' : next);
  tellTheme();
}

function tellTheme() {
  setText(byId('theme'), `Theme: ${currentTheme()}`);
}

function kept(name) {
  try {
    return localStorage.getItem(name) ?? '';
  } catch {
    return '';
  }
}

function keep(name, value) {
  try {
    if (value === '') localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // It holds until the page is left.
  }
}
