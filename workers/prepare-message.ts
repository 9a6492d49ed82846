/**
 * Worker thread: prepares batches of messages (rules, Received, DKIM) from shared memory.
 *
 * A task is a batch and is computed synchronously. A message whose preparation throws is answered as failed and does
 * not touch the others. What a thread needs is built with its first task: a fault in it then fails tasks instead of
 * killing thread after thread at its start.
 */
import { workerData } from 'node:worker_threads';
import { messageOf } from '../src/core/errors.js';
import { ContentMemory } from '../src/message/content-memory.js';
import { createPreparer, type Preparer } from '../src/message/prepare.js';
import {
  type CapturedFields,
  FAILED,
  HAS_FIELDS,
  type PackedAnswer,
  PREPARE_STATUSES,
  type PrepareRequest,
  type PrepareWorkerData,
  TLS_OPTIONAL,
  WORDS_PER_MESSAGE,
} from './contract.js';

let preparer: Preparer | undefined;
let memory: ContentMemory | undefined;

export default function prepareMessages(batch: readonly PrepareRequest[]): PackedAnswer {
  if (preparer === undefined || memory === undefined) {
    const data = workerData as PrepareWorkerData;
    memory = new ContentMemory(data.shared, data.segmentSize);
    preparer = createPreparer(data.config);
  }
  const words = new Uint32Array(batch.length * WORDS_PER_MESSAGE);
  const parts: Uint8Array[] = [];
  let total = words.byteLength;
  for (const [index, request] of batch.entries()) {
    let header: Uint8Array;
    let status = FAILED;
    let resumeAt = 0;
    let fields: Buffer | null = null;
    try {
      const prepared = preparer.prepare(request, memory);
      header = prepared.header;
      status = PREPARE_STATUSES.indexOf(prepared.status) | (prepared.tlsOptional === true ? TLS_OPTIONAL : 0);
      resumeAt = prepared.resumeAt;
      if (prepared.fields !== undefined) {
        status |= HAS_FIELDS;
        fields = packFields(prepared.fields);
      }
    } catch (error) {
      header = Buffer.from(messageOf(error).slice(0, 500));
    }
    words.set([status, header.length, resumeAt], index * WORDS_PER_MESSAGE);
    parts.push(header);
    total += header.length;
    if (fields === null) continue;
    parts.push(fields);
    total += fields.length;
  }
  // A buffer of its own: a view of a pooled one would carry the whole pool across.
  const answer = new Uint8Array(total);
  answer.set(new Uint8Array(words.buffer));
  let at = words.byteLength;
  for (const part of parts) {
    answer.set(part, at);
    at += part.length;
  }
  return answer;
}

function packFields(fields: CapturedFields): Buffer {
  const json = Buffer.from(JSON.stringify(fields));
  const packed = Buffer.allocUnsafe(4 + json.length);
  packed.writeUInt32LE(json.length, 0);
  packed.set(json, 4);
  return packed;
}
