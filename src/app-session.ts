/**
 * Settings as server sessions take them.
 */
import type { Settings } from './config/schema.js';
import { defaultServerSessionOptions, type ServerSessionOptions } from './smtp/server-options.js';

/** Options for clients that may relay, or for all others. */
export function sessionOptions(settings: Settings, relayClient: boolean): ServerSessionOptions {
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
    connectTimeout: settings.connectTimeout,
    commandTimeout: settings.commandTimeout,
    idleTimeout: settings.idleTimeout,
    dataTimeout: settings.dataTimeout,
  };
}
