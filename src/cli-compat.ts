/**
 * The drop-in commands of Postfix: which there are, and how one of them is run and ends.
 *
 * Each is loaded when it is asked for: cron and PHP start `sendmail` for every message.
 */
import { EX_OK, Fatal } from './compat/fatal.js';
import type { Place } from './compat/place.js';
import { messageOf } from './core/errors.js';

const EX_SOFTWARE = 70;

type Command = (place: Place, args: readonly string[]) => Promise<number>;

const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  sendmail: async () => (await import('./cli-sendmail.js')).sendmail,
  mailq: async () => (await import('./cli-postqueue.js')).mailq,
  newaliases: async () => async () => EX_OK,
  postqueue: async () => (await import('./cli-postqueue.js')).postqueue,
  postsuper: async () => (await import('./cli-postsuper.js')).postsuper,
  postcat: async () => (await import('./cli-postcat.js')).postcat,
  qshape: async () => (await import('./cli-qshape.js')).qshape,
};

export const COMPAT_NAMES: readonly string[] = Object.keys(COMMANDS);

/** Whether there is a drop-in command of this name. */
export function isCompatCommand(name: string): boolean {
  return Object.hasOwn(COMMANDS, name);
}

/** Runs one; the exit code. What goes wrong is told on standard error as Postfix tells it; never rejects. */
export async function runCompat(name: string, place: Place, args: readonly string[]): Promise<number> {
  // `mailq | head -1` closes the pipe early; that is no failure.
  process.stdout.on('error', () => process.exit(EX_OK));
  try {
    return await (await COMMANDS[name]!())(place, args);
  } catch (thrown) {
    process.stderr.write(`${name}: fatal: ${messageOf(thrown)}\n`);
    return thrown instanceof Fatal ? thrown.code : EX_SOFTWARE;
  }
}
