/**
 * TLS before the operator's HTTP plane. The library that serves HTTP asks for client certificates without demanding them
 * and reads its own once, so TLS is ended by Node's (net/tls/tls-front.ts) and the library listens on a Unix socket in a
 * folder that nobody else may enter.
 *
 * Certificates are read again when their files change and at SIGHUP; a mistake in a new one is logged and the old one
 * stays.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { httpCertificate } from './config/http-settings.js';
import type { Settings } from './config/schema.js';
import { cannotListen } from './control/http/http-server.js';
import { Problem } from './control/http/problem.js';
import { systemClock } from './core/clock.js';
import { messageOf } from './core/errors.js';
import { type CertificateLog, CertificateStore } from './net/tls/certificate-store.js';
import { TlsFront } from './net/tls/tls-front.js';

/** Longest path of a socket, a little under sun_path's 107 (unix(7)). */
const MAX_PATH = 100;

/** A path for the socket in a new folder of our own, and what removes the folder. */
export function privateSocket(spoolDir: string): { readonly path: string; remove(): void } {
  let reason = '';
  for (const place of [tmpdir(), resolve(spoolDir)])
    try {
      const folder = mkdtempSync(join(place, 'sluice-http-'));
      const remove = (): void => rmSync(folder, { recursive: true, force: true });
      const path = join(folder, 'socket');
      if (Buffer.byteLength(path) <= MAX_PATH) return { path, remove };
      remove();
      reason = `${path} is too long for a socket`;
    } catch (thrown) {
      reason = messageOf(thrown);
    }
  throw new Error(`there is no room for a socket: ${reason}`);
}

export interface HttpTls {
  readonly port: number;
  reload(): Promise<boolean>;
  close(): void;
}

/**
 * Listens on `host` and `port` and passes everything on to the socket `behind`.
 * @throws Error with words on why it cannot.
 */
export async function openHttpTls(
  settings: Settings,
  behind: string,
  log: CertificateLog,
  refused: (client: string) => void,
): Promise<HttpTls> {
  const { host, port } = settings.http!;
  const { cert, key } = httpCertificate(settings);
  const path = (given: string): string => (given === '' ? '' : resolve(given));
  const sources = {
    ...{ cert: path(cert), key: path(key), dir: '', clientCa: path(settings.httpClientCa), relayClients: [] },
    ...{ minVersion: settings.tlsMinVersion, ciphers: settings.tlsCiphers },
    ...{ developmentDir: resolve('var/tls'), hostname: settings.hostname },
  };
  const store = await CertificateStore.open(sources, log, systemClock);
  try {
    const front = await TlsFront.open({
      ...{ host, port, behind, refused, refusal: refusal() },
      material: store.material,
      demand: settings.httpClientCa !== '',
      maxConnections: settings.httpMaxConnections,
    }).catch(() => {
      throw new Error(cannotListen(host, port));
    });
    store.subscribe((material) => front.renew(material));
    return {
      port: front.port,
      reload: () => store.reload(),
      close: () => {
        front.close();
        store.close();
      },
    };
  } catch (error) {
    store.close();
    throw error;
  }
}

/** A problem of RFC 9457 as the bytes of an answer. */
function refusal(): string {
  const why = 'show a client certificate of an authority in SLUICE_HTTP_CLIENT_CA';
  const body = JSON.stringify(new Problem(403, 'no-certificate', why));
  const head = ['HTTP/1.1 403 Forbidden', 'Content-Type: application/problem+json', 'Cache-Control: no-store'];
  return [...head, `Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close', '', body].join('\r\n');
}
