/**
 * Connections to next hops: implements delivery's Dial over TCP sockets that read into the thread's one buffer, and over
 * TLS on top of them; from a local address, or through a proxy, where an egress source says so.
 *
 * A connection is told of as `connected` when the next hop can be spoken to, so a limit on that time covers the proxy.
 * A Buffer given to `write` counts in `unsent` until the system has its bytes; under TLS until they are encrypted, which
 * copies them, and the system has the result. So where `unsent` is 0, the memory may be used for something else.
 */
import net from 'node:net';
import type { DialFrom } from '../delivery/egress.js';
import type { TlsFailure, TlsPolicy } from '../delivery/tls-policy.js';
import type { Dial, Wire, WireEvents } from '../delivery/wire.js';
import { askSocks, nameOfProxy, proxyHeader } from './egress/proxied-dial.js';
import { readBuffer } from './read-buffer.js';
import { ClientTls, wordsOf } from './tls/client-tls.js';

/** A Dial with TLS sessions of its own to resume. */
export function createDial(tls = new ClientTls()): Dial {
  return (address, port, policy, events, from) => new TcpWire(address, port, policy, events, tls, from);
}

/** Opens connections. */
export const dial: Dial = createDial();

class TcpWire implements Wire {
  private readonly address: string;
  private readonly port: number;
  private readonly policy: TlsPolicy;
  private readonly tls: ClientTls;
  /** What the session writes to: the TCP socket, or TLS over it. */
  private socket: net.Socket;
  private events: WireEvents | null;
  private readonly from: DialFrom | undefined;
  /** In words, the proxy that has yet to make the connection; '' when there is none or it has. */
  private proxy = '';

  constructor(
    address: string,
    port: number,
    policy: TlsPolicy,
    events: WireEvents,
    tls: ClientTls,
    from: DialFrom | undefined,
  ) {
    this.address = address;
    this.port = port;
    this.policy = policy;
    this.events = events;
    this.tls = tls;
    this.from = from;
    const proxy = from?.proxy ?? null;
    const next = proxy ?? { host: address, port };
    if (proxy !== null) this.proxy = `egress proxy ${nameOfProxy(proxy)}`;
    this.socket = net.connect({
      host: next.host,
      port: next.port,
      noDelay: true,
      ...(proxy === null && from !== undefined && from.address !== '' ? { localAddress: from.address } : {}),
      // The package that speaks SOCKS reads by 'data' events.
      ...(proxy?.kind === 'socks5' ? {} : { onread: { buffer: readBuffer, callback: (length) => this.read(length) } }),
    });
    this.socket.once('connect', () => this.reached());
    this.watch();
  }

  write(data: Buffer): boolean {
    return this.socket.write(data);
  }

  get unsent(): number {
    return this.socket.writableLength;
  }

  writeText(text: string, encoding: 'latin1' | 'utf8'): boolean {
    return this.socket.write(text, encoding);
  }

  startTls(): void {
    const tcp = this.socket;
    // From here on the TLS socket tells of everything; the TCP socket under it must only never be without a listener.
    for (const event of ['data', 'drain', 'error', 'end', 'close']) tcp.removeAllListeners(event);
    tcp.on('error', () => {});
    const secure = this.tls.begin(tcp, this.address, this.port, this.policy, {
      secured: (state) => {
        this.watch();
        secure!.on('data', (chunk) => this.events?.received(chunk, 0, chunk.length));
        this.events?.secured(state);
        if (this.policy.implicit) this.events?.connected();
      },
      failed: (failure) => this.fail(failure),
    });
    if (secure === null) return;
    secure.on('error', () => {});
    this.socket = secure;
  }

  end(): void {
    this.events = null;
    this.socket.end();
  }

  destroy(): void {
    this.events = null;
    this.socket.destroy();
  }

  private read(length: number): true {
    this.events?.received(readBuffer, 0, length);
    return true;
  }

  /** The machine that was dialled answers: the next hop, or a proxy. */
  private reached(): void {
    const proxy = this.from?.proxy ?? null;
    const target = { host: this.address, port: this.port };
    if (proxy?.kind === 'socks5')
      askSocks(this.socket, proxy, target, (problem, ofTarget) =>
        problem === '' ? this.passed() : this.lose(problem, !ofTarget),
      );
    else {
      if (proxy?.kind === 'haproxy') this.socket.write(proxyHeader(this.from!.address, target));
      this.begin();
    }
  }

  /** A SOCKS proxy made the connection. */
  private passed(): void {
    const { socket } = this;
    socket.on('data', (chunk: Buffer) => this.events?.received(chunk, 0, chunk.length));
    // The package resumes the socket in the next turn, which must not be under a TLS handshake.
    if (this.isImplicit) setImmediate(() => this.begin());
    else this.begin();
  }

  private begin(): void {
    this.proxy = '';
    if (this.events === null) return;
    if (this.isImplicit) this.startTls();
    else this.events.connected();
  }

  private get isImplicit(): boolean {
    return this.policy.implicit && this.policy.mode !== 'none';
  }

  private watch(): void {
    const { socket } = this;
    socket.on('drain', () => this.events?.drained());
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const bound = error.syscall === 'bind' && this.from !== undefined;
      this.lose(this.wordsOf(error), bound || this.proxy !== '');
    });
    socket.on('end', () => this.lose('', this.proxy !== ''));
    socket.on('close', () => this.lose('', this.proxy !== ''));
  }

  private fail(failure: TlsFailure): void {
    const { events } = this;
    this.events = null;
    this.socket.destroy();
    events?.tlsFailed(failure);
  }

  private lose(reason: string, atSource: boolean): void {
    const { events } = this;
    this.events = null;
    this.socket.destroy();
    const words = this.proxy === '' ? reason : `${this.proxy}: ${reason || 'it closed the connection'}`;
    events?.lost(words, atSource);
  }

  private wordsOf(error: NodeJS.ErrnoException): string {
    const { code = '', syscall } = error;
    if (syscall === 'bind') {
      const { address = '', source = '' } = this.from ?? {};
      const whose = source === '' ? '' : ` of egress source ${source}`;
      return `${BIND_WORDS[code] ?? wordsOf(error)} (${address}${whose})`;
    }
    const words = WORDS[code] ?? wordsOf(error);
    return this.proxy === '' ? `${words} (${this.address}:${this.port})` : words;
  }
}

const WORDS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by the host',
  EPIPE: 'connection closed by the host',
  ETIMEDOUT: 'connection timed out',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'network unreachable',
  EADDRNOTAVAIL: 'no local port or address left for the connection',
  EMFILE: 'too many open files',
};

/** About the local address. */
const BIND_WORDS: Record<string, string> = {
  EADDRNOTAVAIL: 'this host has no such address: correct [[egress]] or give it to an interface',
  EADDRINUSE: 'no local port left on the address',
  EINVAL: 'the local address is not of the family of the target',
};
