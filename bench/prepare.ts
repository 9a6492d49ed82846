/**
 * Benchmarks of preparing messages: what the main thread pays inline, and the parts of it.
 */
import type { Bench } from 'tinybench';
import { ContentMemory } from '../src/message/content-memory.js';
import { NO_HEADER_RULES, parseHeaderRules } from '../src/message/header-rules.js';
import { HeaderScan, readHeader } from '../src/message/header-scan.js';
import { createPreparer } from '../src/message/prepare.js';
import { receivedField } from '../src/message/received.js';
import type { PrepareRequest } from '../workers/contract.js';

const SEGMENT = 16_384;

const HEADER = [
  'Return-Path: <bounce@old.example>',
  'Received: from app.example ([192.0.2.1]) by out.example with ESMTPSA id 4FQZ3K1B2C; Tue, 01 Jul 2025 09:03:07 +0000',
  'From: "Example, Inc." <news@old.example>',
  'To: Jane Doe <jane.doe@example.net>',
  'Subject: =?utf-8?Q?Your_order_has_shipped?= and is on its way',
  'Date: Tue, 01 Jul 2025 09:03:07 +0000',
  'Message-ID: <0123456789abcdef0123456789abcdef@old.example>',
  'MIME-Version: 1.0',
  'Content-Type: multipart/alternative;\r\n boundary="----=_Part_0123456789_abcdef"',
  'List-Unsubscribe: <mailto:unsubscribe@old.example?subject=0123456789>,\r\n <https://old.example/u/0123456789abcdef0123456789abcdef>',
  'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
  'Feedback-ID: 12345:67890:campaign:old.example',
  `X-Campaign: ${'c'.repeat(60)}`,
  `X-Tracking: ${'t'.repeat(60)}`,
];

/** A message with a header of about 1 KiB and a body of about `bodyBytes`, in shared memory. */
export function sampleMessage(
  bodyBytes: number,
  submission: boolean,
): { memory: ContentMemory; request: PrepareRequest } {
  const fields = submission ? HEADER.slice(1) : HEADER;
  const line = 'The quick brown fox jumps over the lazy dog, and nobody knows why it does.\r\n';
  const text = `${fields.join('\r\n')}\r\n\r\n${line.repeat(Math.ceil(bodyBytes / line.length))}`;
  const count = Math.ceil(text.length / SEGMENT);
  const shared = new SharedArrayBuffer(count * SEGMENT);
  Buffer.from(shared as unknown as ArrayBuffer).write(text, 'latin1');
  return {
    memory: new ContentMemory(shared, SEGMENT),
    request: {
      id: 'FQZ3K1B2C4',
      segments: Array.from({ length: count }, (_, i) => i),
      length: text.length,
      form: 'wire',
      dotLines: 0,
      submission,
      dkimKey: '',
      origin: { clientAddress: '192.0.2.7', clientPort: 4711, helo: 'client.example', protocol: 'ESMTP', tls: '' },
      forRecipient: 'jane.doe@example.net',
      date: Date.UTC(2025, 6, 1, 9, 3, 7),
    },
  };
}

export function addPrepareTasks(bench: Bench): void {
  const config = { hostname: 'mx.example', rules: NO_HEADER_RULES, keys: [], maxHeaderSize: 65_536, maxHops: 50 };
  const { memory, request } = sampleMessage(10_240, true);
  const plain = createPreparer(config);
  const rules = parseHeaderRules({ remove: 'X-Tracking', rewriteDomains: 'old.example=new.example' });
  const rewriting = createPreparer({ ...config, rules });
  const scan = new HeaderScan();
  bench
    .add('prepare: header scan, 1 KiB header', () => void readHeader(scan, memory, request, 65_536))
    .add(
      'prepare: Received field',
      () => void receivedField('mx.example', request.id, request.origin, 'a@b.example', request.date),
    )
    .add('prepare: unchanged message', () => void plain.prepare(request, memory))
    .add('prepare: field removed and From rewritten', () => void rewriting.prepare(request, memory));
}
