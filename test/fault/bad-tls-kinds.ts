/**
 * What bad clients do to TLS: before, in and after a handshake, on a listener of implicit TLS and behind STARTTLS.
 *
 * Contract: each kind goes on until it is got rid of, unless its name says that it goes away. Names that begin with
 * `starttls` want a listener that begins in the clear, all others one of implicit TLS.
 */
import { randomBytes } from 'node:crypto';
import net, { type AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import type { BadClient } from './bad-client.js';

/** A socket as a plain stream, so that what is beneath TLS can be written to as well. */
class Wire extends Duplex {
  private readonly socket: net.Socket;

  constructor(socket: net.Socket) {
    super();
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.on('close', () => this.destroy());
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.socket.destroyed) done(new Error('closed'));
    else this.socket.write(chunk, () => done());
  }
}

/** The first flight of a TLS 1.3 client, taken from a real one. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const server = net.createServer((socket) => {
      socket.once('data', (bytes: Buffer) => {
        socket.destroy();
        server.close();
        resolve(bytes);
      });
    });
    server.listen(0, '127.0.0.1', () => {
      const socket = tls.connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
      socket.on('error', () => {});
    });
  });
}

const HELLO = clientHello();

function afterHello(then: (client: BadClient, hello: Buffer) => void): (client: BadClient) => void {
  return (client) => void HELLO.then((hello) => then(client, hello));
}

/** Says EHLO and STARTTLS first. */
function afterStartTls(then: (client: BadClient) => void): (client: BadClient) => void {
  return (client) => {
    const { socket } = client;
    let text = '';
    const steps: [RegExp, string][] = [
      [/^220 .*\r\n/, 'EHLO bad.example\r\n'],
      [/^250 .*\r\n/m, 'STARTTLS\r\n'],
      [/^220 .*\r\n/, ''],
    ];
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (!steps[0]![0].test(text)) return;
      text = '';
      const [, line] = steps.shift()!;
      if (line !== '') client.write(line);
      if (steps.length > 0) return;
      socket.off('data', onData);
      then(client);
    };
    socket.on('data', onData);
  };
}

/** Does a whole handshake first, and waits for the greeting that ends it for the server too. */
function secured(
  then: (secure: tls.TLSSocket, client: BadClient) => void,
  options: tls.ConnectionOptions = {},
): (client: BadClient) => void {
  return (client) => {
    const secure = tls.connect({ socket: client.socket, rejectUnauthorized: false, ...options });
    secure.on('error', () => client.socket.destroy());
    secure.on('close', () => client.socket.destroy());
    secure.once('data', () => then(secure, client));
  };
}

/** Does a whole handshake and then writes something that is no record of it beneath TLS. */
function broken(bytes: () => Buffer): (client: BadClient) => void {
  return (client) => {
    const wire = new Wire(client.socket);
    secured(() => wire.write(bytes()), { socket: wire })(client);
  };
}

/** Writes pieces to a secured connection without an end. */
function pour(secure: tls.TLSSocket, client: BadClient, piece: () => string | Uint8Array): void {
  if (client.stop || secure.destroyed || !secure.writable) return;
  secure.write(piece(), () => setTimeout(() => pour(secure, client, piece), 5));
}

const hear = (client: BadClient): void => void client.socket.resume();
const garbage = (client: BadClient): void => {
  hear(client);
  client.pour(() => randomBytes(2000), 5);
};
const half = afterHello((client, hello) => {
  hear(client);
  client.write(hello);
});
/** Type application data, version 1.2 as TLS 1.3 has it too, and a length (RFC 8446 section 5.2). */
const recordHead = (length: number): Buffer => Buffer.from([23, 3, 3, length >> 8, length & 255]);
const LONG_LINE = `AUTH PLAIN ${'A'.repeat(40_000)}\r\n`;
const CANCELS = 'AUTH LOGIN\r\n*\r\n'.repeat(100);
const PIECE = 'A'.repeat(64 * 1024);
const FLOOD = 'NOOP\r\n'.repeat(500);

/** By name. */
export const TLS_KINDS = {
  /** Connects and says nothing. */
  tlsSilent: hear,
  tlsGarbage: garbage,
  starttlsGarbage: afterStartTls(garbage),
  /** Speaks SMTP to a port of implicit TLS, and waits for an answer. */
  tlsPlaintext: (client: BadClient) => {
    hear(client);
    client.write('EHLO bad.example\r\n');
  },
  /** A ClientHello, and then nothing. */
  tlsHalf: half,
  starttlsHalf: afterStartTls(half),
  /** A ClientHello at a byte a second. */
  tlsDrip: afterHello((client, hello) => {
    hear(client);
    let at = 0;
    client.pour(() => hello.subarray(at++ % hello.length).subarray(0, 1), 1000);
  }),
  /** Goes away as soon as the server has begun to compute. */
  tlsVanish: afterHello((client, hello) => {
    client.socket.write(hello, () => setTimeout(() => client.socket.resetAndDestroy(), 1));
  }),
  /** Whole handshakes, one after another. */
  tlsComeAndGo: secured((_secure, client) => client.socket.destroy()),
  /** A record of 16 KiB of which only the beginning comes. */
  tlsTruncated: broken(() => Buffer.concat([recordHead(16_000), randomBytes(100)])),
  /** A record that is longer than any may be. */
  tlsOverlong: broken(() => Buffer.concat([recordHead(0xff_ff), randomBytes(0xff_ff)])),
  /** A record that nobody encrypted. */
  tlsForged: broken(() => Buffer.concat([recordHead(100), randomBytes(100)])),
  /** Asks for one handshake after another on one connection (CVE-2011-1473). */
  tlsRenegotiate: secured(
    (secure, client) => {
      secure.resume();
      const again = (): void => {
        if (client.stop || secure.destroyed) return;
        secure.renegotiate({ rejectUnauthorized: false }, () => setTimeout(again, 5));
      };
      again();
    },
    { maxVersion: 'TLSv1.2' },
  ),
  /** Commands without an end, and it reads none of the replies. */
  tlsDeafFlood: secured((secure, client) => {
    secure.pause();
    secure.write('EHLO bad.example\r\n');
    pour(secure, client, () => FLOOD);
  }),
  /** An initial response without an end. */
  tlsAuthEndless: secured((secure, client) => {
    secure.resume();
    secure.write('EHLO bad.example\r\nAUTH PLAIN ');
    pour(secure, client, () => PIECE);
  }),
  /** Lines of AUTH beyond the 12,288 octets of RFC 4954 section 4, one after another. */
  tlsAuthLong: secured((secure, client) => {
    secure.resume();
    secure.write('EHLO bad.example\r\n');
    pour(secure, client, () => LONG_LINE);
  }),
  /** Begins AUTH and cancels it, without an end. */
  tlsAuthCancel: secured((secure, client) => {
    secure.resume();
    secure.write('EHLO bad.example\r\n');
    pour(secure, client, () => CANCELS);
  }),
  /** Begins AUTH and says no more. */
  tlsAuthSilent: secured((secure) => {
    secure.resume();
    secure.write('EHLO bad.example\r\nAUTH LOGIN\r\n');
  }),
} as const satisfies Record<string, (client: BadClient) => void>;

export type BadTlsKind = keyof typeof TLS_KINDS;

/** Whether a kind wants a listener of implicit TLS. */
export function isImplicit(kind: string): boolean {
  return kind.startsWith('tls');
}
