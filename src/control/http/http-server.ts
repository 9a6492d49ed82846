/**
 * Listens for HTTP on uWebSockets.js, which is loaded only here and only when wanted: its native part may not fit the
 * system (README), and mail must flow all the same.
 *
 * Limits: it speaks HTTP/1.1 only; heads are 4 KiB at most and have 10 s to come, by the library; a client that sends
 * less than 16 KiB in 10 s is cut off.
 */
import type { TemplatedApp, us_listen_socket } from 'uWebSockets.js';
import { endpoints } from './endpoints.js';
import { BodyMemory, Exchange, type Limits } from './exchange.js';
import { Guard } from './guard.js';
import type { Plane } from './plane.js';
import { Router } from './router.js';
import { serve } from './serve.js';

export interface HttpOptions extends Limits {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Paths of PEM files; null: no TLS. */
  readonly tls: { readonly cert: string; readonly key: string; readonly ciphers: string } | null;
  /** '': none is asked for. */
  readonly token: string;
  readonly maxConnections: number;
  /** Bytes of bodies with mail, all together. */
  readonly bodyMemory: number;
}

type Uws = typeof import('uWebSockets.js');

/** Of uSockets: no other process may share the port. */
const EXCLUSIVE = 1;
/** `listen` as the library has it; its types leave this form out. */
type Listen = (host: string, port: number, options: number, told: (socket: us_listen_socket | false) => void) => void;

export class HttpServer {
  readonly port: number;
  private readonly app: TemplatedApp;

  private constructor(app: TemplatedApp, port: number) {
    this.app = app;
    this.port = port;
  }

  /**
   * Loads the library and listens.
   * @throws Error with words on why it cannot: the native part does not load, the port is taken, a certificate is bad.
   */
  static async open(options: HttpOptions, plane: Plane): Promise<HttpServer> {
    const uws = await load();
    const { host, port, tls } = options;
    const app = tls === null ? uws.App() : secured(uws, tls);
    const serving = {
      router: new Router(endpoints),
      guard: new Guard(options.token),
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
    app.any('/*', (response, request) => void serve(new Exchange(response, request), serving));
    const socket = await new Promise<us_listen_socket | false>((resolve) => {
      (app.listen as unknown as Listen).call(app, host, port, EXCLUSIVE, resolve);
    });
    if (socket === false) {
      app.close();
      throw new Error(`cannot listen on ${host}, port ${port}: it is taken, or not an address of this machine`);
    }
    return new HttpServer(app, uws.us_socket_local_port(socket as never));
  }

  /** Stops listening and ends all connections. */
  close(): void {
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

function secured(uws: Uws, { cert, key, ciphers }: NonNullable<HttpOptions['tls']>): TemplatedApp {
  try {
    return uws.SSLApp({ cert_file_name: cert, key_file_name: key, ssl_ciphers: ciphers });
  } catch {
    throw new Error(`the certificate ${cert} and its key ${key} cannot be used`);
  }
}
