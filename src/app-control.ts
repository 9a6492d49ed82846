/**
 * What operators may look at and ask for: the read and command interface of the control plane, tied to the parts.
 */
import { join } from 'node:path';
import type { Outcomes } from './app-outcomes.js';
import type { Settings } from './config/schema.js';
import type { EngineControl, EngineStatus, OrderReport } from './control/engine-control.js';
import type { Clock } from './core/clock.js';
import { StandingOrders } from './delivery/standing-orders.js';
import type { QueueCommands } from './queue/queue-commands.js';
import type { Selector, Suspension } from './queue/suspensions.js';
import { StateFile } from './security/state-file.js';
import type { Log } from './telemetry/log.js';

/** Standing orders with the file that keeps them. */
export interface KeptStandingOrders {
  readonly orders: StandingOrders;
  close(): Promise<void>;
}

/** Reads what was ordered before. */
export async function openOrders(settings: Settings, log: Log, clock: Clock): Promise<KeptStandingOrders> {
  const file: StateFile = new StateFile({
    path: join(settings.spoolDir, 'orders.json'),
    snapshot: () => orders.snapshot(),
    warn: (fields, line) => log.warn(fields, line),
    delay: 100,
  });
  const orders = new StandingOrders({ clock, changed: () => file.changed() });
  orders.restore(await file.read());
  return { orders, close: () => file.close() };
}

export interface ControlParts {
  readonly outcomes: Outcomes;
  readonly log: Log;
  readonly commands: QueueCommands;
  readonly orders: StandingOrders;
  status(): EngineStatus;
}

/** Builds it. Results are JSON-safe; what cannot be rejects with words for the operator. */
export function engineControl({ log, commands, orders, outcomes, status }: ControlParts): EngineControl {
  return {
    ...outcomes.control,
    status,
    list: (after, limit) => commands.list(after, limit),
    show: (id) => commands.show(id),
    retry: (id) => commands.retry(id),
    hold: (id) => commands.hold(id),
    release: (id) => commands.release(id),
    remove: (id) => commands.remove(id),
    orders: () => [...orders.suspensions(), ...orders.reroutes()].map(orderReport),
    suspend: async (selector, reason, forMs) => {
      const order = orders.suspend(selector, { reason, forMs, by: 'operator' });
      log.warn({ order: order.id, ...selectorFields(selector), reason, forMs }, 'mail is suspended by the operator');
      return orderReport(order);
    },
    resume: async (id, selector) => {
      const gone = orders.takeBack(id === '' ? selector : id);
      for (const order of gone)
        log.info({ order: order.id, ...selectorFields(order.selector) }, 'mail is resumed by the operator');
      return gone.map(orderReport);
    },
  } as EngineControl;
}

/** An order for reports. */
export function orderReport(order: Suspension & { readonly to?: string }): OrderReport {
  const { id, selector, reason, since, until, by, to = '' } = order;
  return { id, to, selector, reason, since, until, by };
}

function selectorFields(selector: Selector): Record<string, string> {
  return Object.fromEntries(Object.entries(selector).filter(([, value]) => value !== ''));
}
