/**
 * From environment variables to settings.
 *
 * Contract: `loadSettings` never throws; every mistake is one line in `problems`, and settings are fit for a start only
 * when there is none. The real environment wins over the `.env` file in the working directory. A secret may be given as
 * `<name>_FILE`, the path of a file that holds it. An empty variable is the same as none.
 * Limits: `.env` and secret files up to 1 MiB.
 */
import { readFileSync, statSync } from 'node:fs';
import { availableParallelism, hostname, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { authProblems, authWarnings } from './auth-checks.js';
import { httpProblems, httpWarnings } from './http-settings.js';
import { injectionProblems } from './injection-settings.js';
import { hasAccounts, listenProblems, tlsProblems } from './listen-checks.js';
import { nearestName } from './nearest-name.js';
import { type Aliases, type Layer, postfixAliases } from './postfix-aliases.js';
import { type Settings, schema } from './schema.js';
import type { Machine, Schema, Setting, SettingsOf } from './setting.js';
import { isWebUrl } from './url-type.js';
import { isValue } from './value-type.js';

/** Where a value came from: `default`, `environment`, `.env`, an alias there, or the path of a secret's file. */
export type Source = string;

export interface Loaded<S> {
  readonly settings: S;
  /** One line per mistake; any means: do not start. */
  readonly problems: readonly string[];
  /** One line per thing that looks like a mistake but stops nothing. */
  readonly warnings: readonly string[];
  /** By variable name. */
  readonly sources: ReadonlyMap<string, Source>;
}

type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = 'SLUICE_';
const MAX_FILE = 1024 * 1024;
const MAX_SHOWN = 200;

/** The machine this process runs on; memory is that of its control group where one is set. */
export function thisMachine(): Machine {
  const limit = process.constrainedMemory();
  return {
    hostname: hostname(),
    cores: availableParallelism(),
    memory: limit !== undefined && limit > 0 ? Math.min(limit, totalmem()) : totalmem(),
  };
}

/** A given text as shown to people: passwords in URLs masked, control characters escaped, cut after `longest` characters. */
export function showGiven(text: string, longest = MAX_SHOWN): string {
  const masked = text
    .replace(/(\/\/[^\s/@:,]*:)[^\s,]*@/g, '$1***@')
    .replace(/([?&](?:client_secret|refresh_token|password)=)[^\s&,]*/g, '$1***');
  return JSON.stringify(masked.length > longest ? `${masked.slice(0, longest)}...` : masked);
}

function codeOf(thrown: unknown): string {
  const { code } = thrown as { code?: unknown };
  return typeof code === 'string' ? code : String(thrown);
}

function readSmallFile(path: string): string {
  if (statSync(path).size > MAX_FILE) throw new Error('it is larger than 1 MiB');
  return readFileSync(path, 'utf8');
}

function readDotEnv(cwd: string, problems: string[]): Environment {
  const path = join(cwd, '.env');
  try {
    return parseEnv(readSmallFile(path));
  } catch (thrown) {
    if (codeOf(thrown) !== 'ENOENT') problems.push(`.env: ${path} cannot be read (${codeOf(thrown)})`);
    return {};
  }
}

/** The text given for a setting and where; undefined when it was not given or could not be read. */
function givenText(
  row: Setting<unknown>,
  layers: ReadonlyArray<readonly [Source, Environment]>,
  cwd: string,
  problems: string[],
): readonly [string, Source] | undefined {
  for (const [source, env] of layers) {
    const text = env[row.name];
    const file = isInFile(row) ? env[`${row.name}_FILE`] : undefined;
    const hasText = text !== undefined && text.trim() !== '';
    if (file !== undefined && file.trim() !== '') {
      if (hasText) {
        problems.push(`${row.name}: it is given itself and as ${row.name}_FILE; give one of the two`);
        return undefined;
      }
      const path = resolve(cwd, file.trim());
      try {
        return [readSmallFile(path).replace(/\r?\n$/, ''), path];
      } catch (thrown) {
        problems.push(
          `${row.name}_FILE: ${showGiven(file)} cannot be read (${codeOf(thrown)}); give the path of a file`,
        );
        return undefined;
      }
    }
    if (hasText) return [row.secret === true ? text : text.trim(), source];
  }
  return undefined;
}

function isInFile(row: Setting<unknown>): boolean {
  return row.secret === true || row.inFile === true;
}

function problemLine(row: Setting<unknown>, text: string, problem: string): string {
  const given = row.secret === true || row.type.hidden === true ? 'the given value (not shown)' : showGiven(text);
  const why = problem === '' || (row.secret === true && row.type.hidden !== true) ? '' : ` (${showProblem(problem)})`;
  return `${row.name}: ${given} is not allowed${why}; allowed: ${row.type.allowed}`;
}

function showProblem(problem: string): string {
  return showGiven(problem).slice(1, -1).replaceAll('\\"', '"').replaceAll('\\\\', '\\');
}

/** Loads the rows of any schema. `aliases`: other names, which count last. @throws Error when a default does not parse: a mistake in the schema. */
export function loadSchema<S extends Schema>(
  rows: S,
  env: Environment,
  cwd: string,
  machine: Machine,
  aliases: (layers: readonly Layer[]) => Aliases = () => ({ layers: [], warnings: [] }),
): Loaded<SettingsOf<S>> {
  const problems: string[] = [];
  const warnings: string[] = [];
  const sources = new Map<string, Source>();
  const dotEnv = readDotEnv(cwd, problems);
  const own = [
    ['environment', env],
    ['.env', dotEnv],
  ] as const;
  const others = aliases(own);
  const layers = [...own, ...others.layers];
  warnings.push(...others.warnings);
  const values: Record<string, unknown> = {};
  const known = new Set<string>();
  for (const [key, row] of Object.entries(rows)) {
    known.add(row.name);
    if (isInFile(row)) known.add(`${row.name}_FILE`);
    const given = givenText(row, layers, cwd, problems);
    if (given !== undefined) {
      const parsed = row.type.parse(given[0]);
      if (isValue(parsed)) {
        values[key] = parsed.value;
        sources.set(row.name, given[1]);
        continue;
      }
      const line = problemLine(row, given[0], parsed.problem);
      const alias = others.layers.some(([source]) => source === given[1]);
      problems.push(alias ? `${line} (it came from ${given[1]})` : line);
    }
    const standard = row.type.parse(typeof row.default === 'string' ? row.default : row.default(machine));
    if (!isValue(standard)) throw new Error(`the default of ${row.name} does not parse`);
    values[key] = standard.value;
    sources.set(row.name, 'default');
  }
  for (const [source, names] of own) {
    for (const name of Object.keys(names)) {
      if (!name.startsWith(PREFIX) || known.has(name)) continue;
      const nearest = nearestName(name, [...known]);
      const hint = nearest === undefined ? 'see tuning.md for the names' : `did you mean ${nearest}?`;
      warnings.push(`${name}: unknown setting in the ${source === '.env' ? '.env file' : source}; ${hint}`);
    }
  }
  return { settings: values as SettingsOf<S>, problems, warnings, sources };
}

/** What is wrong between settings that are each allowed. */
function crossCheck(settings: Settings, problems: string[]): void {
  const { type } = schema.retryMin;
  if (settings.retryMin > settings.retryMax) {
    const [min, max] = [type.format(settings.retryMin), type.format(settings.retryMax)];
    problems.push(`SLUICE_RETRY_MIN: ${min} is longer than SLUICE_RETRY_MAX (${max}); allowed: up to that`);
  }
  if (settings.delayWarning >= settings.expire) {
    const [warning, end] = [type.format(settings.delayWarning), type.format(settings.expire)];
    problems.push(
      `SLUICE_DELAY_WARNING: ${warning} is not before SLUICE_EXPIRE (${end}); allowed: less than that, or 0`,
    );
  }
  const bytes = schema.maxMessageSize.type;
  if (settings.segmentSize % 1024 !== 0) {
    problems.push(`SLUICE_SEGMENT_SIZE: ${settings.segmentSize} is not whole KiB; allowed: a multiple of 1024`);
  }
  const body = bytes.format(settings.bodyMemory);
  if (settings.maxMessageSize > settings.bodyMemory) {
    const largest = bytes.format(settings.maxMessageSize);
    problems.push(`SLUICE_MAX_MESSAGE_SIZE: ${largest} is more than SLUICE_BODY_MEMORY (${body}); allowed: up to that`);
  }
  if (settings.maxHeaderSize > settings.maxMessageSize) {
    const [header, largest] = [bytes.format(settings.maxHeaderSize), bytes.format(settings.maxMessageSize)];
    problems.push(
      `SLUICE_MAX_HEADER_SIZE: ${header} is more than SLUICE_MAX_MESSAGE_SIZE (${largest}); allowed: up to that`,
    );
  }
  if (settings.spoolMapSize < 2 * settings.maxMessageSize) {
    const map = bytes.format(settings.spoolMapSize);
    problems.push(`SLUICE_SPOOL_MAP_SIZE: ${map} is too small; allowed: at least twice SLUICE_MAX_MESSAGE_SIZE`);
  }
  problems.push(
    ...listenProblems(settings.listen, {
      accounts: hasAccounts(settings),
      proxies: settings.proxyNetworks.some(({ excluded }) => !excluded),
    }),
    ...tlsProblems(settings),
    ...authProblems(settings),
    ...httpProblems(settings),
    ...injectionProblems(settings),
  );
}

/** Loads the engine's settings from `env` and the `.env` file in `cwd`. Paths in the result are absolute. */
export function loadSettings(env: Environment, cwd: string, machine: Machine = thisMachine()): Loaded<Settings> {
  const loaded = loadSchema(schema, env, cwd, machine, postfixAliases);
  const problems = [...loaded.problems];
  crossCheck(loaded.settings, problems);
  const spoolDir = resolve(cwd, loaded.settings.spoolDir);
  const { controlSocket, dkimDir, tlsCert, tlsKey, tlsDir, tlsClientCa, oauthJwks } = loaded.settings;
  const absolute = (path: string): string => (path === '' ? '' : resolve(cwd, path));
  const settings: Settings = {
    ...loaded.settings,
    spoolDir,
    dkimDir: absolute(dkimDir),
    tlsCert: absolute(tlsCert),
    tlsKey: absolute(tlsKey),
    tlsDir: absolute(tlsDir),
    tlsClientCa: absolute(tlsClientCa),
    authFile: absolute(loaded.settings.authFile),
    authCa: absolute(loaded.settings.authCa),
    oauthJwks: isWebUrl(oauthJwks) ? oauthJwks : absolute(oauthJwks),
    configFile: absolute(loaded.settings.configFile),
    logFile: absolute(loaded.settings.logFile),
    mtaStsCa: absolute(loaded.settings.mtaStsCa),
    mxCa: absolute(loaded.settings.mxCa),
    httpTlsCert: absolute(loaded.settings.httpTlsCert),
    httpTlsKey: absolute(loaded.settings.httpTlsKey),
    historyDir: loaded.settings.historyDir === '' ? join(spoolDir, 'history') : absolute(loaded.settings.historyDir),
    controlSocket: controlSocket === '' ? join(spoolDir, 'control.sock') : resolve(cwd, controlSocket),
  };
  return {
    ...loaded,
    settings,
    problems,
    warnings: [...loaded.warnings, ...authWarnings(settings), ...httpWarnings(settings)],
  };
}

/** `loadSettings` for this process: its environment and working directory. */
export function loadProcessSettings(): Loaded<Settings> {
  return loadSettings(process.env, process.cwd());
}
