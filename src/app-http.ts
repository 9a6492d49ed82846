/**
 * The operator's HTTP plane, tied to the engine. It lives with the process, as the control socket does: it outlives a
 * spool that is opened anew, and says meanwhile that mail is not taken.
 */
import type { EngineAudit } from './app-audit.js';
import { type HttpTls, openHttpTls, privateSocket } from './app-http-tls.js';
import { effectiveSettings } from './config/describe-settings.js';
import { httpAddress } from './config/http-settings.js';
import type { Source } from './config/load-settings.js';
import { type Settings, schema } from './config/schema.js';
import type { EngineControl } from './control/engine-control.js';
import { type HttpOptions, HttpServer } from './control/http/http-server.js';
import type { ConfigEntry, Plane } from './control/http/plane.js';
import { systemClock } from './core/clock.js';
import { messageOf } from './core/errors.js';
import type { MailInjector } from './injection/mail-item.js';
import { counter, expose, gauge, type Metric } from './telemetry/exposition.js';
import type { Log } from './telemetry/log.js';
import type { MailEvents } from './telemetry/mail-event.js';
import { ToldLately } from './telemetry/told-lately.js';
import { VERSION } from './version.js';

/** What of the running engine is asked. */
interface Engine {
  control(): EngineControl;
  injector(): MailInjector;
  /** Why mail cannot be taken, '' when it can. */
  notReady(): string;
  figures(): readonly Metric[];
}

/** A client that does not know the token is told of once in this time, ms. */
const SILENCE = 60_000;

export interface HttpParts {
  readonly settings: Settings;
  readonly sources: ReadonlyMap<string, Source>;
  readonly log: Log;
  readonly mail: MailEvents;
  readonly audit: Pick<EngineAudit, 'control' | 'loginFailed' | 'page'>;
  /** null: the engine is starting, stopping or opens its spool anew. */
  engine(): Engine | null;
}

/** The plane while it is there. */
export interface Http {
  readonly port: number;
  /** Reads the certificates of https again; false: a mistake is logged, and the old ones stay. */
  reload(): Promise<boolean>;
  /** Stops listening and ends all connections. */
  close(): void;
}

/** Opens it; null where it is off, or cannot be: then one log line says why, and mail flows all the same. */
export async function openHttp(parts: HttpParts): Promise<Http | null> {
  const { settings, log } = parts;
  const { http } = settings;
  if (http === null) return null;
  const told = new ToldLately(SILENCE);
  const refused = (client: string, reason: string): void => {
    parts.audit.loginFailed({ over: 'http', client, user: '', reason });
    if (told.due(client, systemClock.now())) log.warn({ client, reason }, 'a request over HTTP was refused');
  };
  let server: HttpServer | null = null;
  const closers: (() => void)[] = [];
  const close = (): void => {
    for (const one of closers.reverse()) one();
  };
  try {
    const socket = http.tls ? privateSocket(settings.spoolDir) : null;
    if (socket !== null) closers.push(() => socket.remove());
    server = await HttpServer.open(
      optionsOf(settings, socket?.path ?? null),
      planeOf(parts, refused, () => server),
    );
    const { port: plain } = server;
    closers.push(() => server?.close());
    let tls: HttpTls | null = null;
    if (socket !== null) {
      tls = await openHttpTls(settings, socket.path, log, (client) => refused(client, 'no-certificate'));
      closers.push(tls.close);
    }
    const port = tls?.port ?? plain;
    log.info({ address: httpAddress().format({ ...http, port }) }, 'HTTP is listened for');
    return { port, reload: async () => (await tls?.reload()) ?? true, close };
  } catch (error) {
    close();
    log.warn({ address: httpAddress().format(http), reason: messageOf(error) }, 'no HTTP: mail flows without it');
    return null;
  }
}

function optionsOf(settings: Settings, socket: string | null): HttpOptions {
  const { host, port } = settings.http!;
  return {
    ...{ host, port, token: settings.httpToken },
    tls: socket === null ? null : { socket, certified: settings.httpClientCa !== '' },
    maxBody: settings.httpMaxBody,
    maxMailBody: settings.httpMaxMessagesBody,
    bodyMemory: settings.httpBodyMemory,
    bodyTime: settings.httpTimeout,
    maxConnections: settings.httpMaxConnections,
    maxListeners: settings.httpListeners,
    listenerTimeout: settings.httpListenerTimeout,
  };
}

function planeOf(
  { settings, sources, log, mail, audit, engine }: HttpParts,
  refused: Plane['refused'],
  server: () => HttpServer | null,
): Plane {
  const { httpToken, httpClientCa } = settings;
  const standing = httpToken !== '' ? 'token' : httpClientCa !== '' ? 'certificate' : 'loopback';
  const config: readonly ConfigEntry[] = effectiveSettings(schema, { settings, sources });
  return {
    version: VERSION,
    control: (client) => {
      const control = engine()?.control();
      return control && audit.control(control, `http ${client} (${standing})`);
    },
    audit: (wanted) => audit.page(wanted),
    injector: () => engine()?.injector(),
    notReady: () => engine()?.notReady() ?? 'the engine is not running',
    metrics: (openMetrics) => {
      const running = engine();
      return running === null ? '' : expose([...running.figures(), ...listenerMetrics(server())], openMetrics);
    },
    config: () => config,
    subscribe: (listener) => mail.subscribe(listener),
    failed: (path, error) => log.error({ path, err: error }, 'a request over HTTP failed'),
    refused,
  };
}

function listenerMetrics(server: HttpServer | null): Metric[] {
  if (server === null) return [];
  const { listeners, dropped, closed } = server.listeners;
  return [
    gauge('sluice_event_listeners', 'WebSockets of /v1/events.', listeners),
    counter(
      'sluice_event_listeners_dropped_total',
      'Events that listeners missed because they were too slow, of each.',
      dropped,
    ),
    counter('sluice_event_listeners_closed_total', 'Listeners closed because they were too slow.', closed),
  ];
}
