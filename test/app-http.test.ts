/**
 * https of the operator's plane, with real certificates and real clients: node, openssl, curl.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EngineAudit } from '../src/app-audit.js';
import { type Http, openHttp } from '../src/app-http.js';
import { loadSettings } from '../src/config/load-settings.js';
import type { Log } from '../src/telemetry/log.js';
import { MailEvents } from '../src/telemetry/mail-event.js';
import { exchange, request } from './helpers/http-client.js';
import { TestAuthority, type TestCertificate } from './helpers/test-authority.js';
import { uwsProblem } from './helpers/uws-here.js';

// It reads package.json from where it lies in dist.
vi.mock('../src/version.js', () => ({ VERSION: '9.9' }));

const TOKEN = 'correct-horse-battery';
const authority = new TestAuthority();
const clients = new TestAuthority('Operators');
const server = authority.issue({ names: ['localhost', 'sluice.example'] });
const operator = clients.issue({ commonName: 'ann' });
const stranger = new TestAuthority('Others').issue({ commonName: 'eve' });
const late = clients.issue({ commonName: 'old', from: -9, to: -1 });

let folder: string;
let logged: string[];
let http: Http | null = null;
const write = (fields: object, text = ''): number => logged.push(`${text} ${JSON.stringify(fields)}`);
const log = { info: write, warn: write, error: write } as unknown as Log;

async function open(more: Readonly<Record<string, string>> = {}): Promise<number> {
  const env = {
    ...{ SLUICE_HTTP: 'https://127.0.0.1:0', SLUICE_SPOOL_DIR: join(folder, 'spool') },
    ...{ SLUICE_HTTP_TLS_CERT: join(folder, 'cert.pem'), SLUICE_HTTP_TLS_KEY: join(folder, 'key.pem') },
    ...more,
  };
  const { settings, sources, problems } = loadSettings(env, folder);
  expect(problems).toEqual([]);
  const audit = new EngineAudit(settings, log);
  http = await openHttp({ settings, sources, log, audit, mail: new MailEvents(), engine: () => null });
  return http?.port ?? 0;
}

/** Replaced as certbot does it: a new file in the old one's place. */
function place(name: string, text: string): void {
  writeFileSync(join(folder, `${name}.new`), text);
  renameSync(join(folder, `${name}.new`), join(folder, name));
}

interface Asked {
  readonly status: number;
  readonly body: string;
  readonly serial: string;
}

function ask(port: number, more: https.RequestOptions = {}): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const usual = { host: '127.0.0.1', port, path: '/v1/config', agent: false, servername: 'localhost' } as const;
    https
      .get({ ...usual, ca: authority.own.cert, ...more }, (answer) => {
        const serial = (answer.socket as tls.TLSSocket).getPeerCertificate().serialNumber;
        let body = '';
        answer.setEncoding('utf8').on('data', (part: string) => {
          body += part;
        });
        answer.on('end', () => resolve({ status: answer.statusCode!, body, serial }));
      })
      .on('error', reject);
  });
}

const as = ({ cert, key }: TestCertificate) => ({ cert, key });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-https-'));
  logged = [];
  place('cert.pem', server.cert);
  place('key.pem', server.key);
  place('clients.pem', clients.own.cert);
});
afterEach(() => {
  http?.close();
  http = null;
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(uwsProblem !== '')(`https ${uwsProblem}`, () => {
  it('asks for the token behind TLS, and answers nothing in the clear', async () => {
    const port = await open({ SLUICE_HTTP_TOKEN: TOKEN });
    expect((await ask(port, { headers: { Authorization: `Bearer ${TOKEN}` } })).status).toBe(200);
    expect((await ask(port)).status).toBe(401);
    expect(logged.join()).toContain('"client":"127.0.0.1","reason":"no-token"');
    expect((await exchange(port, [request('GET', '/healthz')])).status).toBe(0);
  });

  it('takes a head that comes in two pieces, wherever it breaks', async () => {
    const port = await open({});
    const head = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
    const inTwo = (at: number): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = tls.connect({ host: '127.0.0.1', port, ca: authority.own.cert, servername: 'localhost' });
        let answer = '';
        socket.on('data', (chunk: Buffer) => {
          answer += chunk.toString();
        });
        socket.on('error', reject).on('close', () => resolve(answer.slice(0, 15)));
        socket.once('secureConnect', () => {
          socket.write(head.slice(0, at));
          setTimeout(() => socket.write(head.slice(at)), 20);
        });
      });
    const places = Array.from({ length: head.length - 1 }, (_, i) => i + 1);
    const answers = await Promise.all(places.map(inTwo));
    expect(answers.filter((answer) => answer !== 'HTTP/1.1 200 OK')).toEqual([]);
  });

  it('gives no answer but 403 to clients without a certificate of the authorities, in TLS 1.2 and 1.3', async () => {
    const port = await open({ SLUICE_HTTP_CLIENT_CA: join(folder, 'clients.pem') });
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      for (const wrong of [{}, as(stranger), as(late), as(server)])
        for (const path of ['/v1/config', '/healthz', '/nothing']) {
          const { status, body } = await ask(port, { ...wrong, path, maxVersion });
          expect(status).toBe(403);
          expect(JSON.parse(body)).toMatchObject({ type: 'urn:sluice:problem:no-certificate', status: 403 });
        }
      const right = { ...as(operator), maxVersion };
      // No token is needed, nor a Host that is an address.
      const { status, body } = await ask(port, { ...right, headers: { Host: 'sluice.example' } });
      expect([status, JSON.parse(body).items.length > 50]).toEqual([200, true]);
      // A page of another site that the operator's browser shows.
      const foreign = await ask(port, { ...right, headers: { Origin: 'https://evil.example' } });
      expect(foreign.status).toBe(403);
    }
    expect(logged.join()).toContain('"client":"127.0.0.1","reason":"no-certificate"');
  });

  it('asks for both where a token is set too', async () => {
    const port = await open({ SLUICE_HTTP_CLIENT_CA: join(folder, 'clients.pem'), SLUICE_HTTP_TOKEN: TOKEN });
    const headers = { Authorization: `Bearer ${TOKEN}` };
    expect((await ask(port, as(operator))).status).toBe(401);
    expect((await ask(port, { headers })).status).toBe(403);
    expect((await ask(port, { headers, ...as(operator) })).status).toBe(200);
  });

  it('does not take a resumed session for a certificate', async () => {
    const port = await open({ SLUICE_HTTP_CLIENT_CA: join(folder, 'clients.pem') });
    for (const [certificate, expected] of [
      [{}, 403],
      [as(operator), 200],
    ] as const) {
      let session: Buffer | undefined;
      for (const again of [false, true]) {
        const socket = tls.connect({
          port,
          host: '127.0.0.1',
          ca: authority.own.cert,
          servername: 'localhost',
          ...certificate,
          ...(session && { session }),
        });
        socket.on('session', (one: Buffer) => {
          session = one;
        });
        const text = await new Promise<string>((resolve, reject) => {
          socket.once('error', reject).once('secureConnect', () => socket.write(request('GET', '/v1/config')));
          socket.once('data', (part: Buffer) => resolve(part.toString('latin1')));
        });
        expect(Number(text.slice(9, 12))).toBe(expected);
        expect(socket.isSessionReused()).toBe(again);
        socket.destroy();
      }
    }
  });

  it('meets curl and openssl in the same way', async () => {
    const port = await open({ SLUICE_HTTP_CLIENT_CA: join(folder, 'clients.pem') });
    for (const [name, { cert, key }] of Object.entries({ operator, stranger })) {
      writeFileSync(join(folder, `${name}.pem`), cert + key);
    }
    writeFileSync(join(folder, 'ca.pem'), authority.own.cert);
    const run = (program: string, args: readonly string[], input = ''): Promise<string> =>
      new Promise((resolve) => {
        const child = execFile(program, args, { cwd: folder, timeout: 10_000 }, (_, out, err) => resolve(out + err));
        child.stdin!.on('error', () => undefined).end(input);
      });
    const curl = (...more: string[]): Promise<string> =>
      run('curl', [
        ...['-s', '--cacert', 'ca.pem', '--resolve', `localhost:${port}:127.0.0.1`],
        ...['-o', 'answer', '-w', '%{http_code}'],
        ...more,
        `https://localhost:${port}/v1/config`,
      ]);
    expect(await curl()).toBe('403');
    expect(await curl('--cert', 'stranger.pem')).toBe('403');
    expect(await curl('--cert', 'operator.pem')).toBe('200');
    const openssl = (...more: string[]): Promise<string> =>
      run(
        'openssl',
        ['s_client', '-quiet', '-ign_eof', '-connect', `127.0.0.1:${port}`, ...more],
        request('GET', '/v1/config', undefined, { Connection: 'close' }),
      );
    expect(await openssl()).toContain('HTTP/1.1 403 ');
    expect(await openssl('-cert', 'operator.pem')).toContain('HTTP/1.1 200 ');
  });

  it('takes a renewed certificate and other authorities by itself; what is under way goes on', async () => {
    const port = await open({ SLUICE_HTTP_CLIENT_CA: join(folder, 'clients.pem') });
    const kept = new https.Agent({ keepAlive: true, maxSockets: 1 });
    try {
      const before = (await ask(port, { ...as(operator), agent: kept })).serial;
      const renewed = authority.issue({ names: ['localhost'] });
      place('key.pem', renewed.key);
      place('cert.pem', renewed.cert);
      await expect.poll(async () => (await ask(port, as(operator))).serial, { timeout: 15_000 }).not.toBe(before);
      const under = await ask(port, { ...as(operator), agent: kept });
      expect([under.serial, under.status]).toEqual([before, 200]);
      // What cannot be used is told of and leaves what there was.
      place('cert.pem', 'nothing');
      expect(await http!.reload()).toBe(false);
      expect(logged.join()).toContain('a certificate was not taken');
      place('cert.pem', renewed.cert);
      place('clients.pem', new TestAuthority('Next').own.cert);
      expect(await http!.reload()).toBe(true);
      expect((await ask(port, as(operator))).status).toBe(403);
    } finally {
      kept.destroy();
    }
  });

  it('outlives clients that break off, and closes those beyond the bound', async () => {
    const port = await open({ SLUICE_HTTP_MAX_CONNECTIONS: '3' });
    const healthy = async (): Promise<number> =>
      (await ask(port, { path: '/healthz' }).catch(() => ({ status: 0 }))).status;
    for (const part of ['', '\u0016\u0003\u0001', 'GET / HTTP/1.1\r\n\r\n']) {
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      await new Promise<void>((done) => socket.once('connect', done));
      if (part !== '') await new Promise((done) => socket.write(part, 'latin1', done));
      socket.resetAndDestroy();
    }
    await expect.poll(healthy, { timeout: 5000 }).toBe(200);
    const held = Array.from({ length: 3 }, () => net.connect(port, '127.0.0.1').on('error', () => undefined));
    await Promise.all(held.map((socket) => new Promise<void>((done) => socket.once('connect', done))));
    expect(await healthy()).toBe(0);
    for (const socket of held) socket.destroy();
    await expect.poll(healthy, { timeout: 5000 }).toBe(200);
  });

  it('leaves no socket behind', async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('sluice-http-'));
    await open();
    http!.close();
    http = null;
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('sluice-http-') && !before.includes(name))).toEqual(
      [],
    );
  });

  it('says why there is no https', async () => {
    place('key.pem', operator.key);
    expect(await open()).toBe(0);
    expect(logged.join()).toMatch(/no HTTP: mail flows without it .*key\.pem/);
    place('key.pem', server.key);
    const port = await open();
    const first = http!;
    expect(await open({ SLUICE_HTTP: `https://127.0.0.1:${port}` })).toBe(0);
    expect(logged.join()).toContain('it is taken');
    first.close();
  });
});

it('starts beyond loopback with a token or with client certificates only', () => {
  const problems = (env: Readonly<Record<string, string>>): string =>
    loadSettings({ SLUICE_HTTP_TLS_CERT: 'c', SLUICE_HTTP_TLS_KEY: 'k', ...env }, folder).problems.join();
  const away = { SLUICE_HTTP: 'https://0.0.0.0' };
  expect(problems(away)).toContain('SLUICE_HTTP_CLIENT_CA');
  expect(problems({ ...away, SLUICE_HTTP_CLIENT_CA: 'ca.pem' })).toBe('');
  expect(problems({ ...away, SLUICE_HTTP_TOKEN: TOKEN })).toBe('');
  expect(problems({ SLUICE_HTTP_CLIENT_CA: 'ca.pem' })).toContain('use https://');
});
