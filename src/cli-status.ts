/**
 * `sluice status` and `sluice version`: what runs here.
 */
import { EX_OK, expectArguments, parse, print } from './cli-command.js';
import { withEngine } from './cli-engine.js';
import { statusLines } from './cli-tables.js';
import { VERSION } from './version.js';

/** What the engine has done and is doing. @throws UsageError. */
export async function status(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, { json: { type: 'boolean' }, socket: { type: 'string' } });
  expectArguments(positionals, []);
  return withEngine(values.socket, async (client) => {
    const state = await client.ask({ command: 'status' });
    if (values.json === true) print(JSON.stringify(state));
    else for (const line of statusLines(state, Date.now())) print(line);
    return EX_OK;
  });
}

/** The version of this program, without asking an engine. @throws UsageError. */
export function version(args: readonly string[]): number {
  const { values, positionals } = parse(args, { json: { type: 'boolean' } });
  expectArguments(positionals, []);
  print(values.json === true ? JSON.stringify({ version: VERSION, node: process.version }) : VERSION);
  return EX_OK;
}
