/** The harness's clients of TLS, honest and bad: they must do what their names say, or their cases prove nothing. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BadClient } from './bad-client.js';
import { type BadTlsKind, isImplicit, TLS_KINDS } from './bad-tls-kinds.js';
import { ConnectionLost, SmtpClient } from './smtp-client.js';
import { writeCertificate } from './tls-setting.js';

let directory = '';
let secureContext: tls.SecureContext;
const servers: net.Server[] = [];
const sockets = new Set<net.Socket>();

/** What a scripted server saw: commands, and under TLS `secured`, codes of errors, and the number of bytes. */
class Witness {
  readonly seen: string[] = [];
  bytes = 0;
  closed = false;
  /** Sent in the clear in one piece with the reply to STARTTLS. */
  injected = '';

  /** A greeting follows implicit TLS only. */
  private secure(raw: net.Socket, greets: boolean): void {
    const socket = new tls.TLSSocket(raw, { isServer: true, secureContext });
    socket.on('secure', () => {
      this.seen.push('secured');
      if (greets) socket.write('220 witness\r\n');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => this.seen.push(error.code ?? error.message));
    socket.on('close', () => {
      this.closed = true;
    });
    this.converse(socket);
  }

  private converse(socket: net.Socket): void {
    const onData = (chunk: Buffer): void => {
      this.bytes += chunk.length;
      for (const line of chunk.toString('latin1').split('\r\n').slice(0, -1)) {
        if (this.seen.length < 20) this.seen.push(line.slice(0, 40));
        if (line.startsWith('STARTTLS')) {
          socket.off('data', onData);
          socket.write(`220 go on\r\n${this.injected}`);
          this.secure(socket, false);
        } else if (line.startsWith('EHLO')) socket.write('250-witness\r\n250 STARTTLS\r\n');
        else if (line.startsWith('AUTH')) socket.write('235 welcome\r\n');
      }
    };
    socket.on('data', onData);
  }

  async listen(implicit: boolean): Promise<number> {
    const server = net.createServer((raw) => {
      sockets.add(raw);
      raw.on('error', () => {});
      if (implicit) this.secure(raw, true);
      else {
        raw.write('220 witness\r\n');
        this.converse(raw);
      }
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-tls-clients-'));
  const { cert, key } = writeCertificate(directory);
  secureContext = tls.createSecureContext({ cert: readFileSync(cert), key: readFileSync(key) });
});

afterAll(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
  rmSync(directory, { recursive: true });
});

describe('the client of the harness', () => {
  const account = { user: 'ann', password: 'secret' };
  const auth = `AUTH PLAIN ${Buffer.from('\0ann\0secret').toString('base64')}`;

  it('says EHLO again and AUTH behind STARTTLS', async () => {
    const witness = new Witness();
    const client = await SmtpClient.open(await witness.listen(false), 'a.example', { tls: 'starttls', account });
    client.close();
    expect(witness.seen).toEqual(['EHLO a.example', 'STARTTLS', 'secured', 'EHLO a.example', auth]);
  });

  it('begins with TLS where that is implicit', async () => {
    const witness = new Witness();
    const client = await SmtpClient.open(await witness.listen(true), 'a.example', { tls: 'implicit', account });
    client.close();
    expect(witness.seen).toEqual(['secured', 'EHLO a.example', auth]);
  });

  it('takes no reply that came in the clear behind STARTTLS for one of the secured connection', async () => {
    const witness = new Witness();
    witness.injected = '500 injected\r\n';
    const opening = SmtpClient.open(await witness.listen(false), 'a.example', { tls: 'starttls', account });
    // The injected bytes are either dropped or break the handshake; they never answer EHLO.
    const outcome = await opening.then(
      (client) => {
        client.close();
        return 'opened';
      },
      (error: unknown) => error,
    );
    if (outcome !== 'opened') expect((outcome as Error).message).not.toContain('injected');
    else expect(witness.seen.at(-1)).toBe(auth);
  });

  it('is refused with ConnectionLost by a server that does not speak TLS', async () => {
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.write('220 no TLS here\r\n');
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await expect(SmtpClient.open(port, 'a.example', { tls: 'implicit' })).rejects.toBeInstanceOf(ConnectionLost);
  });
});

describe('bad clients', () => {
  /** Lets one go on until `condition` holds. */
  async function watch(kind: BadTlsKind, condition: (witness: Witness) => boolean): Promise<Witness> {
    const witness = new Witness();
    const client = new BadClient(await witness.listen(isImplicit(kind)), () => {});
    client.socket.once('connect', () => TLS_KINDS[kind](client));
    await expect.poll(() => condition(witness), { timeout: 10_000, interval: 20 }).toBe(true);
    client.stop = true;
    client.socket.destroy();
    return witness;
  }

  const early: readonly BadTlsKind[] = ['tlsGarbage', 'starttlsGarbage', 'tlsPlaintext'];
  it.each(early)('%s is no TLS', async (kind) => {
    const { seen } = await watch(kind, (witness) => witness.seen.some((one) => one.startsWith('ERR_SSL')));
    expect(seen).not.toContain('secured');
  });

  const late: readonly BadTlsKind[] = ['tlsOverlong', 'tlsForged', 'tlsComeAndGo'];
  it.each(late)('%s ends the connection after a whole handshake', async (kind) => {
    const { seen } = await watch(kind, (witness) => witness.closed);
    expect(seen[0]).toBe('secured');
  });

  it('tlsRenegotiate asks for more than one handshake', async () => {
    await watch('tlsRenegotiate', ({ seen }) => seen.filter((one) => one === 'secured').length > 3);
  });

  const pouring: readonly BadTlsKind[] = ['tlsAuthEndless', 'tlsAuthLong', 'tlsAuthCancel', 'tlsDeafFlood'];
  it.each(pouring)('%s does not end of its own accord', async (kind) => {
    const { seen } = await watch(kind, ({ bytes }) => bytes > 200_000);
    expect(seen.slice(0, 2)).toEqual(['secured', 'EHLO bad.example']);
  });
});
