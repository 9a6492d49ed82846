/**
 * Postfix's lookup tables (DATABASE_README) as far as their text is there: hash:, lmdb: and their like by the source
 * text beside the database, texthash:, regexp:, pcre:, cidr:, inline:, static:. Others (ldap:, mysql:, tcp: ...) have none.
 *
 * Paths are looked for beside main.cf first, as they lie on a copy of /etc/postfix, then where they say.
 * Limits: files of 16 MiB.
 */
import { readFileSync, statSync } from 'node:fs';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { messageOf } from '../../core/errors.js';
import type { Ledger } from './ledger.js';
import { listItems, logicalLines } from './main-cf.js';

/** An entry. `pattern`: the key is a regular expression, without slashes. */
export interface MapEntry {
  readonly key: string;
  readonly value: string;
  readonly pattern: boolean;
  /** `transport:3`. */
  readonly where: string;
}

export interface ReadMap {
  /** As main.cf names it, `hash:/etc/postfix/transport`. */
  readonly name: string;
  readonly entries: readonly MapEntry[];
  /** Why nothing could be read, '' where it could. */
  readonly problem: string;
}

const INDEXED = ['hash', 'btree', 'lmdb', 'dbm', 'sdbm', 'cdb', 'texthash'];
const PATTERNS = ['regexp', 'pcre'];
const MAX_FILE = 16 * 1024 * 1024;

export class MapReader {
  private readonly folder: string;
  private readonly configDirectory: string;
  private readonly ledger: Ledger;

  /** `folder`: where main.cf lies; `configDirectory`: where it lay, as the paths in it say. */
  constructor(folder: string, configDirectory: string, ledger: Ledger) {
    this.ledger = ledger;
    this.folder = folder;
    this.configDirectory = configDirectory;
  }

  /** The path at which a file of the configuration can be read, undefined where it cannot. */
  find(path: string): string | undefined {
    const within = isAbsolute(path) ? relative(this.configDirectory, path) : path;
    const beside = within.startsWith('..') || isAbsolute(within) ? [] : [join(this.folder, within)];
    return [...beside, resolve(this.folder, path)].find((one) => {
      try {
        return statSync(one).isFile();
      } catch {
        return false;
      }
    });
  }

  /** Every map of a list; what is no map (a domain, a network) is left to the caller. */
  readAll(value: string): ReadMap[] {
    return listItems(value)
      .filter(isMap)
      .map((name) => this.read(name));
  }

  read(name: string): ReadMap {
    const colon = name.indexOf(':');
    const type = colon < 0 ? 'file' : name.slice(0, colon);
    const rest = name.slice(colon + 1);
    if (type === 'proxy') return { ...this.read(rest), name };
    if (type === 'inline') return { name, entries: inlineEntries(rest), problem: '' };
    if (type === 'static') return { name, entries: [staticEntry(rest)], problem: '' };
    const plain = [...INDEXED, 'cidr', 'file'].includes(type);
    if (!plain && !PATTERNS.includes(type)) return failed(name, `tables of the type ${type}: have no text to read`);
    const path = this.find(rest);
    if (path === undefined) return failed(name, `there is no file ${rest}; give a copy of it beside main.cf`);
    try {
      if (statSync(path).size > MAX_FILE) throw new Error('it is larger than 16 MiB');
      const text = readFileSync(path, 'utf8');
      const label = rest.slice(rest.lastIndexOf('/') + 1);
      return {
        name,
        entries: plain ? plainEntries(text, label) : patternEntries(text, label, this.ledger),
        problem: '',
      };
    } catch (thrown) {
      return failed(name, `${path} cannot be read (${messageOf(thrown)})`);
    }
  }
}

/** Whether an item of a list is `type:name` or a path, not a domain, an address or a network. */
export function isMap(item: string): boolean {
  return /^(?:[a-z][a-z0-9_-]*:[/{$.A-Za-z]|\/|static:|proxy:)/.test(item);
}

function failed(name: string, problem: string): ReadMap {
  return { name, entries: [], problem };
}

function plainEntries(text: string, label: string): MapEntry[] {
  return logicalLines(text).map(({ text: line, line: number }) => {
    // A key with blanks is quoted (Postfix 3.0 and newer).
    const match = /^"((?:[^"\\]|\\.)*)"\s*(.*)$/s.exec(line) ?? /^(\S+)\s*(.*)$/s.exec(line)!;
    return { key: match[1]!.replace(/\\(.)/g, '$1'), value: match[2]!, pattern: false, where: `${label}:${number}` };
  });
}

/** Conditions (if ... endif), negations and extended syntax are told as left out, and what is between them with them. */
function patternEntries(text: string, label: string, ledger: Ledger): MapEntry[] {
  let within = 0;
  return logicalLines(text).flatMap(({ text: line, line: number }) => {
    const where = `${label}:${number}`;
    const match = /^([^\w\s!])((?:\\.|(?!\1).)*)\1([a-wyzA-Z]*)\s+(.*)$/s.exec(line);
    if (/^if\b/i.test(line)) within += 1;
    if (/^endif\b/i.test(line)) within -= 1;
    if (match !== null && within === 0)
      return [{ key: match[2]!.replaceAll(`\\${match[1]}`, match[1]!), value: match[4]!, pattern: true, where }];
    ledger.add('left-out', where, line, 'only plain "/expression/ result" is read: no conditions, no negation');
    return [];
  });
}

/** `{ { key = value }, key=value }`. */
function inlineEntries(text: string): MapEntry[] {
  const inner = text.trim().replace(/^\{(.*)\}$/s, '$1');
  return listItems(inner.replaceAll(/\s*=\s*(?![^{]*\})/g, '=')).map((item) => {
    const pair = item.replace(/^\{(.*)\}$/s, '$1').trim();
    const equals = pair.indexOf('=');
    const key = (equals < 0 ? pair : pair.slice(0, equals)).trim();
    return { key, value: equals < 0 ? '' : pair.slice(equals + 1).trim(), pattern: false, where: 'inline' };
  });
}

function staticEntry(text: string): MapEntry {
  return { key: '*', value: text.replace(/^\{(.*)\}$/s, '$1').trim(), pattern: false, where: 'static' };
}
