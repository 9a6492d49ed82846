/**
 * What is changed in messages: canonical and generic maps of whole domains, header_checks of whole fields.
 */
import type { Ledger } from './ledger.js';
import type { MainCf } from './main-cf.js';
import type { MapEntry, MapReader } from './maps.js';
import type { Output } from './output.js';

const ADDRESSES = ['canonical_maps', 'sender_canonical_maps', 'smtp_generic_maps'];
const HEADERS = ['header_checks', 'smtp_header_checks'];

/** Carries them over. */
export function rewriting(cf: MainCf, maps: MapReader, output: Output, ledger: Ledger): void {
  const append = (setting: string, between: string, value: string, entry: MapEntry): void => {
    const before = output.env.get(setting);
    const problem = output.set(setting, before === undefined ? value : `${before}${between}${value}`);
    if (problem === '') ledger.add('carried', entry.where, entry.key, `${setting}: ${value}`);
    else ledger.add('left-out', entry.where, entry.key, problem);
  };
  const each = (parameter: string, use: (entry: MapEntry) => void): void => {
    if (!cf.has(parameter)) return;
    ledger.add('carried', cf.place(parameter), parameter, 'entry by entry');
    for (const { name, entries, problem } of maps.readAll(cf.value(parameter))) {
      if (problem !== '') ledger.add('left-out', cf.place(parameter), `${parameter} ${name}`, problem);
      entries.forEach(use);
    }
  };
  for (const parameter of ADDRESSES)
    each(parameter, (entry) => {
      const [from, to] = [domainOf(entry.key), domainOf(entry.value)];
      if (entry.pattern || from === undefined || to === undefined) {
        ledger.add('left-out', entry.where, entry.key, 'only whole domains are rewritten: "@old.example @new.example"');
        return;
      }
      append('SLUICE_REWRITE_DOMAINS', ',', `${from}=${to}`, entry);
      ledger.add(
        'differs',
        entry.where,
        entry.key,
        'rewritten in From, Sender and the reverse-path, not in recipients',
      );
    });
  for (const parameter of HEADERS)
    each(parameter, (entry) => {
      const field = /^\^\(?([A-Za-z][\w-]*)\)?:(?:\s|\\s\*|\\s\+|\.\*|\[\[:space:\]\]\*|\$)*$/.exec(entry.key)?.[1];
      const [, action = '', rest = ''] = /^(\S*)\s*(.*)$/s.exec(entry.value)!;
      const whole = entry.pattern && field !== undefined;
      const own = new RegExp(`^${field}:`, 'i');
      if (whole && action.toUpperCase() === 'IGNORE') append('SLUICE_HEADER_REMOVE', ',', field, entry);
      else if (whole && action.toUpperCase() === 'REPLACE' && own.test(rest) && !rest.includes('$'))
        append('SLUICE_HEADER_REPLACE', ' | ', rest, entry);
      else if (whole && action.toUpperCase() === 'PREPEND' && /^from$/i.test(field) && !rest.includes('$'))
        append('SLUICE_HEADER_ADD', ' | ', rest, entry);
      else
        ledger.add(
          'left-out',
          entry.where,
          entry.key,
          'only IGNORE and REPLACE of a whole field, "/^Name:/", are taken; a [[route]] with header = { } and reply refuses by content',
        );
    });
}

/** `@example.org` without its `@`; undefined for anything else. */
function domainOf(text: string): string | undefined {
  return /^@[^\s@]+$/.test(text.trim()) ? text.trim().slice(1) : undefined;
}
