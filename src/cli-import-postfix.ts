/**
 * `sluice import-postfix`: reads the configuration of a Postfix and writes `.env` and `sluice.toml`.
 *
 * Files are written beside their place and renamed, for their owner only: they may hold passwords. Nothing is overwritten
 * without --force, and nothing is written where one of the two is in the way.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { complain, EX_CANTCREAT, EX_NOINPUT, EX_OK, expectArguments, parse, print, UsageError } from './cli-command.js';
import { type Imported, importPostfix } from './compat/postfix/import-postfix.js';
import type { Entry } from './compat/postfix/ledger.js';
import { messageOf } from './core/errors.js';

/** Reads, writes and reports; the exit code. */
export function importPostfixCommand(args: readonly string[]): number {
  const { values, positionals } = parse(args, {
    from: { type: 'string' },
    master: { type: 'string' },
    out: { type: 'string' },
    force: { type: 'boolean' },
    json: { type: 'boolean' },
  });
  expectArguments(positionals, []);
  const { from, out } = values;
  if (from === undefined) throw new UsageError('--from FILE or DIR is missing');
  if (out === undefined) throw new UsageError('--out DIR is missing');
  let imported: Imported;
  try {
    const isFolder = statSync(from).isDirectory();
    const folder = isFolder ? from : dirname(from);
    const master = values.master ?? (isFolder && existsSync(join(from, 'master.cf')) ? join(from, 'master.cf') : '');
    const main = readFileSync(isFolder ? join(from, 'main.cf') : from, 'utf8');
    imported = importPostfix(main, master === '' ? '' : readFileSync(master, 'utf8'), folder);
  } catch (thrown) {
    complain(`${from} cannot be imported: ${messageOf(thrown)}`);
    return EX_NOINPUT;
  }
  const files = [['.env', imported.env] as const, ['sluice.toml', imported.toml] as const].filter(
    ([, text]) => text !== '',
  );
  const paths = files.map(([name]) => join(out, name));
  const inTheWay = paths.filter((path) => existsSync(path));
  if (inTheWay.length > 0 && values.force !== true) {
    complain(`${inTheWay.join(' and ')} would be overwritten; give another --out, or --force`);
    return EX_CANTCREAT;
  }
  try {
    mkdirSync(out, { recursive: true });
    for (const [name, text] of files) writePrivate(join(out, name), text);
  } catch (thrown) {
    complain(`${out} cannot be written: ${messageOf(thrown)}`);
    return EX_CANTCREAT;
  }
  report(imported, paths, values.json === true);
  return EX_OK;
}

function writePrivate(path: string, text: string): void {
  const beside = `${path}.${process.pid}.new`;
  writeFileSync(beside, text, { mode: 0o600, flag: 'wx' });
  chmodSync(beside, 0o600);
  renameSync(beside, path);
}

function report({ ledger }: Imported, files: readonly string[], json: boolean): void {
  if (json) {
    print(JSON.stringify({ files, entries: ledger.entries }));
    return;
  }
  const line = ({ where, what, why }: Entry): string =>
    `  ${where} ${what}: ${why}`.replace(/[\u0000-\u001f\u007f]+/g, ' ');
  const part = (title: string, entries: readonly Entry[]): void => {
    if (entries.length === 0) return;
    print(title);
    for (const entry of entries) print(line(entry));
  };
  part('Carried over:', ledger.of('carried'));
  part('Carried over, but not to the letter:', ledger.of('differs'));
  part('Not carried over:', ledger.of('left-out'));
  const idle = ledger.of('not-needed').length;
  if (idle > 0) print(`${idle} more of Postfix itself, or off: nothing to carry over (--json names them).`);
  print(`Written: ${files.join(', ')}. Check them with: cd ${dirname(files[0]!)} && sluice check`);
}
