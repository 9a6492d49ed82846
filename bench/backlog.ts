/**
 * `npm run bench:backlog`: what a backlog over many destinations costs, on a real spool.
 *
 * For each number of destinations a process of its own fills a spool, with every destination blocked, then takes and
 * delivers mail of all of them in turn while new mail comes in, which reads back what did not fit into memory; a second
 * process starts on what is left. Printed are CPU time a message (of all threads, so that other work on the machine
 * counts little) and memory. Messages are 1 KiB; memory for ready mail is 64 MiB.
 * Limits: delivery is a call that always succeeds; no network. Exit codes: 0; 1 a figure could not be had; 64 options.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/core/clock.js';
import { type Envelope, PLAIN_HANDLING } from '../src/message/envelope.js';
import type { DestinationQueue } from '../src/queue/destination-queue.js';
import type { Outcome } from '../src/queue/outcome.js';
import { QueuedMessage } from '../src/queue/queued-message.js';
import { Scheduler } from '../src/queue/scheduler.js';
import { openSpool } from '../src/spool/open-spool.js';
import type { NewMessage, Spool } from '../src/spool/spool.js';

const HELP = `Usage: npm run bench:backlog -- [options]

  --messages N          messages that wait (default 1000000)
  --destinations LIST   default 1000,10000,50000
  --json                print JSON (use npm run --silent bench:backlog)
  --help
`;
const MEMORY = 64 * 1024 * 1024;
const BODY = Buffer.alloc(1024, 'x');
const BATCH = 500;
const DELIVERED: Outcome = { kind: 'delivered', reply: '', enhanced: '2.0.0', host: 'sink', relayed: false };

interface BacklogFigures {
  readonly destinations: number;
  readonly messages: number;
  /** CPU microseconds a message: stored and queued; delivered, with one new message for each. */
  readonly fillMicroseconds: number;
  readonly deliverMicroseconds: number;
  /** Resident memory less the pages of the spool's map, MiB: when half and when all are queued, after deliveries. */
  readonly halfFullMb: number;
  readonly fullMb: number;
  readonly deliveredMb: number;
  /** Of a process started on the spool: CPU seconds until everything is known, and memory. */
  readonly startSeconds: number;
  readonly startedMb: number;
}

/** Memory of this process without what it maps of files, MiB. */
function memoryMb(): number {
  const kilobytes = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
  return Math.round(Number(kilobytes) / 1024);
}

function cpuSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

class Load {
  readonly woken: (DestinationQueue | undefined)[] = [];
  readonly scheduler: Scheduler;
  private readonly spool: Spool;
  private readonly destinations: number;
  private nextId: number;

  constructor(spool: Spool, destinations: number, firstId: number) {
    this.spool = spool;
    this.destinations = destinations;
    this.nextId = firstId;
    this.scheduler = new Scheduler({
      spool,
      clock: systemClock,
      retry: { min: 60_000, max: 14_400_000, expire: 432_000_000 },
      delayWarning: 0,
      memory: MEMORY,
      notifier: { notify: () => Promise.resolve() },
      events: {
        outcome: () => undefined,
        removed: () => undefined,
        unreadable: () => undefined,
        notNotified: () => undefined,
      },
      destinationOf: ({ address }) => address.slice(address.indexOf('@') + 1),
      wake: (queue) => {
        this.woken[Number(queue.key)] = queue;
      },
    });
  }

  async add(count: number): Promise<void> {
    const batch: NewMessage[] = [];
    for (let i = 0; i < count; i++) {
      const envelope = envelopeOf(this.nextId++, this.destinations);
      const body = {
        copyOut: (from: number, to: number, target: Uint8Array, at: number): void =>
          target.set(BODY.subarray(from, to), at),
      };
      batch.push({ envelope, header: new Uint8Array(0), body, bodyFrom: 0, bodyTo: BODY.length });
    }
    const contents = await this.spool.store(batch);
    for (let i = 0; i < count; i++) this.scheduler.add(new QueuedMessage(batch[i]!.envelope, contents[i]!, null));
  }

  /** Delivers one message of each of `count` destinations in turn; how many there were. */
  deliver(from: number, count: number): number {
    let done = 0;
    for (let i = 0; i < count; i++) {
      const job = this.woken[(from + i) % this.destinations]?.take();
      if (job === undefined) continue;
      this.scheduler.finish(job, [DELIVERED]);
      done++;
    }
    return done;
  }
}

async function fillAndDeliver(directory: string, messages: number, destinations: number): Promise<object> {
  const spool = await openSpool({ directory, durability: 'commit' });
  await spool.recover(() => {});
  const load = new Load(spool, destinations, 1);
  let start = process.cpuUsage();
  let halfFullMb = 0;
  for (let added = 0; added < messages; added += BATCH) {
    await load.add(BATCH);
    if (halfFullMb === 0 && added >= messages / 2) halfFullMb = memoryMb();
  }
  const fillMicroseconds = cpuSince(start) / messages;
  const fullMb = memoryMb();
  const wanted = Math.min(messages / 2, 100_000);
  start = process.cpuUsage();
  let delivered = 0;
  let added = 0;
  for (let at = 0; delivered < wanted; at += BATCH) {
    const done = load.deliver(at, BATCH);
    delivered += done;
    if (added + BATCH <= delivered) {
      await load.add(BATCH);
      added += BATCH;
    } else await nextTurn();
  }
  const deliverMicroseconds = cpuSince(start) / delivered;
  const deliveredMb = memoryMb();
  load.scheduler.stop();
  await spool.close();
  return { fillMicroseconds, deliverMicroseconds, halfFullMb, fullMb, deliveredMb };
}

async function restart(directory: string, destinations: number): Promise<object> {
  const start = process.cpuUsage();
  const spool = await openSpool({ directory, durability: 'commit' });
  const load = new Load(spool, destinations, 1e12);
  await load.scheduler.recover();
  const startSeconds = cpuSince(start) / 1e6;
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const startedMb = memoryMb();
  load.scheduler.stop();
  await spool.close();
  return { startSeconds, startedMb };
}

function envelopeOf(id: number, destinations: number): Envelope {
  return {
    id,
    sender: 'news@sender.example',
    recipients: [{ address: `user@${id % destinations}`, notify: 0, originalRecipient: '' }],
    bodyType: '7BIT',
    smtpUtf8: false,
    ret: '',
    envelopeId: '',
    priority: 0,
    requireTls: false,
    account: '',
    handling: PLAIN_HANDLING,
    receivedAt: systemClock.now(),
    origin: { clientAddress: '192.0.2.7', clientPort: 40000, helo: 'client.example', protocol: 'ESMTP', tls: '' },
    content: { size: BODY.length, form: 'wire', dotLines: 0, eightBit: false, binary: false, endsWithCrlf: false },
  };
}

/** Runs a phase in a process of its own and gives its figures. */
function inChild(phase: string, directory: string, messages: number, destinations: number): object {
  const file = fileURLToPath(import.meta.url);
  const out = execFileSync(process.execPath, [file, phase, directory, String(messages), String(destinations)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(out.toString('latin1')) as object;
}

function measure(messages: number, destinations: number): BacklogFigures {
  mkdirSync('var', { recursive: true });
  const directory = mkdtempSync(join('var', 'bench-backlog-'));
  try {
    const filled = inChild('fill', directory, messages, destinations);
    const started = inChild('restart', directory, messages, destinations);
    return { destinations, messages, ...filled, ...started } as BacklogFigures;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function readOptions(): { messages: number; destinations: number[]; json: boolean } | null {
  try {
    const { values } = parseArgs({
      options: {
        messages: { type: 'string', default: '1000000' },
        destinations: { type: 'string', default: '1000,10000,50000' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const messages = Number(values.messages);
    const destinations = values.destinations.split(',').map(Number);
    if (values.help || ![messages, ...destinations].every((n) => Number.isSafeInteger(n) && n > 0)) return null;
    return { messages, destinations, json: values.json };
  } catch {
    return null;
  }
}

async function main(): Promise<number> {
  const [phase, directory, messages, destinations] = process.argv.slice(2);
  if (phase === 'fill' || phase === 'restart') {
    const figures =
      phase === 'fill'
        ? await fillAndDeliver(directory!, Number(messages), Number(destinations))
        : await restart(directory!, Number(destinations));
    process.stdout.write(JSON.stringify(figures));
    return 0;
  }
  const options = readOptions();
  if (options === null) {
    process.stderr.write(HELP);
    return 64;
  }
  const rows = options.destinations.map((each) => measure(options.messages, each));
  if (options.json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
  else console.table(rows);
  return 0;
}

process.exitCode = await main();
