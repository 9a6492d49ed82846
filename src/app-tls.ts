/**
 * The certificates of listeners, as the settings say where they are.
 */
import { resolve } from 'node:path';
import type { Settings } from './config/schema.js';
import type { Clock } from './core/clock.js';
import { type CertificateLog, CertificateStore } from './net/tls/certificate-store.js';

/** Opens the store; null where no listener speaks TLS. @throws SluiceError as CertificateStore.open. */
export async function openCertificates(
  settings: Settings,
  log: CertificateLog,
  clock: Clock,
): Promise<CertificateStore | null> {
  if (settings.listen.every(({ tls }) => tls === 'none')) return null;
  return await CertificateStore.open(
    {
      cert: settings.tlsCert,
      key: settings.tlsKey,
      dir: settings.tlsDir,
      clientCa: settings.tlsClientCa,
      relayClients: settings.tlsRelayClients,
      minVersion: settings.tlsMinVersion,
      ciphers: settings.tlsCiphers,
      developmentDir: resolve('var/tls'),
      hostname: settings.hostname,
    },
    log,
    clock,
  );
}
