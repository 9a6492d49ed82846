/**
 * A SOCKS5 server on loopback for tests (RFC 1928, RFC 1929): CONNECT to addresses, with or without a password.
 *
 * `temper` says what it does instead of serving. `requests` are the targets asked for, `address:port`.
 */
import net from 'node:net';

export interface SocksOptions {
  readonly user?: string;
  readonly password?: string;
  /**
   * `refuse`: every request with "connection not allowed"; `silent`: never an answer; `close`: on the request;
   * `nonsense`: no SOCKS at all; `joined`: its last answer comes in one piece with the first bytes of the target.
   */
  readonly temper?: 'good' | 'refuse' | 'silent' | 'close' | 'nonsense' | 'joined';
  /** Local address of its connections onward. */
  readonly source?: string;
}

const GRANTED = Buffer.from([5, 0, 0, 1, 127, 0, 0, 1, 0, 0]);

export class SocksServer {
  readonly requests: string[] = [];
  port = 0;
  private readonly options: SocksOptions;
  private readonly server: net.Server;
  private readonly sockets = new Set<net.Socket>();

  private constructor(options: SocksOptions) {
    this.options = options;
    this.server = net.createServer((socket) => {
      this.keep(socket);
      void this.serve(socket).catch(() => socket.destroy());
    });
  }

  static async start(options: SocksOptions = {}): Promise<SocksServer> {
    const one = new SocksServer(options);
    await new Promise<void>((resolve) => one.server.listen(0, '127.0.0.1', resolve));
    one.port = (one.server.address() as net.AddressInfo).port;
    return one;
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private keep(socket: net.Socket): void {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => {});
  }

  private async serve(socket: net.Socket): Promise<void> {
    const { temper = 'good', user, password, source } = this.options;
    const [, count = 0] = await exactly(socket, 2);
    const methods = await exactly(socket, count);
    if (temper === 'silent') return;
    if (temper === 'nonsense') {
      socket.write('220 this is no proxy\r\n');
      return;
    }
    if (user !== undefined) {
      if (!methods.includes(2)) return void socket.end(Buffer.from([5, 0xff]));
      socket.write(Buffer.from([5, 2]));
      const [, length = 0] = await exactly(socket, 2);
      const name = (await exactly(socket, length)).toString();
      const [size = 0] = await exactly(socket, 1);
      const secret = (await exactly(socket, size)).toString();
      if (name !== user || secret !== password) return void socket.end(Buffer.from([1, 1]));
      socket.write(Buffer.from([1, 0]));
    } else socket.write(Buffer.from([5, 0]));
    const head = await exactly(socket, 4);
    if (head[3] !== 1 && head[3] !== 4) throw new Error('the target is not an address');
    const bytes = await exactly(socket, head[3] === 1 ? 4 : 16);
    const port = (await exactly(socket, 2)).readUInt16BE();
    const host = head[3] === 1 ? bytes.join('.') : ipv6(bytes);
    this.requests.push(`${host}:${port}`);
    if (temper === 'refuse') return void socket.end(Buffer.from([5, 2, 0, 1, 0, 0, 0, 0, 0, 0]));
    if (temper === 'close') return void socket.destroy();
    const onward = net.connect({ host, port, ...(source === undefined ? {} : { localAddress: source }) });
    this.keep(onward);
    onward.on('error', () => socket.end(Buffer.from([5, 5, 0, 1, 0, 0, 0, 0, 0, 0])));
    onward.on('close', () => socket.end());
    socket.on('close', () => onward.destroy());
    onward.once('connect', () => {
      if (temper === 'joined')
        onward.once('data', (first) => {
          socket.write(Buffer.concat([GRANTED, first]));
          onward.pipe(socket);
        });
      else {
        socket.write(GRANTED);
        onward.pipe(socket);
      }
      socket.pipe(onward);
    });
  }
}

function ipv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return new net.SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}

/** Waits for so many bytes. */
async function exactly(socket: net.Socket, length: number): Promise<Buffer> {
  for (;;) {
    if (length === 0) return Buffer.alloc(0);
    const bytes = socket.read(length) as Buffer | null;
    if (bytes !== null) return bytes;
    await new Promise<void>((resolve, reject) => {
      socket.once('readable', resolve);
      socket.once('close', () => reject(new Error('closed')));
    });
  }
}
