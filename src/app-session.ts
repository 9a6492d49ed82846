/**
 * Settings as server sessions take them.
 */
import type { ListenAddress } from './config/listen-type.js';
import type { Settings } from './config/schema.js';
import type { Mechanism } from './smtp/authentication.js';
import { defaultServerSessionOptions, type ServerSessionOptions } from './smtp/server-options.js';

/**
 * Options of a listener's sessions, for clients that may relay or for all others. `canTls`: there is a certificate;
 * `mechanisms`: what the accounts can answer.
 */
export function sessionOptions(
  settings: Settings,
  relayClient: boolean,
  listener: Pick<ListenAddress, 'tls' | 'auth'>,
  canTls: boolean,
  mechanisms: readonly Mechanism[],
): ServerSessionOptions {
  return {
    ...defaultServerSessionOptions,
    hostname: settings.hostname,
    banner: 'ESMTP Sluice',
    maxMessageSize: settings.maxMessageSize,
    maxCommandLine: settings.maxCommandLine,
    maxTextLine: settings.maxTextLine,
    maxHeaderSize: settings.maxHeaderSize,
    maxRecipients: settings.maxRecipients,
    maxMessagesPerConnection: settings.maxMessagesPerConnection,
    maxErrors: settings.maxErrors,
    bareNewline: settings.bareNewline,
    relayClient,
    tls: canTls ? listener.tls : 'none',
    auth: mechanisms.length > 0 ? listener.auth : 'none',
    mechanisms,
    authWithoutTls: settings.authWithoutTls,
    maxHold: settings.futureReleaseMax,
    decisionTimeout: settings.decisionTimeout,
    connectTimeout: settings.connectTimeout,
    commandTimeout: settings.commandTimeout,
    idleTimeout: settings.idleTimeout,
    dataTimeout: settings.dataTimeout,
  };
}
