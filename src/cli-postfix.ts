/**
 * The commands of Postfix without their shims: with the settings of this folder and environment.
 */
import { UsageError } from './cli-command.js';
import { runCompat } from './cli-compat.js';
import { PLACE_SETTINGS, placeIn } from './cli-install-compat.js';
import { settingsFor } from './cli-settings.js';

/** Runs one; the exit code. @throws UsageError for an option in words: Postfix's commands have none. */
export function postfixCommand(name: string, args: readonly string[]): Promise<number> {
  const end = args.indexOf('--');
  const words = (end < 0 ? args : args.slice(0, end)).find((arg) => arg.startsWith('--'));
  if (words !== undefined) throw new UsageError(`${words} is not an option of ${name}`);
  return runCompat(name, placeIn(settingsFor(...PLACE_SETTINGS)), args);
}
