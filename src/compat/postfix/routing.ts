/**
 * Where mail goes: relayhost, transport_maps, sender_dependent_relayhost_maps, relay_recipient_maps.
 *
 * The order is Postfix's (trivial-rewrite(8), transport(5)): transports by address, domain, domains above, `*`; then next
 * hops by sender; then relayhost. Recipients of relay_recipient_maps come before all, as they decide at RCPT.
 */
import type { Ledger } from './ledger.js';
import type { MainCf } from './main-cf.js';
import type { MapEntry, MapReader } from './maps.js';
import type { Service } from './master-cf.js';
import type { Hop, NextHopMaker } from './next-hop.js';
import type { Fields, Output } from './output.js';

/** Recipients in one route. */
const A_ROUTE = 5000;

export class Routing {
  private readonly cf: MainCf;
  private readonly maps: MapReader;
  private readonly output: Output;
  private readonly ledger: Ledger;
  private readonly hops: NextHopMaker;
  private readonly clients: ReadonlySet<string>;
  private readonly groups = new Map<string, string>();
  private readonly hosts = new Map<string, string>();
  private readonly targets = new Map<string, { readonly target: Fields; readonly entry: MapEntry }>();
  private standard: Fields = { mx: true };
  private closed = false;
  /** Transports that routes of relay_recipient_maps have in them. */
  private readonly settled = new Set<MapEntry>();

  constructor(
    cf: MainCf,
    services: readonly Service[],
    maps: MapReader,
    output: Output,
    ledger: Ledger,
    hops: NextHopMaker,
  ) {
    this.cf = cf;
    this.maps = maps;
    this.output = output;
    this.ledger = ledger;
    this.hops = hops;
    const own = services.filter(({ type, program }) => type === 'unix' && program === 'smtp').map(({ name }) => name);
    this.clients = new Set(['smtp', 'relay', ...own]);
  }

  /** Carries all of it over; the names it has dealt with. */
  carry(): Set<string> {
    this.relayHost();
    const transports = this.read('transport_maps');
    transports.sort((a, b) => rank(a) - rank(b));
    const planned = transports.flatMap((entry) => this.transport(entry));
    this.recipients();
    for (const { fields, entry } of planned) if (!this.settled.has(entry)) this.route(fields, entry.where, entry.key);
    for (const entry of this.read('sender_dependent_relayhost_maps')) this.bySender(entry);
    this.hops.tellUnused();
    for (const name of HANDLED)
      if (this.cf.has(name))
        this.ledger.add('carried', this.cf.place(name), name, 'as far as nothing else is said of it');
    return new Set(HANDLED);
  }

  private read(parameter: string): MapEntry[] {
    return this.maps.readAll(this.cf.value(parameter)).flatMap(({ name, entries, problem }) => {
      if (problem !== '') this.ledger.add('left-out', this.cf.place(parameter), `${parameter} ${name}`, problem);
      return [...entries];
    });
  }

  private relayHost(): void {
    const value = this.cf.value('relayhost');
    const where = this.cf.place('relayhost');
    const hop = value === '' ? undefined : this.hops.make(value, where);
    const fallback = this.cf.items('smtp_fallback_relay');
    if (fallback.length > 0)
      this.ledger.add(
        'left-out',
        this.cf.place('smtp_fallback_relay'),
        'smtp_fallback_relay',
        'add it to an [[upstream]] with order = "preference", behind the relayhost',
      );
    if (hop === undefined) {
      this.directTls();
      return;
    }
    const problem = this.output.set('SLUICE_UPSTREAM', hop.url);
    if (problem !== '') {
      this.ledger.add('left-out', where, 'relayhost', problem);
      return;
    }
    this.hosts.set(hop.at, hop.url);
    this.standard = { upstream: 'default' };
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

  /** What a host is in a route: itself, or a group where its URL differs from one used before. */
  private targetOf(hop: Hop): Fields {
    const before = this.hosts.get(hop.at);
    if (before === undefined || before === hop.url) {
      if (this.output.env.get('SLUICE_UPSTREAM') === hop.url) return { upstream: 'default' };
      this.hosts.set(hop.at, hop.url);
      return { host: hop.url };
    }
    const known = this.groups.get(hop.url);
    if (known !== undefined) return { upstream: known };
    const name = `relay-${this.groups.size + 1}`;
    this.groups.set(hop.url, name);
    const problem = this.output.add('upstream', { name, hosts: [hop.url] }, hop.at);
    if (problem !== '') this.ledger.add('left-out', 'main.cf', hop.at, problem);
    return { upstream: name };
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

  private transportTarget({ key, value, where }: MapEntry): Fields | undefined {
    const colon = value.indexOf(':');
    const [transport, hop] = colon < 0 ? [value, ''] : [value.slice(0, colon), value.slice(colon + 1).trim()];
    if (transport === '' && hop === '') return this.standard;
    if (transport === 'discard') return { discard: true };
    if (transport === 'error' || transport === 'retry') {
      const [, code, words] = /^(?:([45]\.\d{1,3}\.\d{1,3})\s*)?(.*)$/s.exec(hop)!;
      const kind = code?.[0] ?? (transport === 'retry' ? '4' : '5');
      return { reply: replyOf(code ?? `${kind}.0.0`, words || 'Not accepted') };
    }
    if (transport !== '' && !this.clients.has(transport)) {
      this.ledger.add('left-out', where, key, `there is no transport ${transport}: mail goes out by SMTP only`);
      return undefined;
    }
    if (!['', 'smtp', 'relay'].includes(transport))
      this.ledger.add(
        'differs',
        where,
        key,
        `what master.cf says of ${transport} is left away; see [[egress]] and [[shaping]]`,
      );
    if (hop === '') return { mx: true };
    const made = this.hops.make(hop, where);
    return made === undefined ? undefined : this.targetOf(made);
  }

  private bySender(entry: MapEntry): void {
    const { key, value, where } = entry;
    if (this.closed) {
      this.ledger.add('left-out', where, key, 'the transport for * takes all mail before it');
      return;
    }
    if (entry.pattern || (!key.includes('@') && key !== '<>')) {
      this.ledger.add('left-out', where, key, 'it is no address and no @domain');
      return;
    }
    const made = value === 'DUNNO' ? undefined : this.hops.make(value, where, key);
    if (made !== undefined) this.route({ sender: key, ...this.targetOf(made) }, where, key);
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
  'sender_dependent_relayhost_maps',
  'relay_recipient_maps',
  'smtp_fallback_relay',
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
