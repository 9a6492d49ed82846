/**
 * Listeners of one filter: what waits to be handed out to them, as frames that all of them share.
 */
import { type EventFilter, fits } from '../../telemetry/event-filter.js';
import type { MailEvent } from '../../telemetry/mail-event.js';

/** One WebSocket message: a JSON array. */
export interface Frame {
  readonly bytes: Uint8Array;
  readonly events: number;
}

/** Bytes of a frame at most, unless one event alone is larger. */
const FRAME = 256 * 1024;

export class EventGroup<M> {
  readonly filter: EventFilter;
  readonly members = new Set<M>();
  /** Is being handed out. */
  busy = false;
  /** Events as JSON, and their length. */
  private parts: string[] = [];
  private length = 0;
  private lost = 0;

  /** `filter`: a canonical one. */
  constructor(filter: EventFilter) {
    this.filter = filter;
  }

  /** Characters that wait. */
  get waiting(): number {
    return this.length;
  }

  get idle(): boolean {
    return this.parts.length === 0 && this.lost === 0;
  }

  wants(event: MailEvent): boolean {
    return fits(this.filter, event);
  }

  push(text: string): void {
    this.parts.push(text);
    this.length += text.length;
  }

  /** Events that there was no room for. */
  lose(events: number): void {
    this.lost += events;
  }

  /** What waits, as frames; nothing waits then. */
  take(): { readonly frames: readonly Frame[]; readonly lost: number } {
    const { parts, lost } = this;
    [this.parts, this.length, this.lost] = [[], 0, 0];
    const frames: Frame[] = lost > 0 ? [{ bytes: droppedNotice(lost), events: 0 }] : [];
    let [begin, length] = [0, 0];
    for (let i = 0; i <= parts.length; i++) {
      const more = parts[i]?.length ?? FRAME;
      if (i > begin && length + more > FRAME) {
        frames.push({ bytes: Buffer.from(`[${parts.slice(begin, i).join(',')}]`), events: i - begin });
        [begin, length] = [i, 0];
      }
      length += more;
    }
    return { frames, lost };
  }
}

/** A frame that tells how many events were left out before the next ones. */
export function droppedNotice(count: number): Buffer {
  return Buffer.from(JSON.stringify([{ kind: 'dropped-events', count }]));
}
