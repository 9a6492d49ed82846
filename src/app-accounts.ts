/**
 * Settings as accounts take them: builds the account sources and all around them.
 */
import { readFileSync } from 'node:fs';
import type { AccountLog } from './accounts/account-log.js';
import { AccountQuotas } from './accounts/account-quotas.js';
import type { AccountSource } from './accounts/account-source.js';
import { Accounts } from './accounts/accounts.js';
import { CertificateSource } from './accounts/certificate-source.js';
import { FailureGuard } from './accounts/failure-guard.js';
import type { FileSource } from './accounts/file-source.js';
import { HttpSource } from './accounts/http-source.js';
import { QuotaFile } from './accounts/quota-file.js';
import type { TokenRules } from './accounts/token-claims.js';
import { TokenIntrospection } from './accounts/token-introspection.js';
import { TokenSource } from './accounts/token-source.js';
import type { FailedLogin } from './audit/failed-logins.js';
import { readConfigFile } from './config/config-file.js';
import type { Settings } from './config/schema.js';
import type { Clock } from './core/clock.js';
import { messageOf, SluiceError } from './core/errors.js';
import type { HttpClient } from './core/http.js';
import { HttpRequester } from './net/http-request.js';
import { MECHANISMS } from './smtp/authentication.js';

/** What the account sources reach the web through: SLUICE_AUTH_CA. @throws SluiceError `bad-auth-ca`. */
export function accountHttp(settings: Settings): HttpRequester {
  if (settings.authCa === '') return new HttpRequester({ maxConnections: settings.authRequests });
  try {
    return new HttpRequester({ maxConnections: settings.authRequests, ca: readFileSync(settings.authCa) });
  } catch (error) {
    const why = `SLUICE_AUTH_CA: ${settings.authCa} cannot be read (${messageOf(error)})`;
    throw new SluiceError('bad-auth-ca', why, { temporary: false, cause: error });
  }
}

/** Hears of each login that failed. */
export type LoginFailed = (login: FailedLogin) => void;

export interface AccountListeners {
  /** The account file was read again by itself. */
  readonly changed?: () => void;
  readonly loginFailed?: LoginFailed;
}

/**
 * Reads accounts, keys and the configuration file.
 * @throws SluiceError `bad-account-file`, `bad-jwks`, `bad-config-file`: a mistake in one of them.
 */
export async function openAccounts(
  settings: Settings,
  log: AccountLog,
  http: HttpClient,
  clock: Clock,
  { changed = () => {}, loginFailed = () => {} }: AccountListeners = {},
): Promise<Accounts> {
  const configured = readConfigFile(settings.configFile).account;
  const sources: AccountSource[] = [];
  let accounts: Accounts | null = null;
  let file: FileSource | null = null;
  const certificates = new CertificateSource(
    settings.authCertificateNames,
    (name) => file?.has(name) === true || accounts?.isConfigured(name) === true,
  );
  const tokens = await tokenSource(settings, http, clock);
  if (settings.authFile !== '') {
    // Hashing and token libraries are loaded where they are needed: a start without accounts does not wait for them.
    const { FileSource } = await import('./accounts/file-source.js');
    file = await FileSource.open({
      path: settings.authFile,
      clock,
      log,
      cacheTime: settings.authCache,
      checksAtOnce: settings.authHashChecks,
      lastForPasswords: settings.authUrl === '',
      changed,
    });
    sources.push(file);
  }
  if (settings.authUrl !== '')
    sources.push(
      new HttpSource({
        url: settings.authUrl,
        http,
        clock,
        cacheTime: settings.authCache,
        timeout: settings.authTimeout,
        requestsAtOnce: settings.authRequests,
      }),
    );
  if (tokens !== null) sources.push(tokens);
  if (settings.tlsClientCa !== '') sources.push(certificates);
  const quotas = new AccountQuotas();
  accounts = new Accounts(
    {
      sources,
      certificates,
      mechanisms: settings.authMechanisms.length === 0 ? MECHANISMS : settings.authMechanisms,
      guard: new FailureGuard({
        firstDelay: settings.authDelay,
        maxDelay: settings.authMaxDelay,
        addressFailures: settings.authMaxFailures,
        accountFailures: settings.authMaxAccountFailures,
        window: settings.authFailureWindow,
        blockTime: settings.authBlockTime,
      }),
      quotas,
      quotaFile: sources.length === 0 ? null : await QuotaFile.open(settings.spoolDir, quotas, clock, log),
      clock,
      log,
      refused: (client, user, reason) => loginFailed({ over: 'smtp', client, user, reason }),
    },
    configured,
  );
  return accounts;
}

/** Reads accounts, keys and the configuration file anew; a mistake keeps the old and is logged: false. Never rejects. */
export async function reloadAccounts(accounts: Accounts, settings: Settings, log: AccountLog): Promise<boolean> {
  let good = true;
  try {
    accounts.configure(readConfigFile(settings.configFile).account);
  } catch (error) {
    log.error({ reason: messageOf(error) }, 'the configuration file has a mistake, the old one stays in use');
    good = false;
  }
  await accounts.reload();
  return good;
}

async function tokenSource(settings: Settings, http: HttpClient, clock: Clock): Promise<TokenSource | null> {
  const { oauthJwks, oauthIntrospectUrl } = settings;
  if (oauthJwks === '' && oauthIntrospectUrl === '') return null;
  const rules: TokenRules = {
    issuer: settings.oauthIssuer,
    audiences: settings.oauthAudience,
    scopes: settings.oauthScope,
    userClaims: settings.oauthUserClaim,
    clockSkew: settings.oauthClockSkew,
  };
  const { authTimeout: timeout } = settings;
  const signed =
    oauthJwks === ''
      ? null
      : await (await import('./accounts/signed-tokens.js')).SignedTokens.open({
          jwks: oauthJwks,
          http,
          clock,
          rules,
          algorithms: settings.oauthAlgorithms,
          timeout,
        });
  const introspection =
    oauthIntrospectUrl === ''
      ? null
      : new TokenIntrospection({
          url: oauthIntrospectUrl,
          http,
          clock,
          clientId: settings.oauthClientId,
          clientSecret: settings.oauthClientSecret,
          cacheTime: settings.authCache,
          timeout,
          requestsAtOnce: settings.authRequests,
        });
  return new TokenSource({ signed, introspection, rules, clock });
}
