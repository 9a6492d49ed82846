/**
 * Fetching a policy of MTA-STS (RFC 8461 section 3.3): from where, and which answers count.
 */
import { parseStsPolicy, type StsPolicy } from './sts-policy.js';
import type { Web } from './web.js';

/** Why an announced policy cannot be had, as RFC 8460 section 4.3.2.2 names it. */
export interface StsProblem {
  readonly kind: 'sts-policy-fetch-error' | 'sts-policy-invalid' | 'sts-webpki-invalid';
  /** For people. */
  readonly reason: string;
}

/** RFC 8461 section 3.3: a size of 64 kilobytes and a minute are the suggested limits. */
const MAX_SIZE = 65_536;
const TIMEOUT = 60_000;

/** Gets the policy of a domain (A-labels). Never rejects. */
export async function fetchStsPolicy(web: Web, domain: string): Promise<StsPolicy | StsProblem> {
  const url = `https://mta-sts.${domain}/.well-known/mta-sts.txt`;
  const answer = await web({ method: 'GET', url, maxBytes: MAX_SIZE, timeout: TIMEOUT });
  if (answer.kind === 'failed') {
    if (answer.failure === 'certificate') return { kind: 'sts-webpki-invalid', reason: answer.reason };
    const kind = answer.failure === 'too-large' ? 'sts-policy-invalid' : 'sts-policy-fetch-error';
    return { kind, reason: answer.reason };
  }
  if (answer.status !== 200) return { kind: 'sts-policy-fetch-error', reason: `${url} was answered ${answer.status}` };
  if (answer.mediaType !== 'text/plain')
    return { kind: 'sts-policy-invalid', reason: `${url} is ${answer.mediaType || 'of no type'} and not text/plain` };
  const parsed = parseStsPolicy(answer.body.toString('utf8'));
  return 'policy' in parsed ? parsed.policy : { kind: 'sts-policy-invalid', reason: `${url}: ${parsed.problem}` };
}
