/**
 * The table [[egress]] of the configuration file: the addresses mail leaves from, and the pools they are in.
 *
 *   [[egress]]
 *   name = "a"
 *   address = "192.0.2.10"
 *   address6 = "2001:db8::10"
 *   helo = "a.mail.example.org"
 *   pools = ["default", "news:3"]
 *   warmup = { start = "2026-12-01", messages_per_day = 50, growth = 1.5, until = 100000 }
 *
 * A pool is there because a source names it; without `pools` a source is in the pool `default`.
 */
import { z } from 'zod';
import { item } from '../accounts/account-settings.js';
import { canonicalAddress, canonicalDomain, formatHostPort } from './address-type.js';
import { tableOf } from './table-types.js';

export interface EgressPoolShare {
  readonly name: string;
  /** Share among the sources of the pool. */
  readonly weight: number;
}

/** What a source may send while it is new: `allowances[0]` messages on its first day, no limit after its last. */
export interface EgressWarmUp {
  /** UTC days since 1970-01-01. */
  readonly startDay: number;
  readonly allowances: readonly number[];
}

export interface EgressProxySettings {
  readonly kind: 'socks5' | 'haproxy';
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** File with the password, '' for none. */
  readonly passwordFile: string;
}

/** One source; '' for what is not said. */
export interface EgressSettings {
  readonly name: string;
  readonly address4: string;
  readonly address6: string;
  readonly helo: string;
  readonly pools: readonly EgressPoolShare[];
  readonly proxy: EgressProxySettings | null;
  readonly warmup: EgressWarmUp | null;
}

/** The pool of what no route or tenant gives another. */
export const DEFAULT_POOL = 'default';

const NAME = /^[\w.-]{1,64}$/;
const MAX_SOURCES = 1000;
const MAX_POOLS = 100;
const MAX_WEIGHT = 1000;
const MAX_MESSAGES = 1_000_000_000;
/** Longest warm-up, days. */
const MAX_DAYS = 1000;
const DAY = 86_400_000;
const PORTS = { socks5: 1080, haproxy: 0 } as const;

const nameType = z
  .string({ error: 'allowed: a name of letters, digits and . _ -' })
  .regex(NAME, 'allowed: letters, digits and . _ - , at most 64');

function whole(least: number, most: number) {
  const error = `allowed: a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, error).max(most, error);
}

function address(family: 4 | 6, example: string) {
  return item(`an IPv${family} address such as ${example}`, (text) => {
    const found = canonicalAddress(text);
    const unusable = found === undefined || found === '0.0.0.0' || found === '::' || found.startsWith('::ffff:');
    return unusable || found.includes(':') !== (family === 6) ? undefined : found;
  });
}

/** `name` or `name:weight`; weight 0: not said. */
const share = item(`"pool" or "pool:weight", the weight from 1 to ${MAX_WEIGHT}`, (text) => {
  const [, name = '', weight = '0'] = /^([^:]*)(?::([1-9]\d{0,3}))?$/.exec(text) ?? [];
  return NAME.test(name) && Number(weight) <= MAX_WEIGHT ? { name, weight: Number(weight) } : undefined;
});

const proxy = item('"socks5://user@host:1080" or "haproxy://host:port", the password in password_file', (text) => {
  const kind = (['socks5', 'haproxy'] as const).find((one) => text.toLowerCase().startsWith(`${one}://`));
  // Schemes that URL knows nothing of have their host taken as it stands; https has it checked.
  const checked = kind === undefined ? '' : `https${text.slice(kind.length)}`;
  if (kind === undefined || !URL.canParse(checked)) return undefined;
  const url = new URL(checked);
  const bare = url.hostname.replace(/^\[|\]$/g, '');
  const host = canonicalAddress(bare) ?? canonicalDomain(bare);
  // To https its own port is as good as none, here it is one.
  const port = Number(url.port) || (/:443\/?$/.test(text) ? 443 : PORTS[kind]);
  const tail = url.pathname.length > 1 || url.search !== '' || url.hash !== '';
  if (host === undefined || port === 0 || tail || url.password !== '') return undefined;
  if (kind === 'haproxy' && url.username !== '') return undefined;
  const user = decoded(url.username);
  return user === undefined || Buffer.byteLength(user) > 255 ? undefined : { kind, host, port, user };
});

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** A day as TOML has it, `2026-12-01`, with or without quotes; as UTC days since 1970. */
const day = z.unknown().transform((value, context): number => {
  // smol-toml makes a Date of a bare one.
  const text = value instanceof Date ? value.toISOString() : value;
  if (typeof text === 'string' && /^\d{4}-\d\d-\d\d$/.test(text)) {
    const time = Date.parse(`${text}T00:00:00Z`);
    if (!Number.isNaN(time) && new Date(time).toISOString().startsWith(text)) return time / DAY;
  }
  context.addIssue({ code: 'custom', message: 'allowed: a day such as "2026-12-01"' });
  return z.NEVER;
});

const warmupShape = {
  start: day,
  messages_per_day: whole(1, MAX_MESSAGES).optional(),
  growth: z
    .number({ error: 'allowed: a number from 1.01 to 10' })
    .min(1.01, 'allowed: a number from 1.01 to 10')
    .max(10, 'allowed: a number from 1.01 to 10')
    .optional(),
  until: whole(1, MAX_MESSAGES).optional(),
  schedule: z
    .array(whole(0, MAX_MESSAGES), { error: 'allowed: a list of messages a day such as [50, 100, 500]' })
    .min(1, 'allowed: at least one day')
    .max(MAX_DAYS, `allowed: at most ${MAX_DAYS} days`)
    .optional(),
};

const DEFAULT_GROWTH = 1.5;
const DEFAULT_UNTIL = 100_000;

const warmup = tableOf('egress.warmup', warmupShape).transform(
  ({ start, schedule, messages_per_day: first, growth, until }, context): EgressWarmUp => {
    const refuse = (path: string[], message: string): EgressWarmUp => {
      context.addIssue({ code: 'custom', path, message });
      return z.NEVER;
    };
    if (schedule !== undefined) {
      if (first !== undefined || growth !== undefined || until !== undefined)
        return refuse(['schedule'], 'allowed: either schedule or messages_per_day with growth and until');
      return { startDay: start, allowances: schedule };
    }
    if (first === undefined)
      return refuse(['messages_per_day'], 'allowed: the messages of the first day; or schedule = [50, 100, 500]');
    const allowances = grown(first, growth ?? DEFAULT_GROWTH, until ?? DEFAULT_UNTIL);
    if (allowances.length === 0) return refuse(['until'], `allowed: more than messages_per_day (${first})`);
    if (allowances.length > MAX_DAYS)
      return refuse(['growth'], `allowed: one that reaches until (${until ?? DEFAULT_UNTIL}) within ${MAX_DAYS} days`);
    return { startDay: start, allowances };
  },
);

/** The days before the allowance reaches `until`. */
function grown(first: number, growth: number, until: number): number[] {
  const days: number[] = [];
  for (let today = first; today < until && days.length <= MAX_DAYS; today *= growth) days.push(Math.floor(today));
  return days;
}

const shape = {
  name: nameType,
  address: address(4, '192.0.2.10').optional(),
  address6: address(6, '2001:db8::10').optional(),
  helo: item('a host name such as a.mail.example.org', canonicalDomain).optional(),
  pool: nameType.optional(),
  pools: z
    .array(share, { error: 'allowed: a list of pools such as ["default", "news:3"]' })
    .min(1, 'allowed: at least one pool')
    .max(MAX_POOLS, `allowed: at most ${MAX_POOLS}`)
    .optional(),
  weight: whole(1, MAX_WEIGHT).optional(),
  proxy: proxy.optional(),
  password_file: z.string({ error: 'allowed: a path' }).min(1, 'allowed: a path').optional(),
  warmup: warmup.optional(),
};

const source = tableOf('egress', shape).transform((fields, context): EgressSettings => {
  const refuse = (path: string, message: string): void => {
    context.addIssue({ code: 'custom', path: [path], message });
  };
  const { weight = 1, pool, pools, password_file: passwordFile = '' } = fields;
  if (pool !== undefined && pools !== undefined) refuse('pool', 'allowed: either pool or pools');
  const shares = (pools ?? [{ name: pool ?? DEFAULT_POOL, weight: 0 }]).map((one) => ({
    name: one.name,
    weight: one.weight || weight,
  }));
  const twice = shares.find(({ name }, at) => shares.findIndex((other) => other.name === name) < at);
  if (twice !== undefined) refuse('pools', `allowed: each pool once; ${twice.name} is there twice`);
  const nowhere = fields.address === undefined && fields.address6 === undefined;
  if (nowhere && fields.proxy?.kind === 'haproxy')
    refuse('proxy', 'allowed: with address or address6, which the balancer is told to use');
  if (nowhere && fields.proxy === undefined && fields.helo === undefined)
    refuse('address', 'allowed: at least one of address, address6, proxy and helo');
  if ((fields.proxy?.user ?? '') !== '' && passwordFile === '')
    refuse('password_file', 'allowed: the file with the password of the user in proxy');
  if (passwordFile !== '' && (fields.proxy?.user ?? '') === '')
    refuse('password_file', 'allowed: with a user in proxy, "socks5://user@host:port"');
  return {
    name: fields.name,
    address4: fields.address ?? '',
    address6: fields.address6 ?? '',
    helo: fields.helo ?? '',
    pools: shares,
    proxy: fields.proxy === undefined ? null : { ...fields.proxy, passwordFile },
    warmup: fields.warmup ?? null,
  };
});

/** All sources: each name once, and each address, since what is learnt and counted is an address's. */
export const egressTable = z
  .array(source, { error: 'allowed: tables of sources, [[egress]]' })
  .max(MAX_SOURCES, `allowed: at most ${MAX_SOURCES}`)
  // Not superRefine, which also runs over items that have a mistake and so are no sources.
  .transform((sources, context) => {
    const seen = new Map<string, number>();
    const once = (key: string, index: number, path: string): void => {
      const before = seen.get(key);
      if (before === undefined) seen.set(key, index);
      else {
        const message = `allowed: once; egress[${before + 1}] has it already`;
        context.addIssue({ code: 'custom', path: [index, path], message });
      }
    };
    sources.forEach(({ name, address4, address6, proxy: via }, index) => {
      const by = via === null ? '' : ` by ${formatHostPort(via.host, via.port)}`;
      once(`name ${name}`, index, 'name');
      if (address4 !== '') once(`${address4}${by}`, index, 'address');
      if (address6 !== '') once(`${address6}${by}`, index, 'address6');
    });
    return sources;
  })
  .default([]);

/** The pools that sources are in. */
export function poolNames(sources: readonly EgressSettings[]): readonly string[] {
  return [...new Set(sources.flatMap(({ pools }) => pools.map(({ name }) => name)))];
}
