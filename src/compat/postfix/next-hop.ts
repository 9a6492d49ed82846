/**
 * Next hops as Postfix writes them (`[host]:port`, `domain`, `relay:[host]`) as URLs of Sluice, with TLS and login.
 *
 * TLS levels (TLS_README): none; may: opportunistic; encrypt: required, any certificate; verify, secure: required and
 * verified; fingerprint: pinned. A password never goes out without TLS here, which Postfix leaves to other settings.
 */
import { UPSTREAM_PRESETS } from '../../config/upstream-presets.js';
import type { Ledger } from './ledger.js';
import { listItems, type MainCf } from './main-cf.js';
import type { MapEntry, MapReader } from './maps.js';

export interface Destination {
  /** Without brackets. */
  readonly host: string;
  readonly port: string;
  /** In brackets: the host itself, no MX look-up. */
  readonly literal: boolean;
}

export interface Hop {
  readonly url: string;
  /** `host:port`. */
  readonly at: string;
}

interface Shared {
  /** main.cf alone: what the queue manager sees. */
  readonly main: MainCf;
  readonly used: Set<string>;
  readonly logins: MapEntry[];
  readonly policies: MapEntry[];
}

/** Where distributions keep the public authorities, which are used anyway. */
const SYSTEM = /^\/etc\/(?:ssl|pki)\//;
const PORTS: Readonly<Record<string, string>> = { smtp: '25', submission: '587', smtps: '465', submissions: '465' };

/** `[host]:port`, `host:port`, `host`; undefined for anything else. */
export function readDestination(text: string): Destination | undefined {
  const match = /^(?:\[([^\]]+)\]|([^\s:[\]]+))(?::([\w-]+))?$/.exec(text.trim());
  if (match === null) return undefined;
  const port = match[3] ?? '25';
  const number = PORTS[port] ?? port;
  if (!/^\d{1,5}$/.test(number)) return undefined;
  return { host: (match[1] ?? match[2]!).replace(/^ipv6:/i, ''), port: number, literal: match[1] !== undefined };
}

export class NextHopMaker {
  private readonly cf: MainCf;
  private readonly maps: MapReader;
  private readonly ledger: Ledger;
  private readonly logins: readonly MapEntry[];
  private readonly policies: readonly MapEntry[];
  /** Of this one and of those made by `as`: keys that were used, and entries that were not looked at yet. */
  private readonly shared: Shared;

  constructor(
    cf: MainCf,
    maps: MapReader,
    ledger: Ledger,
    shared: Shared = { main: cf, used: new Set(), logins: [], policies: [] },
  ) {
    this.shared = shared;
    this.cf = cf;
    this.maps = maps;
    this.ledger = ledger;
    this.logins = cf.value('smtp_sasl_auth_enable') === 'yes' ? this.entries('smtp_sasl_password_maps') : [];
    this.policies = this.entries('smtp_tls_policy_maps');
    shared.logins.push(...this.logins);
    shared.policies.push(...this.policies);
  }

  /** One for a service that sees other parameters. */
  as(cf: MainCf): NextHopMaker {
    return cf === this.cf ? this : new NextHopMaker(cf, this.maps, this.ledger, this.shared);
  }

  /** Undefined, and told, where it is no next hop. `sender`: whose login is looked for first. */
  make(text: string, where: string, sender = ''): Hop | undefined {
    const destination = readDestination(text);
    if (destination === undefined) {
      this.ledger.add('left-out', where, text, 'it is no host or [host]:port');
      return undefined;
    }
    const { host, port, literal } = destination;
    if (!literal && !/^[\d.]+$/.test(host))
      this.ledger.add('differs', where, text, `mail goes to ${host} itself, not to its MX hosts`);
    const keys = [text, literal ? `[${host}]:${port}` : `${host}:${port}`, literal ? `[${host}]` : host, host, '*'];
    const login = this.login(
      sender === '' || this.cf.value('smtp_sender_dependent_authentication') !== 'yes'
        ? keys
        : [sender, sender.slice(sender.lastIndexOf('@')), ...keys],
    );
    const at = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const tls = this.tls(keys, login !== undefined, where);
    const parameters = [...tls, ...this.files(tls), ...this.others(login !== undefined)];
    const implicit = this.cf.value('smtp_tls_wrappermode') === 'yes' || port === '465';
    const user = login === undefined ? '' : `${strict(login.user)}:${strict(login.password)}@`;
    const preset = UPSTREAM_PRESETS.find(
      (one) => String(one.port) === port && one.implicit === implicit && presetPart(one.host, host) !== undefined,
    );
    const query = (list: readonly string[]): string => (list.length === 0 ? '' : `?${list.join('&')}`);
    if (preset !== undefined && login !== undefined)
      return { at, url: `${preset.scheme}://${user}${presetPart(preset.host, host)}${query(this.others(true))}` };
    if (!implicit) return { at, url: `smtp://${user}${at}${query(parameters)}` };
    return { at, url: `smtps://${user}${at}${query(parameters.filter((one) => !one.startsWith('tls=')))}` };
  }

  /** Entries of the maps that belong to no next hop in use. */
  tellUnused(): void {
    const { used } = this.shared;
    const idle = (entry: MapEntry): boolean => !used.has(`${entry.where} ${entry.key}`);
    for (const entry of this.shared.logins)
      if (idle(entry))
        this.ledger.add(
          'left-out',
          entry.where,
          entry.key,
          'no mail goes to this next hop, or it is a login by sender: that takes a [[route]] with sender and an [[upstream]]',
        );
    for (const entry of this.shared.policies)
      if (idle(entry))
        this.ledger.add(
          'left-out',
          entry.where,
          entry.key,
          'TLS of a single recipient domain is not set here: SLUICE_MX_TLS holds for all, MTA-STS and DANE for those that say so; a [[route]] with host = "...?tls=required" is another way',
        );
  }

  private entries(parameter: string): MapEntry[] {
    return this.maps.readAll(this.cf.value(parameter)).flatMap(({ name, entries, problem }) => {
      if (problem !== '') this.ledger.add('left-out', this.cf.place(parameter), `${parameter} ${name}`, problem);
      return entries;
    });
  }

  private lookUp(entries: readonly MapEntry[], keys: readonly string[]): MapEntry | undefined {
    for (const key of keys) {
      const found = entries.find((entry) => !entry.pattern && entry.key.toLowerCase() === key.toLowerCase());
      if (found !== undefined) {
        this.shared.used.add(`${found.where} ${found.key}`);
        return found;
      }
    }
    return undefined;
  }

  private login(keys: readonly string[]): { readonly user: string; readonly password: string } | undefined {
    const entry = this.lookUp(this.logins, keys);
    if (entry === undefined) return undefined;
    const colon = entry.value.indexOf(':');
    if (colon <= 0 || colon === entry.value.length - 1) {
      this.ledger.add('left-out', entry.where, entry.key, 'it has no user:password');
      return undefined;
    }
    return { user: entry.value.slice(0, colon), password: entry.value.slice(colon + 1) };
  }

  private tls(keys: readonly string[], login: boolean, where: string): string[] {
    const policy = this.lookUp(this.policies, keys);
    const [given = '', ...attributes] = listItems(policy?.value ?? '');
    const level = given || this.cf.value('smtp_tls_security_level') || this.oldLevel();
    for (const attribute of attributes.filter((one) => !/^match=(?:nexthop|hostname|dot-nexthop)/.test(one)))
      if (level !== 'fingerprint')
        this.ledger.add('left-out', policy!.where, `${policy!.key} ${attribute}`, 'no counterpart');
    if (level === 'verify' || level === 'secure') return ['tls=required'];
    if (level === 'fingerprint') {
      const from = attributes.filter((one) => one.startsWith('match=')).map((one) => one.slice(6));
      const prints = (from.length > 0 ? from : this.cf.items('smtp_tls_fingerprint_cert_match')).flatMap((one) =>
        one.split('|'),
      );
      const pins = prints
        .map((one) => one.replaceAll(':', '').toLowerCase())
        .filter((one) => /^[0-9a-f]{64}$/.test(one));
      if (pins.length < prints.length || pins.length === 0)
        this.ledger.add('left-out', policy?.where ?? where, 'fingerprint', 'only SHA-256 fingerprints are taken');
      return ['tls=required', ...pins.map((pin) => `pin=${pin}`)];
    }
    if (level === 'encrypt') return ['tls=required', 'verify=no'];
    if (level.startsWith('dane')) {
      this.ledger.add(
        'differs',
        where,
        level,
        'DANE is for MX hosts here; this next hop gets TLS with any certificate',
      );
      return ['tls=required', 'verify=no'];
    }
    if (login) {
      this.ledger.add('differs', where, 'TLS', 'it is required here, with any certificate, because a password is sent');
      return ['tls=required', 'verify=no'];
    }
    // Where Postfix is told nothing it tries no TLS; here it is tried and done without where it fails.
    return level === 'none' ? ['tls=none'] : level === 'may' ? ['tls=opportunistic'] : [];
  }

  private oldLevel(): string {
    if (this.cf.value('smtp_enforce_tls') === 'yes') return 'verify';
    return this.cf.value('smtp_use_tls') === 'yes' ? 'may' : '';
  }

  /** Authorities and the client certificate, where the files can be read here. */
  private files(tls: readonly string[]): string[] {
    const found: string[] = [];
    const path = (name: string): string => this.maps.find(this.cf.value(name)) ?? '';
    const verified =
      tls.includes('tls=required') && !tls.includes('verify=no') && !tls.some((one) => one.startsWith('pin='));
    if (verified && this.cf.has('smtp_tls_CAfile') && !SYSTEM.test(this.cf.value('smtp_tls_CAfile'))) {
      const ca = path('smtp_tls_CAfile');
      this.told('smtp_tls_CAfile', ca);
      if (ca !== '') found.push(`ca=${encodeURI(ca)}`);
    }
    if (!this.cf.has('smtp_tls_cert_file') || tls.includes('tls=none')) return found;
    const [cert, key] = [path('smtp_tls_cert_file'), path('smtp_tls_key_file')];
    for (const name of ['smtp_tls_cert_file', 'smtp_tls_key_file'].filter((one) => this.cf.has(one)))
      this.told(name, cert === '' ? '' : key);
    return cert === '' || key === '' ? found : [...found, `cert=${encodeURI(cert)}`, `key=${encodeURI(key)}`];
  }

  private told(name: string, path: string): void {
    const where = this.cf.place(name);
    if (path !== '') this.ledger.add('carried', where, name, 'in the URLs of next hops');
    else
      this.ledger.add(
        'left-out',
        where,
        name,
        'the file cannot be read here; name it in the URL of the next hop: ?tls=required&ca=, or cert= and key=',
      );
  }

  private others(login: boolean): string[] {
    const found: string[] = [];
    const pool =
      this.shared.main.value('smtp_destination_concurrency_limit') ||
      this.shared.main.value('default_destination_concurrency_limit');
    if (/^[1-9]\d{0,2}$/.test(pool)) found.push(`pool=${pool}`);
    const mechanisms = this.cf.items('smtp_sasl_mechanism_filter');
    if (login && mechanisms.length === 1 && /^[A-Za-z0-9-]+$/.test(mechanisms[0]!))
      found.push(`auth=${mechanisms[0]!.toUpperCase()}`);
    return found;
  }
}

/** What stands for `{}` of a preset's host; '' for one without, undefined where the host is another. */
function presetPart(template: string, host: string): string | undefined {
  const [before, after] = template.split('{}');
  if (after === undefined) return template === host.toLowerCase() ? '' : undefined;
  const part = host.toLowerCase().slice(before!.length, host.length - after.length);
  return `${before}${part}${after}` === host.toLowerCase() && /^[a-z0-9-]+$/.test(part) ? part : undefined;
}

function strict(text: string): string {
  return encodeURIComponent(text).replaceAll("'", '%27');
}
