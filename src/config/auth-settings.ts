/**
 * Rows of the schema about authentication: account sources, failed attempts, OAuth; schema.ts puts all rows together.
 */
import { MECHANISMS } from '../smtp/authentication.js';
import { setting } from './setting.js';
import { pathOrWebUrl, webUrl } from './url-type.js';
import { choice, duration, flag, integer, list, text, type ValueType } from './value-type.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const PATH = 'a path; a relative one begins at the working directory';
/** RFC 7518 and RFC 8037 without those that need a shared secret. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

/** One of a few words as they are registered, given in any case. */
function registered<const W extends string>(words: readonly W[]): ValueType<W> {
  return {
    ...choice(words),
    parse: (given) => {
      const value = words.find((word) => word.toLowerCase() === given.toLowerCase());
      return value === undefined ? { problem: '' } : { value };
    },
  };
}

/** Where accounts are. */
export const accountSettings = {
  authFile: setting({
    name: 'SLUICE_AUTH_FILE',
    group: 'Authentication',
    type: text(PATH),
    default: '',
    defaultNote: 'unset: no such accounts',
    purpose: 'Accounts, one a line, as `sluice user` writes them; read again on SIGHUP and when it changes.',
    trades: 'A password costs about 30 ms of a core and 19 MiB to check, once per SLUICE_AUTH_CACHE.',
  }),
  authUrl: setting({
    name: 'SLUICE_AUTH_URL',
    group: 'Authentication',
    type: webUrl(),
    default: '',
    defaultNote: 'unset: nobody is asked',
    purpose:
      'Asked about passwords of users that SLUICE_AUTH_FILE does not have: POST of JSON with user, password, mechanism and address; 200 accepts, 401 and 403 refuse.',
    trades: 'Passwords go there: https, or the same host. While it does not answer clients get 454.',
  }),
  authTimeout: setting({
    name: 'SLUICE_AUTH_TIMEOUT',
    group: 'Authentication',
    type: duration({ min: 100, max: MINUTE }),
    default: '5s',
    purpose: 'For an answer of SLUICE_AUTH_URL, of the keys or of the introspection of OAuth.',
    trades: 'Clients wait as long before they get 454.',
  }),
  authRequests: setting({
    name: 'SLUICE_AUTH_REQUESTS',
    group: 'Authentication',
    type: integer({ min: 1, max: 1000 }),
    default: '32',
    purpose: 'Requests to each of these at once; 1,000 more wait.',
    trades: 'More logs in crowds sooner and loads the service more.',
  }),
  authCa: setting({
    name: 'SLUICE_AUTH_CA',
    group: 'Authentication',
    type: text(PATH),
    default: '',
    defaultNote: 'unset: those that node has',
    purpose: 'Certificate authorities (PEM) for https to these services.',
    trades: 'Replaces the public ones: only services with certificates from it are asked.',
  }),
  authCache: setting({
    name: 'SLUICE_AUTH_CACHE',
    group: 'Authentication',
    type: duration({ min: SECOND, max: HOUR, zero: 'ask each time' }),
    default: '1m',
    purpose:
      'How long a good password or token is known without asking again; a bad one for a tenth of it, at most 10 s.',
    trades: 'A password changed or a token revoked at the service stays good this long.',
  }),
  authHashChecks: setting({
    name: 'SLUICE_AUTH_HASH_CHECKS',
    group: 'Authentication',
    type: integer({ min: 1, max: 64 }),
    default: '2',
    purpose:
      'Passwords checked against hashes at once, on the thread pool (UV_THREADPOOL_SIZE, 4 threads); 1,000 wait.',
    trades: 'All threads of the pool busy with hashes hold up name look-ups and files.',
  }),
  authMechanisms: setting({
    name: 'SLUICE_AUTH_MECHANISMS',
    group: 'Authentication',
    type: list(registered(MECHANISMS), `${MECHANISMS.join(', ')}, several with commas`, ',', MECHANISMS.length),
    default: '',
    defaultNote: 'all that the accounts can answer',
    purpose: 'The mechanisms that are offered at most.',
    trades: 'Clients choose the strongest they know, also where their account has no secret for it.',
  }),
  authWithoutTls: setting({
    name: 'SLUICE_AUTH_WITHOUT_TLS',
    group: 'Authentication',
    type: flag(),
    default: 'no',
    purpose: 'Mechanisms that show the password or token are offered without TLS too.',
    trades: 'Whoever sees the network sees the passwords.',
  }),
  authCertificateNames: setting({
    name: 'SLUICE_AUTH_CERTIFICATE_NAMES',
    group: 'Authentication',
    type: list(choice(['email', 'common-name']), 'email, common-name, several with commas', ',', 2),
    default: '',
    defaultNote: 'none: only what `certificates` of the account lists',
    purpose: 'EXTERNAL: names in a verified client certificate that are the name of its account.',
    trades: 'Every authority in SLUICE_TLS_CLIENT_CA can then make a certificate for any account.',
  }),
};

/** What failed attempts cost. */
export const authFailureSettings = {
  authDelay: setting({
    name: 'SLUICE_AUTH_DELAY',
    group: 'Authentication',
    type: duration({ min: 10, max: MINUTE, zero: 'none' }),
    default: '1s',
    purpose: 'A first failed attempt is answered this long after it came; each further one twice as long.',
    trades: 'Slows guessing; a delay longer than a check also hides whether the user exists.',
  }),
  authMaxDelay: setting({
    name: 'SLUICE_AUTH_MAX_DELAY',
    group: 'Authentication',
    type: duration({ min: 10, max: 5 * MINUTE, zero: 'none' }),
    default: '8s',
    purpose: 'Longest of these delays.',
    trades: 'Each held answer keeps its connection.',
  }),
  authMaxFailures: setting({
    name: 'SLUICE_AUTH_MAX_FAILURES',
    group: 'Authentication',
    type: integer({ min: 1, max: 1_000_000, zero: 'no limit' }),
    default: '10',
    purpose: 'Failed attempts from an address (IPv6: /64) within SLUICE_AUTH_FAILURE_WINDOW that block it (421).',
    trades: 'Many users behind one address share this number.',
  }),
  authMaxAccountFailures: setting({
    name: 'SLUICE_AUTH_MAX_ACCOUNT_FAILURES',
    group: 'Authentication',
    type: integer({ min: 1, max: 1_000_000, zero: 'no limit' }),
    default: '50',
    purpose: 'Failed attempts on an account from anywhere within that time that block it; a success begins anew.',
    trades: 'Few stops guessing from many addresses, and lets anyone lock an account whose name is known.',
  }),
  authFailureWindow: setting({
    name: 'SLUICE_AUTH_FAILURE_WINDOW',
    group: 'Authentication',
    type: duration({ min: SECOND, max: DAY }),
    default: '10m',
    purpose: 'How long failed attempts count, from the first one.',
    trades: 'Longer catches slow guessing and forgives less.',
  }),
  authBlockTime: setting({
    name: 'SLUICE_AUTH_BLOCK_TIME',
    group: 'Authentication',
    type: duration({ min: SECOND, max: 7 * DAY }),
    default: '15m',
    purpose: 'How long an address or account is blocked.',
    trades: 'Who mistyped waits as long as who guesses.',
  }),
};

/** Tokens. */
export const oauthSettings = {
  oauthJwks: setting({
    name: 'SLUICE_OAUTH_JWKS',
    group: 'Authentication',
    type: pathOrWebUrl(),
    default: '',
    defaultNote: 'unset: JWTs are not verified here',
    purpose: 'Keys (RFC 7517) that tokens which are JWTs must be signed with.',
    trades: 'From a URL they are kept ten minutes and asked for again for an unknown key, at most every 30 s.',
  }),
  oauthIssuer: setting({
    name: 'SLUICE_OAUTH_ISSUER',
    group: 'Authentication',
    type: text('the issuer as tokens name it, mostly a URL'),
    default: '',
    defaultNote: 'unset; must be set with SLUICE_OAUTH_JWKS',
    purpose: 'Who must have made a token (claim iss).',
    trades: 'Compared to the letter, a slash at the end too.',
  }),
  oauthAudience: setting({
    name: 'SLUICE_OAUTH_AUDIENCE',
    group: 'Authentication',
    type: list(text('a name'), 'audiences as tokens name them, several with commas', ',', 20),
    default: '',
    defaultNote: 'unset; must be set with SLUICE_OAUTH_JWKS',
    purpose: 'Whom a token must be for (claim aud): one of these.',
    trades: 'Without it a token that was made for another service is good here.',
  }),
  oauthScope: setting({
    name: 'SLUICE_OAUTH_SCOPE',
    group: 'Authentication',
    type: list(text('a scope'), 'scopes, several with commas', ',', 20),
    default: '',
    defaultNote: 'none',
    purpose: 'Scopes that a token must have, all of them (claims scope and scp).',
    trades: 'Keeps tokens of the same service that were made for something else out.',
  }),
  oauthUserClaim: setting({
    name: 'SLUICE_OAUTH_USER_CLAIM',
    group: 'Authentication',
    type: list(text('a claim'), 'names of claims, several with commas', ',', 10),
    default: 'email,username,sub',
    purpose: 'The claim that names the account: the first of these that a token has.',
    trades: 'Only claims that the issuer sets, never its users; an email that says it is not verified is refused.',
  }),
  oauthClockSkew: setting({
    name: 'SLUICE_OAUTH_CLOCK_SKEW',
    group: 'Authentication',
    type: duration({ min: SECOND, max: 10 * MINUTE, zero: 'none' }),
    default: '30s',
    purpose: 'How far the clocks of the issuer and this host may differ.',
    trades: 'A token is good this much longer.',
  }),
  oauthAlgorithms: setting({
    name: 'SLUICE_OAUTH_ALGORITHMS',
    group: 'Authentication',
    type: list(registered(ALGORITHMS), `${ALGORITHMS.join(', ')}, several with commas`, ',', ALGORITHMS.length),
    default: ALGORITHMS.join(','),
    purpose: 'How a JWT may be signed.',
    trades: 'Only what the issuer uses leaves the least room.',
  }),
  oauthIntrospectUrl: setting({
    name: 'SLUICE_OAUTH_INTROSPECT_URL',
    group: 'Authentication',
    type: webUrl(),
    default: '',
    defaultNote: 'unset: nobody is asked',
    purpose: 'Asked about tokens (RFC 7662): about all, or with SLUICE_OAUTH_JWKS about those that are no JWT.',
    trades: 'A request for each new token; knows of revoked ones within SLUICE_AUTH_CACHE.',
  }),
  oauthClientId: setting({
    name: 'SLUICE_OAUTH_CLIENT_ID',
    group: 'Authentication',
    type: text('the name'),
    default: '',
    defaultNote: 'unset: without authentication',
    purpose: 'The name this relay has at the introspection endpoint.',
    trades: 'RFC 7662 asks that endpoints know who asks.',
  }),
  oauthClientSecret: setting({
    name: 'SLUICE_OAUTH_CLIENT_SECRET',
    group: 'Authentication',
    type: text('the secret'),
    default: '',
    defaultNote: 'none',
    purpose: 'The secret that goes with it.',
    trades: 'The environment of a process can be read by its user: rather the file.',
    secret: true,
  }),
};

/** The file with what a line cannot hold. */
export const configFileSettings = {
  configFile: setting({
    name: 'SLUICE_CONFIG',
    group: 'Authentication',
    type: text(PATH),
    default: '',
    defaultNote: 'unset: no settings for single accounts',
    purpose: 'TOML file: [[account]] with senders, limits, lane, signing key, certificates; read again on SIGHUP.',
    trades:
      'A mistake in it keeps the old one and the log says why; at start it stops the start. Reading takes about 30 ms per 1,000 accounts, in which nothing else is done.',
  }),
};
