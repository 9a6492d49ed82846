#!/usr/bin/env node
/**
 * The `sluice` command: finds the command in the table of cli-commands.ts, shows its help or runs it.
 *
 * Exit codes are those of sysexits, see EXIT_MEANINGS. Results go to standard output, everything else to standard error.
 */
import {
  ConfigError,
  complain,
  EX_CONFIG,
  EX_OK,
  EX_SOFTWARE,
  EX_USAGE,
  expectArguments,
  parse,
  UsageError,
} from './cli-command.js';
import { COMMANDS, type Command, commandNamed } from './cli-commands.js';
import { generalHelp, helpText } from './cli-help.js';
import { messageOf } from './core/errors.js';

/** Whether help is asked for among the options of a command; what follows `--` is no option. */
function asksForHelp(command: Command, args: readonly string[]): boolean {
  const end = args.indexOf('--');
  const options = end < 0 ? args : args.slice(0, end);
  return options.includes('--help') || (command.foreign !== true && options.includes('-h'));
}

function help(command: Command | undefined): number {
  process.stdout.write(command === undefined ? generalHelp(COMMANDS.map((one) => one.help)) : helpText(command.help));
  return EX_OK;
}

/** The exit code; undefined where the engine ran, which has set its own. */
async function run(args: readonly string[]): Promise<number | undefined> {
  const [first = 'start', ...rest] = args;
  if (first === '--help' || first === '-h' || first === 'help') return help(commandNamed(rest[0]));
  const command = commandNamed(first === '--version' || first === '-v' ? 'version' : first);
  if (command === undefined)
    throw new UsageError(`"${first}" is not a command; there are ${COMMANDS.map((one) => one.help.name).join(', ')}`);
  if (asksForHelp(command, rest)) return help(command);
  if (command.run !== null) return command.run(rest);
  expectArguments(parse(rest, {}).positionals, []);
  await import('./main.js');
  return undefined;
}

// `sluice queue list | head` closes the pipe early; that is no failure.
process.stdout.on('error', () => process.exit(EX_OK));
const args = process.argv.slice(2);
try {
  const code = await run(args);
  if (code !== undefined) process.exitCode = code;
} catch (thrown) {
  if (thrown instanceof UsageError) {
    complain(thrown.message);
    const command = commandNamed(args[0]) === undefined ? '' : ` ${args[0]}`;
    process.stderr.write(`see: sluice${command} --help\n`);
    process.exitCode = EX_USAGE;
  } else if (thrown instanceof ConfigError) {
    for (const problem of thrown.problems) complain(problem);
    process.exitCode = EX_CONFIG;
  } else {
    complain(messageOf(thrown));
    process.exitCode = EX_SOFTWARE;
  }
}
