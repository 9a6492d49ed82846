/**
 * Benchmarks of the scheduler: a message from `add` to its end, and the heap of those that wait.
 *
 * The spool is one that forgets; delivery takes each job at once. So this is the queue's own cost for a message.
 */
import type { Bench } from 'tinybench';
import { systemClock } from '../src/core/clock.js';
import { type Envelope, PLAIN_HANDLING } from '../src/message/envelope.js';
import type { DestinationQueue } from '../src/queue/destination-queue.js';
import { DueHeap } from '../src/queue/due-heap.js';
import type { Outcome } from '../src/queue/outcome.js';
import { QueuedMessage } from '../src/queue/queued-message.js';
import { Scheduler } from '../src/queue/scheduler.js';
import type { Spool, StoredContent } from '../src/spool/spool.js';

const BACKLOG = 1_000_000;

const DELIVERED: Outcome = {
  kind: 'delivered',
  reply: '250 2.0.0 Ok',
  enhanced: '2.0.0',
  host: 'sink.example',
  relayed: false,
};

export function addSchedulerTasks(bench: Bench): void {
  const one = schedulerWithTaker();
  const content: StoredContent = {
    size: 10_240,
    inline: Buffer.alloc(10_240),
    read: () => Promise.reject(),
    release: () => {},
  };
  let id = 1;
  bench
    .add('scheduler: message with 1 recipient, added and delivered', () => {
      one.carry(new QueuedMessage(envelopeOf(id++, 1), content, null), 1);
    })
    .add(
      'scheduler: message with 100 recipients at 10 destinations',
      async () => {
        one.carry(new QueuedMessage(envelopeOf(id++, 100), content, null), 10);
        // Settling several recipients ends in a promise.
        await null;
      },
      { async: true },
    );
  const heap = new DueHeap();
  for (let i = 0; i < BACKLOG; i++) heap.push(dueOf(i), i);
  let next = BACKLOG;
  bench.add('scheduler: due heap of 1,000,000, one taken and put back later', () => {
    const due = heap.nextDue;
    heap.push(due + dueOf(next++), heap.pop());
  });
}

/** Times spread over four hours without a pattern that a heap could like. */
function dueOf(i: number): number {
  return (Math.imul(i, 0x9e3779b1) >>> 0) % 14_400_000;
}

function schedulerWithTaker(): { carry(message: QueuedMessage, jobs: number): void } {
  const ready: DestinationQueue[] = [];
  const spool: Spool = {
    store: () => Promise.reject(),
    remove: () => undefined,
    defer: () => undefined,
    load: () => Promise.resolve(undefined),
    recover: () => Promise.resolve({ messages: 0, quarantined: 0, greatestId: 0 }),
    isQuarantined: () => false,
    list: () => [],
    usage: () => ({ messages: 0, fileBytes: 0, availableBytes: 0, flushes: 0 }),
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  const scheduler = new Scheduler({
    spool,
    clock: systemClock,
    retry: { min: 60_000, max: 14_400_000, expire: 432_000_000 },
    delayWarning: 0,
    memory: 64 * 1024 * 1024,
    notifier: { notify: () => Promise.resolve() },
    events: { outcome: () => undefined, unreadable: () => undefined, notNotified: () => undefined },
    destinationOf: ({ address }) => address.slice(address.indexOf('@') + 1),
    wake: (queue) => {
      ready.push(queue);
    },
  });
  return {
    carry: (message, jobs) => {
      scheduler.add(message);
      let taken = 0;
      for (let queue = ready.pop(); queue !== undefined; queue = ready.pop())
        for (let job = queue.take(); job !== undefined; job = queue.take()) {
          taken++;
          scheduler.finish(
            job,
            job.recipients.map(() => DELIVERED),
          );
        }
      if (taken !== jobs) throw new Error(`${taken} jobs instead of ${jobs}`);
    },
  };
}

function envelopeOf(id: number, recipients: number): Envelope {
  return {
    id,
    sender: 'bounce@news.example',
    recipients: Array.from({ length: recipients }, (_, i) => ({
      address: `user${i}@destination${i % 10}.example`,
      notify: 0,
      originalRecipient: '',
    })),
    bodyType: '8BITMIME',
    smtpUtf8: false,
    ret: '',
    envelopeId: '',
    priority: 0,
    requireTls: false,
    account: '',
    handling: PLAIN_HANDLING,
    receivedAt: 1_764_000_000_000,
    origin: { clientAddress: '192.0.2.7', clientPort: 40000, helo: 'client.example', protocol: 'ESMTP', tls: '' },
    content: { size: 10_240, form: 'wire', dotLines: 0, eightBit: false, binary: false, endsWithCrlf: true },
  };
}
