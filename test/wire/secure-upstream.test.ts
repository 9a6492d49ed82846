/**
 * A whole engine with upstreams that want TLS and AUTH: mail comes through unmixed, mistakes are told, secrets are not.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type PeerSecurity, type Script, SmtpPeer, until } from '../helpers/smtp-peer.js';
import { TestAuthority } from '../helpers/test-authority.js';
import { mail, Stage } from './stage.js';

const authority = new TestAuthority();
const certificate = authority.issue({ addresses: ['127.0.0.1'] });
const PASSWORD = 'p+w/d=%,@:';
const LOGIN = `me%40x:${encodeURIComponent(PASSWORD)}`;

let stage: Stage;
let folder = '';
const peers: SmtpPeer[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-secure-'));
  writeFileSync(join(folder, 'ca.pem'), authority.own.cert);
  writeFileSync(join(folder, 'logins'), `127.0.0.1 me@x:${PASSWORD}\n`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  stage = new Stage();
});
afterEach(async () => {
  await stage.end();
  for (const peer of peers.splice(0)) await peer.close();
});

async function peerWith(security: PeerSecurity = {}, script?: Script): Promise<SmtpPeer> {
  const peer = await SmtpPeer.start(script, 0, '127.0.0.1', {
    tls: certificate,
    account: { user: 'me@x', password: PASSWORD, token: 'tok-1' },
    mechanisms: 'PLAIN SCRAM-SHA-256 XOAUTH2',
    ...security,
  });
  peers.push(peer);
  return peer;
}

const ca = () => `ca=${encodeURIComponent(join(folder, 'ca.pem'))}`;
const sum = (text: string) => createHash('sha256').update(text, 'latin1').digest('hex');

describe('an upstream with TLS and AUTH', () => {
  it.each(['STARTTLS', 'TLS from the first byte'])('gets every message whole, by %s', async (how) => {
    const implicit = how !== 'STARTTLS';
    const peer = await peerWith({ implicit });
    const engine = await stage.engine({
      SLUICE_UPSTREAM: `smtp${implicit ? 's' : ''}://${LOGIN}@127.0.0.1:${peer.port}?tls=required&${ca()}&pool=4`,
      SLUICE_MAX_MESSAGES_PER_CONNECTION: '0',
    });
    const sums = new Set<string>();
    const COUNT = 300;
    await Promise.all(
      Array.from({ length: 6 }, async (_, thread) => {
        const client = await stage.client(engine);
        for (let n = 0; n < COUNT / 6; n++) {
          const length = n % 25 === 0 ? 300_000 : 100 + ((n * 7919 + thread * 104_729) % 30_000);
          const line = `${thread} ${n} `.repeat(12).slice(0, 70);
          const body = `${line}\r\n`.repeat(Math.ceil(length / 72));
          sums.add(sum(body));
          const reply = await client.send(
            '<ann@client.example>',
            ['<bob@accept.example>'],
            mail([`X-N: ${thread}-${n}`], body),
          );
          expect(reply.code).toBe(250);
        }
      }),
    );
    await until('all is delivered', () => peer.messages.length === COUNT, 15_000);
    const got = peer.messages.map(({ content }) => sum(content.slice(content.indexOf('\r\n\r\n') + 4)));
    expect(new Set(got)).toEqual(sums);
    expect(peer.messages.every(({ secure }) => secure)).toBe(true);
    expect(new Set(peer.authenticated)).toEqual(new Set(['SCRAM-SHA-256']));
    expect(peer.mostOpen).toBeLessThanOrEqual(4);
    // Connections are kept: 100 messages each, and none is given up because of unsent bytes.
    expect(peer.accepted).toBeLessThanOrEqual(8);
  });

  it('that refuses the password keeps mail waiting; the log says so once and holds no secret', async () => {
    const peer = await peerWith({ account: { user: 'me@x', password: 'another' }, mechanisms: 'PLAIN' });
    const engine = await stage.engine({
      SLUICE_UPSTREAM: `smtp://127.0.0.1:${peer.port}?tls=required&${ca()}`,
      SLUICE_UPSTREAM_LOGINS_FILE: join(folder, 'logins'),
      SLUICE_RETRY_MIN: '200ms',
      SLUICE_RETRY_MAX: '300ms',
      SLUICE_LOG_LEVEL: 'debug',
    });
    const client = await stage.client(engine);
    for (let n = 0; n < 3; n++) await client.send('<ann@client.example>', ['<bob@accept.example>'], mail());
    await until('it was tried twice', () => peer.accepted >= 2);
    await until('that was told', () => engine.logged('outcome').length > 0);
    const outcomes = engine.logged('outcome');
    expect(outcomes[0]).toMatchObject({ status: 'deferred', dsn: '4.7.8' });
    expect(String(outcomes[0]!['reply'])).toContain('535 5.7.8 no such user or password');
    const errors = engine.logged((line) => Number(line['level']) >= 50);
    expect(errors.map(({ msg }) => msg)).toEqual([expect.stringContaining('does not take our credentials')]);
    expect(JSON.stringify(engine.lines)).not.toContain(PASSWORD);
    expect(JSON.stringify(engine.lines)).not.toContain(Buffer.from(`\0me@x\0${PASSWORD}`).toString('base64'));
    const check = await engine.command(['check']);
    expect(`${check.out}${check.err}`).not.toContain(PASSWORD);
  });

  it('that a stranger stands in for gets nothing', async () => {
    const stranger = new TestAuthority().issue({ addresses: ['127.0.0.1'] });
    const peer = await peerWith({ tls: stranger });
    const engine = await stage.engine({
      SLUICE_UPSTREAM: `smtp://${LOGIN}@127.0.0.1:${peer.port}?tls=required&${ca()}`,
    });
    const client = await stage.client(engine);
    await client.send('<ann@client.example>', ['<bob@accept.example>'], mail());
    await until('it is deferred', () => engine.logged('outcome').length > 0);
    expect(engine.logged('outcome')[0]).toMatchObject({ status: 'deferred', dsn: '4.7.5' });
    expect(engine.logged('TLS to the next hop failed')[0]).toMatchObject({ failure: 'certificate-not-trusted' });
    expect(peer.commands.filter((line) => /^(?:AUTH|MAIL)/.test(line))).toEqual([]);
  });

  it('without TLS is told of where TLS was to be tried', async () => {
    const peer = await SmtpPeer.start();
    peers.push(peer);
    const engine = await stage.engine({ SLUICE_UPSTREAM: `smtp://127.0.0.1:${peer.port}` });
    const client = await stage.client(engine);
    await client.send('<ann@client.example>', ['<bob@accept.example>'], mail());
    await until('it is delivered', () => peer.messages.length === 1);
    await until('the log says so', () => engine.logged('next hop is used without TLS').length === 1);
  });
});

describe('an upstream with tokens', () => {
  let service: Server;
  let asked: string[] = [];
  let answer = { status: 200, body: '' };
  beforeEach(async () => {
    asked = [];
    service = createServer((request, response) => {
      let body = '';
      request.on('data', (bytes) => {
        body += String(bytes);
      });
      request.on('end', () => {
        asked.push(body);
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
      });
    });
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    service.closeAllConnections();
    await new Promise((resolve) => service.close(resolve));
  });

  const url = (peer: SmtpPeer) =>
    `smtp://me%40x@127.0.0.1:${peer.port}?tls=required&${ca()}&client_id=id&client_secret=s3cr3t&oauth=http://127.0.0.1:${(service.address() as AddressInfo).port}/token`;

  it('gets one by client credentials, asked for once', async () => {
    answer = { status: 200, body: '{"access_token":"tok-1","expires_in":3600}' };
    const peer = await peerWith();
    const engine = await stage.engine({ SLUICE_UPSTREAM: url(peer), SLUICE_MESSAGES_PER_UPSTREAM_CONNECTION: '1' });
    const client = await stage.client(engine);
    for (let n = 0; n < 5; n++) await client.send('<ann@client.example>', ['<bob@accept.example>'], mail());
    await until('all is delivered', () => peer.messages.length === 5);
    expect(new Set(peer.authenticated)).toEqual(new Set(['XOAUTH2']));
    expect(asked).toEqual(['grant_type=client_credentials&client_id=id&client_secret=s3cr3t']);
  });

  it('makes mail wait with the reason where the service refuses', async () => {
    answer = { status: 401, body: '{"error":"invalid_client","error_description":"secret expired"}' };
    const peer = await peerWith();
    const engine = await stage.engine({ SLUICE_UPSTREAM: url(peer) });
    const client = await stage.client(engine);
    await client.send('<ann@client.example>', ['<bob@accept.example>'], mail());
    await until('it is deferred', () => engine.logged('outcome').length > 0);
    expect(String(engine.logged('outcome')[0]!['reply'])).toContain('invalid_client: secret expired');
    expect(JSON.stringify(engine.lines)).not.toContain('s3cr3t');
  });
});

describe('an upstream that cannot be used as it is set', () => {
  it('is a reason not to start, which `sluice check` names too', async () => {
    const bad = { SLUICE_UPSTREAM: 'smtps://u@mx.example', SLUICE_UPSTREAM_TLS_TIMEOUT: '5s' };
    await expect(stage.engine(bad)).rejects.toThrow(/mx\.example:465: there is a user but no password/);
  });
});
