/**
 * Where clients connect: the values of SLUICE_LISTEN.
 *
 * `scheme://address:port?parameters`, or `scheme://fd/<number or name>` for a socket inherited from systemd. The scheme
 * says what the listener is for and so what holds where no parameter says otherwise: see PRESETS.
 * Besides: what its mail is (lane, name for rules) and how much of it there may be.
 * Contract: as value-type.ts.
 */
import type { Lane } from '../message/envelope.js';
import { formatHostPort } from './address-type.js';
import { parseSmtpUrl } from './smtp-url.js';
import type { Parsed, ValueType } from './value-type.js';

const REQUIREMENTS = ['none', 'optional', 'required'] as const;
const PROXY_VERSIONS = ['none', 'v1', 'v2'] as const;
const LANES: readonly Lane[] = ['immediate', 'bulk'];
const NAME = /^[a-z0-9][\w.-]{0,63}$/;
const MAX_COUNT = 1_000_000_000;
const TRANSPARENT = ['none', 'redirect', 'tproxy'] as const;
export type Requirement = (typeof REQUIREMENTS)[number];
export type ListenScheme = 'smtp' | 'submission' | 'smtps';

/** One listener. */
export interface ListenAddress {
  readonly scheme: ListenScheme;
  /** Address or name without brackets; '' for an inherited socket. */
  readonly host: string;
  /** 0 is any free port. */
  readonly port: number;
  /** Number or name of an inherited socket; '' for one of our own. */
  readonly inherited: string;
  /** `implicit`: the connection begins with TLS; else whether STARTTLS is offered, and whether it is demanded. */
  readonly tls: Requirement | 'implicit';
  /** `optional` where there are no accounts is the same as `none`. */
  readonly auth: Requirement;
  /** Version of the PROXY header that comes before everything else. */
  readonly proxy: (typeof PROXY_VERSIONS)[number];
  /** How a firewall sends connections here that were going elsewhere; their mail goes on to where they were going. */
  readonly transparent: (typeof TRANSPARENT)[number];
  /** Of its mail where nothing nearer to the message says it; null: not said here. */
  readonly lane: Lane | null;
  /** What rules call it, lower case; '' where none was given: see listenerNames. */
  readonly name: string;
  readonly limits: ListenerLimits;
}

/** How much may come by one listener, from all clients together; 0: no limit. */
export interface ListenerLimits {
  readonly messagesPerMinute: number;
  readonly recipientsPerMinute: number;
  /** At once. */
  readonly connections: number;
  /** New ones. */
  readonly connectionsPerSecond: number;
}

interface Preset {
  readonly port: number;
  readonly tls: ListenAddress['tls'];
  readonly auth: Requirement;
}

/** RFC 5321; RFC 6409 with RFC 8314 section 3.3; RFC 8314 section 7.3. */
const PRESETS: Readonly<Record<ListenScheme, Preset>> = {
  smtp: { port: 25, tls: 'optional', auth: 'optional' },
  submission: { port: 587, tls: 'required', auth: 'required' },
  smtps: { port: 465, tls: 'implicit', auth: 'required' },
};
const PORTS = Object.fromEntries(Object.entries(PRESETS).map(([scheme, { port }]) => [scheme, port]));
/** Parameters that are limits, and where their values go. */
const LIMITS: ReadonlyArray<readonly [string, keyof ListenerLimits]> = [
  ['messages_per_minute', 'messagesPerMinute'],
  ['recipients_per_minute', 'recipientsPerMinute'],
  ['connections', 'connections'],
  ['connections_per_second', 'connectionsPerSecond'],
];
const PARAMETERS = ['auth', 'tls', 'proxy', 'transparent', 'lane', 'name', ...LIMITS.map(([name]) => name)];

/** How a listener is given: `smtp://`, `submission://` or `smtps://`. */
export function listenAddress(): ValueType<ListenAddress> {
  return {
    allowed:
      'smtp://, submission:// or smtps:// with address:port or fd/name, and ?auth=, tls=, proxy=, transparent=, lane=, name=, ' +
      `${LIMITS.map(([limit]) => `${limit}=`).join(', ')}`,
    unit: '',
    parse: parseListener,
    format: formatListener,
  };
}

function parseListener(text: string): Parsed<ListenAddress> {
  // URLs have no form for descriptors; a path after the host "fd" is one that every URL parser takes.
  const fd = /^([a-z]+:\/\/fd)\/([^/?#]*)(.*)$/i.exec(text);
  if (fd !== null && !/^[\w.@-]{1,255}$/.test(fd[2]!)) return { problem: 'after fd/ a number or a name is missing' };
  const parsed = parseSmtpUrl(fd === null ? text : `${fd[1]}${fd[3]}`, PARAMETERS, PORTS);
  if ('problem' in parsed) return parsed;
  const { host, port, query } = parsed.value;
  const scheme = parsed.value.scheme as ListenScheme;
  const preset = PRESETS[scheme];
  const auth = oneOf(query, 'auth', REQUIREMENTS, preset.auth);
  if (auth === null) return wrong('auth', REQUIREMENTS);
  const proxy = oneOf(query, 'proxy', PROXY_VERSIONS, 'none');
  if (proxy === null) return wrong('proxy', PROXY_VERSIONS);
  const transparent = oneOf(query, 'transparent', TRANSPARENT, 'none');
  if (transparent === null) return wrong('transparent', TRANSPARENT);
  if (transparent !== 'none' && proxy !== 'none')
    return { problem: 'proxy= and transparent= cannot be on one listener: nobody redirects what a balancer sends' };
  const tls = oneOf<ListenAddress['tls']>(query, 'tls', REQUIREMENTS, preset.tls);
  if (tls === null) return wrong('tls', REQUIREMENTS);
  if (scheme === 'smtps' && query.has('tls') && tls !== 'required')
    return { problem: `smtps:// begins with TLS, so tls=${tls} cannot be: use smtp:// or leave it away` };
  const lane = oneOf<Lane | ''>(query, 'lane', LANES, '');
  if (lane === null) return wrong('lane', LANES);
  const name = query.get('name')?.toLowerCase() ?? '';
  if (query.getAll('name').length > 1 || (query.has('name') && !NAME.test(name)))
    return { problem: 'name is not one word of letters, digits and . _ -, at most 64' };
  const limits = { messagesPerMinute: 0, recipientsPerMinute: 0, connections: 0, connectionsPerSecond: 0 };
  for (const [limit, key] of LIMITS) {
    const given = query.getAll(limit);
    if (given.length === 0) continue;
    const value = given.length === 1 && /^\d{1,10}$/.test(given[0]!) ? Number(given[0]) : -1;
    if (value < 0 || value > MAX_COUNT) return { problem: `${limit} is not a whole number up to ${MAX_COUNT}` };
    limits[key] = value;
  }
  return {
    value: {
      scheme,
      ...(fd === null ? { host, port, inherited: '' } : { host: '', port: 0, inherited: fd[2]! }),
      tls: scheme === 'smtps' ? 'implicit' : tls,
      auth,
      proxy,
      transparent,
      lane: lane === '' ? null : lane,
      name,
      limits,
    },
  };
}

/** The value of a parameter, or null when it is not one of `words`. */
function oneOf<W extends string>(query: URLSearchParams, name: string, words: readonly W[], preset: W): W | null {
  const given = query.getAll(name);
  if (given.length === 0) return preset;
  return (given.length === 1 && words.find((word) => word === given[0]!.toLowerCase())) || null;
}

function wrong(name: string, words: readonly string[]): { readonly problem: string } {
  return { problem: `${name} is not one of ${words.join(', ')}` };
}

function formatListener(value: ListenAddress): string {
  const preset = PRESETS[value.scheme];
  const at = value.inherited === '' ? formatHostPort(value.host, value.port) : `fd/${value.inherited}`;
  const query = new URLSearchParams();
  if (value.auth !== preset.auth) query.set('auth', value.auth);
  if (value.tls !== preset.tls) query.set('tls', value.tls);
  if (value.proxy !== 'none') query.set('proxy', value.proxy);
  if (value.transparent !== 'none') query.set('transparent', value.transparent);
  if (value.lane !== null) query.set('lane', value.lane);
  if (value.name !== '') query.set('name', value.name);
  for (const [limit, key] of LIMITS) if (value.limits[key] !== 0) query.set(limit, String(value.limits[key]));
  return `${value.scheme}://${at}${query.size === 0 ? '' : `?${query}`}`;
}
