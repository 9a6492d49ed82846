/**
 * `sluice audit`: reads the audit log from its files, with or without a running engine.
 */
import type { AuditEntry } from './audit/audit-entry.js';
import { readHead } from './audit/audit-files.js';
import { readEntries } from './audit/read-log.js';
import { type Verdict, verifyLog } from './audit/verify-log.js';
import {
  complain,
  EX_CONFIG,
  EX_DATAERR,
  EX_NOINPUT,
  EX_OK,
  expectArguments,
  parse,
  print,
  timeSpan,
  UsageError,
} from './cli-command.js';
import { settingsFor } from './cli-settings.js';
import { messageOf } from './core/errors.js';
import { harmless } from './telemetry/pretty-line.js';

const ACTIONS = ['verify', 'list', 'head'];
/** Entries read at once. */
const PAGE = 1000;

/** The command with its actions. */
export async function audit(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, {
    json: { type: 'boolean' },
    file: { type: 'string' },
    head: { type: 'string' },
    after: { type: 'string' },
    since: { type: 'string' },
  });
  const [action = ''] = positionals;
  if (!ACTIONS.includes(action))
    throw new UsageError(
      action === '' ? 'an action is missing' : `"${action}" is not an action; there are ${ACTIONS.join(', ')}`,
    );
  expectArguments(positionals, [action]);
  const path = values.file ?? settingsFor('SLUICE_AUDIT_FILE').auditFile;
  if (path === '') {
    complain('SLUICE_AUDIT_FILE is off: there is no audit log; name one with --file');
    return EX_CONFIG;
  }
  const json = values.json === true;
  try {
    if (action === 'verify') return await verify(path, hash(values.head, 'head'), hash(values.after, 'after'), json);
    if (action === 'head') return await head(path, json);
    return await list(path, sinceOf(values.since), json);
  } catch (thrown) {
    if (thrown instanceof UsageError) throw thrown;
    complain(`${path}: ${messageOf(thrown)}`);
    return EX_NOINPUT;
  }
}

async function verify(path: string, head: string, after: string, json: boolean): Promise<number> {
  let verdict = await verifyLog(path, { head, after });
  // A file may have become full while it was read.
  if (verdict.finding !== null) verdict = await verifyLog(path, { head, after });
  if (json) print(JSON.stringify(verdict));
  else for (const line of verdictLines(verdict)) print(line);
  if (verdict.finding !== null) return EX_DATAERR;
  if (verdict.lines > 0 || after !== '') return EX_OK;
  complain(`${path}: there are no entries`);
  return EX_NOINPUT;
}

function* verdictLines({ lines, files, last, finding, torn }: Verdict): Generator<string> {
  const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
  if (finding !== null) {
    const place = finding.path === '' ? '' : `${finding.path}, line ${finding.line}: `;
    yield `${finding.flaw}: ${place}${finding.why}`;
    yield `${many(lines, 'entry').replace('entrys', 'entries')} before it are as they were written`;
    return;
  }
  yield `${many(lines, 'entry').replace('entrys', 'entries')} in ${many(files, 'file')} are as they were written`;
  if (torn > 0)
    yield `${many(torn, 'byte')} at the end were left by a crash before they counted; the next start takes them away`;
  yield `head ${last.hash} (entry ${last.seq})`;
}

async function head(path: string, json: boolean): Promise<number> {
  const last = await readHead(path);
  if (last === null) {
    complain(`${path}.head is not there, or not readable`);
    return EX_NOINPUT;
  }
  print(json ? JSON.stringify(last) : last.hash);
  return EX_OK;
}

async function list(path: string, since: number, json: boolean): Promise<number> {
  for (let after = 0; ; ) {
    const page = await readEntries(path, { after, since, limit: PAGE });
    for (const entry of page) print(json ? JSON.stringify(entry) : entryLine(entry));
    if (page.length < PAGE) return EX_OK;
    after = page.at(-1)!.seq;
  }
}

function entryLine({ seq, time, actor, action, details }: AuditEntry): string {
  return harmless(`${seq}  ${time}  ${actor}  ${action}  ${JSON.stringify(details)}`);
}

function hash(text: string | undefined, option: string): string {
  const given = (text ?? '').toLowerCase();
  if (given !== '' && !/^[0-9a-f]{64}$/.test(given))
    throw new UsageError(`--${option} is not a hash: 64 hex digits, as \`sluice audit head\` prints them`);
  return given;
}

/** `24h` or a date, as ms since the epoch. */
function sinceOf(text: string | undefined): number {
  if (text === undefined) return 0;
  const date = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? Date.now() - timeSpan(text, 'since') : date;
}
