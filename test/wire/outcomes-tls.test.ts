/**
 * Suppression and bounce addresses for clients under TLS, whose sessions run on threads of their own and learn what holds
 * while they run.
 */
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EngineProcess, startEngine } from '../helpers/engine.js';
import { SmtpPeer } from '../helpers/smtp-peer.js';

let peer: SmtpPeer;
let engine: EngineProcess | undefined;
beforeEach(async () => {
  peer = await SmtpPeer.start();
});
afterEach(async () => {
  await engine?.stop();
  await peer.close();
});

const start = (more: Readonly<Record<string, string>> = {}): Promise<EngineProcess> =>
  startEngine({
    settings: {
      SLUICE_UPSTREAM: `smtp://127.0.0.1:${peer.port}`,
      SLUICE_LISTEN: 'smtps://127.0.0.1:0?auth=none,smtps://127.0.0.1:0?auth=none&proxy=v1',
      SLUICE_PROXY_NETWORKS: '127.0.0.1',
      SLUICE_TLS_THREADS: '1',
      ...more,
    },
  });

/** The replies to RCPT for some recipients, by a client that may relay or by a stranger. */
async function rcpt(recipients: readonly string[], stranger = false): Promise<string[]> {
  const raw = net.connect({ port: engine!.ports[stranger ? 1 : 0]!, host: '127.0.0.1' });
  await once(raw, 'connect');
  if (stranger) raw.write('PROXY TCP4 203.0.113.9 192.0.2.1 4711 465\r\n');
  const socket = tls.connect({ socket: raw, rejectUnauthorized: false });
  let text = '';
  socket.setEncoding('latin1').on('data', (piece: string) => {
    text += piece;
  });
  await once(socket, 'secureConnect');
  socket.write(
    ['EHLO c.example', 'MAIL FROM:<news@acme.example>', ...recipients.map((to) => `RCPT TO:<${to}>`), 'QUIT', ''].join(
      '\r\n',
    ),
  );
  await once(socket, 'close');
  const lines = text.split('\r\n').filter((line) => /^\d{3} /.test(line));
  // The greeting, EHLO and MAIL before, QUIT behind.
  return lines.slice(3, -1);
}

describe('under TLS', { timeout: 60_000 }, () => {
  it('a recipient that was suppressed while the engine runs is refused', async () => {
    engine = await start();
    expect(await rcpt(['ann@example.com'])).toEqual(['250 2.1.5 Recipient ok']);
    expect((await engine!.command(['suppression', 'add', 'ann@example.com', '--reason', 'legal'])).code).toBe(0);
    expect(await rcpt(['Ann@example.com', 'bob@example.com'])).toEqual([
      expect.stringMatching(/^550 5\.1\.1 Recipient is on the suppression list .*: legal$/),
      '250 2.1.5 Recipient ok',
    ]);
  });

  it('bounce addresses are taken from strangers, and nothing beside them', async () => {
    engine = await start({ SLUICE_BOUNCE_ADDRESSES: 'fbl@reports.example,bounces.example' });
    const closed = expect.stringMatching(/^554 5\.7\.1 Relaying denied/) as string;
    const recipients = ['fbl@reports.example', 'x@reports.example', 'x@bounces.example', 'x@example.com'];
    expect(await rcpt(recipients, true)).toEqual(['250 2.1.5 Recipient ok', closed, '250 2.1.5 Recipient ok', closed]);
  });
});
