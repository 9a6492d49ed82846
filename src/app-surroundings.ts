/**
 * What an App is run with and what outlives it: an App is closed when its spool fails, and another one is started in the
 * same process.
 */

import type { LoginFailed } from './app-accounts.js';
import type { MailHistory } from './app-history.js';
import type { Settings } from './config/schema.js';
import type { InheritedSockets } from './net/inherited-sockets.js';
import type { Log } from './telemetry/log.js';
import type { MailEvents } from './telemetry/mail-event.js';

export interface Surroundings {
  readonly settings: Settings;
  readonly log: Log;
  readonly inherited: InheritedSockets;
  readonly mail: MailEvents;
  readonly history: MailHistory;
  readonly loginFailed: LoginFailed;
}
