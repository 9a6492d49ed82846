/**
 * Fetching a policy of MTA-STS (RFC 8461 section 3.3): from where, and which answers count.
 */
import { messageOf, SluiceError } from '../core/errors.js';
import type { HttpClient, HttpResponse } from '../core/http.js';
import { parseStsPolicy, type StsPolicy } from './sts-policy.js';

/** Why an announced policy cannot be had, as RFC 8460 section 4.3.2.2 names it. */
export interface StsProblem {
  readonly kind: 'sts-policy-fetch-error' | 'sts-policy-invalid' | 'sts-webpki-invalid';
  /** For people. */
  readonly reason: string;
}

/** RFC 8461 section 3.3: a size of 64 kilobytes and a minute are the suggested limits. */
const MAX_SIZE = 65_536;
const TIMEOUT = 60_000;

/** Gets the policy of a domain (A-labels). `port`: 443 but in tests. Never rejects. */
export async function fetchStsPolicy(http: HttpClient, domain: string, port: number): Promise<StsPolicy | StsProblem> {
  const host = `mta-sts.${domain}`;
  const url = `https://${port === 443 ? host : `${host}:${port}`}/.well-known/mta-sts.txt`;
  let answer: HttpResponse;
  try {
    answer = await http.request({ method: 'GET', url, maxBytes: MAX_SIZE, timeout: TIMEOUT });
  } catch (error) {
    return { kind: kindOf(error), reason: messageOf(error) };
  }
  if (answer.status !== 200) return { kind: 'sts-policy-fetch-error', reason: `${url} was answered ${answer.status}` };
  const mediaType = (answer.headers['content-type'] ?? '').replace(/;.*$/s, '').trim().toLowerCase();
  if (mediaType !== 'text/plain')
    return { kind: 'sts-policy-invalid', reason: `${url} is ${mediaType || 'of no type'} and not text/plain` };
  const parsed = parseStsPolicy(answer.body.toString('utf8'));
  return 'policy' in parsed ? parsed.policy : { kind: 'sts-policy-invalid', reason: `${url}: ${parsed.problem}` };
}

function kindOf(error: unknown): StsProblem['kind'] {
  const code = error instanceof SluiceError ? error.code : '';
  if (code === 'http-certificate') return 'sts-webpki-invalid';
  return code === 'http-too-large' ? 'sts-policy-invalid' : 'sts-policy-fetch-error';
}
