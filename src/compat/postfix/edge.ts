/**
 * Who may connect and relay: inet_interfaces and master.cf, mynetworks, relay_domains, message_size_limit, certificates.
 */
import type { Ledger } from './ledger.js';
import type { MainCf } from './main-cf.js';
import { isMap, type MapReader } from './maps.js';
import type { Service } from './master-cf.js';
import type { Output } from './output.js';

const MIB = 1024 * 1024;
/** What SLUICE_BODY_MEMORY is at least without being set. */
const BODY_MEMORY = 64 * MIB;
const PORTS: Readonly<Record<string, string>> = { smtp: '25', submission: '587', smtps: '465', submissions: '465' };

/** Carries all of it over. */
export function edgeSettings(
  cf: MainCf,
  services: readonly Service[],
  maps: MapReader,
  output: Output,
  ledger: Ledger,
): void {
  listeners(cf, services, output, ledger);
  networks(cf, maps, output, ledger);
  relayDomains(cf, maps, output, ledger);
  messageSize(cf, output, ledger);
  certificates(cf, maps, output, ledger);
  if (cf.has('smtpd_tls_security_level'))
    ledger.add('carried', cf.place('smtpd_tls_security_level'), 'smtpd_tls_security_level', 'tls= of SLUICE_LISTEN');
}

function listeners(cf: MainCf, services: readonly Service[], output: Output, ledger: Ledger): void {
  const interfaces = cf.items('inet_interfaces');
  const hosts = interfaces.flatMap((one) => {
    if (one === 'all') return ['0.0.0.0'];
    if (one === 'loopback-only' || one === 'localhost') return ['127.0.0.1'];
    return [one.replace(/^\[(.*)\]$/, '$1')];
  });
  const servers = services.filter(({ type, program }) => type === 'inet' && /^(?:smtpd|postscreen)$/.test(program));
  const all =
    services.length === 0 ? [{ name: 'smtp', options: new Map<string, string>(), where: 'main.cf' }] : servers;
  const found: string[] = [];
  for (const { name, options, where } of all) {
    const colon = name.lastIndexOf(':');
    const service = name.slice(colon + 1);
    const port = PORTS[service] ?? service;
    const places = colon < 0 ? hosts : [name.slice(0, colon).replace(/^\[(.*)\]$/, '$1')];
    const level = options.get('smtpd_tls_security_level') ?? cf.value('smtpd_tls_security_level');
    const wrapped = port === '465' || options.get('smtpd_tls_wrappermode') === 'yes';
    const sasl = (options.get('smtpd_sasl_auth_enable') ?? cf.value('smtpd_sasl_auth_enable')) === 'yes';
    if (sasl)
      ledger.add(
        'left-out',
        where,
        `accounts of ${name}`,
        'only clients in SLUICE_RELAY_NETWORKS may relay until accounts are made: `sluice user add`, SLUICE_AUTH_FILE, and auth=required in SLUICE_LISTEN',
      );
    const scheme = wrapped ? 'smtps' : 'smtp';
    const parameters = wrapped
      ? ['auth=none']
      : level === 'encrypt'
        ? ['tls=required']
        : level === 'none'
          ? ['tls=none']
          : [];
    for (const host of places) {
      const at = host.includes(':') ? `[${host}]` : host;
      found.push(`${scheme}://${at}:${port}${parameters.length === 0 ? '' : `?${parameters.join('&')}`}`);
    }
  }
  if (found.length === 0) return;
  const problem = output.set('SLUICE_LISTEN', [...new Set(found)].join(','));
  const where = cf.place('inet_interfaces');
  if (problem !== '') ledger.add('left-out', where, 'inet_interfaces', problem);
  else ledger.add('carried', where, 'inet_interfaces', `SLUICE_LISTEN=${output.env.get('SLUICE_LISTEN')}`);
  if (interfaces.includes('all') && cf.value('inet_protocols') !== 'ipv4')
    ledger.add('differs', where, 'inet_interfaces', 'IPv4 only; add smtp://[::]:25 in place of 0.0.0.0 for both');
}

/** Items of a list in which `/file` stands for the words in it and `type:table` for its keys. */
function wordsOf(cf: MainCf, name: string, maps: MapReader, ledger: Ledger): string[] {
  return cf.items(name).flatMap((item) => {
    const excluded = item.startsWith('!');
    const bare = excluded ? item.slice(1) : item;
    if (!isMap(bare)) return [item];
    const { entries, problem } = maps.read(bare);
    if (problem !== '') ledger.add('left-out', cf.place(name), `${name} ${item}`, problem);
    return entries
      .flatMap(({ key, value, pattern, where }) => {
        if (!pattern) return [`${excluded ? '!' : ''}${key}`, ...(bare.startsWith('/') ? value.split(/[\s,]+/) : [])];
        ledger.add('left-out', where, key, `${name} takes no expressions here`);
        return [];
      })
      .filter((word) => word !== '');
  });
}

function networks(cf: MainCf, maps: MapReader, output: Output, ledger: Ledger): void {
  if (!cf.has('mynetworks')) return;
  const where = cf.place('mynetworks');
  const taken: string[] = [];
  const words = wordsOf(cf, 'mynetworks', maps, ledger);
  // The first that fits counts in Postfix, the last one here.
  if (words.some((word) => word.startsWith('!'))) words.reverse();
  for (const word of words) {
    const plain = word.replaceAll(/[[\]]/g, '');
    // Always allowed here.
    if (/^(?:127\.|::1(?:\/|$)|::ffff:127\.)/.test(plain)) continue;
    const problem = output.set('SLUICE_RELAY_NETWORKS', [...taken, plain].join(','));
    if (problem === '') taken.push(plain);
    else ledger.add('left-out', where, `mynetworks ${word}`, `it is no network (${problem})`);
  }
  const all = taken.join(',');
  if (all === '') output.env.delete('SLUICE_RELAY_NETWORKS');
  ledger.add('carried', where, 'mynetworks', all === '' ? 'loopback may always relay' : `SLUICE_RELAY_NETWORKS=${all}`);
}

function relayDomains(cf: MainCf, maps: MapReader, output: Output, ledger: Ledger): void {
  if (!cf.has('relay_domains')) return;
  const where = cf.place('relay_domains');
  const taken: string[] = [];
  for (const word of wordsOf(cf, 'relay_domains', maps, ledger)) {
    const problem = output.set('SLUICE_RELAY_DOMAINS', [...taken, word].join(','));
    if (problem === '') taken.push(word);
    else ledger.add('left-out', where, `relay_domains ${word}`, 'it is no domain name');
  }
  if (taken.length === 0) {
    output.env.delete('SLUICE_RELAY_DOMAINS');
    ledger.add('not-needed', where, 'relay_domains', 'there are none');
    return;
  }
  ledger.add('carried', where, 'relay_domains', `SLUICE_RELAY_DOMAINS=${taken.join(',')}`);
  ledger.add(
    'differs',
    where,
    'relay_domains',
    'domains below these are not taken; a [[route]] with recipient = "@*.domain" and relay = true does',
  );
}

function messageSize(cf: MainCf, output: Output, ledger: Ledger): void {
  if (!cf.has('message_size_limit')) return;
  const where = cf.place('message_size_limit');
  const bytes = Number(cf.value('message_size_limit'));
  if (bytes === 0) {
    const why =
      'messages are at most 64 MiB; SLUICE_MAX_MESSAGE_SIZE is at most 1g and takes as much SLUICE_BODY_MEMORY';
    ledger.add('differs', where, 'message_size_limit', why);
    return;
  }
  const problem = output.set('SLUICE_MAX_MESSAGE_SIZE', String(bytes));
  if (problem !== '') {
    ledger.add('left-out', where, 'message_size_limit', problem);
    return;
  }
  ledger.add('carried', where, 'message_size_limit', `SLUICE_MAX_MESSAGE_SIZE=${bytes}`);
  if (bytes < MIB) output.set('SLUICE_MAX_HEADER_SIZE', String(Math.max(4096, bytes)));
  if (bytes > BODY_MEMORY) output.set('SLUICE_BODY_MEMORY', String(2 * bytes));
}

/** Only files that are here: the engine does not start without them. */
function certificates(cf: MainCf, maps: MapReader, output: Output, ledger: Ledger): void {
  if (!cf.has('smtpd_tls_cert_file')) return;
  const [cert, key] = [cf.value('smtpd_tls_cert_file'), cf.value('smtpd_tls_key_file')];
  for (const name of ['smtpd_tls_cert_file', 'smtpd_tls_key_file'].filter((one) => cf.has(one))) {
    const where = cf.place(name);
    if (maps.find(cert) === undefined || maps.find(key) === undefined) {
      const setting = name.includes('key') ? 'SLUICE_TLS_KEY' : 'SLUICE_TLS_CERT';
      ledger.add('left-out', where, name, `the file cannot be read here; set ${setting} to it where it can`);
    } else ledger.add('carried', where, name, 'SLUICE_TLS_CERT and SLUICE_TLS_KEY');
  }
  const [certPath, keyPath] = [maps.find(cert), maps.find(key)];
  if (certPath === undefined || keyPath === undefined) return;
  output.set('SLUICE_TLS_CERT', certPath);
  output.set('SLUICE_TLS_KEY', keyPath);
}
