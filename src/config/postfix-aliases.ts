/**
 * Variables of the common Postfix images (RELAYHOST, RELAYHOST_USERNAME, POSTFIX_myhostname ...) as settings of Sluice.
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
  'ALLOWED_SENDER_DOMAINS: it has no effect here; in SLUICE_CONFIG a [[route]] with sender = "@domain", and a last one with reply = "550 ...", let only these senders through';

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
  if (given('ALLOWED_SENDER_DOMAINS') !== undefined) warnings.push(SENDERS);
  for (const name of new Set(layers.flatMap(([, env]) => Object.keys(env)))) {
    const value = name.startsWith(PREFIX) ? given(name) : undefined;
    const key = name.slice(PREFIX.length);
    if (value === undefined || key === 'relayhost' || key === 'smtp_tls_security_level') continue;
    const row = Object.hasOwn(PLAIN, key) ? PLAIN[key] : undefined;
    if (row === undefined)
      warnings.push(`${name}: it has no effect here; \`sluice import-postfix\` says why for all of main.cf`);
    else if (!settled(row[0])) add(name, row[0], converted(key, value[0].trim(), row[1]), value[1]);
  }
  return { layers: found, warnings };
}

function converted(key: string, text: string, unit: string): string {
  if (unit !== '') return /^\d+$/.test(text) ? `${text}${unit}` : text;
  if (key !== 'mynetworks' && key !== 'relay_domains') return text;
  const words = text.split(/[\s,]+/).map((word) => word.replaceAll(/[[\]]/g, ''));
  // The first that fits counts in Postfix, the last one here.
  return (words.some((word) => word.startsWith('!')) ? words.reverse() : words).join(',');
}
