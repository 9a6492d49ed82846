/**
 * The engine's status, as operators see it.
 */
import type { Outcomes } from './app-outcomes.js';
import type { EngineStatus } from './control/engine-control.js';
import type { Delivery } from './delivery/delivery.js';
import type { Front } from './net/front.js';
import type { CertificateStore } from './net/tls/certificate-store.js';
import type { Spool } from './spool/spool.js';
import type { EngineEvents } from './telemetry/engine-events.js';
import { VERSION } from './version.js';

export interface StatusParts {
  readonly events: EngineEvents;
  readonly spool: Spool;
  /** null: it does not listen yet. */
  readonly front: Front | null;
  readonly delivery: Delivery;
  readonly certificates: CertificateStore | null;
  readonly outcomes: Pick<Outcomes, 'kpis' | 'suppressedCount'>;
  /** Engine clock ms. */
  readonly startedAt: number;
}

/** Everything in it is JSON-safe. */
export function engineStatus(parts: StatusParts): EngineStatus {
  const { events, spool, front, delivery, certificates, outcomes, startedAt } = parts;
  return {
    version: VERSION,
    pid: process.pid,
    startedAt,
    accepted: events.acceptedCount,
    delivered: events.delivered,
    deferred: events.deferred,
    failed: events.failed,
    queued: spool.usage().messages,
    flushes: spool.usage().flushes,
    serverConnections: front?.size ?? 0,
    upstreamConnections: delivery.connections,
    tls: {
      clientsFailed: events.handshakesFailed,
      secured: events.tlsSecured,
      clear: events.tlsClear,
      failed: events.tlsFailed,
      policyFailures: events.policyFailures,
      certificateExpires: certificates?.nextExpiry ?? 0,
    },
    returned: { bounces: events.bouncesReturned, complaints: events.complaints, other: events.returnsSetAside },
    suppressed: outcomes.suppressedCount(),
    kpis: { ...outcomes.kpis() },
  };
}
