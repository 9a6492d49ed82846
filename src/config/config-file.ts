/**
 * The configuration file (SLUICE_CONFIG): TOML for what a line of the environment cannot hold well.
 *
 * A table is a file of its own (account-table.ts) that gives its zod type; its row here makes it known. Contract: plain,
 * typed data or one error that names every mistake: its line for the syntax of TOML, else its path, what was given and
 * what is allowed. Unknown tables and keys are mistakes.
 * Limits: 64 MiB, 20 mistakes shown.
 */
import { readFileSync, statSync } from 'node:fs';
import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import { messageOf, SluiceError } from '../core/errors.js';
import { accountTable } from './account-table.js';
import { egressTable, poolNames } from './egress-table.js';
import { lanesTable } from './lanes-table.js';
import { nearestName } from './nearest-name.js';
import { routeTable } from './route-table.js';
import { shapingTable } from './shaping-table.js';
import { tableProblems } from './table-checks.js';
import { tenantTable } from './tenant-table.js';
import { upstreamTable } from './upstream-table.js';
import { webhookTable } from './webhook-table.js';

/** All tables of the file, by name. */
const tables = {
  account: accountTable,
  egress: egressTable,
  lanes: lanesTable,
  shaping: shapingTable,
  route: routeTable,
  tenant: tenantTable,
  upstream: upstreamTable,
  webhook: webhookTable,
};

const schema = z.strictObject(tables);

/** The file as data; a table that is not there is empty. */
export type ConfigFile = z.infer<typeof schema>;

const MAX_FILE = 64 * 1024 * 1024;
const MAX_SHOWN = 20;
const MAX_VALUE = 80;

/** Parses the text of a configuration file. @throws SluiceError `bad-config-file`. `path` is for the message. */
export function parseConfigFile(text: string, path: string): ConfigFile {
  let data: unknown;
  try {
    data = parse(text, { unsafeKeyBehaviour: 'throw', maxDepth: 20 });
  } catch (error) {
    if (!(error instanceof TomlError)) throw refused(path, messageOf(error), error);
    const [first = ''] = error.message.split('\n');
    const why = first.replace(/^Invalid TOML document: /, '');
    throw refused(path, `line ${error.line}, column ${error.column}: not TOML: ${why}`, error);
  }
  const parsed = schema.safeParse(data);
  const lines = parsed.success
    ? tableProblems({ ...parsed.data, egressPools: poolNames(parsed.data.egress) })
    : parsed.error.issues.flatMap((issue) => problemLines(issue, data));
  if (parsed.success && lines.length === 0) return parsed.data;
  const more = lines.length > MAX_SHOWN ? [`and ${lines.length - MAX_SHOWN} more`] : [];
  throw refused(path, [...lines.slice(0, MAX_SHOWN), ...more].join('; '));
}

/** Reads the file; '' is the empty one. @throws SluiceError `bad-config-file`, also when it cannot be read. */
export function readConfigFile(path: string): ConfigFile {
  if (path === '') return parseConfigFile('', path);
  let text: string;
  try {
    if (statSync(path).size > MAX_FILE) throw new Error('it is larger than 64 MiB');
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    throw refused(path, `it cannot be read (${messageOf(error)})`, error);
  }
  return parseConfigFile(text, path);
}

function refused(path: string, why: string, cause?: unknown): SluiceError {
  return new SluiceError('bad-config-file', `configuration file ${path}: ${why}`, { temporary: false, cause });
}

/** `account[2].lane: "fast" is not allowed; allowed: "immediate" or "bulk"`; items of a table are counted from 1. */
function problemLines(issue: z.core.$ZodIssue, data: unknown): string[] {
  const where = place(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const known = issue.path.length === 0 ? Object.keys(tables) : issue.message.replace('allowed: ', '').split(', ');
    return issue.keys.map((key) => {
      const nearest = nearestName(key, known);
      const hint = nearest === undefined ? '' : `did you mean ${nearest}? `;
      return `${place([...issue.path, key])}: unknown ${issue.path.length === 0 ? 'table' : 'key'}; ${hint}allowed: ${known.join(', ')}`;
    });
  }
  const given = valueAt(data, issue.path);
  if (given === undefined) return [`${where}: it is missing; ${issue.message}`];
  const shown = issue.path.some(isSecret) ? 'the given value (not shown)' : show(given);
  return [`${where}: ${shown} is not allowed; ${issue.message}`];
}

function place(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part + 1}]`;
    else text += text === '' ? String(part) : `.${String(part)}`;
  }
  return text === '' ? 'the file' : text;
}

function valueAt(data: unknown, path: readonly PropertyKey[]): unknown {
  let value = data;
  for (const part of path) {
    // One value may stand for a list of one.
    if (typeof value === 'string' && part === 0) continue;
    value = (value as Record<PropertyKey, unknown> | undefined)?.[part];
  }
  return value;
}

/** Keys whose values may hold passwords. */
function isSecret(key: PropertyKey): boolean {
  return key === 'host' || key === 'hosts' || key === 'password' || key === 'secret' || key === 'url';
}

function show(value: unknown): string {
  const text = JSON.stringify(value, (key, part: unknown) => (isSecret(key) ? '***' : part)) ?? String(value);
  return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}...` : text;
}
