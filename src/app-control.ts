/**
 * What operators may look at and ask for: the read and command interface of the control plane, tied to the parts.
 */
import type { EngineParts, MailHistory } from './app-history.js';

import type { Outcomes } from './app-outcomes.js';
import { queueReads } from './app-queue-reads.js';
import type { Routing } from './app-routing.js';
import type { OpenWebhooks } from './app-webhooks.js';
import type { EngineControl, EngineStatus, OrderReport } from './control/engine-control.js';
import type { LiveControl } from './control/live-reports.js';
import { messageOf, SluiceError } from './core/errors.js';
import { type StandingOrders, selects } from './delivery/standing-orders.js';
import type { Envelope } from './message/envelope.js';
import type { QueueCommands } from './queue/queue-commands.js';
import type { Selector, Suspension } from './queue/suspensions.js';
import type { Spool } from './spool/spool.js';
import type { Log } from './telemetry/log.js';

export interface ControlParts {
  readonly outcomes: Pick<Outcomes, 'control'>;
  readonly webhooks: Pick<OpenWebhooks, 'control'>;
  readonly log: Log;
  readonly commands: QueueCommands;
  readonly spool: Pick<Spool, 'load'>;
  readonly orders: StandingOrders;
  readonly route: Pick<Routing, 'targetProblem' | 'destinationOf'>;
  readonly destinationOf: Routing['destinationOf'];
  readonly explaining: Pick<EngineControl, 'why' | 'route' | 'destinations'>;
  readonly history: Pick<MailHistory, 'control'>;
  readonly live: LiveControl;
  status(): EngineStatus;
  /** Mail that waits goes where it belongs now. */
  resplit(): void;
}

/** Builds it. Results are JSON-safe; what cannot be rejects with words for the operator. */
export function engineControl(parts: ControlParts): EngineControl {
  const { log, commands, orders, outcomes, status } = parts;
  const concerns =
    (selectors: readonly Selector[]) =>
    (envelope: Envelope, index: number): boolean => {
      const recipient = envelope.recipients[index]!;
      // By where it goes, and by where its route alone would send it.
      const destinations = [parts.destinationOf(recipient, envelope), parts.route.destinationOf(recipient, envelope)];
      return selectors.some((selector) =>
        destinations.some((one) => selects(selector, envelope.handling, recipient.address, one)),
      );
    };
  /** What was put off is tried at once. Not waited for: millions may wait. */
  const wake = (selectors: readonly Selector[]): void => {
    commands.apply(concerns(selectors), 'retry').catch((error: unknown) => {
      log.error({ reason: messageOf(error) }, 'not all mail could be woken: it goes on at its time');
    });
  };
  return {
    ...outcomes.control,
    ...parts.webhooks.control,
    ...parts.explaining,
    ...parts.history.control(askedByHistory(commands, outcomes)),
    ...parts.live,
    ...queueReads(parts.spool, commands),
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
      log.warn({ order: order.id, ...named(selector), reason, forMs }, 'mail is suspended by the operator');
      return orderReport(order);
    },
    reroute: async (selector, to, reason, forMs) => {
      const problem = parts.route.targetProblem(to);
      if (problem !== '')
        throw new SluiceError('bad-target', `"${to}" cannot be used: ${problem}`, { temporary: false });
      const order = orders.reroute(selector, to, { reason, forMs, by: 'operator' });
      log.warn({ order: order.id, ...named(selector), to, reason, forMs }, 'mail is rerouted by the operator');
      parts.resplit();
      wake([selector]);
      return orderReport(order);
    },
    resume: async (id, selector) => {
      const gone = orders.takeBack(id === '' ? selector : id);
      for (const { id: order, selector: whom } of gone)
        log.info({ order, ...named(whom) }, 'an order of the operator is taken back');
      if (gone.some((order) => 'to' in order)) parts.resplit();
      if (gone.length > 0) wake(gone.map((order) => order.selector));
      return gone.map(orderReport);
    },
    bounce: async (selector, reason) => {
      const words = reason === '' ? undefined : reason;
      const count = await commands.apply(concerns([selector]), 'bounce', words);
      log.warn({ ...named(selector), reason, messages: count }, 'mail is bounced by the operator');
      return count;
    },
  };
}

/** What the history asks of the engine. */
export function askedByHistory(commands: QueueCommands, outcomes: Pick<Outcomes, 'control'>): EngineParts {
  return {
    show: (id) => commands.show(id),
    removeQueued: (concerned) => commands.apply(concerned, 'delete'),
    unsuppress: outcomes.control.unsuppress,
  };
}

/** An order for reports. */
export function orderReport(order: Suspension & { readonly to?: string }): OrderReport {
  const { id, selector, reason, since, until, by, to = '' } = order;
  return { id, to, selector, reason, since, until, by };
}

/** What of a selector is given. */
function named(selector: Selector): Record<string, string> {
  return Object.fromEntries(Object.entries(selector).filter(([, value]) => value !== ''));
}
