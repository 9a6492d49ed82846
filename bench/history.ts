/**
 * Benchmarks of the history of messages: what each event costs the main thread (records, filter, packing), in blocks of
 * 512; writing happens elsewhere.
 */
import type { Bench } from 'tinybench';
import { formatQueueId } from '../src/core/queue-id.js';
import { packEvents, unpackEvents } from '../src/history/block.js';
import type { KeptEvent } from '../src/history/kept-event.js';
import { keyHash, mayHave } from '../src/history/key-filter.js';

const TIME = 1_764_000_000_000;
const EVENTS = 512;

/** Acceptance and delivery of as many messages as a block holds. */
export function blockOfEvents(): KeptEvent[] {
  const events: KeptEvent[] = [];
  for (let n = 0; events.length < EVENTS; n++) {
    const id = formatQueueId(TIME * 1000 + n * 137);
    const recipient = `jane.doe${(n * 7919) % 100_000}@mail${n % 50}.example.org`;
    const facts = { id, sender: 'bounce@news.example', tenant: 'acme', tags: ['spring'], lane: 'bulk' };
    events.push({
      ...{
        kind: 'accepted',
        at: TIME + n,
        ...facts,
        recipients: [recipient],
        size: 10_422 + (n % 977),
        account: 'shop',
      },
      ...{
        client: '192.0.2.7',
        protocol: 'ESMTPSA',
        tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384',
        signed: ['news.example/s1'],
      },
    });
    events.push({
      ...{ kind: 'delivered', at: TIME + n + 20, ...facts, recipient, dsn: '2.0.0', category: '', attempts: 1, due: 0 },
      ...{ reply: `250 2.0.0 Ok: queued as 4FQZ${((n * 99_991) % 1e7).toString(36)}`, delay: 20.25 + n / 7 },
      attempt: { host: 'mx1.example.org', address: '198.51.100.9:25', tls: 'TLSv1.3 X', ms: 12.3 + n / 7 },
    });
  }
  return events;
}

export function addHistoryTasks(bench: Bench): void {
  const events = blockOfEvents();
  const { raw, filter } = packEvents(1, events);
  const keys = events.map(({ id }) => keyHash('id', `${id}x`));
  let sum = 0;
  bench
    .add(`history: a block of ${EVENTS} events packed`, () => {
      sum += packEvents(1, events).raw.length;
    })
    .add(`history: a block of ${EVENTS} events unpacked`, () => {
      sum += unpackEvents(raw).length;
    })
    .add(`history: a block asked for ${EVENTS} keys`, () => {
      for (const key of keys) if (mayHave(filter, key)) sum++;
      // Never true; it keeps the sum from being optimized away.
      if (sum < 0) throw new Error('no events');
    });
}
