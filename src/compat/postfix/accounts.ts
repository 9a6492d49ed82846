/**
 * Who may use which sender address: smtpd_sender_login_maps where a restriction asks for it, as senders of [[account]].
 */
import type { Ledger } from './ledger.js';
import { listItems, type MainCf } from './main-cf.js';
import type { MapReader } from './maps.js';
import type { Output } from './output.js';

const ASKED = /\breject_(?:authenticated_)?sender_login_mismatch\b/;

/** Carries it over. */
export function senderLogins(cf: MainCf, maps: MapReader, output: Output, ledger: Ledger): void {
  const parameter = 'smtpd_sender_login_maps';
  if (!cf.has(parameter)) return;
  const where = cf.place(parameter);
  if (![...cf.given.keys()].some((name) => /^smtpd_.*_restrictions$/.test(name) && ASKED.test(cf.value(name)))) {
    ledger.add('not-needed', where, parameter, 'no restriction asks for it (reject_sender_login_mismatch)');
    return;
  }
  const senders = new Map<string, Set<string>>();
  for (const { name, entries, problem } of maps.readAll(cf.value(parameter))) {
    if (problem !== '') ledger.add('left-out', where, `${parameter} ${name}`, problem);
    for (const { key, value, pattern, where: line } of entries) {
      if (pattern || !key.includes('@')) {
        ledger.add('left-out', line, key, 'senders of an [[account]] are addresses and "@domain"');
        continue;
      }
      for (const login of listItems(value))
        senders.set(login, (senders.get(login) ?? new Set()).add(key.toLowerCase()));
    }
  }
  for (const [login, addresses] of senders) {
    const problem = output.add('account', { name: login, senders: [...addresses] }, `${where} ${login}`);
    if (problem !== '') ledger.add('left-out', where, `${parameter} ${login}`, problem);
  }
  ledger.add('carried', where, parameter, `senders of ${senders.size} [[account]]`);
  ledger.add(
    'differs',
    where,
    parameter,
    'accounts that own no address there may use any sender: give them an [[account]]',
  );
}
