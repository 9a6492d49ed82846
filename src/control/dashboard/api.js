/**
 * Asking the engine: with the token where there is one, never longer than TIMEOUT.
 *
 * Contract: `ask` gives the answer's JSON (text of /readyz as it is), or throws a Problem; `status` 0: nobody answers.
 */

const TIMEOUT = 8000;
const KEPT = 'sluice.token';

export class Problem extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Kept for this tab only; a browser that keeps nothing asks again. */
let token = '';
try {
  token = sessionStorage.getItem(KEPT) ?? '';
} catch {
  token = '';
}

/** '' where none was given. */
export function currentToken() {
  return token;
}

export function setToken(given) {
  token = given;
  try {
    if (given === '') sessionStorage.removeItem(KEPT);
    else sessionStorage.setItem(KEPT, given);
  } catch {
    // Then it is asked for again after a reload.
  }
}

/** Paths are relative to the page, so that it also works behind a prefix. `body`: sent as JSON. */
export async function ask(path, { method = 'GET', body } = {}) {
  const headers = {};
  if (token !== '') headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response;
  let text;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      cache: 'no-store',
      credentials: 'same-origin',
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT),
    });
    text = await response.text();
  } catch {
    throw new Problem(0, 'the engine does not answer');
  }
  const found = read(response, text);
  if (response.ok) return found;
  const flaws = Array.isArray(found?.errors) ? found.errors.map(({ at, detail }) => `${at}: ${detail}`) : [];
  throw new Problem(response.status, [found?.detail ?? text.trim(), ...flaws].join('; '));
}

function read(response, text) {
  if (!/json/.test(response.headers.get('Content-Type') ?? '')) return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem(response.status, 'the answer is not what an engine says: is this Sluice?');
  }
}
