/**
 * The operator's HTTP plane, tied to the engine. It lives with the process, as the control socket does: it outlives a
 * spool that is opened anew, and says meanwhile that mail is not taken.
 */
import { effectiveSettings } from './config/describe-settings.js';
import { httpAddress, httpCertificate } from './config/http-settings.js';
import type { Source } from './config/load-settings.js';
import { type Settings, schema } from './config/schema.js';
import type { EngineControl } from './control/engine-control.js';
import { HttpServer } from './control/http/http-server.js';
import type { ConfigEntry } from './control/http/plane.js';
import { systemClock } from './core/clock.js';
import { messageOf } from './core/errors.js';
import type { MailInjector } from './injection/mail-item.js';
import type { Log } from './telemetry/log.js';
import { ToldLately } from './telemetry/told-lately.js';
import { VERSION } from './version.js';

/** What of the running engine is asked. */
interface Engine {
  control(): EngineControl;
  injector(): MailInjector;
  /** Why mail cannot be taken, '' when it can. */
  notReady(): string;
  metrics(openMetrics: boolean): string;
}

/** A client that does not know the token is told of once in this time, ms. */
const SILENCE = 60_000;

export interface HttpParts {
  readonly settings: Settings;
  readonly sources: ReadonlyMap<string, Source>;
  readonly log: Log;
  /** null: the engine is starting, stopping or opens its spool anew. */
  engine(): Engine | null;
}

/** Opens it; null where it is off, or cannot be: then one log line says why, and mail flows all the same. */
export async function openHttp({ settings, sources, log, engine }: HttpParts): Promise<HttpServer | null> {
  const { http } = settings;
  if (http === null) return null;
  const told = new ToldLately(SILENCE);
  const config: readonly ConfigEntry[] = effectiveSettings(schema, { settings, sources });
  try {
    const server = await HttpServer.open(
      {
        ...{ host: http.host, port: http.port, token: settings.httpToken },
        tls: http.tls ? { ...httpCertificate(settings), ciphers: settings.tlsCiphers } : null,
        maxBody: settings.httpMaxBody,
        maxMailBody: settings.httpMaxMessagesBody,
        bodyMemory: settings.httpBodyMemory,
        bodyTime: settings.httpTimeout,
        maxConnections: settings.httpMaxConnections,
      },
      {
        version: VERSION,
        control: () => engine()?.control(),
        injector: () => engine()?.injector(),
        notReady: () => engine()?.notReady() ?? 'the engine is not running',
        metrics: (openMetrics) => engine()?.metrics(openMetrics) ?? '',
        config: () => config,
        failed: (path, error) => log.error({ path, err: error }, 'a request over HTTP failed'),
        refused: (client, reason) => {
          if (told.due(client, systemClock.now())) log.warn({ client, reason }, 'a request over HTTP was refused');
        },
      },
    );
    log.info({ address: httpAddress().format({ ...http, port: server.port }) }, 'HTTP is listened for');
    return server;
  } catch (error) {
    log.warn({ address: httpAddress().format(http), reason: messageOf(error) }, 'no HTTP: mail flows without it');
    return null;
  }
}
