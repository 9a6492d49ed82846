/**
 * What is wrong between listeners and other settings that are each allowed: one line each, naming the variable and the
 * mend.
 */
import { formatHostPort } from './address-type.js';
import { type ListenAddress, listenAddress } from './listen-type.js';
import type { Settings } from './schema.js';

/** Settings that say where accounts are kept: with one of them clients can authenticate. */
const ACCOUNT_SOURCES: ReadonlyMap<string, string> = new Map([
  ['authFile', 'SLUICE_AUTH_FILE'],
  ['authUrl', 'SLUICE_AUTH_URL'],
  ['oauthJwks', 'SLUICE_OAUTH_JWKS'],
  ['oauthIntrospectUrl', 'SLUICE_OAUTH_INTROSPECT_URL'],
]);

/** Whether clients can authenticate at all. */
export function hasAccounts(settings: Readonly<Record<string, unknown>>): boolean {
  // By certificate (EXTERNAL), which the configuration file says whose they are.
  if ((settings['tlsClientCa'] ?? '') !== '' && (settings['configFile'] ?? '') !== '') return true;
  return [...ACCOUNT_SOURCES.keys()].some((key) => {
    const value = settings[key];
    return value !== undefined && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0);
  });
}

/** Problems of SLUICE_LISTEN. `accounts`: clients can authenticate. */
export function listenProblems(
  listen: readonly ListenAddress[],
  { accounts, proxies }: { readonly accounts: boolean; readonly proxies: boolean },
): string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  const names = new Set<string>();
  const { format } = listenAddress();
  if (listen.length === 0) problems.push('SLUICE_LISTEN: no address in it; allowed: at least one');
  for (const listener of listen) {
    const shown = format(listener);
    const at = listener.inherited === '' ? formatHostPort(listener.host, listener.port) : `fd/${listener.inherited}`;
    if (seen.has(at) && !(listener.inherited === '' && listener.port === 0))
      problems.push(`SLUICE_LISTEN: ${at} is given twice; allowed: once`);
    seen.add(at);
    if (listener.name !== '' && names.has(listener.name))
      problems.push(`SLUICE_LISTEN: name=${listener.name} is given twice; allowed: once`);
    names.add(listener.name);
    if (listener.auth === 'required' && !accounts) {
      const sources = [...ACCOUNT_SOURCES.values()].join(', ');
      problems.push(
        `SLUICE_LISTEN: ${shown} requires authentication, and there are no accounts; ` +
          `set one of ${sources}, or add ?auth=none to it`,
      );
    }
    if (listener.proxy !== 'none' && !proxies) {
      problems.push(
        `SLUICE_LISTEN: ${shown} waits for a PROXY header, and nobody's is believed; ` +
          'set SLUICE_PROXY_NETWORKS to the balancers, or leave proxy= away',
      );
    }
  }
  return problems;
}

/** Problems between the settings of TLS for clients. */
export function tlsProblems(settings: Settings): string[] {
  const problems: string[] = [];
  if (settings.tlsCert !== '' && settings.tlsKey === '')
    problems.push('SLUICE_TLS_CERT: it is given without SLUICE_TLS_KEY; allowed: both or neither');
  if (settings.tlsKey !== '' && settings.tlsCert === '')
    problems.push('SLUICE_TLS_KEY: it is given without SLUICE_TLS_CERT; allowed: both or neither');
  if (settings.tlsRelayClients.length > 0 && settings.tlsClientCa === '')
    problems.push(
      'SLUICE_TLS_RELAY_CLIENTS: no client certificate is asked for or verified; set SLUICE_TLS_CLIENT_CA too',
    );
  return problems;
}
