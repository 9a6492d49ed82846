/**
 * main.cf, or what `postconf -n` prints of it (postconf(5)): lines with their continuation, `$name` expanded.
 *
 * A line that begins with white space goes on with the one before; empty lines and those whose first character other
 * than white space is `#` are nothing, also between a line and its continuation. The last of several lines of one
 * parameter counts. Expansion: `$name`, `$(name)`, `${name}`, `${name?text}`, `${name:text}`, `${name?{a}:{b}}`, `$$`,
 * and comparisons, `${{a} == {b} ? {c} : {d}}`.
 * Limits: values of 64 KiB after expansion, 30 levels.
 */
import { SluiceError } from '../../core/errors.js';

/** A line with its continuation, and the number of its first line. */
export interface LogicalLine {
  readonly text: string;
  readonly line: number;
}

export interface Parameter {
  readonly value: string;
  /** `main.cf:12`, `master.cf:20`. */
  readonly where: string;
}

const MAX_VALUE = 64 * 1024;
const MAX_DEPTH = 30;

/** Standard values that other parameters refer to or that decide something here (postconf -d). */
const DEFAULTS: Readonly<Record<string, string>> = {
  config_directory: '/etc/postfix',
  daemon_directory: '/usr/lib/postfix/sbin',
  data_directory: '/var/lib/postfix',
  queue_directory: '/var/spool/postfix',
  default_database_type: 'hash',
  myhostname: 'localhost',
  mydomain: 'localdomain',
  myorigin: '$myhostname',
  mydestination: '$myhostname, localhost.$mydomain, localhost',
  relay_domains: '',
  mail_name: 'Postfix',
  inet_interfaces: 'all',
  inet_protocols: 'all',
  alias_maps: '',
  smtpd_tls_key_file: '$smtpd_tls_cert_file',
  smtp_tls_key_file: '$smtp_tls_cert_file',
};

/** Lines of main.cf, master.cf or a map, put together with their continuation. */
export function logicalLines(text: string): LogicalLine[] {
  const lines: { text: string; line: number }[] = [];
  text.split('\n').forEach((raw, index) => {
    const line = raw.replace(/\r$/, '');
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) return;
    const last = lines.at(-1);
    if (/^\s/.test(line) && last !== undefined) last.text += ` ${trimmed}`;
    else lines.push({ text: trimmed, line: index + 1 });
  });
  return lines;
}

/** Parts of a list: blanks and commas stand between them, `{ ... }` holds together. */
export function listItems(value: string): string[] {
  const items: string[] = [];
  let item = '';
  let depth = 0;
  for (const char of value) {
    if (char === '{') depth += 1;
    if (char === '}') depth = Math.max(0, depth - 1);
    if (depth === 0 && /[\s,]/.test(char)) {
      if (item !== '') items.push(item);
      item = '';
    } else item += char;
  }
  if (item !== '') items.push(item);
  return items;
}

export class MainCf {
  /** As given, by name, in the order of the file. */
  readonly given: Map<string, Parameter>;
  /** Lines that are no `name = value`. */
  readonly strange: readonly LogicalLine[];

  constructor(text: string) {
    const given = new Map<string, Parameter>();
    const strange: LogicalLine[] = [];
    for (const logical of logicalLines(text)) {
      const match = /^([A-Za-z0-9_][\w.-]*)\s*=\s*(.*)$/s.exec(logical.text);
      if (match === null) strange.push(logical);
      else {
        given.delete(match[1]!);
        given.set(match[1]!, { value: match[2]!.trim(), where: `main.cf:${logical.line}` });
      }
    }
    this.given = given;
    this.strange = strange;
  }

  /** As a service sees it that master.cf gives `-o name=value`. */
  with(options: ReadonlyMap<string, string>, where: string): MainCf {
    if (options.size === 0) return this;
    const seen = new MainCf('');
    for (const [name, parameter] of this.given) seen.given.set(name, parameter);
    for (const [name, value] of options) seen.given.set(name, { value, where });
    return seen;
  }

  has(name: string): boolean {
    return this.given.has(name);
  }

  /** The value with what it refers to; that of Postfix itself where none is given, '' where that is not known. */
  value(name: string): string {
    return this.expand(this.raw(name), 0).trim();
  }

  items(name: string): string[] {
    return listItems(this.value(name));
  }

  /** `main.cf:12`, for people. */
  place(name: string): string {
    const parameter = this.given.get(name);
    return parameter?.where ?? 'main.cf';
  }

  /** @throws SluiceError `bad-postfix` when a value refers to itself or is too long. */
  expand(text: string, depth = 0): string {
    if (depth > MAX_DEPTH) throw bad('values refer to one another without an end');
    let result = '';
    for (let i = 0; i < text.length; ) {
      if (text[i] !== '$') result += text[i++]!;
      else if (text[i + 1] === '$') {
        result += '$';
        i += 2;
      } else {
        const reference = readReference(text, i + 1);
        result += reference.body === '' ? '$' : this.resolve(reference.body, depth);
        i = reference.end;
      }
      if (result.length > MAX_VALUE) throw bad(`a value is longer than ${MAX_VALUE} characters`);
    }
    return result;
  }

  private raw(name: string, depth = 0): string {
    const given = this.given.get(name)?.value;
    if (given !== undefined) return given;
    // mydomain is myhostname without its first part (postconf(5)).
    if (name === 'mydomain' && this.has('myhostname')) {
      const host = this.expand(this.raw('myhostname', depth + 1), depth + 1).trim();
      return host.includes('.') ? host.slice(host.indexOf('.') + 1) : DEFAULTS['mydomain']!;
    }
    return DEFAULTS[name] ?? '';
  }

  /** What stands within `${...}`. */
  private resolve(body: string, depth: number): string {
    const match = /^\s*([A-Za-z0-9_.-]+)\s*([?:])?(.*)$/s.exec(body);
    if (match === null) return this.compare(body, depth);
    const [, name, operator, rest = ''] = match;
    const value = this.expand(this.raw(name!, depth + 1), depth + 1);
    if (operator === undefined) return value;
    const both = /^\s*\{(.*)\}\s*:\s*\{(.*)\}\s*$/s.exec(rest);
    if (operator === '?' && both !== null) return this.expand((value === '' ? both[2] : both[1])!.trim(), depth + 1);
    const text = /^\s*\{(.*)\}\s*$/s.exec(rest)?.[1]?.trim() ?? rest;
    return (operator === '?') === (value !== '') ? this.expand(text, depth + 1) : '';
  }

  /** `{a} == {b} ? {c} : {d}`. */
  private compare(body: string, depth: number): string {
    const group = '\\{((?:[^{}]|\\{[^{}]*\\})*)\\}';
    const pattern = new RegExp(
      `^\\s*${group}\\s*(==|!=|<=|>=|<|>)\\s*${group}\\s*\\?\\s*${group}(?:\\s*:\\s*${group})?\\s*$`,
    );
    const match = pattern.exec(body);
    if (match === null) throw bad(`"\${${body}}" is no reference that is known here`);
    const [left, right] = [match[1]!, match[3]!].map((text) => this.expand(text.trim(), depth + 1));
    return this.expand((holds(left!, match[2]!, right!) ? match[4]! : (match[5] ?? '')).trim(), depth + 1);
  }
}

/** By number where both are numbers, else by the order of their octets (postconf(5)). */
function holds(left: string, operator: string, right: string): boolean {
  const numbers = /^\d+$/.test(left) && /^\d+$/.test(right);
  const order = numbers ? Number(left) - Number(right) : Buffer.compare(Buffer.from(left), Buffer.from(right));
  if (operator.startsWith('!')) return order !== 0;
  if (order === 0) return operator.endsWith('=');
  return order < 0 ? operator.startsWith('<') : operator.startsWith('>');
}

/** The reference behind a `$` at `start`; an empty body where none is there. */
function readReference(text: string, start: number): { readonly body: string; readonly end: number } {
  const open = text[start];
  if (open !== '{' && open !== '(') {
    const name = /^[A-Za-z0-9_]+/.exec(text.slice(start))?.[0] ?? '';
    return { body: name, end: start + name.length };
  }
  const close = open === '{' ? '}' : ')';
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    if (text[i] === open) depth += 1;
    if (text[i] === close && --depth === 0) return { body: text.slice(start + 1, i), end: i + 1 };
  }
  throw bad(`a "$${open}" has no "${close}"`);
}

function bad(why: string): SluiceError {
  return new SluiceError('bad-postfix', why, { temporary: false });
}
