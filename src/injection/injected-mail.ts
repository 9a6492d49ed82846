/**
 * One item on its way through the intake, and the outcomes of the items of a request.
 */
import type { QueueId } from '../core/queue-id.js';
import type { Wishes } from '../intake/handling.js';
import type { Submitter } from '../intake/intake.js';
import type { Reply } from '../smtp/replies.js';
import type { RowBeside } from '../spool/spool.js';
import type { ItemClient, ItemOutcome, RefusedRecipient } from './mail-item.js';
import type { Mailbox } from './mailbox.js';
import { refusalOf } from './refusals.js';

/** The outcomes of a request, each settled once. */
export class Outcomes {
  readonly settled: Promise<ItemOutcome[]>;
  private readonly all: ItemOutcome[];
  private missing: number;
  private finish!: (all: ItemOutcome[]) => void;

  constructor(count: number) {
    this.all = new Array<ItemOutcome>(count);
    this.missing = count;
    this.settled = new Promise((resolve) => {
      this.finish = resolve;
    });
    if (count === 0) this.finish(this.all);
  }

  settle(index: number, outcome: ItemOutcome): void {
    this.all[index] = outcome;
    if (--this.missing === 0) this.finish(this.all);
  }
}

/** By what a request is known again. */
export interface ItemKey {
  readonly tenant: string;
  readonly key: string;
  readonly digest: Buffer;
  row(id: QueueId): RowBeside;
}

const NOBODY: readonly RefusedRecipient[] = [];

export class InjectedMail implements Submitter {
  readonly address: string;
  readonly port = 0;
  readonly relays = true;
  readonly listener = '';
  readonly account = '';
  readonly traceparent: string;
  wishes: Wishes | undefined = undefined;
  sender!: Mailbox;
  recipients!: readonly Mailbox[];
  refused: readonly RefusedRecipient[] = NOBODY;
  /** ms. */
  holdFor = 0;
  key: ItemKey | null = null;
  private readonly outcomes: Outcomes;
  private readonly index: number;
  /** Called when it is settled. */
  private release: (() => void) | null = null;

  constructor(client: ItemClient, outcomes: Outcomes, index: number) {
    this.address = client.address;
    this.traceparent = client.traceparent;
    this.outcomes = outcomes;
    this.index = index;
  }

  whenSettled(told: () => void): void {
    this.release = told;
  }

  settle(outcome: ItemOutcome): void {
    this.release?.();
    this.release = null;
    this.outcomes.settle(this.index, outcome);
  }

  finish(reply: Reply): void {
    this.settle(refusalOf(reply));
  }

  taken(id: string): void {
    this.settle({ id, refused: this.refused, repeated: false });
  }

  beside(id: QueueId): RowBeside | null {
    return this.key === null ? null : this.key.row(id);
  }
}
