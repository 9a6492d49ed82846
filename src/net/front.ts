/**
 * Where clients arrive: all listeners, and from an accepted connection to a session in the right place.
 *
 * The main thread accepts and runs sessions that are in the clear. TLS, from the first byte or behind STARTTLS, goes to
 * a session thread where there are any, else it stays here. Connections are counted by client address, also those on
 * threads; behind a balancer the client is whom its PROXY header names. Connections that a firewall redirected keep
 * where they were going, as the destination of their mail.
 */
import type net from 'node:net';
import type { ListenerSessions, ReplyName, SessionConfig } from '../../workers/session-contract.js';
import type { Clock } from '../core/clock.js';
import type { DeadlineWheel } from '../core/deadline-wheel.js';
import { SluiceError } from '../core/errors.js';
import { type Reply, replies } from '../smtp/replies.js';
import type { BodySink } from '../smtp/server-host.js';
import { plainAddress } from './address-set.js';
import { type Accepted, descriptorOf, type Take } from './adopt-socket.js';
import type { ConnectionCount } from './connection-count.js';
import type { ConnectionEnvironment, ConnectionHost } from './connection-host.js';
import { type ListenAt, Listener } from './listener.js';
import { OriginalDestinations, type SocketOptions, type Transparent } from './original-destination.js';
import { awaitProxyHeader } from './proxied-connection.js';
import { ServerConnection } from './server-connection.js';
import type { MailClient, SessionThreads, SessionThreadsHost } from './session-threads.js';
import { SecureContexts } from './tls/secure-contexts.js';

/** One listener as the front needs it. */
export interface FrontListener {
  readonly at: ListenAt;
  /** Index of its session options. */
  readonly sessions: number;
  /** TLS from the first byte. */
  readonly implicitTls: boolean;
  /** Version of the PROXY header that every connection begins with. */
  readonly proxy: 'none' | 'v1' | 'v2';
  /** A firewall sends connections here that were going elsewhere. Not with a PROXY header. */
  readonly transparent?: Transparent;
}

/** What sessions ask, wherever they run. */
export interface FrontHost extends SessionThreadsHost {
  admitMail(client: MailClient, declaredSize: number): Reply | null;
  openBody(): BodySink | null;
  /** A connection to a listener for balancers was not taken. */
  proxyRefused(address: string, reason: string): void;
  /** A connection to a transparent listener was not taken. */
  transparentRefused(address: string, reason: string): void;
}

export interface FrontOptions {
  readonly clock: Clock;
  readonly wheel: DeadlineWheel;
  readonly count: ConnectionCount;
  readonly listeners: readonly FrontListener[];
  readonly config: SessionConfig;
  readonly threads: SessionThreads | null;
  readonly host: FrontHost;
  /** For transparent listeners; needed where there are any. */
  readonly socketOptions?: SocketOptions;
  /** Longest wait for a PROXY header, ms. */
  readonly proxyTimeout: number;
  mayRelay(address: string): boolean;
  /** May say in a PROXY header who the client is. */
  isBalancer(address: string): boolean;
}

/** A connection that can be given a session. */
interface Arrival {
  readonly address: string;
  readonly port: number;
  readonly descriptor: number;
  readonly early: Uint8Array | null;
  /** Host and port it was going to, '' where it was meant for us. */
  readonly originalDestination: string;
  open(take: Take): net.Socket;
  discard(): void;
}

export class Front {
  private readonly options: FrontOptions;
  private readonly listeners: Listener[] = [];
  private readonly connections = new Set<ServerConnection>();
  private environments: readonly ConnectionEnvironment[] = [];
  private readonly destinations: OriginalDestinations | null;

  constructor(options: FrontOptions) {
    this.options = options;
    const { socketOptions, clock } = options;
    this.destinations =
      socketOptions === undefined
        ? null
        : new OriginalDestinations(
            socketOptions,
            () => clock.now(),
            () => this.ports,
          );
    this.adopt(options.config);
  }

  /** Begins to listen; resolves when every listener is bound. @throws SluiceError `cannot-listen`. */
  async listen(): Promise<void> {
    for (const [index, { at, transparent }] of this.options.listeners.entries()) {
      const listener = await Listener.open(at, (accepted) => this.arrived(index, accepted));
      this.listeners.push(listener);
      if (transparent === 'tproxy' && this.options.socketOptions?.makeTransparent(listener.descriptor) !== true)
        throw new SluiceError(
          'cannot-listen',
          `cannot listen on ${listener.address} with transparent=tproxy: it needs CAP_NET_ADMIN`,
          { temporary: false },
        );
    }
  }

  get addresses(): string[] {
    return this.listeners.map((listener) => listener.address);
  }

  get ports(): number[] {
    return this.listeners.map((listener) => listener.port);
  }

  /** Connections of clients here and on threads. */
  get size(): number {
    return this.connections.size + (this.options.threads?.connections ?? 0);
  }

  /** New certificates, session options or relay domains, for connections from now on. */
  configure(config: SessionConfig): void {
    this.adopt(config);
    this.options.threads?.configure(config);
  }

  /** Every MAIL on other threads is answered with this; here the host says so itself. */
  refuseMail(reply: ReplyName | null): void {
    this.options.threads?.refuseMail(reply);
  }

  /** MAIL on other threads of who has this key is refused until then, wall clock, ms since the epoch. */
  limit(key: string, reply: Reply, until: number): void {
    this.options.threads?.limit(key, reply, until);
  }

  /** Accepts no more and ends sessions as soon as no transaction is in the way. */
  shutdown(): void {
    for (const listener of this.listeners) listener.close();
    for (const connection of [...this.connections]) connection.shutdown();
    this.options.threads?.shutdown();
  }

  /** Closes everything at once. */
  async close(): Promise<void> {
    for (const listener of this.listeners) listener.close();
    for (const connection of [...this.connections]) connection.destroy();
    await this.options.threads?.close();
  }

  private adopt(config: SessionConfig): void {
    const { clock, wheel, threads } = this.options;
    const tls = config.tls === null ? null : new SecureContexts(config.tls);
    const host = this.connectionHost();
    this.environments = config.listeners.map(({ name, trusted, untrusted }: ListenerSessions, sessions) => ({
      listener: name,
      clock,
      wheel,
      host,
      trusted,
      untrusted,
      tls,
      handshakeTimeout: config.handshakeTimeout,
      ...(threads === null
        ? {}
        : { handOver: (connection, socket) => this.handOver(threads, sessions, connection, socket) }),
    }));
  }

  private connectionHost(): ConnectionHost {
    const { host, count } = this.options;
    return {
      admitMail: (connection, _sender, size) => host.admitMail(connection, size),
      admitRecipient: (connection, address, domain, question) => {
        const decision = host.admitRecipient(connection, address, domain);
        if (!(decision instanceof Promise)) return decision;
        decision.then(
          (refusal) => connection.recipientDecided(question, refusal),
          () => connection.recipientDecided(question, replies.notDecided),
        );
        return 'later';
      },
      openBody: () => host.openBody(),
      accept: (connection, transaction) => host.accept(connection, transaction),
      authenticate: (connection, question) =>
        void host.authenticate(question, connection.address).then((answer) => connection.answered(answer)),
      tlsFailed: (connection, reason) => host.tlsFailed(connection.address, reason),
      closed: (connection) => {
        this.connections.delete(connection);
        count.leave(connection.address, connection.listener);
      },
    };
  }

  private arrived(listener: number, accepted: Accepted): void {
    const { count, listeners, isBalancer, host } = this.options;
    const client = plainAddress(accepted.address);
    if (client === '') {
      accepted.discard();
      return;
    }
    const { proxy } = listeners[listener]!;
    if (proxy !== 'none' && !isBalancer(client)) {
      host.proxyRefused(client, 'it is not in SLUICE_PROXY_NETWORKS');
      accepted.discard();
      return;
    }
    const destination = this.destinationOf(listeners[listener]!, accepted);
    if (typeof destination !== 'string') {
      host.transparentRefused(client, destination.reason);
      accepted.discard();
      return;
    }
    const refusal = count.enter(client, proxy === 'none' ? this.nameOf(listener) : '', this.options.clock.now());
    if (refusal !== null) this.refuse(listener, accepted, refusal);
    else if (proxy === 'none')
      this.begin(listener, { ...accepted, address: client, early: null, originalDestination: destination });
    else this.arrivedByProxy(listener, proxy, accepted, client);
  }

  /** '' where the listener is the destination. */
  private destinationOf({ transparent = 'none' }: FrontListener, accepted: Accepted): string | { reason: string } {
    if (transparent === 'none') return '';
    return this.destinations?.find(transparent, accepted) ?? { reason: 'its original destination cannot be asked for' };
  }

  private arrivedByProxy(listener: number, version: 'v1' | 'v2', accepted: Accepted, balancer: string): void {
    const { count, host, listeners, proxyTimeout } = this.options;
    awaitProxyHeader(accepted, version, proxyTimeout, (outcome) => {
      count.leave(balancer, '');
      if ('reason' in outcome) {
        host.proxyRefused(balancer, outcome.reason);
        return;
      }
      const { client, socket, early, read } = outcome;
      const address = client?.address ?? balancer;
      const arrival: Arrival = {
        address,
        port: client?.port ?? accepted.port,
        descriptor: descriptorOf(socket),
        early,
        originalDestination: '',
        // Under TLS it is the socket on top that reads.
        open: (take) => read(take, !listeners[listener]!.implicitTls),
        discard: () => void socket.destroy(),
      };
      const refusal = count.enter(address, this.nameOf(listener), this.options.clock.now());
      if (refusal === null) this.begin(listener, arrival);
      else this.refuse(listener, arrival, refusal);
    });
  }

  /** One too many. Where TLS comes first nothing can be said to it. */
  private refuse(listener: number, arrival: Pick<Arrival, 'open' | 'discard'>, reply: Reply): void {
    if (this.options.listeners[listener]!.implicitTls) arrival.discard();
    else
      this.options.count.refuse(
        arrival.open(() => true),
        reply,
      );
  }

  private nameOf(listener: number): string {
    return this.environments[this.options.listeners[listener]!.sessions]!.listener;
  }

  /** A counted connection gets its session. */
  private begin(listener: number, arrival: Arrival): void {
    const { listeners, threads, mayRelay } = this.options;
    const { address, port, descriptor, early, originalDestination } = arrival;
    const { implicitTls, sessions } = listeners[listener]!;
    const relays = mayRelay(address);
    if (
      implicitTls &&
      threads?.take(
        { descriptor, address, port, relays, sessions, beginning: 'implicit-tls', carried: null, early },
        originalDestination,
      ) === true
    ) {
      arrival.discard();
      return;
    }
    const beginning = implicitTls ? 'implicit-tls' : 'clear';
    const origin = { address, port, relays, originalDestination };
    this.connections.add(
      new ServerConnection(beginning, (take) => arrival.open(take), origin, this.environments[sessions]!, early),
    );
  }

  private handOver(threads: SessionThreads, sessions: number, connection: ServerConnection, socket: net.Socket) {
    const { address, port, relays, originalDestination } = connection.origin;
    const descriptor = descriptorOf(socket);
    const { carried } = connection;
    const taken = threads.take(
      { descriptor, address, port, relays, sessions, beginning: 'behind-starttls', carried, early: null },
      originalDestination,
    );
    if (taken) this.connections.delete(connection);
    return taken;
  }
}
