/** Certificates on disk: what is refused at start and why, how they are replaced while sessions go on. */

import { createPrivateKey } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { schema } from '../../../src/config/schema.js';
import { systemClock } from '../../../src/core/clock.js';
import { loadPair } from '../../../src/net/tls/certificate-pair.js';
import type { CertificateSources } from '../../../src/net/tls/certificate-sources.js';
import { CertificateStore } from '../../../src/net/tls/certificate-store.js';
import { SecureContexts } from '../../../src/net/tls/secure-contexts.js';
import type { TlsMaterial } from '../../../src/net/tls/tls-material.js';
import { until } from '../../helpers/smtp-peer.js';
import { Authority, type Issued } from './certificates.js';
import { connect, echo, TlsServer } from './tls-server.js';

const DAY = 86_400_000;
const authority = new Authority('Test CA');
const good = authority.issue({ commonName: 'good', dns: ['Good.example'] });
const next = authority.issue({ commonName: 'next', dns: ['good.example'], to: 200 });
const expired = authority.issue({ commonName: 'old', dns: ['good.example'], from: -90, to: -1 });

let dir: string;
let lines: string[];
const open: Array<{ close(): void }> = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-tls-'));
  lines = [];
});
afterEach(() => {
  for (const one of open.splice(0)) one.close();
  rmSync(dir, { recursive: true, force: true });
});

const note = (level: string) => (fields: object, text: string) => {
  lines.push(`${level} ${text} ${JSON.stringify(fields)}`);
};
const log = { info: note('info'), warn: note('warn'), error: note('error') };

function sources(change: Partial<CertificateSources> = {}): CertificateSources {
  return {
    cert: '',
    key: '',
    dir: '',
    clientCa: '',
    relayClients: [],
    minVersion: 'TLSv1.2',
    ciphers: schema.tlsCiphers.default as string,
    developmentDir: join(dir, 'development'),
    hostname: 'relay.example.org',
    ...change,
  };
}

function put(name: string, text: string, mode = 0o600): string {
  const path = join(dir, name);
  writeFileSync(path, text, { mode });
  return path;
}

/** Settings for a default pair, written to disk. */
function pairOf(cert: string, key: string): Partial<CertificateSources> {
  return { cert: put('cert.pem', cert), key: put('key.pem', key) };
}

/** certbot's layout: `live/<name>/x.pem` links to `archive/<name>/x<number>.pem`; links are replaced one by one. */
function certbot(name: string, number: number, { cert, key }: Issued): void {
  for (const folder of ['live', 'archive']) mkdirSync(join(dir, folder, name), { recursive: true });
  for (const [file, text] of [
    ['fullchain', cert],
    ['privkey', key],
  ] as const) {
    put(`archive/${name}/${file}${number}.pem`, text);
    const link = join(dir, 'live', name, `${file}.pem`);
    symlinkSync(`../../archive/${name}/${file}${number}.pem`, `${link}.new`);
    renameSync(`${link}.new`, link);
  }
}

async function start(change: Partial<CertificateSources>, wall = () => Date.now()): Promise<CertificateStore> {
  const store = await CertificateStore.open(sources(change), log, { now: systemClock.now, wall });
  open.push(store);
  return store;
}

function subjects(material: TlsMaterial): string[] {
  return material.pairs.map(({ chain }) => ({ [good.cert]: 'good', [next.cert]: 'next' })[chain] ?? 'another');
}

describe('a start', () => {
  it('takes a default pair, and names from it', async () => {
    const store = await start(pairOf(`some text\n${good.cert}${authority.cert}`, good.key));
    const { material } = store;
    expect(material).toMatchObject({ version: 1, clientCa: '', minVersion: 'TLSv1.2' });
    expect(material.pairs).toHaveLength(1);
    expect(material.pairs[0]).toEqual({ names: ['good.example'], chain: good.cert + authority.cert, key: good.key });
    expect(material.ticketKeys).toHaveLength(48);
    expect(structuredClone(material)).toEqual(material);
    expect(Math.abs(store.nextExpiry - Date.now() - 90 * DAY)).toBeLessThan(DAY);
    expect(lines).toEqual([]);
  });

  const encrypted = createPrivateKey(good.key).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'x',
  });
  const young = authority.issue({ commonName: 'young', dns: ['good.example'], from: 2, to: 90 });
  const weak = authority.issue({ commonName: 'weak', dns: ['good.example'], bits: 512 });
  it.each([
    ['an expired certificate', expired.cert, expired.key, /cert\.pem: it expired on .*; renew it/],
    ['one from the future', young.cert, young.key, /cert\.pem: it is not valid before .*; set the clock right/],
    ['the key of another', good.cert, next.key, /key\.pem: the key does not belong to .*cert\.pem; give the key/],
    ['a chain in the wrong order', authority.cert + good.cert, good.key, /cert\.pem: certificate 2 .*; put it first/],
    ['a garbled certificate', good.cert.replace(/MII/, 'NII'), good.key, /cert\.pem: certificate 1 in it is garbled/],
    ['no certificate', good.key, good.key, /cert\.pem: there is no certificate in it; give PEM/],
    ['no key', good.cert, good.cert, /key\.pem: there is no usable private key/],
    ['an encrypted key', good.cert, String(encrypted), /key\.pem: the key is encrypted; decrypt it/],
    ['a key too short for OpenSSL', weak.cert, weak.key, /cert\.pem: OpenSSL refuses it .*2048/],
    ['a huge file', good.cert.repeat(1200), good.key, /cert\.pem: cannot be read \(it is larger than 1 MiB\)/],
  ])('is refused for %s', async (_name, cert, key, message) => {
    const failed = start(pairOf(cert, key));
    await expect(failed).rejects.toThrow(message);
    await expect(failed).rejects.toMatchObject({ code: 'bad-certificate', temporary: false });
    await expect(failed).rejects.not.toThrow(/PRIVATE/);
  });

  it('is warned of an RSA key that is short', () => {
    const short = authority.issue({ commonName: 'short', dns: ['good.example'], bits: 1024 });
    const files = { cert: put('cert.pem', short.cert), key: put('key.pem', short.key), name: '' };
    expect(loadPair(files, Date.now()).warnings).toEqual([
      `${files.cert}: RSA with 1024 bits is weak; make a key of 2048`,
    ]);
  });

  it('is refused for files and folders that are not there', async () => {
    const gone = join(dir, 'gone');
    await expect(start({ cert: gone, key: gone })).rejects.toThrow(/gone: cannot be read .*ENOENT.*must exist/);
    await expect(start({ dir: gone })).rejects.toThrow(/gone: cannot be read/);
    await expect(start({ dir })).rejects.toThrow(/no certificate in it; put <name>\/fullchain\.pem/);
    await expect(start({ ...pairOf(good.cert, good.key), clientCa: gone })).rejects.toThrow(/gone: cannot be read/);
    mkdirSync(join(dir, 'half'));
    put('half/fullchain.pem', good.cert);
    await expect(start({ dir })).rejects.toThrow(/half\/privkey\.pem: cannot be read/);
  });

  it('is refused for ciphers that OpenSSL does not know', async () => {
    const failed = start({ ...pairOf(good.cert, good.key), ciphers: 'ROT13' });
    await expect(failed).rejects.toThrow(/SLUICE_TLS_CIPHERS: OpenSSL takes none of it/);
    await expect(failed).rejects.toMatchObject({ code: 'bad-tls-ciphers' });
  });

  it('keeps TLS 1.3 where the list of ciphers names none of it', async () => {
    const store = await start({ ...pairOf(good.cert, good.key), ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' });
    const server = await new TlsServer(store.material).listen();
    open.push(server);
    const seen = await connect(server.port);
    open.push({ close: () => seen.socket.destroy() });
    expect(server.facts[0]!.version).toBe('TLSv1.3');
  });

  it('takes certbot folders, the default pair first, and leaves alone what is no pair', async () => {
    certbot('b.example', 1, next);
    certbot('a.example', 1, good);
    put('live/README', 'hello');
    mkdirSync(join(dir, 'live/empty'));
    mkdirSync(join(dir, 'live/.hidden'));
    put('live/.hidden/fullchain.pem', 'x');
    const standard = authority.issue({ commonName: 'standard' });
    const { material } = await start({ ...pairOf(standard.cert, standard.key), dir: join(dir, 'live') });
    expect(material.pairs.map(({ names }) => names)).toEqual([
      ['standard'],
      ['a.example', 'good.example'],
      ['b.example', 'good.example'],
    ]);
    const contexts = new SecureContexts(material);
    expect(contexts.contextFor('a.example')).toBe(contexts.contextFor('good.example'));
    expect(contexts.contextFor('b.example')).not.toBe(contexts.contextFor('good.example'));
  });

  it('warns of an end within 14 days, of a key that all can read, of a chain out of order', async () => {
    const soon = authority.issue({ commonName: 'soon', dns: ['soon.example'], to: 13.5 });
    const other = new Authority('Other CA');
    const files = pairOf(soon.cert + other.cert, soon.key);
    chmodSync(files.key!, 0o644);
    const store = await start(files);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^warn .*cert\.pem: certificate 2 did not issue the one before it/);
    expect(lines[1]).toMatch(/^warn .*key\.pem: every user .*chmod 600/);
    expect(lines[2]).toMatch(/^warn a certificate expires soon; renew it .*cert\.pem.*"days":13/);
    expect(store.nextExpiry).toBeLessThan(Date.now() + 14 * DAY);
    await store.daily();
    expect(lines).toHaveLength(4);
    expect(lines[3]).toBe(lines[2]);
  });
});

describe('later', () => {
  it('a changed file is noticed, sessions go on with what they began with', async () => {
    certbot('good.example', 1, good);
    const store = await start({ dir: join(dir, 'live') });
    const server = await new TlsServer(store.material).listen();
    open.push(server);
    store.subscribe((material) => {
      server.contexts = new SecureContexts(material);
    });
    const before = await connect(server.port);
    open.push({ close: () => before.socket.destroy() });
    certbot('good.example', 2, next);
    await until('the new certificate is taken', () => store.material.version === 2);
    const after = await connect(server.port);
    open.push({ close: () => after.socket.destroy() });
    expect([before.subject, after.subject]).toEqual(['good', 'next']);
    await echo(before.socket, 'still here');
    expect(lines.filter((line) => !line.startsWith('info certificates read again'))).toEqual([]);
  });

  it('a mistake keeps the old pair and says why; others go on', async () => {
    certbot('a.example', 1, good);
    certbot('b.example', 1, good);
    const store = await start({ dir: join(dir, 'live') });
    certbot('a.example', 2, expired);
    certbot('b.example', 2, next);
    certbot('c.example', 1, { cert: next.cert, key: good.key });
    expect(await store.reload()).toBe(false);
    expect(subjects(store.material)).toEqual(['good', 'next']);
    const errors = lines.filter((line) => line.startsWith('error'));
    expect(errors).toHaveLength(2);
    expect(errors[0]).toMatch(/what was in use before stays in use.*a\.example.*it expired/);
    expect(errors[1]).toMatch(/c\.example.*does not belong/);
    rmSync(join(dir, 'live/a.example'), { recursive: true });
    rmSync(join(dir, 'live/c.example'), { recursive: true });
    expect(await store.reload()).toBe(true);
    expect(subjects(store.material)).toEqual(['next']);
  });

  it('a folder that is gone keeps everything', async () => {
    certbot('a.example', 1, good);
    const store = await start({ dir: join(dir, 'live') });
    renameSync(join(dir, 'live'), join(dir, 'elsewhere'));
    expect(await store.reload()).toBe(false);
    expect(subjects(store.material)).toEqual(['good']);
    expect(store.material.version).toBe(1);
  });

  it('reading the same again changes nothing', async () => {
    const store = await start(pairOf(good.cert, good.key));
    const { material } = store;
    let told = 0;
    store.subscribe(() => told++);
    expect(await store.reload()).toBe(true);
    expect(store.material).toBe(material);
    expect(told).toBe(0);
    expect(lines).toEqual([]);
  });

  it('other authorities for clients bring other ticket keys; a mistake in them keeps the old ones', async () => {
    const clientCa = put('ca.pem', authority.cert);
    const store = await start({ ...pairOf(good.cert, good.key), clientCa });
    const { material } = store;
    expect(material.clientCa).toBe(authority.cert);
    put('ca.pem', 'nothing');
    expect(await store.reload()).toBe(false);
    expect(store.material).toBe(material);
    put('ca.pem', authority.cert + new Authority('Other CA').cert);
    expect(await store.reload()).toBe(true);
    expect(store.material.version).toBe(2);
    expect(store.material.ticketKeys).not.toEqual(material.ticketKeys);
  });

  it('once a day ticket keys are new, and whoever subscribed is told until it leaves', async () => {
    const store = await start(pairOf(good.cert, good.key));
    const told: TlsMaterial[] = [];
    const leave = store.subscribe((material) => told.push(material));
    const { ticketKeys, pairs } = store.material;
    await store.daily();
    expect(told).toEqual([store.material]);
    expect(told[0]!.version).toBe(2);
    expect(told[0]!.ticketKeys).not.toEqual(ticketKeys);
    expect(told[0]!.pairs).toBe(pairs);
    leave();
    await store.daily();
    expect(told).toHaveLength(1);
  });

  it('a certificate that has ended stays in use with a warning a day', async () => {
    let wall = Date.now();
    const store = await start(pairOf(good.cert, good.key), () => wall);
    wall += 91 * DAY;
    await store.daily();
    expect(await store.reload()).toBe(true);
    expect(subjects(store.material)).toEqual(['good']);
    expect(lines[0]).toMatch(/^warn a certificate has expired; renew it/);
  });
});

describe('without a certificate configured', () => {
  const path = () => join(dir, 'development/development.pem');

  it('a self-signed one is made, kept for its owner only, and used again', async () => {
    const first = await start({});
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`a self-signed one was made; it is kept in ${path()}`);
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    expect(first.material.pairs[0]!.names).toEqual(['relay.example.org', 'localhost']);
    const second = await start({});
    expect(second.material.pairs).toEqual(first.material.pairs);
    expect(lines[1]).toContain('a self-signed one is used');
    expect(lines.join()).not.toContain('PRIVATE');
    const server = await new TlsServer(second.material).listen();
    open.push(server);
    const ca = readFileSync(path(), 'latin1');
    for (const servername of ['relay.example.org', 'localhost']) {
      const { socket } = await connect(server.port, { ca, servername, rejectUnauthorized: true });
      expect(socket.authorized).toBe(true);
      socket.destroy();
    }
  });

  it('it is made anew in its last month, for another name, and when it is damaged', async () => {
    let wall = Date.now();
    const store = await start({}, () => wall);
    const [first] = store.material.pairs;
    wall += 330 * DAY;
    await store.daily();
    expect(store.material.pairs[0]).toBe(first);
    wall += 10 * DAY;
    await store.daily();
    const [second] = store.material.pairs;
    expect(second!.chain).not.toBe(first!.chain);
    expect(store.nextExpiry).toBeGreaterThan(wall + 360 * DAY);
    const named = await start({ hostname: 'other.example.org' }, () => wall);
    expect(named.material.pairs[0]!.names).toEqual(['other.example.org', 'localhost']);
    put('development/development.pem', 'damaged');
    const [third] = (await start({})).material.pairs;
    expect(readFileSync(path(), 'latin1')).toBe(third!.chain + third!.key);
  });

  it('it is kept in memory where it cannot be written', async () => {
    put('file', '');
    const { material } = await start({ developmentDir: join(dir, 'file/tls') });
    expect(material.pairs).toHaveLength(1);
    expect(lines[0]).toMatch(/it is gone with this process, as .* cannot be written/);
  });
});
