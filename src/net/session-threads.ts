/**
 * The threads that TLS sessions run on, as the main thread sees them.
 *
 * A connection goes to the thread with the fewest. What a thread sends in one turn is one message, and so is what it is
 * sent. A thread that ends is replaced: its connections are counted out, its shared memory is taken back, descriptors it
 * had not taken are closed; messages it handed over before are finished, as their memory belongs to this thread then.
 * Threads that keep dying are started again with growing pauses; meanwhile the others, or this thread, serve.
 */
import { Worker } from 'node:worker_threads';
import type {
  FromThread,
  HandedConnection,
  ReplyName,
  ReplyParts,
  SessionConfig,
  SessionWorkerData,
  ToThread,
} from '../../workers/session-contract.js';
import { messageOf } from '../core/errors.js';
import { BodyBuffer } from '../memory/body-buffer.js';
import { MAIN_OWNER, type SegmentPool } from '../memory/segment-pool.js';
import type { AuthAnswer, AuthQuestion } from '../smtp/authentication.js';
import { type Reply, replies } from '../smtp/replies.js';
import type { Transaction } from '../smtp/server-host.js';
import type { Duplicator } from './descriptor.js';
import { SharedRoom } from './shared-room.js';

/** Where a message of a session thread comes from and where its answer goes. */
export interface RemoteSubmitter {
  readonly address: string;
  readonly port: number;
  readonly relays: boolean;
  readonly listener: string;
  /** Host and port it was going to before a firewall sent it here, '' : it was meant for us. */
  readonly originalDestination: string;
  finish(reply: Reply): void;
}

/** The client of a transaction, as policy judges it; a server connection is one. */
export interface MailClient {
  readonly address: string;
  /** May relay: by its network, its account or its certificate. */
  readonly relays: boolean;
  /** '' for none. */
  readonly account: string;
  /** Name of the listener. */
  readonly listener: string;
  /** Reverse-path of the open transaction, '' before there is one. */
  readonly sender: string;
}

export interface SessionThreadsHost {
  /**
   * Policy for a recipient; `domain` as in ServerHost. null takes it. A promise is waited for up to the session's
   * `decisionTimeout`; one that rejects is a 451.
   */
  admitRecipient(client: MailClient, address: string, domain: string): Reply | null | Promise<Reply | null>;
  accept(submitter: RemoteSubmitter, transaction: Transaction): void;
  authenticate(question: AuthQuestion, address: string): Promise<AuthAnswer>;
  tlsFailed(address: string, reason: string): void;
  /** A connection is over: count it out. */
  closed(address: string, listener: string): void;
  threadLost(reason: string): void;
  /** Bytes of mail that the spool has room for. */
  room(): number;
}

export interface SessionThreadsOptions {
  readonly threads: number;
  /** Compiled file of the worker. */
  readonly workerFile: string;
  readonly segments: SegmentPool;
  readonly duplicator: Duplicator;
  readonly config: SessionConfig;
  readonly host: SessionThreadsHost;
}

/** A connection to hand over; the descriptor stays the caller's. */
export type Handover = Omit<HandedConnection, 'id'>;

/** How often threads are told what room the spool has, ms. */
const ROOM_INTERVAL = 250;
/** Pauses before a lost thread is started again, ms: doubles from the first to the last. */
const RESTART_FIRST = 100;
const RESTART_LAST = 10_000;
/** A thread that lived this long is not one that keeps dying, ms. */
const HEALTHY = 30_000;

interface Held {
  readonly address: string;
  readonly port: number;
  readonly listener: string;
  readonly originalDestination: string;
  /** To be closed when the thread ends before it took it; -1 once it did. */
  descriptor: number;
}

export class SessionThreads {
  private readonly options: SessionThreadsOptions;
  private readonly room = new SharedRoom();
  private readonly threads: SessionThread[];
  private readonly roomTimer: NodeJS.Timeout;
  private config: SessionConfig;
  private closed: ReplyName | null = null;
  private nextId = 1;

  constructor(options: SessionThreadsOptions) {
    this.options = options;
    this.config = options.config;
    this.shareRoom();
    this.roomTimer = setInterval(() => this.shareRoom(), ROOM_INTERVAL).unref();
    this.threads = Array.from(
      { length: options.threads },
      (_, index) => new SessionThread(options, MAIN_OWNER + 1 + index, this.room.memory, () => this.config),
    );
  }

  /** Connections on all threads. */
  get connections(): number {
    return this.threads.reduce((sum, thread) => sum + thread.connections, 0);
  }

  /** False: no thread can take it now. Its descriptor is duplicated; the caller closes its own. */
  take(handover: Handover, originalDestination = ''): boolean {
    let best: SessionThread | null = null;
    for (const thread of this.threads)
      if (thread.running && (best === null || thread.connections < best.connections)) best = thread;
    if (best === null) return false;
    const descriptor = this.options.duplicator.duplicate(handover.descriptor);
    if (descriptor < 0) return false;
    best.take({ ...handover, id: this.nextId++, descriptor }, originalDestination);
    return true;
  }

  /** New certificates, options or domains, for connections from now on. */
  configure(config: SessionConfig): void {
    this.config = config;
    for (const thread of this.threads) thread.say({ kind: 'config', config });
  }

  /** Every MAIL is answered with this from now on. */
  refuseMail(reply: ReplyName | null): void {
    this.closed = reply;
    for (const thread of this.threads) thread.say({ kind: 'closed', reply: this.closed });
  }

  /** MAIL of who has this key in LimitsInForce is refused until then, wall clock, ms since the epoch. */
  limit(key: string, reply: Reply, until: number): void {
    for (const thread of this.threads) thread.say({ kind: 'limited', key, reply: partsOf(reply), until });
  }

  /** Sessions end as soon as no transaction is in the way. */
  shutdown(): void {
    for (const thread of this.threads) thread.say({ kind: 'shutdown' });
  }

  /** Ends the threads and with them every connection. */
  async close(): Promise<void> {
    clearInterval(this.roomTimer);
    await Promise.all(this.threads.map((thread) => thread.close()));
  }

  /** For tests: ends a thread as if it had failed. */
  async kill(index: number): Promise<void> {
    await this.threads[index]?.kill();
  }

  private shareRoom(): void {
    this.room.bytes = this.options.host.room();
  }
}

function partsOf({ code, enhanced, text }: Reply): ReplyParts {
  return { code, enhanced, text };
}

class SessionThread {
  running = false;
  private readonly options: SessionThreadsOptions;
  private readonly owner: number;
  private readonly room: SharedArrayBuffer;
  private readonly currentConfig: () => SessionConfig;
  private readonly held = new Map<number, Held>();
  private worker: Worker | null = null;
  private outbox: ToThread[] = [];
  private pause = RESTART_FIRST;
  private startedAt = 0;
  private closing = false;
  private restart: NodeJS.Timeout | null = null;
  private lastError = '';

  constructor(options: SessionThreadsOptions, owner: number, room: SharedArrayBuffer, config: () => SessionConfig) {
    this.options = options;
    this.owner = owner;
    this.room = room;
    this.currentConfig = config;
    this.start();
  }

  get connections(): number {
    return this.held.size;
  }

  take(connection: HandedConnection, originalDestination: string): void {
    const { id, address, port, descriptor, sessions } = connection;
    const listener = this.currentConfig().listeners[sessions]!.name;
    this.held.set(id, { address, port, listener, originalDestination, descriptor });
    this.say({ kind: 'connection', connection });
  }

  say(message: ToThread): void {
    if (!this.running) return;
    if (this.outbox.length === 0) queueMicrotask(() => this.flush());
    this.outbox.push(message);
  }

  async kill(): Promise<void> {
    await this.worker?.terminate();
  }

  async close(): Promise<void> {
    this.closing = true;
    if (this.restart !== null) clearTimeout(this.restart);
    await this.worker?.terminate();
  }

  private flush(): void {
    const batch = this.outbox;
    this.outbox = [];
    this.worker?.postMessage(batch);
  }

  private start(): void {
    const { segments, workerFile } = this.options;
    const workerData: SessionWorkerData = {
      owner: this.owner,
      segments: segments.memory,
      room: this.room,
      config: this.currentConfig(),
    };
    this.startedAt = Date.now();
    const worker = new Worker(workerFile, { workerData });
    this.worker = worker;
    this.running = true;
    this.lastError = 'it ended';
    worker.on('message', (batch: readonly FromThread[]) => {
      for (const message of batch) this.hear(message);
    });
    worker.on('error', (error) => {
      this.lastError = messageOf(error);
    });
    worker.on('exit', () => this.ended());
  }

  private hear(message: FromThread): void {
    const held = this.held.get(message.id);
    if (held === undefined) return;
    const { host, segments } = this.options;
    switch (message.kind) {
      case 'taken':
        held.descriptor = -1;
        break;
      case 'transaction': {
        const { id, relays, transaction, length } = message;
        const body = BodyBuffer.adopt(segments, message.segments, length);
        const submitter: RemoteSubmitter = {
          address: held.address,
          port: held.port,
          relays,
          listener: held.listener,
          originalDestination: held.originalDestination,
          finish: (reply) => this.say({ kind: 'finish', id, reply: partsOf(reply) }),
        };
        host.accept(submitter, { ...transaction, body });
        break;
      }
      case 'question':
        void host
          .authenticate(message.question, held.address)
          .then((answer) => this.say({ kind: 'answer', id: message.id, answer }));
        break;
      case 'recipient': {
        const { id, question, address, domain, relays, account, sender } = message;
        const client: MailClient = { address: held.address, listener: held.listener, relays, account, sender };
        const say = (refusal: Reply | null): void =>
          this.say({ kind: 'decided', id, question, reply: refusal === null ? null : partsOf(refusal) });
        Promise.resolve(host.admitRecipient(client, address, domain)).then(say, () => say(replies.notDecided));
        break;
      }
      case 'tls-failed':
        host.tlsFailed(held.address, message.reason);
        break;
      case 'gone':
        this.held.delete(message.id);
        host.closed(held.address, held.listener);
        break;
    }
  }

  private ended(): void {
    const { host, segments, duplicator } = this.options;
    this.running = false;
    this.worker = null;
    this.outbox = [];
    for (const { address, listener, descriptor } of this.held.values()) {
      if (descriptor >= 0) duplicator.close(descriptor);
      host.closed(address, listener);
    }
    this.held.clear();
    segments.reclaim(this.owner);
    if (this.closing) return;
    host.threadLost(this.lastError);
    if (Date.now() - this.startedAt >= HEALTHY) this.pause = RESTART_FIRST;
    this.restart = setTimeout(() => {
      this.restart = null;
      this.start();
    }, this.pause);
    this.pause = Math.min(RESTART_LAST, this.pause * 2);
  }
}
