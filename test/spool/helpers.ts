/** Messages and directories for the tests of the spool. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Envelope, Handling } from '../../src/message/envelope.js';
import type { DeliveryState, NewMessage, StoredContent } from '../../src/spool/spool.js';

/** A directory that is removed by `drop`. */
export function temporaryDirectory(): { path: string; drop: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'sluice-spool-'));
  return { path, drop: () => rmSync(path, { recursive: true, force: true }) };
}

/** An envelope with every field set to something that is not its default, but lane and hold where they are not given. */
export function envelopeOf(id: number, size: number, endsWithCrlf = true, handling: Partial<Handling> = {}): Envelope {
  return {
    id,
    sender: 'absender@exämple.de',
    recipients: [
      { address: 'a@example.net', notify: 3, originalRecipient: 'rfc822;a@example.net' },
      { address: '"b c"@example.net', notify: 0, originalRecipient: '' },
    ],
    bodyType: '8BITMIME',
    smtpUtf8: true,
    ret: 'HDRS',
    envelopeId: 'QQ+2B1',
    requireTls: true,
    account: 'app@example.org',
    handling: {
      lane: 'bulk',
      tenant: 'acme',
      tags: ['newsletter', 'spring'],
      listener: 'submission',
      fields: { 'x-campaign': 'spring' },
      holdUntil: 0,
      deliverBy: { at: 1_764_000_200_000.25, mode: 'N', trace: true },
      ...handling,
    },
    priority: -3,
    receivedAt: 1_764_000_000_123.5,
    origin: { clientAddress: '2001:db8::1', clientPort: 50123, helo: 'client.example', protocol: 'UTF8SMTP', tls: '' },
    content: { size, form: 'wire', dotLines: 2, eightBit: true, binary: false, endsWithCrlf },
  };
}

/** `size` bytes that differ by place and by `seed`; all 256 values occur from 256 bytes on. */
export function patternBytes(size: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  for (let at = 0; at < size; at++) bytes[at] = (at * 131 + (at >> 8) * 17 + seed * 29) & 0xff;
  return bytes;
}

/** A message of `content`, its first `headerLength` bytes as the header block and the rest behind an offset in shared memory. */
export function messageOf(
  id: number,
  content: Buffer,
  headerLength = 0,
  endsWithCrlf = true,
  handling: Partial<Handling> = {},
): NewMessage {
  const skipped = 7;
  const length = content.length - headerLength;
  const shared = new Uint8Array(new SharedArrayBuffer(skipped + length));
  shared.fill(0xee);
  shared.set(content.subarray(headerLength), skipped);
  return {
    envelope: envelopeOf(id, content.length, endsWithCrlf, handling),
    header: Buffer.from(content.subarray(0, headerLength)),
    body: { copyOut: (from, to, target, offset) => target.set(shared.subarray(from, to), offset) },
    bodyFrom: skipped,
    bodyTo: skipped + length,
  };
}

/** A small message. */
export function smallMessage(id: number, seed = id): NewMessage {
  return messageOf(id, patternBytes(900, seed), 40);
}

/** The whole content by `read`. */
export async function readAll(content: StoredContent): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let at = 0; at < content.size; ) {
    const part = await content.read(at);
    if (part.length === 0) throw new Error('an empty piece');
    parts.push(part);
    at += part.length;
  }
  return Buffer.concat(parts);
}

export function stateOf(due: number, held = false, attempts = 2): DeliveryState {
  return {
    due,
    attempts,
    held,
    delayNotified: true,
    recipients: [
      { status: 'delivered', reply: '250 ok', host: 'mx.example.net', at: 1_764_000_001_000 },
      { status: 'pending', reply: '451 4.7.1 später', host: '', at: 0 },
    ],
  };
}
