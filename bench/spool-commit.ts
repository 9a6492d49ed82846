/**
 * Benchmark: the spool's commit at several batch sizes, with real syncs in a folder below var/.
 *
 * One operation stores a batch of 10 KiB messages from shared memory and removes the batch before it, as the engine does
 * under load; both share one commit. Throughput is batch size times operations a second. What is bound by the disk
 * differs from machine to machine: compare runs on one machine only.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from 'tinybench';
import { type Handling, type Lane, PLAIN_HANDLING } from '../src/message/envelope.js';
import { openSpool } from '../src/spool/open-spool.js';
import type { NewMessage, Spool } from '../src/spool/spool.js';

const BATCH_SIZES = [1, 20, 100];
const BODY_BYTES = 10 * 1024;

/** Adds the tasks; the spool they share is closed and removed by what is returned. */
export async function addSpoolCommitTasks(bench: Bench): Promise<() => Promise<void>> {
  // Not the system's folder for temporary files: that may be memory, where a sync costs nothing.
  mkdirSync('var', { recursive: true });
  const directory = mkdtempSync(join('var', 'bench-spool-'));
  const spool = await openSpool({ directory, durability: 'fsync' });
  await spool.recover(() => {});
  for (const size of BATCH_SIZES)
    bench.add(`spool: store and remove ${size} x 10 KiB`, storeAndRemove(spool, size, size * 1e12), { async: true });
  bench.add('spool: store and remove 100 x 10 KiB, lane immediate', storeAndRemove(spool, 100, 200e12, 'immediate'), {
    async: true,
  });
  return async () => {
    await spool.close();
    rmSync(directory, { recursive: true, force: true });
  };
}

/** A function that stores a batch and removes the one before it. */
export function storeAndRemove(spool: Spool, size: number, firstId: number, lane: Lane = 'bulk'): () => Promise<void> {
  const handling = lane === 'bulk' ? PLAIN_HANDLING : { ...PLAIN_HANDLING, lane };
  const shared = new Uint8Array(new SharedArrayBuffer(BODY_BYTES)).fill(65);
  const header = Buffer.from('Received: from client.example by relay.example; Tue, 24 Nov 2026 00:00:00 +0000\r\n');
  const body = {
    copyOut: (from: number, to: number, target: Uint8Array, offset: number): void =>
      target.set(shared.subarray(from, to), offset),
  };
  let id = firstId;
  let before: number[] = [];
  return async () => {
    const batch: NewMessage[] = [];
    for (let n = 0; n < size; n++)
      batch.push({
        envelope: envelopeOf(++id, header.length, handling),
        header,
        body,
        bodyFrom: 0,
        bodyTo: BODY_BYTES,
      });
    for (const done of before) spool.remove(done);
    before = batch.map((message) => message.envelope.id);
    await spool.store(batch);
  };
}

function envelopeOf(id: number, headerLength: number, handling: Handling): NewMessage['envelope'] {
  return {
    id,
    sender: 'sender@example.com',
    recipients: [{ address: 'recipient@example.net', notify: 0, originalRecipient: '' }],
    bodyType: '8BITMIME',
    smtpUtf8: false,
    ret: '',
    envelopeId: '',
    priority: 0,
    requireTls: false,
    account: '',
    handling,
    receivedAt: 1_764_000_000_000,
    origin: { clientAddress: '127.0.0.1', clientPort: 40000, helo: 'client.example', protocol: 'ESMTP', tls: '' },
    content: {
      size: headerLength + BODY_BYTES,
      form: 'wire',
      dotLines: 0,
      eightBit: false,
      binary: false,
      endsWithCrlf: true,
    },
  };
}
