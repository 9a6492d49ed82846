/**
 * Where mail goes: relayhost, transport_maps, the maps by sender, default_transport, relay_transport, relay_recipient_maps.
 *
 * The order is Postfix's (trivial-rewrite(8), transport(5)): transports by address, domain, domains above, `*`; then next
 * hops by sender; then relayhost. Recipients of relay_recipient_maps come before all, as they decide at RCPT.
 */
import type { Ledger } from './ledger.js';
import { delayFields, secondsOf } from './limits.js';
import type { MainCf } from './main-cf.js';
import type { MapEntry, MapReader } from './maps.js';
import type { Fields, Output } from './output.js';
import type { Transports } from './transports.js';

/** Recipients in one route. */
const A_ROUTE = 5000;

export class Routing {
  private readonly cf: MainCf;
  private readonly maps: MapReader;
  private readonly output: Output;
  private readonly ledger: Ledger;
  private readonly transports: Transports;
  private readonly targets = new Map<string, { readonly target: Fields; readonly entry: MapEntry }>();
  private standard: Fields = { mx: true };
  private closed = false;
  /** Transports that routes of relay_recipient_maps have in them. */
  private readonly settled = new Set<MapEntry>();

  constructor(cf: MainCf, maps: MapReader, output: Output, ledger: Ledger, transports: Transports) {
    this.cf = cf;
    this.maps = maps;
    this.output = output;
    this.ledger = ledger;
    this.transports = transports;
  }

  /** Carries all of it over. */
  carry(): void {
    this.standardTarget();
    this.rateOfAll();
    const transports = this.read('transport_maps');
    transports.sort((a, b) => rank(a) - rank(b));
    const planned = transports.flatMap((entry) => this.transport(entry));
    this.recipients();
    for (const { fields, entry } of planned) if (!this.settled.has(entry)) this.route(fields, entry.where, entry.key);
    this.relayTransport();
    this.bySenders();
    if (this.standard['upstream'] !== 'default' && this.standard['mx'] !== true && !this.closed)
      this.route(this.standard, this.cf.place('relayhost'), 'all other mail');
    this.transports.tellUnused();
    for (const name of HANDLED)
      if (this.cf.has(name))
        this.ledger.add('carried', this.cf.place(name), name, 'as far as nothing else is said of it');
  }

  private read(parameter: string): MapEntry[] {
    return this.maps.readAll(this.cf.value(parameter)).flatMap(({ name, entries, problem }) => {
      if (problem !== '') this.ledger.add('left-out', this.cf.place(parameter), `${parameter} ${name}`, problem);
      return [...entries];
    });
  }

  /** default_transport with a next hop of its own, else relayhost, else MX hosts. */
  private standardTarget(): void {
    const [relayhost, transport] = [this.cf.value('relayhost'), this.cf.value('default_transport')];
    const [name = '', hop = ''] = partsOf(transport);
    const own = this.cf.has('default_transport') && transport !== 'smtp';
    const where = this.cf.place(own ? 'default_transport' : 'relayhost');
    if (own) this.ledger.add('carried', where, 'default_transport', 'where mail goes that nothing else is said of');
    if (own && !(name === 'smtp' && hop === '')) {
      const value = hop === '' && this.transports.has(name) ? `${name}:${relayhost}` : transport;
      const target = this.transportTarget({ key: 'default_transport', value, where, pattern: false });
      if (target !== undefined) this.standard = target;
      return;
    }
    const text = hop === '' ? relayhost : hop;
    const target = text === '' ? undefined : this.transports.standard(text, where);
    if (target !== undefined) this.standard = target;
    else {
      this.directTls();
      this.transports.noFallback();
    }
  }

  /** A delay of all transports is one for each site. */
  private rateOfAll(): void {
    const own = this.cf.has('smtp_destination_rate_delay');
    const name = own ? 'smtp_destination_rate_delay' : 'default_destination_rate_delay';
    if (!this.cf.has(name)) return;
    const seconds = secondsOf(this.cf.value(name));
    if (seconds === 0) return;
    const where = this.cf.place(name);
    const problem = this.output.add('shaping', { site: '*', ...delayFields(seconds) }, `${where} ${name}`);
    if (problem === '') this.ledger.add('carried', where, name, '[[shaping]] of each site');
    else this.ledger.add('left-out', where, name, problem);
  }

  /** Mail for relay domains that no transport is for. */
  private relayTransport(): void {
    const value = this.cf.value('relay_transport');
    const [name = '', hop = ''] = partsOf(value);
    if (!this.cf.has('relay_transport') || (hop === '' && ['relay', 'smtp'].includes(name))) return;
    const where = this.cf.place('relay_transport');
    const domains = (this.output.env.get('SLUICE_RELAY_DOMAINS') ?? '').split(',').filter((one) => one !== '');
    const target = this.transportTarget({ key: 'relay_transport', value, where, pattern: false });
    if (target === undefined || domains.length === 0) return;
    this.route({ recipient: domains.map((domain) => `@${domain}`), ...target }, where, 'relay_transport');
    this.ledger.add('carried', where, 'relay_transport', 'a [[route]] for the relay domains');
  }

  /** Without a relayhost the level of TLS is that towards MX hosts. */
  private directTls(): void {
    const level = this.cf.value('smtp_tls_security_level');
    if (level === 'none') this.output.set('SLUICE_MX_TLS', 'none');
    if (!['encrypt', 'verify', 'secure', 'fingerprint', 'dane-only'].includes(level)) return;
    this.output.set('SLUICE_MX_TLS', 'required');
    if (level !== 'encrypt')
      this.ledger.add(
        'differs',
        this.cf.place('smtp_tls_security_level'),
        'smtp_tls_security_level',
        'TLS to MX hosts is required; certificates are verified where MTA-STS or DANE say so',
      );
  }

  private transport(entry: MapEntry): { readonly fields: Fields; readonly entry: MapEntry }[] {
    const pattern = recipientOf(entry);
    const target = this.transportTarget(entry);
    if (pattern === undefined)
      this.ledger.add('left-out', entry.where, entry.key, 'it is neither an address nor a domain');
    if (pattern === undefined || target === undefined) return [];
    if (!entry.pattern) this.targets.set(pattern.toLowerCase(), { target, entry });
    return [{ fields: pattern === '*' ? target : { recipient: pattern, ...target }, entry }];
  }

  private transportTarget({ key, value, where }: MapEntry, sender = ''): Fields | undefined {
    const [transport = '', hop = ''] = partsOf(value);
    if (transport === '' && hop === '') return this.standard;
    if (transport === 'discard') return { discard: true };
    if (transport === 'error' || transport === 'retry') {
      const [, code, words] = /^(?:([45]\.\d{1,3}\.\d{1,3})\s*)?(.*)$/s.exec(hop)!;
      const kind = code?.[0] ?? (transport === 'retry' ? '4' : '5');
      return { reply: replyOf(code ?? `${kind}.0.0`, words || 'Not accepted') };
    }
    if (transport !== '' && !this.transports.has(transport)) {
      this.ledger.add('left-out', where, key, `there is no transport ${transport}: mail goes out by SMTP only`);
      return undefined;
    }
    const name = transport === '' ? 'smtp' : transport;
    if (hop === '')
      return this.transports.direct(name, /^[\w-]+(?:\.[\w-]+)+$/.test(key) ? key.toLowerCase() : '', where);
    const made = this.transports.hop(name, hop, where, sender);
    return made === undefined ? undefined : this.transports.target(name, made);
  }

  /** A sender's transport, with the next hop it says, or the sender's, or relayhost. Addresses come before domains. */
  private bySenders(): void {
    const byTransport = this.senders('sender_dependent_default_transport_maps');
    const byRelay = this.senders('sender_dependent_relayhost_maps');
    const relayOf = (key: string): string => byRelay.get(key)?.value ?? this.cf.value('relayhost');
    const keys = [...new Set([...byTransport.keys(), ...byRelay.keys()])];
    for (const key of [...keys.filter((one) => !one.startsWith('@')), ...keys.filter((one) => one.startsWith('@'))]) {
      const entry = byTransport.get(key) ?? byRelay.get(key)!;
      const [name = '', hop = ''] = partsOf(byTransport.get(key)?.value ?? 'smtp');
      const value = `${name}:${hop === '' && this.transports.has(name) ? relayOf(key) : hop}`;
      const target = this.transportTarget({ ...entry, value }, key);
      if (target !== undefined) this.route({ sender: key, ...target }, entry.where, key);
    }
  }

  /** Entries that say something, by sender. */
  private senders(parameter: string): Map<string, MapEntry> {
    const found = new Map<string, MapEntry>();
    for (const entry of this.read(parameter)) {
      const { key, value, where, pattern } = entry;
      if (pattern || (!key.includes('@') && key !== '<>'))
        this.ledger.add('left-out', where, key, 'it is no address and no @domain');
      else if (value !== 'DUNNO' && !found.has(key.toLowerCase())) found.set(key.toLowerCase(), entry);
    }
    return found;
  }

  /** Known recipients of relay domains; others of these domains are refused. */
  private recipients(): void {
    const domains = (this.output.env.get('SLUICE_RELAY_DOMAINS') ?? '').split(',').filter((one) => one !== '');
    const entries = this.read('relay_recipient_maps');
    const byDomain = new Map<string, string[]>();
    for (const { key, pattern, where } of entries) {
      const domain = key.slice(key.lastIndexOf('@') + 1).toLowerCase();
      if (pattern || !key.includes('@') || !domains.includes(domain)) {
        this.ledger.add(
          'left-out',
          where,
          key,
          pattern ? 'no expressions; verify = true in a [[route]] asks the target' : 'it is of no relay domain',
        );
      } else byDomain.set(domain, [...(byDomain.get(domain) ?? []), key]);
    }
    if (entries.length === 0) return;
    for (const domain of domains) {
      const known = byDomain.get(domain) ?? [];
      if (known.some((key) => key.startsWith('@'))) continue;
      const whole = this.targets.get(`@${domain}`);
      const usual = (whole ?? this.targets.get('*'))?.target ?? this.standard;
      const alike = known.filter((key) => !this.targets.has(key.toLowerCase()));
      for (const key of known) {
        const own = this.targets.get(key.toLowerCase());
        if (own === undefined) continue;
        this.settled.add(own.entry);
        this.route({ recipient: key, ...own.target }, own.entry.where, key);
      }
      for (let i = 0; i < alike.length; i += A_ROUTE)
        this.route({ recipient: alike.slice(i, i + A_ROUTE), ...usual }, 'relay_recipient_maps', domain);
      if (whole !== undefined) this.settled.add(whole.entry);
      const refusal = replyOf('5.1.1', 'User unknown in relay recipient table');
      this.route({ recipient: `@${domain}`, reply: refusal }, 'relay_recipient_maps', domain);
    }
    if (this.cf.has('sender_dependent_relayhost_maps') || /(?:regexp|pcre):/.test(this.cf.value('transport_maps')))
      this.ledger.add(
        'differs',
        this.cf.place('relay_recipient_maps'),
        'relay_recipient_maps',
        'their recipients go by transports of address and domain, whatever expressions and senders say',
      );
  }

  private route(fields: Fields, where: string, key: string): void {
    if (this.closed) {
      this.ledger.add('left-out', where, key, 'a route before it takes all mail');
      return;
    }
    const problem = this.output.add('route', fields, `${where} ${key}`);
    if (problem !== '') this.ledger.add('left-out', where, key, problem);
    else if (fields['recipient'] === undefined && fields['sender'] === undefined) this.closed = true;
  }
}

const HANDLED = [
  'relayhost',
  'transport_maps',
  'sender_dependent_default_transport_maps',
  'sender_dependent_relayhost_maps',
  'relay_recipient_maps',
  'smtp_tls_security_level',
  'smtp_tls_policy_maps',
  'smtp_sasl_auth_enable',
  'smtp_sasl_password_maps',
  'smtp_sasl_mechanism_filter',
  'smtp_sender_dependent_authentication',
  'smtp_tls_wrappermode',
  'smtp_use_tls',
  'smtp_enforce_tls',
  'smtp_tls_fingerprint_cert_match',
];

/** `transport:nexthop`. */
function partsOf(value: string): [string, string] {
  const colon = value.indexOf(':');
  return colon < 0 ? [value.trim(), ''] : [value.slice(0, colon).trim(), value.slice(colon + 1).trim()];
}

/** Addresses, domains, the longest subdomains, everything. */
function rank({ key, pattern }: MapEntry): number {
  if (key === '*') return 1_000_000;
  if (pattern || key.includes('@')) return 0;
  return key.startsWith('.') ? 1000 - key.split('.').length : 1;
}

function recipientOf({ key, pattern }: MapEntry): string | undefined {
  if (pattern) return `/${key}/`;
  if (key === '*' || key.includes('@')) return key;
  if (/[\s:/]/.test(key)) return undefined;
  return (key.startsWith('.') ? `@*${key}` : `@${key}`).toLowerCase();
}

/** As error(8) answers: 450 or 550. */
function replyOf(enhanced: string, words: string): string {
  return `${enhanced[0]}50 ${enhanced} ${words}`;
}
