/**
 * One HTTPS request to a name that others chose: a policy host, a place for reports.
 *
 * Contract: never rejects. The name is looked up with the DNS client it is given; the certificate must be valid for it
 * and come from the given authorities or the system's. No redirect is followed, no connection kept, no proxy used; the
 * time covers all of it, and of the answer only so many bytes are taken. Addresses that are no other host's (loopback,
 * link-local, unspecified) are refused, unless tests ask for them by a port of their own.
 */
import { request } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { Web, WebRequest, WebResult } from '../security/web.js';
import type { DnsClient } from './dns-client.js';

export interface HttpsOptions {
  readonly dns: Pick<DnsClient, 'query'>;
  /** Authorities as PEM that replace the system's; '' for the latter. */
  readonly ca: string;
  /** Instead of 443, for tests; 0: none. */
  readonly port: number;
  readonly userAgent: string;
}

type Failure = Extract<WebResult, { kind: 'failed' }>['failure'];

/** OpenSSL's and Node's names for a certificate that does not pass. */
const CERTIFICATE =
  /^(ERR_TLS_CERT_ALTNAME_INVALID|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|ERROR_IN_CERT|HOSTNAME_MISMATCH|CRL_)/;

/** Builds the function that makes requests. */
export function httpsRequests(options: HttpsOptions): Web {
  const lookup = lookupBy(options);
  return (wanted) => send(wanted, options, lookup);
}

function send(wanted: WebRequest, options: HttpsOptions, lookup: LookupFunction): Promise<WebResult> {
  if (!URL.canParse(wanted.url) || !wanted.url.startsWith('https://'))
    return Promise.resolve({ kind: 'failed', failure: 'bad-request', reason: 'the address is no https one' });
  const url = new URL(wanted.url);
  // An address needs no look-up, so it would pass by the check there.
  if (isIP(url.hostname.replace(/^\[|\]$/g, '')) !== 0)
    return Promise.resolve({ kind: 'failed', failure: 'bad-request', reason: 'the address names no host' });
  return new Promise((resolve) => {
    let over = false;
    const settle = (result: WebResult): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      outgoing.destroy();
      resolve(result);
    };
    const fail = (failure: Failure, reason: string): void => settle({ kind: 'failed', failure, reason });
    const timer = setTimeout(
      () => fail('timeout', `${url.host} did not answer within ${wanted.timeout} ms`),
      wanted.timeout,
    );
    const outgoing = request({
      method: wanted.method,
      host: url.hostname,
      port: options.port || url.port || 443,
      path: `${url.pathname}${url.search}`,
      servername: url.hostname,
      headers: {
        Host: url.host,
        'User-Agent': options.userAgent,
        'Accept-Encoding': 'identity',
        ...(wanted.body === undefined ? {} : { 'Content-Length': wanted.body.length }),
        ...wanted.headers,
      },
      agent: false,
      lookup,
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
      ...(options.ca === '' ? {} : { ca: options.ca }),
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      const certificate = CERTIFICATE.test(error.code ?? '');
      fail(certificate ? 'certificate' : 'unreachable', `${url.host}: ${error.message}`);
    });
    outgoing.on('response', (incoming) => {
      const pieces: Buffer[] = [];
      let size = 0;
      incoming.on('data', (piece: Buffer) => {
        size += piece.length;
        if (size > wanted.maxBytes) fail('too-large', `${url.host} answered with more than ${wanted.maxBytes} bytes`);
        else pieces.push(piece);
      });
      incoming.on('error', (error) => fail('unreachable', `${url.host}: ${error.message}`));
      incoming.on('close', () => fail('unreachable', `${url.host} broke off its answer`));
      incoming.on('end', () => {
        const mediaType = (incoming.headers['content-type'] ?? '').replace(/;.*$/s, '').trim().toLowerCase();
        settle({ kind: 'response', status: incoming.statusCode ?? 0, mediaType, body: Buffer.concat(pieces) });
      });
    });
    outgoing.end(wanted.body);
  });
}

/** Node's look-up on our DNS client. */
function lookupBy({ dns, port }: HttpsOptions): LookupFunction {
  return (host, wanted, callback) => {
    void Promise.all([dns.query(host, 'A'), dns.query(host, 'AAAA')]).then((answers) => {
      const found = answers
        .flatMap((answer) => (answer.kind === 'records' ? answer.records : []))
        .filter((address) => port !== 0 || !isOwn(address))
        .map((address) => ({ address, family: isIP(address) }));
      if (found.length === 0) {
        const failed = answers.find((answer) => answer.kind === 'failed');
        callback(new Error(failed?.kind === 'failed' ? failed.detail : `${host} has no address`), '');
      } else if (wanted.all === true) callback(null, found);
      else callback(null, found[0]!.address, found[0]!.family);
    });
  };
}

/** Loopback, link-local, unspecified: this machine or its own segment, which nobody else's name has a say in. */
function isOwn(address: string): boolean {
  return /^(127\.|0\.|169\.254\.|::1$|::$|::ffff:|fe[89ab][0-9a-f]:)/i.test(address);
}
