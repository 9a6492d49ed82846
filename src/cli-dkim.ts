/**
 * `sluice dkim generate`: a signing key and the record to publish.
 */
import {
  complain,
  EX_CANTCREAT,
  EX_CONFIG,
  EX_OK,
  expectArguments,
  parse,
  print,
  UsageError,
  wholeNumber,
} from './cli-command.js';
import { settingsFor } from './cli-settings.js';
import { SluiceError } from './core/errors.js';
import { generateDkimKey } from './message/dkim/dkim-generate.js';

/** The command with its action. @throws UsageError. */
export function dkim(args: readonly string[]): number {
  const { values, positionals } = parse(args, {
    type: { type: 'string' },
    bits: { type: 'string' },
    dir: { type: 'string' },
    json: { type: 'boolean' },
  });
  const [action = '', domain = '', selector = ''] = positionals;
  if (action !== 'generate')
    throw new UsageError(action === '' ? 'an action is missing' : `"${action}" is not an action`);
  expectArguments(positionals, ['generate', 'domain', 'selector']);
  const { type = 'rsa' } = values;
  if (type !== 'rsa' && type !== 'ed25519')
    throw new UsageError(`--type "${type}" is not allowed; allowed: rsa, ed25519`);
  if (type === 'ed25519' && values.bits !== undefined) throw new UsageError('--bits is for rsa only');
  const bits = wholeNumber(values.bits ?? '2048', 'bits');
  const dir = values.dir ?? settingsFor('SLUICE_DKIM_DIR').dkimDir;
  if (dir === '') {
    complain('SLUICE_DKIM_DIR is not set; set it to the folder of the keys, or give --dir');
    return EX_CONFIG;
  }
  try {
    const key = generateDkimKey(dir, domain, selector, type, bits);
    if (values.json === true) {
      const { path, recordName, recordValue, zoneLine } = key;
      print(JSON.stringify({ path, recordName, recordValue, zoneLine }));
      return EX_OK;
    }
    complain(`the private key is in ${key.path}; publish this record, then reload sluice (SIGHUP):`);
    print(key.zoneLine);
    return EX_OK;
  } catch (thrown) {
    if (!(thrown instanceof SluiceError)) throw thrown;
    if (thrown.code === 'bad-dkim-key') throw new UsageError(thrown.message);
    complain(thrown.message);
    return EX_CANTCREAT;
  }
}
