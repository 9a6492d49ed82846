/**
 * Listens for HTTP on uWebSockets.js, which is loaded only here and only when wanted: its native part may not fit the
 * system (README), and mail must flow all the same.
 *
 * Limits: it speaks HTTP/1.1 only; heads are 4 KiB at most and have 10 s to come, by the library; a client that sends
 * less than 16 KiB in 10 s is cut off.
 */
import type { TemplatedApp, us_listen_socket } from 'uWebSockets.js';
import { serveDashboard } from './dashboard-assets.js';
import { endpoints } from './endpoints.js';
import type { FanoutCounts } from './event-fanout.js';
import { type EventSocketOptions, EventSockets } from './event-sockets.js';
import { BodyMemory, Exchange, type Limits } from './exchange.js';
import { Guard } from './guard.js';
import type { Plane } from './plane.js';
import { Router } from './router.js';
import { serve } from './serve.js';

export interface HttpOptions extends Limits, EventSocketOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /**
   * TLS is ended before this server (net/tls/tls-front.ts), which then listens on the Unix socket `socket` alone;
   * `certified`: clients have shown a certificate. null: no TLS.
   */
  readonly tls: { readonly socket: string; readonly certified: boolean } | null;
  /** '': none is asked for. */
  readonly token: string;
  /** Beside listeners of events. */
  readonly maxConnections: number;
  /** Bytes of bodies with mail, all together. */
  readonly bodyMemory: number;
}

type Uws = typeof import('uWebSockets.js');

/** Of uSockets: no other process may share the port. */
const EXCLUSIVE = 1;
/** `listen` as the library has it; its types leave this form out. */
type Told = (socket: us_listen_socket | false) => void;
type Listen = (host: string, port: number, options: number, told: Told) => void;

export class HttpServer {
  readonly port: number;
  private readonly app: TemplatedApp;
  private readonly events: EventSockets;

  private constructor(app: TemplatedApp, events: EventSockets, port: number) {
    this.app = app;
    this.events = events;
    this.port = port;
  }

  /**
   * Loads the library and listens.
   * @throws Error with words on why it cannot: the native part does not load, the port is taken, a certificate is bad.
   */
  static async open(options: HttpOptions, plane: Plane): Promise<HttpServer> {
    const uws = await load();
    const { host, port, tls } = options;
    const app = uws.App();
    const guard = new Guard(options.token, tls?.certified === true);
    const serving = {
      router: new Router(endpoints),
      guard,
      limits: options,
      plane,
      secure: tls !== null,
      memory: new BodyMemory(options.bodyMemory),
    };
    let connections = 0;
    // biome-ignore lint/suspicious/useIterableCallbackReturn: it is told of connections and is no filter of a list
    app.filter((response, change) => {
      connections += Number(change);
      if (Number(change) > 0 && connections > options.maxConnections) response.close();
    });
    // The library tells its filter of a connection that becomes a WebSocket neither then nor when it ends.
    const events = new EventSockets(serving.guard, plane, options, () => connections--);
    events.serve(app);
    serveDashboard(app);
    app.any('/*', (response, request) => void serve(new Exchange(response, request), serving));
    const socket = await new Promise<us_listen_socket | false>((resolve) => {
      if (tls !== null) app.listen_unix(resolve, tls.socket);
      else (app.listen as unknown as Listen).call(app, host, port, EXCLUSIVE, resolve);
    });
    if (socket === false) {
      app.close();
      throw new Error(tls === null ? cannotListen(host, port) : `cannot listen on the socket ${tls.socket}`);
    }
    return new HttpServer(app, events, tls === null ? uws.us_socket_local_port(socket as never) : 0);
  }

  /** Of the listeners of events. */
  get listeners(): FanoutCounts {
    return this.events.counts;
  }

  /** Stops listening and ends all connections. */
  close(): void {
    this.events.close();
    this.app.close();
  }
}

async function load(): Promise<Uws> {
  try {
    // A CommonJS module: its types say nothing of the default.
    return ((await import('uWebSockets.js')) as unknown as { readonly default: Uws }).default;
  } catch (thrown) {
    const words = thrown instanceof Error ? thrown.message : String(thrown);
    throw new Error(`uWebSockets.js does not load here: ${words.replaceAll(/\s+/g, ' ')}`);
  }
}

/** Why nobody can listen there, in words. */
export function cannotListen(host: string, port: number): string {
  return `cannot listen on ${host}, port ${port}: it is taken, or not an address of this machine`;
}
