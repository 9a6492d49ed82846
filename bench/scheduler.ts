/**
 * Benchmarks of the scheduler: a message from `add` to its end, and the heap of those that wait.
 *
 * The spool is one that forgets; delivery takes each job at once. So this is the queue's own cost for a message.
 */
import type { Bench } from 'tinybench';
import { systemClock } from '../src/core/clock.js';
import { type Envelope, type Handling, PLAIN_HANDLING } from '../src/message/envelope.js';
import { DestinationQueue } from '../src/queue/destination-queue.js';
import { DueHeap } from '../src/queue/due-heap.js';
import type { Outcome } from '../src/queue/outcome.js';
import { type DeliveryJob, QueuedMessage } from '../src/queue/queued-message.js';
import { Scheduler } from '../src/queue/scheduler.js';
import type { Spool, StoredContent } from '../src/spool/spool.js';

const BACKLOG = 1_000_000;
const DESTINATIONS = [1_000, 10_000, 50_000];
/** Messages that wait at each of them. */
const WAITING = 2;

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
  for (const destinations of DESTINATIONS) {
    const many = schedulerWithBacklog(destinations, content, () => id++);
    bench.add(`scheduler: message to one of ${destinations.toLocaleString('en')} destinations with mail waiting`, many);
  }
  const mixed = queueOfAllLanes(content, () => id++);
  bench.add('scheduler: a job taken from 3 lanes of 10 tenants, another one added', mixed);
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
  const scheduler = schedulerThatWakes((queue) => {
    ready.push(queue);
  });
  return {
    carry: (message, jobs) => {
      scheduler.add(message);
      let taken = 0;
      for (let queue = ready.pop(); queue !== undefined; queue = ready.pop())
        for (let job = queue.take(); job !== undefined; job = queue.take()) {
          taken++;
          deliver(scheduler, job);
        }
      if (taken !== jobs) throw new Error(`${taken} jobs instead of ${jobs}`);
    },
  };
}

/** Adds a message to some destination behind what waits there, and delivers the first of those. */
function schedulerWithBacklog(destinations: number, content: StoredContent, nextId: () => number): () => void {
  let woken: DestinationQueue | undefined;
  const scheduler = schedulerThatWakes((queue) => {
    woken = queue;
  });
  const names = Array.from({ length: destinations }, (_, i) => `user@site${i}.example`);
  const small: StoredContent = { ...content, inline: null };
  const add = (address: string): void => {
    const plain = envelopeOf(nextId(), 1);
    const recipients = [{ address, notify: 0, originalRecipient: '' }];
    scheduler.add(new QueuedMessage({ ...plain, recipients }, small, null));
  };
  for (let i = 0; i < WAITING; i++) for (const name of names) add(name);
  let at = 0;
  return () => {
    at = (at + 7919) % destinations;
    add(names[at]!);
    const job = woken?.take();
    if (job === undefined) throw new Error('nothing to take');
    deliver(scheduler, job);
  };
}

/** A queue with mail of all lanes and several tenants. */
function queueOfAllLanes(content: StoredContent, nextId: () => number): () => void {
  const queue = new DestinationQueue('site.example');
  const state = { due: 0, attempts: 1, held: false, delayNotified: false, recipients: [] };
  const jobs: DeliveryJob[] = [];
  for (let i = 0; i < 3_000; i++) {
    const lane = i % 3 === 0 ? 'immediate' : 'bulk';
    const handling: Handling = { ...PLAIN_HANDLING, lane, tenant: `tenant${i % 10}` };
    const message = new QueuedMessage({ ...envelopeOf(nextId(), 1), handling }, content, i % 3 === 2 ? state : null);
    const job: DeliveryJob = { message, destination: queue.key, recipients: [0], requeued: 0 };
    jobs.push(job);
    queue.push(job);
  }
  return () => {
    const job = queue.take();
    if (job === undefined) throw new Error('nothing to take');
    queue.push(job);
  };
}

function deliver(scheduler: Scheduler, job: DeliveryJob): void {
  scheduler.finish(
    job,
    job.recipients.map(() => DELIVERED),
  );
}

function schedulerThatWakes(wake: (queue: DestinationQueue) => void): Scheduler {
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
  return new Scheduler({
    spool,
    clock: systemClock,
    retry: { min: 60_000, max: 14_400_000, expire: 432_000_000 },
    delayWarning: 0,
    memory: 512 * 1024 * 1024,
    notifier: { notify: () => Promise.resolve() },
    events: {
      outcome: () => undefined,
      removed: () => undefined,
      unreadable: () => undefined,
      notNotified: () => undefined,
    },
    destinationOf: ({ address }) => address.slice(address.indexOf('@') + 1),
    wake,
  });
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
