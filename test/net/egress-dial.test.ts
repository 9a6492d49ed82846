/**
 * Connections of egress sources on loopback: from a local address, through a SOCKS5 proxy, by a balancer; in the clear
 * and under TLS.
 */
import net from 'node:net';
import tls from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import type { DialFrom, EgressProxy } from '../../src/delivery/egress.js';
import { opportunistic, type TlsPolicy } from '../../src/delivery/tls-policy.js';
import type { Wire } from '../../src/delivery/wire.js';
import { createDial } from '../../src/net/dial.js';
import { proxyHeader } from '../../src/net/egress/proxied-dial.js';
import { ProxyHeaderParser } from '../../src/net/proxy-header.js';
import { until } from '../helpers/smtp-peer.js';
import { SocksServer } from '../helpers/socks-server.js';
import { selfSigned } from '../helpers/test-authority.js';

const certificate = selfSigned({ names: ['mx.example'] });
const clear: TlsPolicy = { ...opportunistic('mx.example'), mode: 'none' };
const starttls: TlsPolicy = { ...opportunistic('mx.example'), mode: 'required' };
const implicit: TlsPolicy = { ...starttls, implicit: true };

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

interface Seen {
  readonly address: string;
  readonly lines: string[];
}

/** A next hop that greets, echoes lines with `got ` before them, and turns to TLS as the policy of the test says. */
async function target(kind: 'clear' | 'starttls' | 'implicit', host = '127.0.0.1') {
  const seen: Seen[] = [];
  const secure = (socket: net.Socket) =>
    new tls.TLSSocket(socket, { isServer: true, cert: certificate.cert, key: certificate.key });
  const talk = (socket: net.Socket, one: Seen): void => {
    socket.on('error', () => {});
    const listener = (bytes: Buffer): void => {
      for (const line of bytes.toString().split('\n').filter(Boolean)) {
        one.lines.push(line);
        socket.write(`got ${line}\n`);
        if (line === 'STARTTLS' && kind === 'starttls') {
          socket.off('data', listener);
          talk(secure(socket), one);
        }
      }
    };
    socket.on('data', listener);
  };
  const server = net.createServer((socket) => {
    const one = { address: socket.remoteAddress ?? '', lines: [] };
    seen.push(one);
    socket.on('error', () => {});
    ends.push(() => socket.destroy());
    const top = kind === 'implicit' ? secure(socket) : socket;
    talk(top, one);
    top.write('hello\n');
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  ends.push(() => void server.close());
  return { seen, host, port: (server.address() as net.AddressInfo).port };
}

function connect(to: { host: string; port: number }, policy: TlsPolicy, from?: DialFrom) {
  const said: string[] = [];
  let text = '';
  const wire: Wire = createDial()(
    to.host,
    to.port,
    policy,
    {
      connected: () => said.push('connected'),
      received: (chunk, start, end) => {
        text += chunk.toString('latin1', start, end);
      },
      drained: () => {},
      secured: () => said.push('secured'),
      tlsFailed: ({ reason }) => said.push(`tls failed: ${reason}`),
      lost: (reason, atSource) => said.push(`lost${atSource === true ? ' at the source' : ''}: ${reason}`),
    },
    from,
  );
  ends.push(() => wire.destroy());
  return { wire, said, text: () => text };
}

/** The whole of a conversation: greeting, a line, STARTTLS where there is one, another line. */
async function converse(to: Awaited<ReturnType<typeof target>>, policy: TlsPolicy, from?: DialFrom) {
  const { wire, said, text } = connect(to, policy, from);
  await until('the greeting has come', () => text().includes('hello\n') || said.some((one) => one.startsWith('lost')));
  wire.writeText('one\n', 'latin1');
  await until('one is echoed', () => text().includes('got one\n'));
  if (policy === starttls) {
    wire.writeText('STARTTLS\n', 'latin1');
    await until('STARTTLS is echoed', () => text().includes('got STARTTLS\n'));
    wire.startTls();
    await until('TLS stands', () => said.includes('secured'));
  }
  wire.write(Buffer.from('two\n'));
  await until('two is echoed', () => text().includes('got two\n'));
  expect(text()).toMatch(/^hello\ngot one\n(got STARTTLS\n)?got two\n$/);
  expect(to.seen).toHaveLength(1);
  wire.end();
  return said;
}

const HOW = [
  ['clear', clear, ['connected']],
  ['starttls', starttls, ['connected', 'secured']],
  ['implicit', implicit, ['secured', 'connected']],
] as const;

describe('a source with a local address', () => {
  it.each(['127.0.0.2', '127.0.0.3'])('is seen by the peer as %s', async (address) => {
    const peer = await target('clear');
    expect(await converse(peer, clear, { address, proxy: null, source: 'a' })).toEqual(['connected']);
    expect(peer.seen[0]!.address).toBe(address);
  });

  it('is the system’s choice where it names none', async () => {
    const peer = await target('implicit');
    expect(await converse(peer, implicit, { address: '', proxy: null })).toEqual(['secured', 'connected']);
    expect(peer.seen[0]!.address).toBe('127.0.0.1');
  });

  it('tells which one this host has not, and how to mend it', async () => {
    const peer = await target('clear');
    const { said } = connect(peer, clear, { address: '192.0.2.77', proxy: null, source: 'a' });
    await until('it failed', () => said.length > 0);
    expect(said).toEqual([
      'lost at the source: this host has no such address: correct [[egress]] or give it to an interface (192.0.2.77 of egress source a)',
    ]);
  });

  it('of another family than the target fails in words', async () => {
    const { said } = connect(await target('clear'), clear, { address: '::1', proxy: null, source: 'a' });
    await until('it failed', () => said.length > 0);
    expect(said).toEqual([
      'lost at the source: the local address is not of the family of the target (::1 of egress source a)',
    ]);
  });
});

describe('a source behind a SOCKS5 proxy', () => {
  const by = (port: number, user = '', password = ''): DialFrom => ({
    address: '192.0.2.1',
    proxy: { kind: 'socks5', host: '127.0.0.1', port, user, password },
    source: 'a',
  });

  async function socks(options: Parameters<typeof SocksServer.start>[0]) {
    const server = await SocksServer.start(options);
    ends.push(() => server.close());
    return server;
  }

  it.each(HOW)('speaks %s through it', async (kind, policy, told) => {
    const peer = await target(kind);
    const proxy = await socks({ source: '127.0.0.9' });
    expect(await converse(peer, policy, by(proxy.port))).toEqual(told);
    expect(peer.seen[0]!.address).toBe('127.0.0.9');
    expect(proxy.requests).toEqual([`127.0.0.1:${peer.port}`]);
  });

  it.each(HOW.filter(([kind]) => kind !== 'implicit'))(
    'loses nothing of a greeting that comes with the proxy’s answer (%s)',
    async (kind, policy, told) => {
      const peer = await target(kind);
      const proxy = await socks({ temper: 'joined' });
      expect(await converse(peer, policy, by(proxy.port))).toEqual(told);
    },
  );

  it('shows a user and password', async () => {
    const peer = await target('clear');
    const proxy = await socks({ user: 'me', password: 'secret' });
    expect(await converse(peer, clear, by(proxy.port, 'me', 'secret'))).toEqual(['connected']);
    const wrong = connect(peer, clear, by(proxy.port, 'me', 'other'));
    await until('it failed', () => wrong.said.length > 0);
    expect(wrong.said).toEqual([
      `lost at the source: egress proxy socks5://127.0.0.1:${proxy.port}: socks5 Authentication failed`,
    ]);
  });

  it('reaches IPv6 targets by their address', async () => {
    const peer = await target('clear', '::1');
    const proxy = await socks({});
    expect(await converse(peer, clear, by(proxy.port))).toEqual(['connected']);
    expect(proxy.requests).toEqual([`::1:${peer.port}`]);
  });

  it.each([
    ['refuse', 'socks5 proxy rejected connection - NotAllowed'],
    ['close', 'it closed the connection'],
    ['nonsense', 'received invalid Socks5 initial handshake (invalid socks version)'],
  ] as const)('tells what became of it (%s)', async (temper, words) => {
    const proxy = await socks({ temper });
    const { said } = connect(await target('clear'), clear, by(proxy.port));
    await until('it failed', () => said.length > 0);
    expect(said).toEqual([`lost at the source: egress proxy socks5://127.0.0.1:${proxy.port}: ${words}`]);
  });

  it('tells that the proxy is not there, and that the target is not', async () => {
    const proxy = await socks({});
    const nobody = await target('clear');
    const gone = net.createServer();
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
    const { port } = gone.address() as net.AddressInfo;
    await new Promise((resolve) => gone.close(resolve));
    const first = connect(nobody, clear, by(port));
    const second = connect({ host: '127.0.0.1', port }, clear, by(proxy.port));
    await until('both failed', () => first.said.length > 0 && second.said.length > 0);
    expect(first.said).toEqual([`lost at the source: egress proxy socks5://127.0.0.1:${port}: connection refused`]);
    expect(second.said[0]).toMatch(/^lost: .*: socks5 proxy rejected connection - ConnectionRefused$/);
  });

  it('is not connected while the proxy says nothing, so that the limit of the connection covers it', async () => {
    const proxy = await socks({ temper: 'silent' });
    const peer = await target('clear');
    const { wire, said } = connect(peer, clear, by(proxy.port));
    await new Promise((resolve) => setTimeout(resolve, 100));
    wire.destroy();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(said).toEqual([]);
    expect(peer.seen).toEqual([]);
  });
});

describe('a source behind a balancer', () => {
  /** Reads the PROXY header and connects onward as it says. */
  async function balancer() {
    const headers: string[] = [];
    const server = net.createServer((socket) => {
      const parser = new ProxyHeaderParser('v2');
      socket.on('error', () => {});
      socket.once('data', (chunk) => {
        const verdict = parser.feed(chunk, 0, chunk.length);
        if (verdict.kind !== 'done' || verdict.proxied === null) return void socket.destroy();
        const { client, server: to } = verdict.proxied;
        headers.push(`${client.address} -> ${to.address}:${to.port}`);
        const onward = net.connect({ host: to.address, port: to.port, localAddress: client.address });
        onward.on('error', () => socket.destroy());
        onward.write(chunk.subarray(verdict.end));
        onward.pipe(socket);
        socket.pipe(onward);
        ends.push(() => onward.destroy());
      });
      ends.push(() => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ends.push(() => void server.close());
    const { port } = server.address() as net.AddressInfo;
    const proxy: EgressProxy = { kind: 'haproxy', host: '127.0.0.1', port, user: '', password: '' };
    return { headers, from: { address: '127.0.0.7', proxy } };
  }

  it.each(HOW)('says from where to where, then speaks %s', async (kind, policy, told) => {
    const peer = await target(kind);
    const { headers, from } = await balancer();
    expect(await converse(peer, policy, from)).toEqual(told);
    expect(peer.seen[0]!.address).toBe('127.0.0.7');
    expect(headers).toEqual([`127.0.0.7 -> 127.0.0.1:${peer.port}`]);
  });

  it.each([
    ['192.0.2.1', '198.51.100.2', 25],
    ['2001:db8::1', '2001:db8:0:1::', 65_535],
    ['::1', '::ffff:192.0.2.1', 587],
    ['1:2:3:4:5:6:7:8', '::', 1],
  ])('writes a header that parses to the same (%s -> %s)', (source, host, port) => {
    const bytes = proxyHeader(source, { host, port });
    const verdict = new ProxyHeaderParser('v2').feed(bytes, 0, bytes.length);
    expect(verdict).toEqual({
      kind: 'done',
      end: bytes.length,
      proxied: {
        client: { address: source, port: 0 },
        server: { address: host === '::ffff:192.0.2.1' ? '192.0.2.1' : host, port },
      },
    });
  });
});
