/**
 * From the settings of next hops to upstreams as delivery takes them: files read, users and passwords looked up, TLS
 * policies made.
 */
import { readFileSync, statSync } from 'node:fs';
import type { Distances } from './app-distances.js';
import type { Settings } from './config/schema.js';
import { UPSTREAM_PRESETS } from './config/upstream-presets.js';
import type { TokenSource, UpstreamAddress } from './config/upstream-type.js';
import type { Clock } from './core/clock.js';
import { messageOf, SluiceError } from './core/errors.js';
import type { HttpClient } from './core/http.js';
import { AccessTokens } from './delivery/access-tokens.js';
import type { HostCredentials, Upstream } from './delivery/site.js';
import type { TlsPolicy } from './delivery/tls-policy.js';
import { ClientContexts } from './net/tls/client-context.js';
import { DerivedKeys } from './smtp/scram-client.js';

export type UpstreamSettings = Pick<
  Settings,
  'upstream' | 'upstreamUser' | 'upstreamPassword' | 'upstreamLogins' | 'upstreamTlsMinVersion'
>;

const MAX_FILE = 1024 * 1024;

/**
 * The next hops, ready to be used. `where`: what names them, for people.
 * @throws SluiceError `bad-upstream`: which one, what is wrong, how to mend it.
 */
export function upstreamsOf(
  settings: UpstreamSettings,
  http: HttpClient,
  clock: Clock,
  distances: Distances,
  where = 'SLUICE_UPSTREAM',
): Upstream[] {
  try {
    return settings.upstream.map((address) => {
      const upstream = upstreamOf(address, settings, http, clock);
      const { host, region } = address;
      return distances === null ? upstream : { ...upstream, guessDistance: distances(host, region) };
    });
  } catch (error) {
    throw new SluiceError('bad-upstream', `${where}: ${messageOf(error)}`, { temporary: false, cause: error });
  }
}

function upstreamOf(address: UpstreamAddress, settings: UpstreamSettings, http: HttpClient, clock: Clock): Upstream {
  const credentials = credentialsOf(address, settings, http, clock);
  const { host, port, pool, weight, messages, recipients, region, cost, quota, check } = address;
  return {
    host,
    port,
    pool,
    weight,
    maxMessages: messages,
    maxRecipients: recipients,
    tls: policyOf(address, credentials !== null, settings.upstreamTlsMinVersion),
    ...(credentials === null ? {} : { credentials }),
    region,
    cost,
    quota,
    check,
  };
}

function policyOf(address: UpstreamAddress, authenticates: boolean, minVersion: string): TlsPolicy {
  const mode = address.tls || (authenticates ? 'required' : 'opportunistic');
  const name = address.name || address.host;
  const [ca, cert, key] = [address.ca, address.cert, address.key].map((path) =>
    path === '' ? '' : readFor(address, path),
  );
  const policy: TlsPolicy = {
    mode,
    implicit: address.implicit,
    verify: mode !== 'required' ? 'any' : address.pins.length > 0 ? 'pin' : address.verify ? 'pki' : 'any',
    serverName: name,
    names: [name],
    ca: ca!,
    pins: address.pins,
    tlsa: [],
    minVersion: minVersion === 'tlsv1.3' ? 'TLSv1.3' : 'TLSv1.2',
    cert: cert!,
    key: key!,
    source: address.tls === '' ? 'default' : 'setting',
  };
  if (ca !== '' && !ca!.includes('-----BEGIN CERTIFICATE-----'))
    throw bad(address, `${address.ca} holds no certificate in PEM form`);
  if (ca === '' && cert === '') return policy;
  try {
    new ClientContexts().get(policy);
  } catch (error) {
    throw bad(address, `ca=, cert= or key= cannot be used (${messageOf(error)})`);
  }
  return policy;
}

function credentialsOf(
  address: UpstreamAddress,
  settings: UpstreamSettings,
  http: HttpClient,
  clock: Clock,
): HostCredentials | null {
  const { tokens, mechanism, authInClear } = address;
  const login = loginOf(address, settings);
  const user = login?.user || address.user || settings.upstreamUser;
  const certificate = address.cert !== '';
  if (user === '' && address.password === '' && address.passwordFile === '' && tokens === null)
    return certificate && mechanism === 'EXTERNAL' ? { sasl: { ...NOBODY, certificate, mechanism } } : null;
  if (user === '') throw bad(address, 'there is a password or oauth= but no user: give it as smtp://user@host');
  const sasl = { user, password: '', token: tokens !== null, certificate, mechanism, inClear: authInClear };
  if (tokens !== null) {
    const source = new AccessTokens(grantOf(address, tokens), http, clock);
    return { sasl: { ...sasl, derived: null }, fetchToken: () => source.get(), tokenRefused: () => source.forget() };
  }
  const password =
    address.passwordFile !== ''
      ? readFor(address, address.passwordFile).replace(/\r?\n$/, '')
      : address.password || login?.password || settings.upstreamPassword;
  if (password === '' && !certificate)
    throw bad(address, 'there is a user but no password: set SLUICE_UPSTREAM_PASSWORD_FILE or ?password_file=');
  return { sasl: { ...sasl, password, derived: new DerivedKeys() } };
}

/** The line of SLUICE_UPSTREAM_LOGINS for it; one for another user than the URL's is none. */
function loginOf(address: UpstreamAddress, { upstreamLogins }: UpstreamSettings) {
  const isUsual = UPSTREAM_PRESETS.some(({ host, user }) => host === address.host && user === address.user);
  const open = address.user === '' || isUsual;
  return upstreamLogins.find(({ host, user }) => host === address.host && (open || user === address.user));
}

const NOBODY = { user: '', password: '', token: false, inClear: false, derived: null } as const;

function grantOf(address: UpstreamAddress, tokens: TokenSource) {
  const secret = (given: string, path: string): string => (path === '' ? given : readFor(address, path).trim());
  return {
    url: tokens.url,
    clientId: tokens.clientId,
    clientSecret: secret(tokens.clientSecret, tokens.clientSecretFile),
    refreshToken: secret(tokens.refreshToken, tokens.refreshTokenFile),
    scope: tokens.scope,
  };
}

function readFor(address: UpstreamAddress, path: string): string {
  try {
    if (statSync(path).size > MAX_FILE) throw new Error('it is larger than 1 MiB');
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw bad(address, `${path} cannot be read (${messageOf(error)})`);
  }
}

function bad({ host, port }: UpstreamAddress, problem: string): SluiceError {
  return new SluiceError('bad-upstream', `${host}:${port}: ${problem}`, { temporary: false });
}
