/**
 * A message that is being delivered: its envelope and content in memory, and what became of its recipients so far.
 * Lives from the moment it is durable (or read back because it is due) until it is settled; what outlasts that is in
 * the spool.
 */
import type { QueueId } from '../core/queue-id.js';
import type { Envelope } from '../message/envelope.js';
import type { DeliveryState, RecipientState, StoredContent } from '../spool/spool.js';
import { laneAfter, type QueueLane } from './lanes.js';
import type { Outcome } from './outcome.js';

/** Memory a message is reckoned to take besides its content, bytes: envelope, job and bookkeeping. */
const OVERHEAD = 1024;
const OVERHEAD_PER_RECIPIENT = 256;

/** What an operator decided about a recipient: it ends with that outcome, and the sender hears of it or does not. */
export interface Order {
  readonly outcome: Outcome;
  readonly notify: boolean;
}

/** One message's recipients at one destination: what one transaction can carry. Its lane is that of its message. */
export interface DeliveryJob {
  readonly message: QueuedMessage;
  readonly destination: string;
  /** Indexes into the envelope's recipients. */
  recipients: readonly number[];
  /** How often it went back to its queue because a kept connection turned out to be gone. */
  requeued: number;
}

const UNTRIED: RecipientState = { status: 'pending', reply: '', host: '', at: 0 };

export class QueuedMessage {
  readonly id: QueueId;
  readonly envelope: Envelope;
  readonly content: StoredContent;
  /** Bytes it counts against the memory for ready mail. */
  readonly cost: number;
  /** The lane it is in while this attempt lasts. */
  readonly lane: QueueLane;
  /** When it was to be tried, engine clock ms; 0: at once. */
  readonly due: number;
  /** Attempts that are over; the one under way is not counted. */
  attempts: number;
  held: boolean;
  delayNotified: boolean;
  /** To be deleted when the jobs under way are done. */
  removed = false;
  openJobs = 0;
  /** When its submitter was answered 250, engine clock ms; 0: not known, it was read back from the spool. */
  acknowledgedAt = 0;
  /** This attempt's outcomes by recipient index. */
  outcomes: (Outcome | undefined)[] = [];
  /** By recipient index; null: none. */
  orders: (Order | undefined)[] | null = null;
  private states: RecipientState[] | null;

  constructor(envelope: Envelope, content: StoredContent, state: DeliveryState | null) {
    this.id = envelope.id;
    this.envelope = envelope;
    this.content = content;
    this.cost = OVERHEAD + OVERHEAD_PER_RECIPIENT * envelope.recipients.length + (content.inline?.length ?? 0);
    this.attempts = state?.attempts ?? 0;
    this.lane = laneAfter(envelope.handling.lane, this.attempts);
    this.due = state === null ? envelope.handling.holdUntil : state.due;
    this.held = state?.held ?? false;
    this.delayNotified = state?.delayNotified ?? false;
    this.states = state === null ? null : [...state.recipients];
  }

  stateOf(recipient: number): RecipientState {
    return this.states?.[recipient] ?? UNTRIED;
  }

  setState(recipient: number, state: RecipientState): void {
    this.states ??= this.envelope.recipients.map(() => UNTRIED);
    this.states[recipient] = state;
  }

  /** Something is left to be done for a recipient. */
  isPending(recipient: number): boolean {
    return this.stateOf(recipient).status === 'pending';
  }

  /** Its state for the spool, `due` in engine clock ms. */
  toState(due: number): DeliveryState {
    this.states ??= this.envelope.recipients.map(() => UNTRIED);
    return {
      due,
      attempts: this.attempts,
      held: this.held,
      delayNotified: this.delayNotified,
      recipients: this.states,
    };
  }
}
