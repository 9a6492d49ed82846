/**
 * Entry of the shims that `sluice install-compat` makes: `node cli-shim.js PLACE COMMAND ARGUMENTS`.
 *
 * By itself, so that neither settings nor anything else of `sluice` is loaded to send one message.
 */
import { isCompatCommand, runCompat } from './cli-compat.js';
import { placeOf } from './compat/place.js';

const [place = '', command = '', ...args] = process.argv.slice(2);
if (!isCompatCommand(command)) {
  process.stderr.write(`sluice: "${command}" is not a command; run \`sluice install-compat\` again\n`);
  process.exit(64);
}
const code = await runCompat(command, placeOf(place), args);
// What is written to a pipe is written later: the process ends by itself when that is done.
process.exitCode = code;
process.stdin.destroy();
