/**
 * The command lines of postqueue(1), postsuper(1) and postcat(1).
 */
import { EX_FAILED, EX_UNAVAILABLE, Fatal } from '../fatal.js';
import { getopt } from '../getopt.js';
import { KNOWN_QUEUES, QUEUE_NAMES, type QueueName } from './queue-names.js';

const POSTQUEUE_USAGE = 'usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site';
const POSTSUPER_USAGE =
  'usage: postsuper [-c config_dir] [-d queue_id (delete)] [-h queue_id (hold)] [-H queue_id (un-hold)] ' +
  '[-r queue_id (requeue)] [-R queue_id (requeue)] [-v] [queue...]';
const POSTCAT_USAGE =
  'usage: postcat [-b (body text)] [-e (envelope records)] [-h (header text)] [-q (access queue)] [-v] [queue_id...]';
const ID = /^[0-9A-Za-z]{1,64}$/;

export type QueueRequest =
  | { readonly mode: 'list' | 'json' | 'flush' }
  | { readonly mode: 'message' | 'site'; readonly what: string };

/** Of postqueue. Every fatal error ends with 69: Postfix's postqueue turns them all into that. @throws Fatal. */
export function queueRequest(args: readonly string[]): QueueRequest {
  const { options, words, problem } = getopt(args, 'c:fi:jps:v');
  const usage = new Fatal(EX_UNAVAILABLE, POSTQUEUE_USAGE);
  if (problem !== '' || words.length > 0) throw usage;
  const modes = options.filter(({ letter }) => 'fijps'.includes(letter));
  const [chosen] = modes;
  if (chosen === undefined || modes.length > 1) throw usage;
  const { letter, value } = chosen;
  if (letter === 'i') {
    if (!ID.test(value))
      throw new Fatal(EX_UNAVAILABLE, `Cannot flush queue ID - invalid name: "${value.slice(0, 100)}"`);
    return { mode: 'message', what: value };
  }
  if (letter === 's') {
    if (!/^\[?[\w.:-]{1,255}\]?$/.test(value))
      throw new Fatal(EX_UNAVAILABLE, `Cannot flush mail queue - invalid destination: "${value.slice(0, 100)}"`);
    return { mode: 'site', what: value.replace(/[[\]]/g, '').toLowerCase() };
  }
  return { mode: letter === 'f' ? 'flush' : letter === 'j' ? 'json' : 'list' };
}

export type SuperAction = 'delete' | 'hold' | 'release' | 'retry';

export interface SuperStep {
  readonly action: SuperAction;
  /** `ALL`, `-` (ids on standard input), or an id. */
  readonly what: string;
}

export interface SuperRequest {
  readonly steps: readonly SuperStep[];
  /** Where ALL and ids are looked for. */
  readonly queues: readonly QueueName[];
}

/** -r and -R put a message back to be tried at once: what a requeue is here. */
const ACTIONS: Readonly<Record<string, SuperAction>> = { d: 'delete', h: 'hold', H: 'release', r: 'retry', R: 'retry' };

/** Of postsuper. -p and -s, which mend the queue's files, have nothing to do. @throws Fatal. */
export function superRequest(args: readonly string[]): SuperRequest {
  const { options, words, problem } = getopt(args, 'c:d:e:f:h:H:pr:R:sSv');
  if (problem !== '') throw new Fatal(EX_FAILED, POSTSUPER_USAGE);
  const steps: SuperStep[] = [];
  for (const { letter, value } of options) {
    if (letter === 'e' || letter === 'f')
      throw new Fatal(EX_FAILED, `-${letter} is not there (see: sluice bounce --help)`);
    const action = ACTIONS[letter];
    if (action !== undefined) steps.push({ action, what: value });
  }
  const wrong = words.find((word) => !KNOWN_QUEUES.includes(word));
  if (wrong !== undefined) throw new Fatal(EX_FAILED, `invalid directory name: ${wrong}`);
  const queues = words.length === 0 ? QUEUE_NAMES : QUEUE_NAMES.filter((name) => words.includes(name));
  return { steps, queues };
}

export interface CatRequest {
  readonly ids: readonly string[];
  readonly envelope: boolean;
  readonly header: boolean;
  readonly body: boolean;
}

/** Of postcat. There are no queue files, so ids are the only names (-q or not). @throws Fatal. */
export function catRequest(args: readonly string[]): CatRequest {
  const { options, words, problem } = getopt(args, 'bc:dehoqrs:v');
  if (problem !== '' || words.length === 0) throw new Fatal(EX_FAILED, POSTCAT_USAGE);
  const given = new Set(options.map(({ letter }) => letter));
  const all = !given.has('b') && !given.has('e') && !given.has('h');
  return {
    ids: words,
    envelope: all || given.has('e'),
    header: all || given.has('h'),
    body: all || given.has('b'),
  };
}
