/**
 * Every command of `sluice`: a row each, in the order in which help and manual list them.
 *
 * A new command is a `CommandHelp` in a cli-help-*.ts file and a row here. What runs it is imported when it is called, so
 * that none pays for another; it gets the arguments after its name and gives the exit code.
 */
import type { CommandHelp } from './cli-help.js';
import { AUDIT } from './cli-help-audit.js';
import { CHECK, START, STATUS, VERSION } from './cli-help-engine.js';
import { EVENTS, WEBHOOKS } from './cli-help-events.js';
import { FIGURES, TENANTS, UPSTREAMS } from './cli-help-live.js';
import { BOUNCE, ORDERS, REROUTE, RESUME, SUPPRESSION, SUSPEND } from './cli-help-orders.js';
import {
  INSTALL_COMPAT,
  MAILQ,
  NEWALIASES,
  POSTCAT,
  POSTQUEUE,
  POSTSUPER,
  QSHAPE,
  SENDMAIL,
} from './cli-help-postfix.js';
import { DESTINATIONS, ERASE, HISTORY, QUEUE, ROUTE, WHY } from './cli-help-queue.js';
import { DKIM, IMPORT_POSTFIX, USER } from './cli-help-setup.js';

export interface Command {
  readonly help: CommandHelp;
  /** Takes its options as another program does (`sendmail -h`): only `--help` is ours. */
  readonly foreign?: boolean;
  /** Gives the exit code; null for the engine itself, which cli.ts starts. @throws UsageError, ConfigError. */
  readonly run: ((args: readonly string[]) => Promise<number>) | null;
}

const ofPostfix = (name: string) => async (args: readonly string[]) =>
  (await import('./cli-postfix.js')).postfixCommand(name, args);

export const COMMANDS: readonly Command[] = [
  { help: START, run: null },
  { help: CHECK, run: async (args) => (await import('./cli-check.js')).check(args) },
  { help: STATUS, run: async (args) => (await import('./cli-status.js')).status(args) },
  { help: QUEUE, run: async (args) => (await import('./cli-queue.js')).queue(args) },
  { help: HISTORY, run: async (args) => (await import('./cli-history.js')).history(args) },
  { help: ERASE, run: async (args) => (await import('./cli-erase.js')).eraseCommand(args) },
  { help: WHY, run: async (args) => (await import('./cli-explain.js')).why(args) },
  { help: ROUTE, run: async (args) => (await import('./cli-explain.js')).route(args) },
  { help: DESTINATIONS, run: async (args) => (await import('./cli-explain.js')).destinations(args) },
  { help: UPSTREAMS, run: async (args) => (await import('./cli-live.js')).upstreams(args) },
  { help: TENANTS, run: async (args) => (await import('./cli-live.js')).tenants(args) },
  { help: FIGURES, run: async (args) => (await import('./cli-live.js')).figures(args) },
  { help: SUSPEND, run: async (args) => (await import('./cli-orders.js')).orders('suspend', args) },
  { help: RESUME, run: async (args) => (await import('./cli-orders.js')).orders('resume', args) },
  { help: REROUTE, run: async (args) => (await import('./cli-orders.js')).orders('reroute', args) },
  { help: BOUNCE, run: async (args) => (await import('./cli-orders.js')).orders('bounce', args) },
  { help: ORDERS, run: async (args) => (await import('./cli-orders.js')).orders('orders', args) },
  { help: AUDIT, run: async (args) => (await import('./cli-audit.js')).audit(args) },
  { help: EVENTS, run: async (args) => (await import('./cli-events.js')).events(args) },
  { help: WEBHOOKS, run: async (args) => (await import('./cli-webhooks.js')).webhooks(args) },
  { help: SUPPRESSION, run: async (args) => (await import('./cli-suppression.js')).suppression(args) },
  { help: DKIM, run: async (args) => (await import('./cli-dkim.js')).dkim(args) },
  { help: USER, run: async (args) => (await import('./cli-user.js')).user(args) },
  { help: IMPORT_POSTFIX, run: async (args) => (await import('./cli-import-postfix.js')).importPostfixCommand(args) },
  { help: INSTALL_COMPAT, run: async (args) => (await import('./cli-install-compat.js')).installCompat(args) },
  { help: SENDMAIL, foreign: true, run: ofPostfix('sendmail') },
  { help: MAILQ, foreign: true, run: ofPostfix('mailq') },
  { help: NEWALIASES, foreign: true, run: ofPostfix('newaliases') },
  { help: POSTQUEUE, foreign: true, run: ofPostfix('postqueue') },
  { help: POSTSUPER, foreign: true, run: ofPostfix('postsuper') },
  { help: POSTCAT, foreign: true, run: ofPostfix('postcat') },
  { help: QSHAPE, foreign: true, run: ofPostfix('qshape') },
  { help: VERSION, run: async (args) => (await import('./cli-status.js')).version(args) },
];

/** The command of that name. */
export function commandNamed(name: string | undefined): Command | undefined {
  return COMMANDS.find(({ help }) => help.name === name);
}
