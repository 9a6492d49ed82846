/**
 * An injector before an intake that writes down what it is handed and answers as the test says.
 */
import { AnsweredRequests } from '../../src/injection/answered-requests.js';
import { type Client, Injector } from '../../src/injection/injector.js';
import type { ItemClient, ItemOutcome, MailItem, Refusal } from '../../src/injection/mail-item.js';
import type { Submitter } from '../../src/intake/intake.js';
import type { BodyBuffer } from '../../src/memory/body-buffer.js';
import { SegmentPool } from '../../src/memory/segment-pool.js';
import type { Reply } from '../../src/smtp/replies.js';
import type { Transaction } from '../../src/smtp/server-host.js';
import { defaultServerSessionOptions, type ServerSessionOptions } from '../../src/smtp/server-options.js';
import { MemoryKeyTable } from '../helpers/memory-spool.js';

/** A message as the intake got it. */
export interface Handed {
  readonly transaction: Transaction;
  readonly submitter: Submitter;
  readonly content: Buffer;
}

export const CLIENT: ItemClient = {
  address: '192.0.2.7',
  protocol: 'HTTP',
  idempotencyKey: '',
  traceparent: '',
  digest: () => Buffer.alloc(32),
};

export class InjectionWorld {
  readonly handed: Handed[] = [];
  readonly segments = SegmentPool.create(4 * 1024 * 1024, 4096);
  readonly table = new MemoryKeyTable();
  wall = 1_000_000_000_000;
  /** What the intake says; null: it takes the message. */
  refuse: ((handed: Handed) => Reply | null) | null = null;
  /** Answers wait for `answer`. */
  waits = false;
  admission: Reply | null = null;
  recipients: (client: Client, address: string) => Reply | null | Promise<Reply | null> = () => null;
  tenants: readonly string[] | null = null;
  readonly injector: Injector;
  readonly answered: AnsweredRequests;
  private readonly waiting: (() => void)[] = [];
  private id = 41;

  constructor(session: Partial<ServerSessionOptions> = {}, most = 100) {
    const clock = { now: () => this.wall, wall: () => this.wall };
    this.answered = new AnsweredRequests({ table: this.table, clock, lifetime: 1000, most });
    this.injector = new Injector({
      session: { ...defaultServerSessionOptions, hostname: 'relay.example', relayClient: true, ...session },
      segments: this.segments,
      clock,
      answered: this.answered,
      intake: { accept: (submitter, transaction) => this.accept(submitter, transaction) },
      admitMail: () => this.admission,
      admitRecipient: (client, address) => this.recipients(client, address),
      knowsTenant: (_, tenant) => this.tenants?.includes(tenant) ?? true,
    });
  }

  submit(items: readonly (MailItem | Refusal)[], client: Partial<ItemClient> = {}): Promise<ItemOutcome[]> {
    return this.injector.submit({ ...CLIENT, ...client }, items);
  }

  /** Submits one; what the intake got, or the refusal. */
  async one(item: MailItem): Promise<Handed | Refusal> {
    const before = this.handed.length;
    const [outcome] = await this.submit([item]);
    return 'id' in outcome! ? this.handed[before]! : outcome!;
  }

  /** Lets the intake answer all that waits. */
  answer(): void {
    for (const answer of this.waiting.splice(0)) answer();
  }

  private accept(submitter: Submitter, transaction: Transaction): void {
    const body = transaction.body as BodyBuffer;
    const content = Buffer.alloc(body.length);
    body.copyOut(0, body.length, content, 0);
    const handed = { submitter, transaction, content };
    this.handed.push(handed);
    const id = ++this.id;
    const settle = (): void => {
      body.release();
      const reply = this.refuse?.(handed) ?? null;
      if (reply !== null) {
        submitter.finish(reply);
        return;
      }
      const row = submitter.beside?.(id) ?? null;
      if (row !== null) this.table.put(row.key, row.value);
      submitter.taken!(id.toString(36).toUpperCase());
    };
    if (this.waits) this.waiting.push(settle);
    else setImmediate(settle);
  }
}
