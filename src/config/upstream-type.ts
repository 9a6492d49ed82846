/**
 * Next hops: the values of SLUICE_UPSTREAM and SLUICE_UPSTREAM_LOGINS.
 *
 * Contract: as value-type.ts; given texts are never quoted, they may hold passwords. Files are named here and read when
 * the engine starts.
 */
import { MECHANISMS, type Mechanism } from '../smtp/authentication.js';
import { canonicalAddress, canonicalDomain, formatHostPort } from './address-type.js';
import { CHOICE_PARAMETERS, choiceParameters, readChoice, type UpstreamChoice } from './upstream-choice.js';
import { UPSTREAM_PRESETS, type UpstreamPreset } from './upstream-presets.js';
import { parseUpstreamUrl, type UpstreamUrl } from './upstream-url.js';
import type { Parsed, ValueType } from './value-type.js';

/** Where access tokens come from (RFC 6749): by refresh token where there is one, else by client credentials. */
export interface TokenSource {
  readonly url: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly clientSecretFile: string;
  readonly refreshToken: string;
  readonly refreshTokenFile: string;
  readonly scope: string;
}

/** One next hop; '' and 0 stand for "not given". */
export interface UpstreamAddress extends UpstreamChoice {
  readonly host: string;
  readonly port: number;
  /** Most connections to it; `weight`: its share of the mail against the others. */
  readonly pool: number;
  readonly weight: number;
  /** Most messages on one connection, and recipients in one transaction. */
  readonly messages: number;
  readonly recipients: number;
  /** '': required where there are credentials, opportunistic otherwise. */
  readonly tls: '' | 'none' | 'opportunistic' | 'required';
  /** smtps: TLS from the first byte. */
  readonly implicit: boolean;
  readonly verify: boolean;
  /** Path of authorities in PEM form. */
  readonly ca: string;
  /** SHA-256 in lower-case hex. */
  readonly pins: readonly string[];
  /** The name its certificate has, where it is not `host`. */
  readonly name: string;
  /** Paths of a client certificate and its key. */
  readonly cert: string;
  readonly key: string;
  readonly user: string;
  readonly password: string;
  readonly passwordFile: string;
  readonly mechanism: Mechanism | '';
  /** Secrets may be sent without TLS. */
  readonly authInClear: boolean;
  readonly tokens: TokenSource | null;
}

/** A user and password for the next hops at a host. */
export interface UpstreamLogin {
  readonly host: string;
  readonly user: string;
  readonly password: string;
}

const DEFAULT_POOL = 50;
const MAX_COUNT = 1000;
const SMTP_PORT = 25;
const SMTPS_PORT = 465;
const NUMBERS = ['pool', 'weight', 'messages', 'recipients'] as const;
const PARAMETERS = [
  ...NUMBERS,
  ...CHOICE_PARAMETERS,
  'tls',
  'verify',
  'ca',
  'pin',
  'name',
  'cert',
  'key',
  'user',
  'password_file',
  'auth',
  'auth_in_clear',
  'oauth',
  'client_id',
  'client_secret',
  'client_secret_file',
  'refresh_token',
  'refresh_token_file',
  'scope',
];
const TLS_MODES = ['none', 'opportunistic', 'required'] as const;
const SCHEMES = ['smtp', 'smtps', ...UPSTREAM_PRESETS.map(({ scheme }) => scheme)];

/** A next hop as a URL. */
export function upstreamAddress(): ValueType<UpstreamAddress> {
  return {
    allowed: 'smtp://host:port?pool=50&weight=1, smtps://user:password@host or a preset such as ses://us-east-1',
    unit: '',
    hidden: true,
    parse: (text) => {
      const parsed = parseUpstreamUrl(text, PARAMETERS, ['pin']);
      return 'problem' in parsed ? parsed : read(parsed.value);
    },
    format,
  };
}

/** `host user:password`. */
export function upstreamLogin(): ValueType<UpstreamLogin> {
  return {
    allowed: 'host user:password',
    unit: '',
    hidden: true,
    parse: (text) => {
      const match = /^(\S+)\s+([^\s:]+):(.+)$/.exec(text);
      if (match === null) return { problem: 'it is not a host, a blank, and user:password' };
      const host = canonicalAddress(match[1]!) ?? canonicalDomain(match[1]!);
      if (host === undefined) return { problem: 'the host is neither an address nor a name' };
      return { value: { host, user: match[2]!, password: match[3]! } };
    },
    format: ({ host, user, password }) => `${host} ${user}:${password}`,
  };
}

function read(url: UpstreamUrl): Parsed<UpstreamAddress> {
  const preset = UPSTREAM_PRESETS.find(({ scheme }) => scheme === url.scheme);
  if (!SCHEMES.includes(url.scheme)) return { problem: `the scheme is not one of ${SCHEMES.join(', ')}` };
  const host = hostOf(url, preset);
  if (typeof host !== 'string') return host;
  const implicit = preset?.implicit ?? url.scheme === 'smtps';
  const one = (name: string): string => url.parameters.get(name)?.[0] ?? '';
  const counts = {
    pool: preset?.pool || DEFAULT_POOL,
    weight: 1,
    messages: preset?.messages ?? 0,
    recipients: preset?.recipients ?? 0,
  };
  for (const name of NUMBERS) {
    const given = one(name);
    if (given === '') continue;
    const max = name === 'messages' ? 1_000_000_000 : name === 'recipients' ? 10_000 : MAX_COUNT;
    if (!/^\d{1,10}$/.test(given) || Number(given) < 1 || Number(given) > max)
      return { problem: `${name} is not a number from 1 to ${max}` };
    counts[name] = Number(given);
  }
  const tls = one('tls') || (preset !== undefined || implicit ? 'required' : '');
  if (tls !== '' && !TLS_MODES.includes(tls as 'none')) return { problem: `tls is not one of ${TLS_MODES.join(', ')}` };
  if (implicit && tls !== 'required')
    return { problem: `tls=${tls} cannot be: on this port TLS comes before anything` };
  for (const name of ['verify', 'auth_in_clear'])
    if (!['', 'yes', 'no'].includes(one(name))) return { problem: `${name} is not yes or no` };
  const pins = (url.parameters.get('pin') ?? []).map((pin) => pin.replaceAll(':', '').toLowerCase());
  if (!pins.every((pin) => /^[0-9a-f]{64}$/.test(pin))) return { problem: 'a pin is not a SHA-256 in hex (64 digits)' };
  const judged = ['verify', 'ca', 'pin', 'name'].find((name) => one(name) !== '');
  if (judged !== undefined && tls !== 'required')
    return { problem: `${judged} counts with tls=required only: give that too` };
  const name = one('name') === '' ? '' : canonicalName(one('name'));
  if (name === undefined) return { problem: 'name is not a host name' };
  if ((one('cert') === '') !== (one('key') === '')) return { problem: 'cert and key go together' };
  const mechanism = one('auth').toUpperCase();
  if (mechanism !== '' && !MECHANISMS.includes(mechanism as Mechanism))
    return { problem: `auth is not one of ${MECHANISMS.join(', ')}` };
  const { user } = url;
  if (user !== '' && one('user') !== '') return { problem: 'the user is given twice' };
  if (url.password !== '' && one('password_file') !== '') return { problem: 'the password is given twice' };
  const tokens = tokensOf(one, preset);
  if (tokens !== null && 'problem' in tokens) return tokens;
  const choice = readChoice(one);
  if ('problem' in choice) return choice;
  return {
    value: {
      host,
      port: url.port || (preset?.port ?? (implicit ? SMTPS_PORT : SMTP_PORT)),
      ...counts,
      ...choice,
      tls: tls as UpstreamAddress['tls'],
      implicit,
      verify: one('verify') !== 'no',
      ca: one('ca'),
      pins,
      name,
      cert: one('cert'),
      key: one('key'),
      user: user || one('user') || (preset?.user ?? ''),
      password: url.password,
      passwordFile: one('password_file'),
      mechanism: mechanism as Mechanism | '',
      authInClear: one('auth_in_clear') === 'yes',
      tokens,
    },
  };
}

function canonicalName(text: string): string | undefined {
  return canonicalAddress(text) ?? canonicalDomain(text);
}

function hostOf({ host, scheme }: UpstreamUrl, preset: UpstreamPreset | undefined): string | { problem: string } {
  if (preset === undefined) {
    return canonicalName(host) ?? { problem: 'the host is neither an address nor a name' };
  }
  if (preset.part === '') return host === '' ? preset.host : { problem: `nothing stands for the host in ${scheme}://` };
  const part = /^[a-z0-9-]{1,40}$/i.test(host) ? host.toLowerCase() : '';
  return part === '' ? { problem: `${scheme}:// is followed by the ${preset.part}` } : preset.host.replace('{}', part);
}

function tokensOf(
  one: (name: string) => string,
  preset: UpstreamPreset | undefined,
): TokenSource | null | { problem: string } {
  const oauth = one('oauth');
  if (oauth === '') {
    const stray = [
      'client_id',
      'client_secret',
      'refresh_token',
      'client_secret_file',
      'refresh_token_file',
      'scope',
    ].find((name) => one(name) !== '');
    return stray === undefined ? null : { problem: `${stray} needs oauth=, which says where tokens come from` };
  }
  const template = preset?.tokenUrl ?? '';
  const short = /^[a-z0-9.-]{1,100}$/i.test(oauth) && template !== '';
  const url = short ? template.replace('{}', oauth) : oauth;
  // http is for tests on this host: client secrets go there.
  if (!URL.canParse(url) || !/^(?:https:\/\/|http:\/\/(?:127\.0\.0\.1|localhost|\[::1\])[:/])/.test(url))
    return {
      problem: 'oauth is not the https:// URL of a token endpoint (exchange-online: or the tenant; gmail: or google)',
    };
  if (one('client_id') === '') return { problem: 'oauth needs client_id=' };
  const refresh = one('refresh_token') !== '' || one('refresh_token_file') !== '';
  if (!refresh && one('client_secret') === '' && one('client_secret_file') === '')
    return { problem: 'oauth needs client_secret_file= or refresh_token_file=' };
  for (const name of ['client_secret', 'refresh_token'])
    if (one(name) !== '' && one(`${name}_file`) !== '') return { problem: `${name} is given twice` };
  return {
    url,
    clientId: one('client_id'),
    clientSecret: one('client_secret'),
    clientSecretFile: one('client_secret_file'),
    refreshToken: one('refresh_token'),
    refreshTokenFile: one('refresh_token_file'),
    scope: one('scope') || (refresh ? '' : (preset?.scope ?? '')),
  };
}

function format(value: UpstreamAddress): string {
  const { tokens } = value;
  const login =
    value.user === '' && value.password === ''
      ? ''
      : `${strict(value.user)}${value.password === '' ? '' : `:${strict(value.password)}`}@`;
  const parameters: [string, string | number][] = [
    ['pool', value.pool],
    ['weight', value.weight],
    ['messages', value.messages],
    ['recipients', value.recipients],
    ...choiceParameters(value),
    ['tls', value.tls === 'required' && value.implicit ? '' : value.tls],
    ['verify', value.verify ? '' : 'no'],
    ['ca', value.ca],
    ...value.pins.map((pin): [string, string] => ['pin', pin]),
    ['name', value.name],
    ['cert', value.cert],
    ['key', value.key],
    ['password_file', value.passwordFile],
    ['auth', value.mechanism],
    ['auth_in_clear', value.authInClear ? 'yes' : ''],
    ['oauth', tokens?.url ?? ''],
    ['client_id', tokens?.clientId ?? ''],
    ['client_secret', tokens?.clientSecret ?? ''],
    ['client_secret_file', tokens?.clientSecretFile ?? ''],
    ['refresh_token', tokens?.refreshToken ?? ''],
    ['refresh_token_file', tokens?.refreshTokenFile ?? ''],
    ['scope', tokens?.scope ?? ''],
  ];
  const query = parameters
    .filter(([, given]) => given !== '' && given !== 0)
    .map(([name, given]) => `${name}=${encode(String(given))}`);
  return `smtp${value.implicit ? 's' : ''}://${login}${formatHostPort(value.host, value.port)}?${query.join('&')}`;
}

function strict(text: string): string {
  return encodeURIComponent(text).replaceAll("'", '%27');
}

/** Percent-encoded so that no comma, slash or quote is left to be misread; paths and URLs stay readable. */
function encode(text: string): string {
  return encodeURIComponent(text)
    .replace(/%2F|%3A/g, (code) => (code === '%2F' ? '/' : ':'))
    .replaceAll("'", '%27');
}
