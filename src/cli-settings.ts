/**
 * Settings for a command that needs some of them: mistakes in others are not its business and do not stop it.
 */
import { ConfigError } from './cli-command.js';
import { loadProcessSettings } from './config/load-settings.js';
import type { Settings } from './config/schema.js';

/** The settings, when those of `names` and the .env file are right. @throws ConfigError with every mistake in those. */
export function settingsFor(...names: readonly string[]): Settings {
  const { settings, problems } = loadProcessSettings();
  const wrong = problems.filter((problem) => {
    const subject = problem.slice(0, problem.indexOf(':')).replace(/_FILE$/, '');
    return subject === '.env' || names.some((name) => name.replace(/_FILE$/, '') === subject);
  });
  if (wrong.length > 0) throw new ConfigError(wrong);
  return settings;
}
