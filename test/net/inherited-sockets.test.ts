/**
 * Inherited sockets: a parent listens, as systemd does, and starts a child with the descriptor as number 3.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { takeInheritedEnvironment } from '../../src/config/inherited-environment.js';
import { InheritedSockets } from '../../src/net/inherited-sockets.js';

const of = (fds: string, names = '', pid = String(process.pid)) => {
  return new InheritedSockets({ fds, names, pid }, process.pid);
};

describe('inherited sockets', () => {
  it('are taken out of the environment', () => {
    const env: NodeJS.ProcessEnv = { LISTEN_FDS: '2', LISTEN_PID: '7', OTHER: 'x' };
    expect(takeInheritedEnvironment(env)).toEqual({ fds: '2', names: '', pid: '7' });
    expect(env).toEqual({ OTHER: 'x' });
    expect(takeInheritedEnvironment(env)).toEqual({ fds: '', names: '', pid: '' });
  });

  it.each([
    ['nothing inherited', of(''), '3', /no sockets were inherited/],
    ['those of another process', of('1', '', '1'), '3', /for process 1, .*ExecStart/],
    ['no process named', of('1', '', ''), '3', /LISTEN_PID is not set/],
    ['a count that is none', of('many'), '3', /LISTEN_FDS is not a number/],
    ['a count of zero', of('0'), '3', /LISTEN_FDS is not a number/],
    ['a count too great', of('2000'), '3', /from 1 to 1024/],
    ['a number beyond them', of('2', 'a:b'), '5', /fd\/5: there is no such .* fd\/3 \(a\), fd\/4 \(b\)/],
    ['a number before them', of('1'), '2', /no such/],
    ['an unknown name', of('1', 'smtp'), 'smtps', /fd\/smtps: there is no such/],
  ])('%s: an error that says how to mend it', (_name, sockets, wanted, message) => {
    expect(() => sockets.descriptorsOf(wanted)).toThrow(message);
    expect(() => sockets.descriptorsOf(wanted)).toThrow(expect.objectContaining({ code: 'cannot-listen' }));
  });

  it('must be sockets', () => {
    const fd = openSync('/dev/null', 'r');
    expect(() => of(String(fd - 2)).descriptorsOf(String(fd))).toThrow(/not an open socket/);
  });

  it('are listened on by number and by name, several with one name together', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-fd-'));
    const servers = await Promise.all(
      [1, 2, 3].map(async () => {
        const server = net.createServer().listen(0, '127.0.0.1');
        await once(server, 'listening');
        return server;
      }),
    );
    const fds = servers.map((server) => (server as unknown as { _handle: { fd: number } })._handle.fd);
    const program = join(folder, 'child.mjs');
    writeFileSync(
      program,
      `import net from 'node:net';
      import { InheritedSockets } from ${JSON.stringify(new URL('../../dist/src/net/inherited-sockets.js', import.meta.url).href)};
      const sockets = new InheritedSockets({ fds: '3', names: 'one:two:one', pid: String(process.pid) }, process.pid);
      const ports = (wanted) => Promise.all(sockets.descriptorsOf(wanted).map((fd) => new Promise((resolve, reject) => {
        const server = net.createServer((socket) => socket.end(wanted)).on('error', reject);
        server.listen({ fd }, () => resolve(server.address().port));
        opened.push(server);
      })));
      const opened = [];
      await ports('4');
      await ports('one');
      // As when the engine starts again in the same process.
      await Promise.all(opened.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
      process.stdout.write(JSON.stringify([await ports('4'), await ports('one')]) + '\\n');
      process.stdin.on('end', () => process.exit(0)).resume();`,
    );
    const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit', ...fds] });
    try {
      const [line] = (await once(child.stdout!, 'data')) as [Buffer];
      const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
      expect(JSON.parse(line.toString())).toEqual([[ports[1]], [ports[0], ports[2]]]);
      // The parent accepts no more: who connects now is served by the child.
      for (const server of servers) server.close();
      const client = net.connect(ports[2]!, '127.0.0.1');
      const [greeting] = (await once(client, 'data')) as [Buffer];
      expect(greeting.toString()).toBe('one');
      client.destroy();
    } finally {
      child.stdin!.end();
      await once(child, 'exit');
      rmSync(folder, { recursive: true });
    }
  });
});
