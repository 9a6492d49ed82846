/** What a server of the HTTP plane is opened with in tests; each test says what differs. */
import type { HttpOptions } from '../../src/control/http/http-server.js';
import type { Plane } from '../../src/control/http/plane.js';

/** On any free port of loopback, without TLS and token. */
export function httpOptions(different: Partial<HttpOptions> = {}): HttpOptions {
  return {
    ...{ host: '127.0.0.1', port: 0, tls: null, token: '', maxBody: 2000, bodyTime: 5000, maxConnections: 50 },
    ...{ maxListeners: 5, listenerTimeout: 60_000, maxMailBody: 4000, bodyMemory: 10_000 },
    ...different,
  };
}

/** An engine that is not there: what is asked of it and not named gives nothing. */
export function planeOf(known: Partial<Plane>): Plane {
  return new Proxy(known, {
    get: (target, key) => Reflect.get(target, key) ?? (() => undefined),
  }) as Plane;
}
