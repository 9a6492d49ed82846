/**
 * The delivery state of a message, read back from its rows.
 */
import { messageOf } from '../core/errors.js';
import type { QueueId } from '../core/queue-id.js';
import { decodeState, isHeld, isSchedule, scheduleDue, scheduleFlags } from './record-codec.js';
import type { DeliveryState } from './spool.js';
import type { Tables } from './tables.js';

/** null: it was never tried, or its state is damaged, which `damaged` is told of. */
export function loadState(
  tables: Pick<Tables, 'state' | 'schedule'>,
  id: QueueId,
  damaged: (id: QueueId, reason: string) => void,
): DeliveryState | null {
  const details = tables.state.getBinary(id);
  if (details === undefined) return null;
  const schedule = tables.schedule.getBinary(id);
  const whole = schedule !== undefined && isSchedule(schedule, 0, schedule.length);
  const due = whole ? scheduleDue(schedule, 0) : 0;
  const held = whole && isHeld(scheduleFlags(schedule, 0));
  try {
    return decodeState(details, due, held);
  } catch (error) {
    // The message itself is whole: better to try every recipient again than to keep it from all of them.
    damaged(id, `${messageOf(error)}; every recipient is tried again`);
    return null;
  }
}
