/**
 * What is wrong, or looks wrong, between the settings of authentication: one line each, naming the variable and the mend.
 */
import type { Settings } from './schema.js';
import { isExposed } from './url-type.js';
import { duration } from './value-type.js';

/** Problems that keep the engine from starting. */
export function authProblems(settings: Settings): string[] {
  const problems: string[] = [];
  const { oauthJwks, oauthIssuer, oauthAudience, oauthScope, oauthIntrospectUrl } = settings;
  if (oauthJwks !== '' && oauthIssuer === '')
    problems.push('SLUICE_OAUTH_ISSUER: it is not set; with SLUICE_OAUTH_JWKS set the issuer of the tokens');
  if (oauthJwks !== '' && oauthAudience.length === 0)
    problems.push('SLUICE_OAUTH_AUDIENCE: it is not set; with SLUICE_OAUTH_JWKS set the name this relay has in tokens');
  if (oauthJwks === '' && oauthIntrospectUrl === '') {
    const useless = [
      ['SLUICE_OAUTH_ISSUER', oauthIssuer !== ''],
      ['SLUICE_OAUTH_AUDIENCE', oauthAudience.length > 0],
      ['SLUICE_OAUTH_SCOPE', oauthScope.length > 0],
    ] as const;
    for (const [name, given] of useless)
      if (given)
        problems.push(`${name}: no token is verified; set SLUICE_OAUTH_JWKS or SLUICE_OAUTH_INTROSPECT_URL too`);
  }
  if (settings.oauthClientId !== '' && oauthIntrospectUrl === '')
    problems.push('SLUICE_OAUTH_CLIENT_ID: nobody is asked; set SLUICE_OAUTH_INTROSPECT_URL too');
  if (settings.oauthClientSecret !== '' && settings.oauthClientId === '')
    problems.push('SLUICE_OAUTH_CLIENT_SECRET: it is given without SLUICE_OAUTH_CLIENT_ID; allowed: both or neither');
  if (settings.authCertificateNames.length > 0 && settings.tlsClientCa === '')
    problems.push(
      'SLUICE_AUTH_CERTIFICATE_NAMES: no client certificate is asked for or verified; set SLUICE_TLS_CLIENT_CA too',
    );
  if (settings.authMaxDelay < settings.authDelay) {
    const { format } = duration({ min: 0, max: 0 });
    const [first, longest] = [format(settings.authDelay), format(settings.authMaxDelay)];
    problems.push(`SLUICE_AUTH_DELAY: ${first} is longer than SLUICE_AUTH_MAX_DELAY (${longest}); allowed: up to that`);
  }
  return problems;
}

/** Things that work and are most likely not meant. */
export function authWarnings(settings: Settings): string[] {
  const urls = [
    ['SLUICE_AUTH_URL', settings.authUrl, 'passwords'],
    ['SLUICE_OAUTH_JWKS', settings.oauthJwks, 'keys'],
    ['SLUICE_OAUTH_INTROSPECT_URL', settings.oauthIntrospectUrl, 'tokens'],
  ] as const;
  return urls
    .filter(([, url]) => isExposed(url))
    .map(([name, , what]) => `${name}: ${what} go there in the clear (http to another host); use https://`);
}
