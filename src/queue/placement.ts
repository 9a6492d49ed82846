/**
 * Where a ready message goes: split into one job per destination, into the queues of those that have room, or into the
 * ring of its destination when none has.
 */
import type { QueueId } from '../core/queue-id.js';
import type { Envelope, Recipient } from '../message/envelope.js';
import type { DestinationQueue, LaneQueue } from './destination-queue.js';
import type { DestinationQueues } from './destination-queues.js';
import { laneNumber } from './lanes.js';
import type { QueuedMessage } from './queued-message.js';
import type { ReadyMemory } from './ready-memory.js';

export interface PlacementOptions {
  readonly queues: DestinationQueues;
  readonly memory: ReadyMemory;
  destinationOf(recipient: Recipient, envelope: Envelope): string;
  /** It stays in memory; its jobs come next. */
  activate(message: QueuedMessage): void;
  /** It has no recipient left to be tried. */
  finished(message: QueuedMessage): void;
  /** It waits in the spool until there is room. */
  chill(lane: LaneQueue, id: QueueId): void;
}

export class Placement {
  private readonly options: PlacementOptions;

  constructor(options: PlacementOptions) {
    this.options = options;
  }

  /**
   * Makes jobs for the destinations that have room. False: none had, and it waits in the spool. `fresh`: it is new mail;
   * `room`: it was read for this one, which has some.
   */
  place(message: QueuedMessage, fresh: boolean, room: LaneQueue | null): boolean {
    const { options } = this;
    const { envelope } = message;
    if (envelope.recipients.length === 1) {
      const queue = options.queues.of(options.destinationOf(envelope.recipients[0]!, envelope));
      if (!this.hasRoom(queue, message, fresh, room)) return this.chill(message, queue);
      message.openJobs = 1;
      options.activate(message);
      options.queues.push({ message, destination: queue.key, recipients: [0], requeued: 0 }, queue);
      return true;
    }
    const groups = new Map<string, number[]>();
    this.group(message, envelope.recipients.keys(), groups);
    const ready: string[] = [];
    let full: string | undefined;
    for (const destination of groups.keys())
      if (this.hasRoom(options.queues.of(destination), message, fresh, room)) ready.push(destination);
      else full ??= destination;
    if (ready.length === 0 && full !== undefined) return this.chill(message, options.queues.of(full));
    options.activate(message);
    message.openJobs = ready.length;
    // Every recipient was done when the process ended before the row went.
    if (ready.length === 0) options.finished(message);
    for (const destination of ready)
      options.queues.push({ message, destination, recipients: groups.get(destination)!, requeued: 0 });
    return true;
  }

  /** Adds pending recipients to the groups of their destinations; how many do not belong to `from`. */
  group(message: QueuedMessage, recipients: Iterable<number>, groups: Map<string, number[]>, from?: string): number {
    let moved = 0;
    for (const i of recipients) {
      if (!message.isPending(i)) continue;
      const key = this.options.destinationOf(message.envelope.recipients[i]!, message.envelope);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [i]);
      else group.push(i);
      if (key !== from) moved++;
    }
    return moved;
  }

  private hasRoom(queue: DestinationQueue, message: QueuedMessage, fresh: boolean, room: LaneQueue | null): boolean {
    const n = laneNumber(message.lane);
    const lane = queue.laneAt(n);
    if (lane !== null && lane === room) return true;
    const bytes = lane === null ? 0 : lane.bytes;
    const { memory } = this.options;
    return fresh ? memory.fits(n, message.cost, bytes) : memory.fitsReadBack(n, message.cost, bytes);
  }

  private chill(message: QueuedMessage, queue: DestinationQueue): false {
    message.content.release();
    this.options.chill(queue.laneOf(laneNumber(message.lane), message.envelope.handling.tenant), message.id);
    return false;
  }
}
