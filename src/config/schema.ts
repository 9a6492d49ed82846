/**
 * Every setting of the engine: the one table that parsing, `sluice check` and the tables of tuning.md are made from.
 *
 * Durations are milliseconds and sizes are bytes once parsed. A default is what suits a relay on a small server; what it
 * trades is beside it. The rows are kept by subject in the files imported here.
 */
import { accountSettings, authFailureSettings, configFileSettings, oauthSettings } from './auth-settings.js';
import { identitySettings, limitsSettings, relayingSettings, timesSettings } from './client-settings.js';
import { deliverySettings, retrySettings } from './delivery-settings.js';
import { edgeSettings } from './edge-settings.js';
import { operationSettings, rewritingSettings, storageSettings } from './engine-settings.js';
import { historySettings } from './history-settings.js';
import { httpSettings } from './http-settings.js';
import { injectionSettings } from './injection-settings.js';
import { logSettings } from './log-settings.js';
import { outcomeSettings } from './outcome-settings.js';
import { securitySettings } from './security-settings.js';
import type { SettingsOf } from './setting.js';
import { tlsSettings } from './tls-settings.js';
import { upstreamSettings } from './upstream-settings.js';
import { verifySettings } from './verify-settings.js';

/** All settings, by their name in `Settings`. */
export const schema = {
  ...identitySettings,
  ...relayingSettings,
  ...tlsSettings,
  ...accountSettings,
  ...authFailureSettings,
  ...oauthSettings,
  ...configFileSettings,
  ...limitsSettings,
  ...edgeSettings,
  ...timesSettings,
  ...storageSettings,
  ...deliverySettings,
  ...securitySettings,
  ...upstreamSettings,
  ...verifySettings,
  ...retrySettings,
  ...outcomeSettings,
  ...rewritingSettings,
  ...operationSettings,
  ...logSettings,
  ...httpSettings,
  ...injectionSettings,
  ...historySettings,
};

/** The configuration of the engine: durations in milliseconds, sizes in bytes, '' or an empty list for none. */
export type Settings = SettingsOf<typeof schema>;
