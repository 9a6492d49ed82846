/**
 * The transparent proxy: connections that a firewall sends to the engine, whose mail goes on to where they were going.
 * In a network namespace of its own, with a client, the engine and a server that the client means.
 *
 * Where the platform has no such namespaces or no nftables the tests are skipped, loudly, with what it lacks.
 */
import { execFile, spawnSync } from 'node:child_process';
import net from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type Accepted, acceptFrom } from '../../src/net/adopt-socket.js';
import { endOfIn, endOfIn6, OriginalDestinations, SocketOptions } from '../../src/net/original-destination.js';
import type { WorldReport } from '../helpers/transparent-world.js';

/** What stands in the way of a namespace with a firewall, '' for nothing. */
function lacking(): string {
  const rules =
    'table inet t {\nchain c {\ntype nat hook prerouting priority dstnat;\ntcp dport 25 redirect to :2525\n}\n}\n';
  for (const [what, args, input] of [
    ['network namespaces (unshare -rn)', ['true'], ''],
    ['iproute2 (ip link)', ['ip', 'link', 'add', 'x', 'type', 'veth', 'peer', 'name', 'y'], ''],
    ['nftables with redirection (nft)', ['nft', '-f', '-'], rules],
  ] as const) {
    const tried = spawnSync('unshare', ['-rn', ...args], { input, encoding: 'utf8' });
    if (tried.status !== 0) return `${what}: ${(tried.error?.message ?? tried.stderr).trim().split('\n')[0]}`;
  }
  return '';
}

const missing = lacking();
if (missing !== '') console.warn(`SKIPPED: the transparent proxy in a namespace: this platform lacks ${missing}`);

describe.skipIf(missing !== '')('a transparent listener', () => {
  it.each(['redirect', 'tproxy'])(
    'sends mail on to where its connection was going (%s)',
    async (kind) => {
      const file = join(process.cwd(), 'dist/test/helpers/transparent-world.js');
      const { stdout } = await promisify(execFile)('unshare', ['-rn', process.execPath, file, kind], {
        maxBuffer: 16 * 1024 * 1024,
        timeout: 60_000,
      });
      const { arrived, clients, log } = JSON.parse(stdout) as WorldReport;
      const accepted = expect.stringMatching(/^250 2\.0\.0 /);
      expect(clients).toEqual({
        four: accepted,
        'four-tls': accepted,
        six: accepted,
        direct: expect.stringMatching(/^closed/),
      });
      const whole = arrived.map(({ to, rcpts }) => `${to} ${rcpts.join()}`).sort();
      expect(whole).toEqual([
        expect.stringMatching(/^198\.51\.100\.7 RCPT TO:<four-tls@there\.example>/),
        expect.stringMatching(/^198\.51\.100\.7 RCPT TO:<four@there\.example>/),
        expect.stringMatching(/^2001:db8::7 RCPT TO:<six@there\.example>/),
      ]);
      // Policy is applied: the message is the engine's to hand on.
      expect(arrived[0]!.content).toContain('by relay.example');
      expect(log.filter(({ msg }) => msg === 'connection to a transparent listener refused')).toEqual([
        expect.objectContaining({ address: '10.0.1.2', reason: expect.stringContaining('10.0.1.1:2525') }),
      ]);
    },
    90_000,
  );
});

describe('original destinations', () => {
  async function connection(host = '127.0.0.1'): Promise<{ accepted: Accepted; port: number }> {
    const server = net.createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    const { port } = server.address() as net.AddressInfo;
    const accepted = await new Promise<Accepted>((resolve) => {
      acceptFrom(server, resolve);
      net.connect(port, host).on('error', () => {});
    });
    server.close();
    return { accepted, port };
  }

  function destinations(ports: number[]): OriginalDestinations {
    const options = SocketOptions.load();
    if (typeof options === 'string') throw new Error(options);
    return new OriginalDestinations(
      options,
      () => Date.now(),
      () => ports,
    );
  }

  it.each(['127.0.0.1', '::1'])('are refused where nobody redirected the connection (%s)', async (host) => {
    const { accepted, port } = await connection(host);
    const shown = `${host === '::1' ? '[::1]' : host}:${port}`;
    // Without a firewall the kernel knows of no other destination, with one it names the listener itself.
    expect(destinations([port]).find('redirect', accepted)).toEqual({
      reason: expect.stringContaining(shown),
    });
    accepted.discard();
  });

  it('are the local end under TPROXY, unless that is a listener of ours', async () => {
    const { accepted, port } = await connection();
    expect(destinations([]).find('tproxy', accepted)).toBe(`127.0.0.1:${port}`);
    expect(destinations([port]).find('tproxy', accepted)).toEqual({
      reason: `its original destination 127.0.0.1:${port} is this engine itself`,
    });
    accepted.discard();
  });

  it('are read from socket addresses of both families', () => {
    expect(endOfIn(Buffer.from(`02000019c6336407${'00'.repeat(8)}`, 'hex'))).toEqual({
      address: '198.51.100.7',
      port: 25,
    });
    const six = `0a000019${'00'.repeat(4)}20010db8${'00'.repeat(11)}07${'00'.repeat(4)}`;
    expect(endOfIn6(Buffer.from(six, 'hex'))).toEqual({ address: '2001:db8::7', port: 25 });
    const mapped = `0a00024b${'00'.repeat(14)}ffffc0000201${'00'.repeat(4)}`;
    expect(endOfIn6(Buffer.from(mapped, 'hex'))).toEqual({ address: '192.0.2.1', port: 587 });
  });
});
