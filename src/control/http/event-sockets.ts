/**
 * WebSockets of /v1/events on uWebSockets.js: who may listen, how many, and what their connections look like to the
 * fan-out.
 *
 * Contract: what is wrong with a request is answered as a problem before there is a WebSocket. What a listener sends is
 * not looked at, and more than a little ends it. Listeners are counted apart from other connections: they stay for days.
 */
import type { HttpRequest, HttpResponse, TemplatedApp, us_socket_context_t, WebSocket } from 'uWebSockets.js';
import type { EventFilter } from '../../telemetry/event-filter.js';
import { eventQuery } from './event-endpoints.js';
import { EventFanout, type EventReceiver, type FanoutCounts } from './event-fanout.js';
import { Exchange } from './exchange.js';
import type { Guard } from './guard.js';
import type { Plane } from './plane.js';
import { Problem } from './problem.js';
import { checked, queryOf, refuse } from './serve.js';

export interface EventSocketOptions {
  readonly maxListeners: number;
  /** A listener that does not answer a ping for so long is gone, ms. */
  readonly listenerTimeout: number;
  /** Bytes held for one listener, and for all; those of the fan-out when absent. */
  readonly backlog?: number;
  readonly backlogs?: number;
}

/** What is kept of a listener; the receiver is made when it is open. */
interface Listening {
  readonly filter: EventFilter;
  receiver: EventReceiver | null;
}

/** The subprotocol, and what stands before a token that is given as one. */
const PROTOCOL = 'sluice.events';
const BEARER = 'bearer.';
const MAX_PAYLOAD = 1024;
const SECOND = 1000;

export class EventSockets {
  private readonly fanout: EventFanout;
  private readonly guard: Guard;
  private readonly plane: Plane;
  private readonly options: EventSocketOptions;
  private readonly upgraded: () => void;
  private open = 0;

  /** `upgraded`: a connection is no longer one of HTTP. */
  constructor(guard: Guard, plane: Plane, options: EventSocketOptions, upgraded: () => void) {
    const { backlog, backlogs } = options;
    this.guard = guard;
    this.plane = plane;
    this.options = options;
    this.upgraded = upgraded;
    this.fanout = new EventFanout({
      now: () => performance.now(),
      subscribe: (listener) => plane.subscribe(listener),
      ...(backlog === undefined ? {} : { backlog }),
      ...(backlogs === undefined ? {} : { backlogs }),
    });
  }

  get counts(): FanoutCounts {
    return this.fanout.counts;
  }

  /** To be called before the routes of HTTP are there: what is no WebSocket goes on to them. */
  serve(app: TemplatedApp): void {
    app.ws<Listening>('/v1/events', {
      maxPayloadLength: MAX_PAYLOAD,
      // The fan-out bounds what is held; this is never reached.
      maxBackpressure: 0,
      idleTimeout: Math.ceil(this.options.listenerTimeout / SECOND),
      sendPingsAutomatically: true,
      upgrade: (response, request, context) => this.upgrade(response, request, context),
      open: (socket) => {
        const listening = socket.getUserData();
        listening.receiver = receiverOf(socket);
        this.fanout.add(listening.receiver, listening.filter);
      },
      drain: (socket) => this.fanout.drained(socket.getUserData().receiver!),
      close: (socket) => {
        this.open--;
        this.fanout.remove(socket.getUserData().receiver!);
      },
    });
  }

  close(): void {
    this.fanout.close();
  }

  private upgrade(response: HttpResponse, request: HttpRequest, context: us_socket_context_t): void {
    const exchange = new Exchange(response, request);
    const key = request.getHeader('sec-websocket-key');
    const extensions = request.getHeader('sec-websocket-extensions');
    const protocols = request
      .getHeader('sec-websocket-protocol')
      .split(',')
      .map((protocol) => protocol.trim());
    try {
      this.guard.check({ ...credentials(exchange), authorization: exchange.authorization || tokenOf(protocols) });
      const filter = checked(eventQuery, queryOf(exchange.query, { query: eventQuery }), 'query');
      if (this.open >= this.options.maxListeners)
        throw new Problem(503, 'too-many-listeners', `there are ${this.open} listeners, as many as may be`);
      this.open++;
      this.upgraded();
      // Never the token: what is chosen is shown.
      const chosen = protocols.includes(PROTOCOL) ? PROTOCOL : '';
      response.upgrade<Listening>({ filter, receiver: null }, key, chosen, extensions, context);
    } catch (thrown) {
      refuse(exchange, this.plane, thrown);
    }
  }
}

function credentials({ host, origin }: Exchange): { readonly host: string; readonly origin: string } {
  return { host, origin };
}

/** A browser cannot set Authorization: the token comes as a subprotocol. */
function tokenOf(protocols: readonly string[]): string {
  const given = protocols.find((protocol) => protocol.startsWith(BEARER));
  return given === undefined ? '' : `Bearer ${given.slice(BEARER.length)}`;
}

function receiverOf(socket: WebSocket<Listening>): EventReceiver {
  return {
    held: () => socket.getBufferedAmount(),
    send: (frame) => void socket.send(frame, false),
    end: (code, reason) => socket.end(code, reason),
    abort: () => socket.close(),
  };
}
