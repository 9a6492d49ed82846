/** Real handshakes: choice by name, resumption on another thread's contexts, client certificates, channel binding. */
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import net from 'node:net';
import type tls from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { schema } from '../../../src/config/schema.js';
import { SecureContexts } from '../../../src/net/tls/secure-contexts.js';
import type { TlsMaterial } from '../../../src/net/tls/tls-material.js';
import { until } from '../../helpers/smtp-peer.js';
import { Authority, type Issued } from './certificates.js';
import { connect, echo, type Seen, TlsServer } from './tls-server.js';

const authority = new Authority('Test CA');
const other = new Authority('Other CA');
const first = authority.issue({ commonName: 'first', dns: ['first.example'] });
const exact = authority.issue({ commonName: 'exact', dns: ['mail.example.org'] });
const wild = authority.issue({ commonName: 'wild', dns: ['*.example.org'] });

const pair = ({ cert, key }: Issued, ...names: string[]) => ({ names, chain: cert, key });

function material(change: Partial<TlsMaterial> = {}): TlsMaterial {
  return {
    version: 1,
    pairs: [pair(first, 'first.example')],
    minVersion: 'TLSv1.2',
    ciphers: schema.tlsCiphers.default as string,
    ticketKeys: randomBytes(48),
    clientCa: '',
    relayClients: [],
    ...change,
  };
}

const open: Array<{ close(): void }> = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

async function serve(change: Partial<TlsMaterial> = {}): Promise<TlsServer> {
  const server = await new TlsServer(material(change)).listen();
  open.push(server);
  return server;
}

async function visit(server: TlsServer, options: tls.ConnectionOptions = {}): Promise<Seen> {
  const seen = await connect(server.port, options);
  open.push({ close: () => seen.socket.destroy() });
  return seen;
}

describe('the certificate', () => {
  const pairs = [
    pair(first, 'first.example'),
    pair(wild, '*.example.org', 'shared.example'),
    pair(exact, 'mail.example.org', 'shared.example'),
  ];

  it.each([
    ['mail.example.org', 'exact'],
    ['MAIL.Example.ORG', 'exact'],
    ['mx.example.org', 'wild'],
    ['a.mx.example.org', 'first'],
    ['example.org', 'first'],
    ['first.example', 'first'],
    ['unknown.example', 'first'],
    ['shared.example', 'wild'],
    ['', 'first'],
  ])('for %j is %s', async (servername, subject) => {
    const server = await serve({ pairs });
    expect((await visit(server, { servername })).subject).toBe(subject);
  });

  it('goes to the pair whose first name it is before one that has it too', () => {
    const contexts = new SecureContexts(
      material({ pairs: [pair(first, 'a.example', 'b.example'), pair(exact, 'b.example')] }),
    );
    expect(contexts.contextFor('b.example')).not.toBe(contexts.contextFor('a.example'));
    expect(contexts.contextFor('b.example.')).toBe(contexts.contextFor('b.example'));
    expect(contexts.contextFor('nobody')).toBe(contexts.contextFor('a.example'));
  });

  it('is not asked for in JavaScript where there is only one', () => {
    expect(new SecureContexts(material()).options()).not.toHaveProperty('SNICallback');
    expect(new SecureContexts(material({ pairs })).options()).toHaveProperty('SNICallback');
  });
});

describe('a session', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('of %s tells its version, IANA cipher and binding', async (version) => {
    const server = await serve();
    const { socket } = await visit(server, { minVersion: version, maxVersion: version });
    const [facts] = server.facts;
    expect(facts).toMatchObject({ version, clientCertificate: null, mayRelay: false });
    expect(facts!.cipher).toMatch(version === 'TLSv1.3' ? /^TLS_AES_\d+_GCM/ : /^TLS_ECDHE_RSA_WITH_AES_/);
    const expected =
      version === 'TLSv1.3' ? socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)) : null;
    expect(facts!.channelBinding()).toEqual(expected);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'of %s is resumed by another thread with the same material',
    async (version) => {
      const shared = structuredClone(material());
      const [one, two, three] = [await serve(shared), await serve(structuredClone(shared)), await serve()];
      const limits = { minVersion: version, maxVersion: version };
      const { session, reused } = await visit(one, limits);
      expect(reused).toBe(false);
      expect((await visit(two, { ...limits, session })).reused).toBe(true);
      expect(two.facts[0]).toMatchObject({ version, clientCertificate: null });
      // Other ticket keys, as after a rotation: a full handshake, no failure.
      expect((await visit(three, { ...limits, session })).reused).toBe(false);
    },
  );

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'of %s is resumed by name where there are several pairs',
    async (version) => {
      const server = await serve({ pairs: [pair(first, 'first.example'), pair(exact, 'mail.example.org')] });
      const options = { minVersion: version, maxVersion: version, servername: 'mail.example.org' };
      const { session } = await visit(server, options);
      expect((await visit(server, { ...options, session })).reused).toBe(true);
    },
  );

  it('is not had below the least version, nor without a common cipher', async () => {
    const strict = await serve({ minVersion: 'TLSv1.3' });
    await expect(visit(strict, { maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/);
    const narrow = await serve();
    const cbc = { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' } as const;
    await expect(visit(narrow, cbc)).rejects.toThrow(/handshake failure/);
    const wide = await serve({ ciphers: `${schema.tlsCiphers.default as string}:AES128-SHA` });
    await visit(wide, cbc);
    expect(wide.facts[0]!.cipher).toBe('TLS_RSA_WITH_AES_128_CBC_SHA');
    await expect(
      visit(wide, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }),
    ).rejects.toThrow();
  });

  it('is not renegotiated', async () => {
    const server = await serve();
    const { socket } = await visit(server, { maxVersion: 'TLSv1.2' });
    const refused = new Promise<Error | null>((resolve) => {
      socket.once('error', resolve);
      socket.renegotiate({}, (error) => resolve(error));
    });
    expect((await refused)?.message).toMatch(/no renegotiation/i);
    expect(server.facts).toHaveLength(1);
  });

  it('of bytes that are no TLS ends with an error of that connection', async () => {
    const server = await serve();
    const client = net.connect(server.port, '127.0.0.1', () => client.write('EHLO x\r\n'));
    client.on('error', () => {});
    await until('the error is told', () => server.errors.length === 1);
    expect(server.errors).toEqual(['ERR_SSL_WRONG_VERSION_NUMBER']);
    await echo((await visit(server)).socket, 'still here');
    client.destroy();
  });
});

describe('a client certificate', () => {
  const trusted = authority.issue({
    commonName: 'Backup Host',
    dns: ['Backup.example.org'],
    emails: ['ann@example.org'],
  });
  const stranger = other.issue({ commonName: 'Backup Host', dns: ['backup.example.org'] });
  const expired = authority.issue({ commonName: 'Backup Host', from: -20, to: -10 });
  const fingerprint = createHash('sha256').update(new X509Certificate(trusted.cert).raw).digest('hex');
  const facts = { commonName: 'Backup Host', names: ['backup.example.org', 'ann@example.org'], fingerprint };
  const clientCa = authority.cert;

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'is known when the authority issued it (%s), also when resumed',
    async (version) => {
      const server = await serve({ clientCa, relayClients: ['subject:backup host'] });
      const limits = { minVersion: version, maxVersion: version };
      const { session } = await visit(server, { ...limits, cert: trusted.cert, key: trusted.key });
      expect((await visit(server, { ...limits, session })).reused).toBe(true);
      for (const one of server.facts) expect(one).toMatchObject({ clientCertificate: facts, mayRelay: true });
      expect(server.facts).toHaveLength(2);
    },
  );

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'that is missing, strange or expired gives no rights but gets in (%s)',
    async (version) => {
      const server = await serve({ clientCa, relayClients: ['subject:backup host', 'subject:backup.example.org'] });
      const limits = { minVersion: version, maxVersion: version };
      for (const { cert, key } of [stranger, expired]) {
        const { session } = await visit(server, { ...limits, cert, key });
        await visit(server, { ...limits, session });
      }
      const { session } = await visit(server, limits);
      expect((await visit(server, { ...limits, session })).reused).toBe(true);
      expect(server.facts).toHaveLength(6);
      for (const one of server.facts) expect(one).toMatchObject({ clientCertificate: null, mayRelay: false });
    },
  );

  it('is not asked for without authorities', async () => {
    const server = await serve({ relayClients: ['subject:backup host'] });
    await visit(server, { cert: trusted.cert, key: trusted.key });
    expect(server.facts[0]).toMatchObject({ clientCertificate: null, mayRelay: false });
    expect(server.sockets[0]!.getPeerX509Certificate()).toBeUndefined();
  });

  it('does not outlive its authority in a session', async () => {
    const ticketKeys = randomBytes(48);
    const before = await serve({ clientCa, ticketKeys });
    const after = await serve({ clientCa: other.cert, ticketKeys });
    const { session } = await visit(before, { cert: trusted.cert, key: trusted.key });
    expect((await visit(after, { session })).reused).toBe(false);
    expect(after.facts[0]!.clientCertificate).toBeNull();
  });

  it.each([
    [`sha256:${fingerprint}`, true],
    [`sha256:${fingerprint.replace(/^./, (c) => (c === '0' ? '1' : '0'))}`, false],
    ['subject:backup.example.org', true],
    ['subject:ann@example.org', true],
    ['subject:example.org', false],
    ['subject:backup', false],
    ['subject:', false],
  ])('may relay by %s: %s', async (rule, may) => {
    const server = await serve({ clientCa, relayClients: [rule] });
    await visit(server, { cert: trusted.cert, key: trusted.key });
    expect(server.facts[0]).toMatchObject({ clientCertificate: facts, mayRelay: may });
  });
});
