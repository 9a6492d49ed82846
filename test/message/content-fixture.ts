/**
 * Content in shared segments, as the receiver leaves it, and the message that a prepared answer stands for.
 */

import { ContentMemory } from '../../src/message/content-memory.js';
import type { PreparedMessage, PrepareRequest } from '../../workers/contract.js';

export interface PlacedContent {
  readonly memory: ContentMemory;
  readonly shared: SharedArrayBuffer;
  readonly segments: number[];
  readonly length: number;
}

/** Puts bytes into segments; `scattered` ones do not follow each other in memory. The rest of the memory is filled with dots. */
export function place(bytes: Uint8Array, segmentSize = 16_384, scattered = false): PlacedContent {
  const count = Math.max(1, Math.ceil(bytes.length / segmentSize));
  const total = count * 2 + 1;
  const shared = new SharedArrayBuffer(total * segmentSize);
  const all = Buffer.from(shared as unknown as ArrayBuffer);
  all.fill(46);
  const segments: number[] = [];
  for (let i = 0; i < count; i++) {
    const segment = scattered ? total - 1 - i * 2 : i + 1;
    segments.push(segment);
    all.set(bytes.subarray(i * segmentSize, (i + 1) * segmentSize), segment * segmentSize);
  }
  return { memory: new ContentMemory(shared, segmentSize), shared, segments, length: bytes.length };
}

export function requestFor(placed: PlacedContent, changes: Partial<PrepareRequest> = {}): PrepareRequest {
  return {
    id: 'FQZ3K1B2C4',
    segments: placed.segments,
    length: placed.length,
    form: 'wire',
    dotLines: 0,
    submission: true,
    dkimKey: '',
    origin: { clientAddress: '192.0.2.7', clientPort: 4711, helo: 'client.example', protocol: 'ESMTP', tls: '' },
    forRecipient: 'rcpt@example.net',
    date: Date.UTC(2025, 6, 1, 9, 3, 7),
    ...changes,
  };
}

/** The content as it leaves: the new header and what stays of the original. */
export function joined(original: Uint8Array, prepared: PreparedMessage): Buffer {
  return Buffer.concat([prepared.header, original.subarray(prepared.resumeAt)]);
}

export function stuff(plain: Buffer): Buffer {
  return Buffer.from(plain.toString('latin1').replace(/(^|\r\n)\./g, '$1..'), 'latin1');
}

export function unstuff(wire: Buffer): Buffer {
  return Buffer.from(wire.toString('latin1').replace(/(^|\r\n)\./g, '$1'), 'latin1');
}

export function countDotLines(content: Buffer): number {
  return content.toString('latin1').match(/(?:^|\r\n)\./g)?.length ?? 0;
}
