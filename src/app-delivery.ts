/**
 * How connections to next hops are made and used, as the settings say.
 */
import type { Settings } from './config/schema.js';
import type { Clock } from './core/clock.js';
import type { DeadlineWheel } from './core/deadline-wheel.js';
import { dial } from './net/dial.js';

/** How they are made. */
export function connecting(settings: Settings, clock: Clock, wheel: DeadlineWheel) {
  return {
    clock,
    wheel,
    dial,
    connection: {
      hostname: settings.hostname,
      connectTimeout: settings.upstreamConnectTimeout,
      replyTimeout: settings.upstreamReplyTimeout,
      dataTimeout: settings.upstreamDataTimeout,
      tlsTimeout: settings.upstreamTlsTimeout,
    },
  };
}

/** How they are used. */
export function connectionUse(settings: Settings) {
  return {
    messagesPerConnection: settings.messagesPerUpstreamConnection || Number.POSITIVE_INFINITY,
    connectionAge: settings.upstreamConnectionAge || Number.POSITIVE_INFINITY,
    idleTime: settings.upstreamIdle,
    maxRecipients: settings.upstreamMaxRecipients,
    // It doubles up to 64 times this, which must not be later than mail is due again.
    hostRest: Math.min(5000, settings.retryMin / 2, settings.retryMax / 64),
  };
}
