/**
 * What the history is asked: bounded look-ups over it, a few at a time.
 *
 * Contract: a look-up reads at most LOOK_UP_BLOCKS blocks; at most AT_ONCE run and WAITING wait, further ones are refused
 * with `history-busy`. What a tenant's age hides is not told of.
 */
import { SluiceError } from '../core/errors.js';
import type { Files } from './files.js';
import { eventsOfMessage, findMessages, isCursor, type MessagePage, type MessageQuery } from './find-messages.js';
import type { History } from './history.js';
import type { KeptEvent } from './kept-event.js';
import { IndexCache, LookUp } from './look-up.js';
import { type MessageReport, messageReport } from './message-report.js';

/** About half a millisecond of the main thread each, in turns of their own. */
const LOOK_UP_BLOCKS = 256;
/** One message may have happened over days. */
const MESSAGE_BLOCKS = 1024;
const AT_ONCE = 2;
const WAITING = 16;
/** Bytes of indexes kept: those of some 400 MiB of history. */
const INDEX_MEMORY = 16 * 1024 * 1024;

export interface DeskOptions {
  readonly files: Files;
  readonly history: History;
  /** How long events of a tenant are shown, ms. */
  ageOf(tenant: string): number;
  /** Wall clock, ms. */
  now(): number;
}

/** A message with everything that happened to it. */
export interface MessageTimeline extends MessageReport {
  readonly timeline: readonly KeptEvent[];
}

export class HistoryDesk {
  /** Blocks that could not be read, since the start. */
  damaged = 0;
  private readonly options: DeskOptions;
  private readonly cache = new IndexCache(INDEX_MEMORY);
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(options: DeskOptions) {
    this.options = options;
  }

  /** A page of messages. Rejects with `bad-cursor`, `history-busy`. */
  find(query: MessageQuery): Promise<MessagePage> {
    if (!isCursor(query.after))
      return Promise.reject(
        new SluiceError('bad-cursor', '"after" is not allowed; allowed: "next" of the page before', {
          temporary: false,
        }),
      );
    return this.lookUp(LOOK_UP_BLOCKS, (lookUp) => findMessages(lookUp, query, this.visible()));
  }

  /** All that is known of a message; null: nothing. Rejects with `history-busy`. */
  message(id: string): Promise<MessageTimeline | null> {
    return this.lookUp(MESSAGE_BLOCKS, async (lookUp) => {
      const { events, complete } = await eventsOfMessage(lookUp, id, this.visible());
      return events.length === 0 ? null : { ...messageReport(events, complete), timeline: events };
    });
  }

  private visible(): (event: KeptEvent) => boolean {
    const now = this.options.now();
    return ({ at, tenant }) => at >= now - this.options.ageOf(tenant);
  }

  private async lookUp<T>(blocks: number, use: (lookUp: LookUp) => Promise<T>): Promise<T> {
    if (this.running >= AT_ONCE) {
      if (this.waiting.length >= WAITING)
        throw new SluiceError('history-busy', 'too many look-ups in the history at once; ask again', {
          temporary: true,
        });
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    } else this.running++;
    const { files, history } = this.options;
    const lookUp = new LookUp(files, this.cache, history.snapshot(), blocks);
    try {
      return await use(lookUp);
    } finally {
      this.damaged += lookUp.damaged;
      await lookUp.close();
      // The one that waits takes over the place.
      const next = this.waiting.shift();
      if (next === undefined) this.running--;
      else next();
    }
  }
}
