/**
 * Rules by which message headers are changed: what the operator set, read into plain data.
 *
 * Plain data because it crosses to the worker threads. New text is ASCII only, so that no rule turns a 7-bit message
 * into an 8-bit one, and holds no line break, so that no rule makes a second field or ends the header.
 * Every mistake throws SluiceError `bad-rule` that names the text and what is allowed.
 */
import { SluiceError } from '../core/errors.js';
import { comparableDomain } from './address-domains.js';

export interface FieldText {
  readonly name: string;
  /** One line, ASCII, no space around. */
  readonly value: string;
}

/** Addresses at `from` become addresses at `to`. */
export interface DomainPair {
  readonly from: string;
  readonly to: string;
}

/** The fields whose address domains can be rewritten; return-path is the envelope's reverse-path. */
export type RewriteField = 'from' | 'sender' | 'return-path';

export interface HeaderRules {
  /** Every field of these names goes. Applied first. */
  readonly remove: readonly string[];
  /** The first field of the name gets the value, further ones go; a message without the field is left as it is. */
  readonly replace: readonly FieldText[];
  /** Put on top of every message, also where such a field is there already. */
  readonly add: readonly FieldText[];
  readonly rewriteFields: readonly RewriteField[];
  /** Domains in lower-case A-labels. A domain matches itself only, not its subdomains. */
  readonly rewriteDomains: readonly DomainPair[];
}

/** Rules as settings write them; a setting that is not given is ''. */
export interface HeaderRuleSettings {
  /** Field names separated by commas: `X-Mailer, X-Originating-IP`. */
  readonly remove?: string;
  /** `Name: value`, several separated by `|` or line breaks. */
  readonly replace?: string;
  /** As `replace`. */
  readonly add?: string;
  /** `old.example=new.example`, several separated by commas. */
  readonly rewriteDomains?: string;
  /** Of `from`, `sender`, `return-path`, separated by commas; all three when not given. */
  readonly rewriteFields?: string;
}

export const NO_HEADER_RULES: HeaderRules = {
  remove: [],
  replace: [],
  add: [],
  rewriteFields: [],
  rewriteDomains: [],
};

/** RFC 5322 section 3.6.8, of a length that leaves room for a value in 998 bytes. */
const FIELD_NAME = /^[!-9;-~]{1,76}$/;
/** Loop detection counts Received; the signatures are the engine's to make. */
const ENGINE_FIELDS = ['received'];
const REWRITE_FIELDS: readonly RewriteField[] = ['from', 'sender', 'return-path'];
/** RFC 5322 section 2.1.1. */
const MAX_LINE = 998;

function bad(text: string, why: string): SluiceError {
  return new SluiceError('bad-rule', `header rule ${JSON.stringify(text)}: ${why}`, { temporary: false });
}

function listOf(text: string | undefined, separator: RegExp): string[] {
  return (text ?? '')
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function checkName(name: string, text: string): string {
  if (!FIELD_NAME.test(name) || name.startsWith('.')) {
    throw bad(text, 'a field name is 1 to 76 visible ASCII characters without a colon, and does not begin with a dot');
  }
  if (ENGINE_FIELDS.includes(name.toLowerCase())) {
    throw bad(text, `${name} cannot be changed: mail loops are found by it`);
  }
  return name;
}

function splitField(text: string): FieldText {
  const colon = text.indexOf(':');
  if (colon <= 0) throw bad(text, 'expected "Name: value"');
  return { name: text.slice(0, colon).trim(), value: text.slice(colon + 1).trim() };
}

function checkField({ name, value }: FieldText): FieldText {
  const text = `${name}: ${value}`;
  checkName(name, text);
  if (value === '') throw bad(text, 'the value is empty; to drop a field use a remove rule');
  if (!/^[\x20-\x7e\t]+$/.test(value)) {
    throw bad(text, 'the value may hold printable ASCII only; write other characters as an encoded word (RFC 2047)');
  }
  if (text.length > MAX_LINE) throw bad(text, `name and value are longer than ${MAX_LINE} bytes`);
  return { name, value: value.trim() };
}

function parseDomain(domain: string, text: string): string {
  const ascii = comparableDomain(domain.trim());
  const labels = ascii.split('.');
  if (ascii.length > 253 || labels.some((label) => !/^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))) {
    throw bad(text, `${JSON.stringify(domain.trim())} is not a domain name`);
  }
  return ascii;
}

function splitPair(text: string): DomainPair {
  const parts = text.split('=');
  if (parts.length !== 2) throw bad(text, 'expected "old.example=new.example"');
  return { from: parts[0]!, to: parts[1]! };
}

function checkPair({ from, to }: DomainPair): DomainPair {
  const text = `${from}=${to}`;
  return { from: parseDomain(from, text), to: parseDomain(to, text) };
}

function refuseTwice(keys: readonly string[], what: string): void {
  const seen = new Set<string>();
  for (const key of keys) {
    if (seen.has(key)) throw bad(key, `${what} twice`);
    seen.add(key);
  }
}

function parseRewriteField(text: string): RewriteField {
  const field = REWRITE_FIELDS.find((known) => known === text.toLowerCase());
  if (field === undefined) throw bad(text, `domains can be rewritten in ${REWRITE_FIELDS.join(', ')}`);
  return field;
}

/**
 * Checks rules that were taken apart already (by the configuration) and brings names of domains into their form.
 * @throws SluiceError `bad-rule`.
 */
export function checkHeaderRules(rules: HeaderRules): HeaderRules {
  const replace = rules.replace.map(checkField);
  const rewriteDomains = rules.rewriteDomains.map(checkPair);
  refuseTwice(
    replace.map(({ name }) => name.toLowerCase()),
    'the field is replaced',
  );
  refuseTwice(
    rewriteDomains.map(({ from }) => from),
    'the domain is rewritten',
  );
  return {
    remove: rules.remove.map((name) => checkName(name, name)),
    replace,
    add: rules.add.map(checkField),
    rewriteFields: rewriteDomains.length === 0 ? [] : rules.rewriteFields,
    rewriteDomains,
  };
}

/**
 * Reads the settings.
 * @throws SluiceError `bad-rule`.
 */
export function parseHeaderRules(settings: HeaderRuleSettings): HeaderRules {
  const fields = listOf(settings.rewriteFields, /,/).map(parseRewriteField);
  return checkHeaderRules({
    remove: listOf(settings.remove, /,/),
    replace: listOf(settings.replace, /\r?\n|\|/).map(splitField),
    add: listOf(settings.add, /\r?\n|\|/).map(splitField),
    rewriteFields: fields.length === 0 ? REWRITE_FIELDS : fields,
    rewriteDomains: listOf(settings.rewriteDomains, /,/).map(splitPair),
  });
}

/** Pairs of each set of rules as a map: there may be thousands. */
const domainMaps = new WeakMap<HeaderRules, Map<string, string>>();

/** What a domain becomes by the rules; undefined when they leave it alone. `domain` in comparable form. */
export function rewrittenDomain(domain: string, rules: HeaderRules): string | undefined {
  let map = domainMaps.get(rules);
  if (map === undefined) {
    map = new Map(rules.rewriteDomains.map(({ from, to }) => [from, to]));
    domainMaps.set(rules, map);
  }
  return map.get(domain);
}

/** The reverse-path after the rules: its domain rewritten when return-path is among the fields. '' stays ''. */
export function rewriteEnvelope(sender: string, rules: HeaderRules): string {
  if (sender === '' || rules.rewriteDomains.length === 0 || !rules.rewriteFields.includes('return-path')) return sender;
  const at = sender.lastIndexOf('@');
  if (at < 0) return sender;
  const to = rewrittenDomain(comparableDomain(sender.slice(at + 1)), rules);
  return to === undefined ? sender : sender.slice(0, at + 1) + to;
}
