/** TLS begun on an accepted socket: once secured and never again, with bytes that were read before, and its failures in words. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import type tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { schema } from '../../../src/config/schema.js';
import { SecureContexts } from '../../../src/net/tls/secure-contexts.js';
import { beginServerTls, handshakeFailure } from '../../../src/net/tls/server-tls.js';
import { until } from '../../helpers/smtp-peer.js';
import { Authority } from './certificates.js';
import { connect, echo } from './tls-server.js';

const { cert, key } = new Authority('Test CA').issue({ commonName: 'host', dns: ['host.example'] });
const contexts = new SecureContexts({
  version: 1,
  pairs: [{ names: ['host.example'], chain: cert, key }],
  minVersion: 'TLSv1.2',
  ciphers: schema.tlsCiphers.default as string,
  ticketKeys: randomBytes(48),
  clientCa: '',
  relayClients: [],
});

let secured: number;
let failures: string[];
let server: net.Server;
/** Bytes that are read from a connection before TLS begins on it. */
let readBefore: number;
const sockets: net.Socket[] = [];

beforeEach(async () => {
  secured = 0;
  failures = [];
  readBefore = 0;
  server = net.createServer({ pauseOnConnect: true }, (raw) => void serve(raw));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
});

async function serve(raw: net.Socket): Promise<void> {
  sockets.push(raw);
  let early: Buffer | null = null;
  if (readBefore > 0) {
    raw.on('readable', () => {});
    await once(raw, 'readable');
    early = raw.read(readBefore) as Buffer;
    raw.removeAllListeners('readable');
  }
  const socket = beginServerTls(raw, contexts, early, () => {
    secured++;
  });
  sockets.push(socket);
  socket.on('data', (chunk) => socket.write(chunk));
  let error: Error | null = null;
  socket.on('error', (thrown) => {
    error = thrown;
  });
  socket.on('close', () => failures.push(handshakeFailure(error)));
}

const port = () => (server.address() as net.AddressInfo).port;

async function visit(options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const { socket } = await connect(port(), options);
  sockets.push(socket);
  return socket;
}

describe('TLS on a socket', () => {
  it('is secured once, whatever the client asks for later', async () => {
    const socket = await visit({ maxVersion: 'TLSv1.2' });
    const refused = new Promise<Error | null>((resolve) => {
      socket.once('error', resolve);
      socket.renegotiate({}, resolve);
    });
    expect((await refused)?.message).toMatch(/no renegotiation/i);
    socket.destroy();
    await until('the connection is over', () => failures.length === 1);
    expect(secured).toBe(1);
  });

  it('takes what was read before it began as part of the handshake', async () => {
    readBefore = 5;
    await echo(await visit(), 'hello again');
    expect(secured).toBe(1);
  });

  it.each([
    ['EHLO me.example\r\n', 'the client does not speak TLS'],
    ['GET / HTTP/1.1\r\n\r\n', 'the client speaks HTTP'],
  ])('that is %j fails with words for the log', async (bytes, words) => {
    const client = net.connect(port(), '127.0.0.1', () => client.write(bytes));
    client.on('error', () => {});
    sockets.push(client);
    await until('it has failed', () => failures.length === 1);
    expect(failures).toEqual([words]);
    expect(secured).toBe(0);
  });

  it('that the client leaves half done ends', async () => {
    const client = net.connect(port(), '127.0.0.1', () => client.end(Buffer.from('1603010200010001fc0303', 'hex')));
    client.on('error', () => {});
    sockets.push(client);
    await until('it has failed', () => failures.length === 1);
    expect(failures).toEqual(['the client closed the connection in the handshake']);
    expect(secured).toBe(0);
  });

  it('that is too old fails with words for the log', async () => {
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    await expect(visit(old)).rejects.toThrow();
    await until('it has failed', () => failures.length === 1);
    expect(failures[0]).toMatch(/knows no TLS version/);
  });
});
