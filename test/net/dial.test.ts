/**
 * The wire to next hops under TLS: memory that is written from may be used again once nothing is unsent, whatever the
 * load; and every end of a connection is told once.
 */
import { createHash, randomBytes } from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { opportunistic, type TlsPolicy } from '../../src/delivery/tls-policy.js';
import type { Wire } from '../../src/delivery/wire.js';
import { createDial } from '../../src/net/dial.js';
import { SessionCache } from '../../src/net/tls/session-cache.js';
import { RowMemory } from '../../src/spool/row-memory.js';
import { until } from '../helpers/smtp-peer.js';
import { selfSigned } from '../helpers/test-authority.js';

const certificate = selfSigned({ names: ['mx.example'] });
const policy: TlsPolicy = { ...opportunistic('mx.example'), mode: 'required', implicit: true };

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** A TLS server on loopback that hands every connection to `serve`. */
async function listen(
  serve: (socket: tls.TLSSocket) => void,
  maxVersion: tls.SecureVersion = 'TLSv1.3',
): Promise<number> {
  const server = tls.createServer({ cert: certificate.cert, key: certificate.key, maxVersion }, (socket) => {
    socket.on('error', () => {});
    serve(socket);
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

interface Told {
  readonly wire: Wire;
  readonly said: string[];
}

function connect(
  port: number,
  received: (bytes: Buffer) => void = () => {},
  dialled = createDial(),
  under = policy,
): Told {
  const said: string[] = [];
  const wire = dialled('127.0.0.1', port, under, {
    connected: () => said.push('connected'),
    received: (chunk, start, end) => received(chunk.subarray(start, end)),
    drained: () => said.push('drained'),
    secured: ({ version }) => said.push(`secured ${version}`),
    tlsFailed: ({ kind }) => said.push(`failed ${kind}`),
    lost: (reason) => said.push(`lost ${reason}`),
  });
  ends.push(() => wire.destroy());
  return { wire, said };
}

describe('memory written from', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('never shows up twice under %s', async (version) => {
    const hash = createHash('sha256');
    let length = 0;
    const port = await listen((socket) => {
      socket.on('data', (bytes) => {
        hash.update(bytes);
        length += bytes.length;
        // Slower than the writer, so that writes pile up.
        if (length % 7 === 0) {
          socket.pause();
          setTimeout(() => socket.resume(), 3);
        }
      });
    }, version);
    const { wire, said } = connect(port);
    await until('TLS stands', () => said.includes('connected'));
    expect(said[0]).toBe(`secured ${version}`);
    const memory = new RowMemory();
    const expected = createHash('sha256');
    let total = 0;
    let reused = 0;
    let waited = 0;
    let held: Buffer[] = [];
    for (let n = 0; n < 1500; n++) {
      const row = memory.allocate(1 + ((n * 7919) % (n % 50 === 0 ? 300_000 : 20_000)));
      row.fill(randomBytes(64));
      expected.update(row);
      total += row.length;
      wire.write(row);
      held.push(row);
      // Rows are given back only where nothing is unsent, as connections do it; then they are overwritten at once.
      if (wire.unsent > 0) {
        waited++;
        await new Promise((resolve) => (n % 3 === 0 ? setTimeout(resolve, 1) : setImmediate(resolve)));
      }
      if (wire.unsent === 0) {
        for (const old of held) {
          old.fill(0xee);
          memory.release(old);
          reused++;
        }
        held = [];
      }
    }
    await until('all has come', () => length === total);
    expect(hash.digest('hex')).toBe(expected.digest('hex'));
    // The test means something only where both happened.
    expect(reused).toBeGreaterThan(50);
    expect(waited).toBeGreaterThan(50);
  });
});

describe('the end of a connection under TLS', () => {
  it('is told once when the host closes or vanishes', async () => {
    const port = await listen((socket) => {
      socket.once('data', (bytes) => {
        if (bytes.toString() === 'close') socket.end();
        else socket.destroy();
      });
    });
    for (const how of ['close', 'destroy']) {
      const { wire, said } = connect(port);
      await until('TLS stands', () => said.includes('connected'));
      wire.writeText(how, 'latin1');
      await until('it is lost', () => said.some((line) => line.startsWith('lost')));
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(said.slice(0, 2)).toEqual(['secured TLSv1.3', 'connected']);
      expect(said.filter((line) => line.startsWith('lost'))).toHaveLength(1);
    }
  });

  it('says nothing more after destroy, in the handshake and after it', async () => {
    const port = await listen(() => {});
    for (const wait of [0, 1, 30]) {
      const { wire, said } = connect(port);
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      wire.destroy();
      const before = [...said];
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect(said).toEqual(before);
    }
  });

  it('is a loss where there is no connection at all, and a TLS failure where only TLS fails', async () => {
    const silent = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.resume();
      socket.end('220 plain SMTP on a TLS port\r\n');
    });
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as net.AddressInfo;
    const plain = connect(port);
    await until('it fails', () => plain.said.length > 0);
    expect(plain.said).toEqual(['failed validation-failure']);
    await new Promise((resolve) => silent.close(resolve));
    const nobody = connect(port);
    await until('it is lost', () => nobody.said.length > 0);
    expect(nobody.said).toEqual([`lost connection refused (127.0.0.1:${port})`]);
  });

  it('a certificate of ours that cannot be read is a TLS failure', async () => {
    const port = await listen(() => {});
    const { said } = connect(port, undefined, createDial(), { ...policy, cert: 'none', key: 'none' });
    await until('it fails', () => said.length > 0);
    expect(said).toEqual(['failed validation-failure']);
  });

  it('leaves no socket behind', async () => {
    let open = 0;
    const port = await listen((socket) => {
      open++;
      socket.on('close', () => open--);
    });
    const wires = Array.from({ length: 20 }, () => connect(port));
    await until('all stand', () => open === 20 && wires.every(({ said }) => said.includes('connected')));
    for (const { wire } of wires) wire.destroy();
    await until('all are gone', () => open === 0);
  });
});

describe('SessionCache', () => {
  const session = (text: string, since = 0) => ({ session: Buffer.from(text), problem: null, since });

  it('gives each session once, the newest first, and keeps few of one host', () => {
    const cache = new SessionCache();
    for (let n = 0; n < 6; n++) cache.put('a', session(`${n}`));
    const taken = Array.from({ length: 5 }, () => cache.take('a', 0)?.session.toString());
    expect(taken).toEqual(['5', '4', '3', '2', undefined]);
  });

  it('gives none that is old', () => {
    const cache = new SessionCache();
    cache.put('a', session('x', 0));
    expect(cache.take('a', 3_600_001)).toBeUndefined();
  });

  it('is bounded, and forgets the host not heard of for longest', () => {
    const cache = new SessionCache();
    for (let n = 0; n < 2500; n++) cache.put(`h${n}`, session('x'));
    expect(cache.size).toBe(2000);
    expect([cache.take('h499', 0), cache.take('h500', 0)?.session.toString()]).toEqual([undefined, 'x']);
  });
});
