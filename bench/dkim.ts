/**
 * Benchmarks of DKIM: body canonicalization against the bare hash, and whole signatures.
 */
import { createHash, generateKeyPairSync } from 'node:crypto';
import type { Bench } from 'tinybench';
import { BodyHasher } from '../src/message/dkim/body-hash.js';
import { NO_HEADER_RULES } from '../src/message/header-rules.js';
import { createPreparer } from '../src/message/prepare.js';
import { sampleMessage } from './prepare.js';

export function addDkimTasks(bench: Bench): void {
  const { memory, request } = sampleMessage(10_240, true);
  const bytes = memory.bytes.subarray(0, request.length);
  const from = bytes.indexOf('\r\n\r\n') + 4;
  const hasher = new BodyHasher();
  bench
    .add('dkim: bare SHA-256 of 10 KiB', () => void createHash('sha256').update(bytes.subarray(from)).digest('base64'))
    .add('dkim: body hash simple, 10 KiB', () => void hasher.digest(memory, request, from, 'simple', false))
    .add('dkim: body hash relaxed, 10 KiB', () => void hasher.digest(memory, request, from, 'relaxed', false))
    .add('dkim: body hash relaxed, 10 KiB, stuffed', () => void hasher.digest(memory, request, from, 'relaxed', true));
  const pairs = {
    'RSA-2048': generateKeyPairSync('rsa', { modulusLength: 2048 }),
    Ed25519: generateKeyPairSync('ed25519'),
  };
  for (const [name, { privateKey }] of Object.entries(pairs)) {
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const keys = [{ domain: 'old.example', selector: 's1', pem }];
    const preparer = createPreparer({
      hostname: 'mx.example',
      rules: NO_HEADER_RULES,
      keys,
      maxHeaderSize: 65_536,
      maxHops: 50,
    });
    bench.add(`dkim: prepare and sign ${name}, 10 KiB`, () => void preparer.prepare(request, memory));
  }
}
