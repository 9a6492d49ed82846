/**
 * The front of the engine built from the settings: listeners, session threads, and what their sessions ask.
 */
import type { SessionConfig } from '../workers/session-contract.js';
import { sessionOptions } from './app-session.js';
import type { ListenAddress } from './config/listen-type.js';
import { listenerNames } from './config/listener-names.js';
import type { Settings } from './config/schema.js';
import type { Clock } from './core/clock.js';
import type { DeadlineWheel } from './core/deadline-wheel.js';
import { SluiceError } from './core/errors.js';
import type { Admission } from './intake/admission.js';
import type { Intake } from './intake/intake.js';
import { builtWorkerFile } from './intake/prepare-pool.js';
import { BodyBuffer } from './memory/body-buffer.js';
import type { SegmentPool } from './memory/segment-pool.js';
import { addressSet, LOOPBACK } from './net/address-set.js';
import type { ConnectionCount } from './net/connection-count.js';
import { loadDuplicator } from './net/descriptor.js';
import { DescriptorBudget } from './net/descriptor-budget.js';
import { Front, type FrontHost, type FrontListener } from './net/front.js';
import type { InheritedSockets } from './net/inherited-sockets.js';
import { SocketOptions } from './net/original-destination.js';
import { type MailClient, SessionThreads } from './net/session-threads.js';
import type { TlsMaterial } from './net/tls/tls-material.js';
import type { Authenticator, Mechanism } from './smtp/authentication.js';
import type { Reply } from './smtp/replies.js';
import type { EngineEvents } from './telemetry/engine-events.js';
import type { Log } from './telemetry/log.js';

/** What the front is tied to. */
export interface FrontParts {
  readonly settings: Settings;
  readonly log: Log;
  readonly clock: Clock;
  readonly wheel: DeadlineWheel;
  readonly segments: SegmentPool;
  readonly count: ConnectionCount;
  readonly inherited: InheritedSockets;
  readonly events: EngineEvents;
  readonly admission: Admission;
  readonly intake: Intake;
  readonly authenticator: Authenticator;
  readonly sessions: () => Sessions;
  /** The answer to a client's MAIL while it, its account or its listener is over a limit. */
  limitOf(client: MailClient): Reply | null;
  /** Taken from anyone, whatever the relay policy says. */
  isBounceAddress(address: string): boolean;
  /** What is decided of recipients that the relay policy takes, besides. */
  readonly recipientPolicy: RecipientPolicy;
  room(): number;
}

/** What may change while the engine runs. */
export interface Sessions {
  readonly material: TlsMaterial | null;
  readonly mechanisms: readonly Mechanism[];
  /** As in AdmissionOptions, and domains of which some addresses are taken: the main thread decides which. */
  readonly relayDomains: readonly string[];
  /** Threads ask about each recipient: the main thread may say something. */
  readonly askRecipients: boolean;
}

/** Refuses a recipient, now or later; null takes it. */
export type RecipientPolicy = FrontHost['admitRecipient'];

/** How open files are shared between clients and `wanted` connections to next hops. Few for clients is worth a warning. */
export function descriptorBudget(settings: Settings, wanted: number, clock: Clock, log: Log): DescriptorBudget {
  const descriptors = new DescriptorBudget(wanted, () => clock.now());
  const { openFiles, clients } = descriptors;
  if (clients < settings.maxConnections)
    log.warn(
      { openFiles, clients, wanted: settings.maxConnections },
      'the limit of open files leaves room for fewer clients than SLUICE_MAX_CONNECTIONS: raise it (ulimit -n)',
    );
  return descriptors;
}

/** What sessions of each listener are told. */
export function sessionConfig(settings: Settings, sessions: Sessions): SessionConfig {
  const { material, mechanisms, relayDomains, askRecipients } = sessions;
  const names = listenerNames(settings.listen);
  return {
    listeners: settings.listen.map((listener, index) => ({
      name: names[index]!,
      trusted: sessionOptions(settings, true, listener, material !== null, mechanisms),
      untrusted: sessionOptions(settings, false, listener, material !== null, mechanisms),
    })),
    tls: material,
    handshakeTimeout: settings.tlsHandshakeTimeout,
    relayDomains,
    askRecipients,
  };
}

/** Builds the front; it does not listen yet. @throws SluiceError `cannot-listen` where an inherited socket is missing. */
export function buildFront(parts: FrontParts): Front {
  const { settings, clock, wheel, segments, count, admission, intake, events, authenticator, recipientPolicy } = parts;
  const config = sessionConfig(settings, parts.sessions());
  const host: FrontHost = {
    admitMail: (client, size) => parts.limitOf(client) ?? admission.admitMail(size),
    admitRecipient: (client, address, domain) =>
      (parts.isBounceAddress(address) ? null : admission.admitRecipient(client.relays, domain)) ??
      recipientPolicy(client, address, domain),
    openBody: () => new BodyBuffer(segments),
    accept: (submitter, transaction) => intake.accept(submitter, transaction),
    authenticate: (question, address) => authenticator.answer(question, address),
    tlsFailed: (address, reason) => events.handshakeFailed(address, reason),
    proxyRefused: (address, reason) => events.proxyRefused(address, reason),
    transparentRefused: (address, reason) => events.transparentRefused(address, reason),
    closed: (address, listener) => count.leave(address, listener),
    threadLost: (reason) => events.sessionThreadLost(reason),
    room: () => parts.room(),
  };
  return new Front({
    clock,
    wheel,
    count,
    listeners: settings.listen.flatMap((listener, index) => frontListeners(listener, index, parts.inherited)),
    config,
    threads: config.tls === null ? null : startThreads(parts, config, host),
    host,
    ...(settings.listen.some(({ transparent }) => transparent !== 'none')
      ? { socketOptions: loadSocketOptions() }
      : {}),
    proxyTimeout: settings.connectTimeout,
    mayRelay: addressSet([...LOOPBACK, ...settings.relayNetworks]),
    isBalancer: addressSet(settings.proxyNetworks),
  });
}

function startThreads(
  { settings, segments, log }: FrontParts,
  config: SessionConfig,
  host: FrontHost,
): SessionThreads | null {
  if (settings.tlsThreads === 0) return null;
  const duplicator = loadDuplicator();
  if (typeof duplicator === 'string') {
    log.warn({ reason: duplicator }, 'TLS runs on the main thread: connections cannot be handed to threads here');
    return null;
  }
  return new SessionThreads({
    threads: settings.tlsThreads,
    workerFile: builtWorkerFile('workers/serve-sessions.js'),
    segments,
    duplicator,
    config,
    host,
  });
}

/** @throws SluiceError `cannot-listen` where redirected connections cannot be told from others. */
function loadSocketOptions(): SocketOptions {
  const options = SocketOptions.load();
  if (typeof options !== 'string') return options;
  throw new SluiceError('cannot-listen', `SLUICE_LISTEN: transparent= cannot be used here: ${options}`, {
    temporary: false,
  });
}

/** A listener of the settings: several where an inherited name stands for several sockets. */
function frontListeners(listener: ListenAddress, sessions: number, inherited: InheritedSockets): FrontListener[] {
  const { host, port, proxy, tls, transparent } = listener;
  const common = { sessions, proxy, transparent, implicitTls: tls === 'implicit' };
  if (listener.inherited === '') return [{ at: { host, port }, ...common }];
  return inherited.descriptorsOf(listener.inherited).map((descriptor) => ({ at: { descriptor }, ...common }));
}
