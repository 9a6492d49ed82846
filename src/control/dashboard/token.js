/**
 * Asks for the token.
 */
import { byId, setText } from './dom.js';

/** Resolves to what was given. `words`: why it is asked for again. */
export function askForToken(words) {
  const dialog = byId('token');
  const form = dialog.querySelector('form');
  const input = form.elements.token;
  setText(dialog.querySelector('[data-said]'), words);
  input.value = '';
  if (!dialog.open) dialog.showModal();
  input.focus();
  return new Promise((resolve) => {
    const given = (event) => {
      event.preventDefault();
      const token = input.value.trim();
      // What cannot stand in a header is no token.
      if (!/^[\x21-\x7e]+$/.test(token)) {
        setText(dialog.querySelector('[data-said]'), 'A token has no blanks and only ASCII characters.');
        return;
      }
      form.removeEventListener('submit', given);
      dialog.removeEventListener('cancel', stay);
      dialog.close();
      input.value = '';
      resolve(token);
    };
    const stay = (event) => event.preventDefault();
    form.addEventListener('submit', given);
    dialog.addEventListener('cancel', stay);
  });
}
