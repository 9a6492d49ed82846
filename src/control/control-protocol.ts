/**
 * The language of the control socket: one JSON object a line each way, answers in the order of the requests.
 *
 * Contract: `parseRequest` never throws; what it gives is a request of exactly one of the shapes below. Ids are shown
 * ids and are checked by the engine.
 */

/** Bytes of one request line at most. */
export const MAX_REQUEST = 16 * 1024;
/** Entries of one page of the queue at most; further ones by `after`. */
export const MAX_PAGE = 1000;
const MAX_ID = 64;

const ID_COMMANDS = ['show', 'retry', 'hold', 'release', 'delete'] as const;

/** Commands on one message; `retry` also takes `all`. */
export type IdCommand = (typeof ID_COMMANDS)[number];

export type ControlRequest =
  | { readonly command: 'status' }
  | { readonly command: 'list'; readonly after: string; readonly limit: number }
  | { readonly command: IdCommand; readonly id: string };

export type ControlResponse =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: string };

/** Reads one request line. A text says what is wrong with it and what is allowed. */
export function parseRequest(line: string): ControlRequest | string {
  let given: unknown;
  try {
    given = JSON.parse(line);
  } catch {
    return 'the request is not JSON; send one JSON object a line, such as {"command":"status"}';
  }
  if (typeof given !== 'object' || given === null) return 'the request is not a JSON object';
  const { command, after = '', limit = 100, id } = given as Readonly<Record<string, unknown>>;
  if (command === 'status') return { command };
  if (command === 'list') {
    if (typeof after !== 'string' || after.length > MAX_ID)
      return '"after" is not an id; allowed: the last id seen, or ""';
    if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) {
      return `"limit" is not allowed; allowed: a whole number from 1 to ${MAX_PAGE}`;
    }
    return { command, after, limit };
  }
  const known = ID_COMMANDS.find((name) => name === command);
  if (known === undefined) {
    return `unknown command ${JSON.stringify(command)?.slice(0, 100)}; allowed: status, list, ${ID_COMMANDS.join(', ')}`;
  }
  if (typeof id !== 'string' || id === '' || id.length > MAX_ID) return `"${known}" needs an "id"`;
  return { command: known, id };
}
