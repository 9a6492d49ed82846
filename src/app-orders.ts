/**
 * Standing orders with the file that keeps them over restarts.
 */
import { join } from 'node:path';
import type { Settings } from './config/schema.js';
import type { Clock } from './core/clock.js';
import { StandingOrders, type StandingOrdersOptions } from './delivery/standing-orders.js';
import { StateFile } from './security/state-file.js';
import type { Log } from './telemetry/log.js';

/** Standing orders with the file that keeps them. */
export interface KeptStandingOrders {
  readonly orders: StandingOrders;
  close(): Promise<void>;
}

/** Reads what was ordered before. */
export async function openOrders(
  settings: Settings,
  log: Log,
  clock: Clock,
  suspension: StandingOrdersOptions['suspension'],
): Promise<KeptStandingOrders> {
  const file: StateFile = new StateFile({
    path: join(settings.spoolDir, 'orders.json'),
    snapshot: () => orders.snapshot(),
    warn: (fields, line) => log.warn(fields, line),
    delay: 100,
  });
  const orders = new StandingOrders({ clock, changed: () => file.changed(), ...(suspension && { suspension }) });
  orders.restore(await file.read());
  return { orders, close: () => file.close() };
}
