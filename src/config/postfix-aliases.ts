/**
 * Variables of the common Postfix images as settings of Sluice, as their READMEs have them: boky/postfix (RELAYHOST,
 * POSTFIX_myhostname), mwader/postfix-relay (POSTFIX_*), juanluisbaptiste/postfix (SMTP_SERVER), catatnight/postfix
 * (maildomain). The names of the last two are so common that they count only with another one that their image needs.
 *
 * Contract: an alias counts only where the setting itself is given nowhere; those of RELAYHOST only where nothing at all
 * is said of SLUICE_UPSTREAM, its user and its password, so that no password goes to a host it is not for. What cannot
 * be taken is a warning that names it and what to do.
 */

type Environment = Readonly<Record<string, string | undefined>>;
/** Where it comes from, and the variables there. */
export type Layer = readonly [string, Environment];

export interface Aliases {
  /** Behind all others, one for each alias. */
  readonly layers: readonly Layer[];
  readonly warnings: readonly string[];
}

const PREFIX = 'POSTFIX_';
const RELAY = ['RELAYHOST', 'RELAYHOST_USERNAME', 'RELAYHOST_PASSWORD', 'RELAYHOST_PASSWORD_FILE'] as const;
const UPSTREAM = ['SLUICE_UPSTREAM', 'SLUICE_UPSTREAM_USER', 'SLUICE_UPSTREAM_PASSWORD'] as const;
/** The name behind POSTFIX_, the setting, and the unit of a plain number. */
const PLAIN: Readonly<Record<string, readonly [string, string]>> = {
  myhostname: ['SLUICE_HOSTNAME', ''],
  mynetworks: ['SLUICE_RELAY_NETWORKS', ''],
  relay_domains: ['SLUICE_RELAY_DOMAINS', ''],
  message_size_limit: ['SLUICE_MAX_MESSAGE_SIZE', ''],
  maximal_queue_lifetime: ['SLUICE_EXPIRE', 'd'],
  minimal_backoff_time: ['SLUICE_RETRY_MIN', 's'],
  maximal_backoff_time: ['SLUICE_RETRY_MAX', 's'],
  delay_warning_time: ['SLUICE_DELAY_WARNING', 'h'],
  smtpd_recipient_limit: ['SLUICE_MAX_RECIPIENTS', ''],
};
const TLS: Readonly<Record<string, string>> = {
  none: '?tls=none',
  may: '?tls=opportunistic',
  encrypt: '?tls=required&verify=no',
  verify: '?tls=required',
  secure: '?tls=required',
};
const SENDERS =
  'in SLUICE_CONFIG a [[route]] with sender = "@domain", and a last one with reply = "550 ...", let only these senders through';

/** What the images do and nothing here does by that name, and what to do. */
const IGNORED: ReadonlyArray<readonly [RegExp, string]> = [
  [/^ALLOWED_SENDER_DOMAINS$/, SENDERS],
  [/^MASQUERADED_DOMAINS$/, 'SLUICE_REWRITE_DOMAINS rewrites domains of senders, "old.example=new.example"'],
  [/^SMTP_HEADER_CHECKS$/, 'SLUICE_HEADER_REMOVE and SLUICE_HEADER_REPLACE change fields of the header'],
  [/^ANONYMIZE_EMAILS$/, 'addresses are logged as they are'],
  [
    /^XOAUTH2_CLIENT_ID$/,
    'SLUICE_UPSTREAM takes oauth=, client_id= and refresh_token_file=, as in gmail://user@?oauth=google',
  ],
  [
    /^(?:DKIM_AUTOGENERATE|OPENDKIM_DOMAINS)$/,
    '`sluice dkim generate` makes keys, and SLUICE_DKIM_DIR names their folder',
  ],
  [/^POSTSRSD_SRS_DOMAIN$/, 'the reverse-path is not rewritten by SRS; verp of a [[tenant]] is near it'],
  [/^POSTMASTER_ADDRESS$/, 'no notices are mailed; the log, /metrics and the events have them'],
  [/^POSTMAP_/, 'put the table into a file and let `sluice import-postfix` read it'],
  [/^POSTFIXMASTER_/, 'listeners are SLUICE_LISTEN; `sluice import-postfix --master` reads a master.cf'],
];
/** Of juanluisbaptiste/postfix besides what is taken, where its SERVER_HOSTNAME is given. */
const IGNORED_BESIDE: Readonly<Record<string, string>> = {
  SMTP_USERNAME_FILE: 'only passwords are read from files; give the name in SMTP_USERNAME',
  SMTP_HEADER_TAG: 'SLUICE_HEADER_ADD = "RelayTag: ..." does it',
  OVERWRITE_FROM: 'From is not overwritten; SLUICE_REWRITE_DOMAINS changes its domain',
  DESTINATION: 'SLUICE_RELAY_DOMAINS names the domains that mail is taken for from anywhere',
  ALWAYS_ADD_MISSING_HEADERS: 'missing fields of the header are not added to relayed mail',
};

/** The aliases that count in `layers` (the environment, then `.env`). */
export function postfixAliases(layers: readonly Layer[]): Aliases {
  const found: Layer[] = [];
  const warnings: string[] = [];
  const given = (name: string): readonly [string, string] | undefined => {
    for (const [source, env] of layers) if ((env[name] ?? '').trim() !== '') return [env[name]!, source];
    return undefined;
  };
  const settled = (name: string): boolean => given(name) !== undefined || given(`${name}_FILE`) !== undefined;
  const add = (alias: string, setting: string, text: string, source: string): void => {
    found.push([`${alias}, ${source}`, { [setting]: text }]);
  };

  const image = given('SERVER_HOSTNAME') !== undefined && given('SMTP_SERVER') !== undefined;
  if (image && given('RELAYHOST') === undefined) return ofSmtpServer(layers, given, settled);

  const hostName = given('RELAYHOST') === undefined ? `${PREFIX}relayhost` : 'RELAYHOST';
  const host = given(hostName);
  if (!UPSTREAM.some(settled)) {
    if (host !== undefined) {
      const level = given(`${PREFIX}smtp_tls_security_level`)?.[0].trim() ?? '';
      const login = given('RELAYHOST_USERNAME') !== undefined;
      // A password goes out under TLS only; may with a login is taken for encrypt.
      const tls = TLS[login && level === 'may' ? 'encrypt' : level] ?? '';
      const bare = host[0].trim().replace(/^\[([^\]:]*)\]/, '$1');
      add(hostName, 'SLUICE_UPSTREAM', `smtp://${bare}${tls}`, host[1]);
    }
    for (const name of RELAY.slice(1)) {
      const value = given(name);
      if (value === undefined) continue;
      if (host === undefined) warnings.push(`${name}: it has no effect without RELAYHOST`);
      else add(name, name.replace('RELAYHOST_USERNAME', UPSTREAM[1]).replace('RELAYHOST', 'SLUICE_UPSTREAM'), ...value);
    }
  }
  for (const name of new Set(layers.flatMap(([, env]) => Object.keys(env)))) {
    const why = given(name) === undefined ? undefined : IGNORED.find(([pattern]) => pattern.test(name))?.[1];
    if (why !== undefined) warnings.push(`${name}: it has no effect here; ${why}`);
  }
  if (given('maildomain') !== undefined && given('smtp_user') !== undefined) {
    const [name, source] = given('maildomain')!;
    if (!settled('SLUICE_HOSTNAME')) add('maildomain', 'SLUICE_HOSTNAME', name, source);
    warnings.push('smtp_user: it has no effect here; `sluice user add` makes accounts in SLUICE_AUTH_FILE');
  }
  for (const name of new Set(layers.flatMap(([, env]) => Object.keys(env)))) {
    const value = name.startsWith(PREFIX) ? given(name) : undefined;
    // juanluisbaptiste/postfix takes them in any case.
    const key = name.slice(PREFIX.length).toLowerCase();
    if (value === undefined || key === 'relayhost' || key === 'smtp_tls_security_level') continue;
    const row = Object.hasOwn(PLAIN, key) ? PLAIN[key] : undefined;
    if (row === undefined)
      warnings.push(`${name}: it has no effect here; \`sluice import-postfix\` says why for all of main.cf`);
    else if (!settled(row[0])) add(name, row[0], converted(key, value[0].trim(), row[1]), value[1]);
  }
  return { layers: found, warnings };
}

type Given = (name: string) => readonly [string, string] | undefined;

/** juanluisbaptiste/postfix: a next hop with a login, at port 587 where none is said. */
function ofSmtpServer(layers: readonly Layer[], given: Given, settled: (name: string) => boolean): Aliases {
  const found: Layer[] = [];
  const warnings: string[] = [];
  const take = (alias: string, setting: string, convert: (text: string) => string = (text) => text.trim()): void => {
    const value = given(alias);
    if (value !== undefined) found.push([`${alias}, ${value[1]}`, { [setting]: convert(value[0]) }]);
  };
  if (!UPSTREAM.some(settled)) {
    const port = given('SMTP_PORT')?.[0].trim() ?? '587';
    // Without a login the image takes TLS where it is offered.
    take('SMTP_SERVER', 'SLUICE_UPSTREAM', (host) => {
      const login = given('SMTP_USERNAME') !== undefined;
      return `smtp://${host.trim()}:${port}${login ? TLS['encrypt'] : TLS['may']}`;
    });
    take('SMTP_USERNAME', 'SLUICE_UPSTREAM_USER');
    take('SMTP_PASSWORD', 'SLUICE_UPSTREAM_PASSWORD', (text) => text);
    take('SMTP_PASSWORD_FILE', 'SLUICE_UPSTREAM_PASSWORD_FILE');
  }
  if (!settled('SLUICE_HOSTNAME')) take('SERVER_HOSTNAME', 'SLUICE_HOSTNAME');
  if (!settled('SLUICE_RELAY_NETWORKS'))
    take('SMTP_NETWORKS', 'SLUICE_RELAY_NETWORKS', (text) => converted('mynetworks', text.trim(), ''));
  if (!settled('SLUICE_MAX_MESSAGE_SIZE')) take('MESSAGE_SIZE_LIMIT', 'SLUICE_MAX_MESSAGE_SIZE');
  for (const [name, why] of Object.entries(IGNORED_BESIDE))
    if (given(name) !== undefined) warnings.push(`${name}: it has no effect here; ${why}`);
  const rest = postfixAliases(layers.map(([source, env]) => [source, without(env, 'SERVER_HOSTNAME')] as const));
  return { layers: [...found, ...rest.layers], warnings: [...warnings, ...rest.warnings] };
}

function without(env: Environment, name: string): Environment {
  return Object.fromEntries(Object.entries(env).filter(([one]) => one !== name));
}

function converted(key: string, text: string, unit: string): string {
  if (unit !== '') return /^\d+$/.test(text) ? `${text}${unit}` : text;
  if (key !== 'mynetworks' && key !== 'relay_domains') return text;
  const words = text.split(/[\s,]+/).map((word) => word.replaceAll(/[[\]]/g, ''));
  // The first that fits counts in Postfix, the last one here.
  return (words.some((word) => word.startsWith('!')) ? words.reverse() : words).join(',');
}
