/**
 * Who may ask: bearers of the token (RFC 6750), or where there is none whoever has shown a client certificate or else
 * whoever is on this machine, except web pages of others that a browser shows.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { Problem } from './problem.js';

/** What of a request shows who sends it; '' for headers that are not there. */
export interface Credentials {
  readonly authorization: string;
  readonly host: string;
  readonly origin: string;
}

export class Guard {
  private readonly digest: Buffer | null;
  private readonly certified: boolean;

  /** `token` '': none is asked for. `certified`: every client has shown a certificate already. */
  constructor(token: string, certified: boolean) {
    this.certified = certified;
    this.digest = token === '' ? null : sha256(token);
  }

  /** @throws Problem 401 without the token, 403 for a web page of somebody else. */
  check({ authorization, host, origin }: Credentials): void {
    if (this.digest !== null) {
      const [, given = ''] = /^Bearer +([^ ]+) *$/i.exec(authorization) ?? [];
      // Digests are of one length, so the time says nothing of the token.
      if (timingSafeEqual(sha256(given), this.digest)) return;
      throw new Problem(401, 'no-token', 'send the token of SLUICE_HTTP_TOKEN as "Authorization: Bearer ..."', {
        headers: { 'WWW-Authenticate': 'Bearer realm="sluice"' },
      });
    }
    // A name that an attacker points at this machine (DNS rebinding) is neither an address nor localhost.
    if (!this.certified && !/^(?:localhost|[\d.]+|\[[0-9a-f:.]+\])(?::\d+)?$/i.test(host))
      throw new Problem(403, 'foreign-host', 'without a token ask by address or localhost, or set SLUICE_HTTP_TOKEN');
    if (origin !== '' && origin !== `http://${host}` && origin !== `https://${host}`)
      throw new Problem(403, 'foreign-origin', 'web pages of other sites may not ask');
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
