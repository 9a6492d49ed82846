/**
 * Envelopes and contents for tests: plain ones, with whatever a test wants to be different.
 */
import { type ContentFacts, type Envelope, PLAIN_HANDLING, type Recipient } from '../../src/message/envelope.js';
import type { StoredContent } from '../../src/spool/spool.js';

export function recipient(address: string, more: Partial<Recipient> = {}): Recipient {
  return { address, notify: 0, originalRecipient: '', ...more };
}

export function facts(more: Partial<ContentFacts> = {}): ContentFacts {
  return { size: 20, form: 'wire', dotLines: 0, eightBit: false, binary: false, endsWithCrlf: true, ...more };
}

export function envelope(id: number, addresses: readonly string[], more: Partial<Envelope> = {}): Envelope {
  return {
    id,
    sender: 'sender@example.com',
    recipients: addresses.map((address) => recipient(address)),
    bodyType: '7BIT',
    smtpUtf8: false,
    ret: '',
    envelopeId: '',
    priority: 0,
    requireTls: false,
    account: '',
    handling: PLAIN_HANDLING,
    receivedAt: 0,
    origin: { clientAddress: '127.0.0.1', clientPort: 1, helo: 'client.example', protocol: 'ESMTP', tls: '' },
    content: facts(),
    ...more,
  };
}

/** Content in memory, with the end of data that fits it. Once released its bytes are spoilt, as another message would. */
export function inlineContent(text: string): StoredContent {
  const bytes = Buffer.from(text, 'latin1');
  const inline = Buffer.concat([bytes, Buffer.from(text.endsWith('\r\n') || text === '' ? '.\r\n' : '\r\n.\r\n')]);
  return { size: bytes.length, inline, read: async (offset) => bytes.subarray(offset), release: () => {} };
}

/** Content that is read piece by piece, as large ones are. */
export function piecewiseContent(bytes: Buffer, piece = 65_536): StoredContent {
  return {
    size: bytes.length,
    inline: null,
    read: async (offset) => bytes.subarray(offset, offset + piece),
    release: () => {},
  };
}
