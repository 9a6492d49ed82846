/**
 * Rows of the schema about mail that applications hand in over HTTP, and what may be wrong between them; schema.ts puts
 * all rows together.
 */
import type { Settings } from './schema.js';
import { setting } from './setting.js';
import { duration, integer, size } from './value-type.js';

const HOUR = 3600 * 1000;
const KIB = 1024;
const MIB = 1024 * KIB;

export const injectionSettings = {
  httpMaxMessagesBody: setting({
    name: 'SLUICE_HTTP_MAX_MESSAGES_BODY',
    group: 'HTTP',
    type: size({ min: KIB, max: 1024 * MIB }),
    default: '32m',
    purpose: 'Longest body of POST /v1/messages; beyond it 413. Attachments are a third longer in JSON.',
    trades: 'A long body is read in one go: 1 MiB of JSON holds up other mail for some milliseconds.',
  }),
  httpBodyMemory: setting({
    name: 'SLUICE_HTTP_BODY_MEMORY',
    group: 'HTTP',
    type: size({ min: KIB, max: 64 * 1024 * MIB }),
    default: '128m',
    purpose: 'Bytes of bodies with mail that are read or worked on at once; beyond it 503.',
    trades: 'Memory is two to three times that at worst, as texts are kept beside their bytes.',
  }),
  idempotencyTime: setting({
    name: 'SLUICE_IDEMPOTENCY_TIME',
    group: 'HTTP',
    type: duration({ min: 1000, max: 30 * 24 * HOUR }),
    default: '24h',
    purpose: 'How long a request with an Idempotency-Key is known again, at least; at most twice that.',
    trades: 'Longer keeps more rows in the spool.',
  }),
  idempotencyMax: setting({
    name: 'SLUICE_IDEMPOTENCY_MAX',
    group: 'HTTP',
    type: integer({ min: 1, max: 1_000_000_000 }),
    default: '1000000',
    purpose: 'Messages that are kept to be known again; beyond it requests with a key get 503.',
    trades: 'About 150 bytes of disk each.',
  }),
};

/** Problems that keep the engine from starting. */
export function injectionProblems({ httpMaxMessagesBody, httpBodyMemory }: Settings): string[] {
  return httpBodyMemory < httpMaxMessagesBody
    ? [
        'SLUICE_HTTP_BODY_MEMORY: it is less than SLUICE_HTTP_MAX_MESSAGES_BODY, which could never be used up; allowed: as much',
      ]
    : [];
}
