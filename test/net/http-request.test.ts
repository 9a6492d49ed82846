import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import net from 'node:net';
import forge from 'node-forge';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpRequester, type HttpRequesterOptions } from '../../src/net/http-request.js';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

function requester(options: HttpRequesterOptions = {}): HttpRequester {
  const client = new HttpRequester(options);
  ends.push(() => client.close());
  return client;
}

async function listen(server: Server, scheme = 'http'): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const get = (url: string) => ({ method: 'GET', url, timeout: 5000, maxBytes: 1000 }) as const;

/** A self-signed certificate for an address or a name. */
function certificateFor(name: string, ip: boolean): { key: string; cert: string } {
  const keys = forge.pki.rsa.generateKeyPair(2048);
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = keys.publicKey;
  certificate.serialNumber = '01';
  certificate.validity.notBefore = new Date(Date.now() - 86_400_000);
  certificate.validity.notAfter = new Date(Date.now() + 86_400_000);
  certificate.setSubject([{ name: 'commonName', value: name }]);
  certificate.setIssuer([{ name: 'commonName', value: name }]);
  certificate.setExtensions([
    { name: 'subjectAltName', altNames: [ip ? { type: 7, ip: name } : { type: 2, value: name }] },
  ]);
  certificate.sign(keys.privateKey, forge.md.sha256.create());
  return { key: forge.pki.privateKeyToPem(keys.privateKey), cert: forge.pki.certificateToPem(certificate) };
}

describe('HttpRequester', () => {
  it('sends method, header, credentials and body, and gives the whole answer', async () => {
    const seen: unknown[] = [];
    const server = http.createServer((request, response) => {
      let body = '';
      request.on('data', (part) => {
        body += part;
      });
      request.on('end', () => {
        const { authorization, 'x-test': test, 'content-length': length } = request.headers;
        seen.push({ method: request.method, url: request.url, authorization, test, length, body });
        response.writeHead(401, { 'x-a': ['1', '2'] }).end('no');
      });
    });
    const base = (await listen(server)).replace('//', '//ann:s%40x@');
    const answer = await requester().request({
      ...get(`${base}/check?x=1`),
      method: 'POST',
      headers: { 'x-test': 'yes' },
      body: '{"ü":1}',
    });
    expect(answer).toMatchObject({ status: 401, headers: { 'x-a': '1, 2' } });
    expect(answer.body.toString()).toBe('no');
    const authorization = `Basic ${Buffer.from('ann:s@x').toString('base64')}`;
    expect(seen).toEqual([
      { method: 'POST', url: '/check?x=1', authorization, test: 'yes', length: '8', body: '{"ü":1}' },
    ]);
  });

  it('keeps connections and does not follow redirects', async () => {
    let connections = 0;
    const server = http.createServer((_request, response) => response.writeHead(302, { location: '/other' }).end());
    server.on('connection', () => connections++);
    const url = await listen(server);
    const client = requester();
    for (let i = 0; i < 3; i++) expect((await client.request(get(url))).status).toBe(302);
    expect(connections).toBe(1);
  });

  it('asks again when a kept connection was closed under the request', async () => {
    let asked = 0;
    // Answers the first request of a connection and resets it at the second.
    const server = net.createServer((socket) => {
      let requests = 0;
      socket.on('data', () => {
        asked++;
        if (++requests > 1) socket.resetAndDestroy();
        else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      });
    });
    const url = await listen(server);
    const client = requester();
    for (let i = 0; i < 2; i++) expect((await client.request(get(url))).body.toString()).toBe('ok');
    expect(asked).toBe(3);
  });

  it.each([
    [
      'http-too-large',
      (socket: Socket) => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n${'x'.repeat(2000)}`),
    ],
    ['http-failed', (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\ncut')],
    ['http-failed', (socket: Socket) => socket.end('SSH-2.0-x\r\n')],
    ['http-failed', (socket: Socket) => socket.end(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)],
    ['http-timeout', () => true],
    ['http-timeout', (socket: Socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\nslow')],
  ])('ends with %s (%#)', async (code, answer) => {
    const url = await listen(net.createServer((socket) => socket.once('data', () => answer(socket))));
    const asked = requester().request({ ...get(`${url}/p?secret`), timeout: code === 'http-timeout' ? 200 : 5000 });
    await expect(asked).rejects.toMatchObject({ code, temporary: true });
    await expect(asked).rejects.toThrow(/^GET http:\/\/127\.0\.0\.1:\d+\/p: /);
  });

  it('names what cannot be asked', async () => {
    await expect(requester().request(get('ftp://x/'))).rejects.toMatchObject({ code: 'http-url', temporary: false });
    await expect(requester().request(get('http://127.0.0.1:1/'))).rejects.toMatchObject({ code: 'http-failed' });
  });

  it('verifies certificates against the authorities given', async () => {
    const good = certificateFor('127.0.0.1', true);
    const other = certificateFor('other.example', false);
    const answer = (_request: unknown, response: http.ServerResponse) => response.end('safe');
    const url = await listen(https.createServer(good, answer), 'https');
    const wrongName = await listen(https.createServer(other, answer), 'https');
    const ca = good.cert + other.cert;
    expect((await requester({ ca }).request(get(url))).body.toString()).toBe('safe');
    await expect(requester().request(get(url))).rejects.toMatchObject({ code: 'http-certificate' });
    await expect(requester({ ca }).request(get(wrongName))).rejects.toMatchObject({ code: 'http-certificate' });
    const lookup: HttpRequesterOptions['lookup'] = (_host, options, done) =>
      options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
    const byName = wrongName.replace('127.0.0.1', 'other.example');
    expect((await requester({ ca, lookup: lookup! }).request(get(byName))).status).toBe(200);
  });
});
