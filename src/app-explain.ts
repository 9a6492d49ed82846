/**
 * What the engine makes of mail, for operators: why a message waits, where mail would go, what is queued for where.
 *
 * Contract: JSON-safe; times are of the wall clock, ms since the epoch, 0 where there is none. It looks, and changes
 * nothing.
 */

import { explainRoute } from './app-explain-route.js';
import type { Outcomes } from './app-outcomes.js';
import { ordered, type Routing } from './app-routing.js';
import type { EngineControl, RouteReport, WaitReport, WhyReport } from './control/engine-control.js';
import type { Clock } from './core/clock.js';
import { parseQueueId } from './core/queue-id.js';
import type { Delivery } from './delivery/delivery.js';
import type { SiteHost } from './delivery/site.js';
import type { SiteControl } from './delivery/site-control.js';
import type { StandingOrders } from './delivery/standing-orders.js';
import type { Envelope, Lane } from './message/envelope.js';
import { PLAIN_HANDLING } from './message/envelope.js';
import type { DestinationQueue } from './queue/destination-queue.js';
import { laneAfter } from './queue/lanes.js';
import type { Scheduler } from './queue/scheduler.js';
import type { Wait } from './queue/wait.js';
import type { DeliveryState, Spool } from './spool/spool.js';

export interface ExplainParts {
  readonly clock: Clock;
  readonly spool: Pick<Spool, 'load'>;
  readonly scheduler: Scheduler;
  readonly delivery: Delivery;
  readonly orders: StandingOrders;
  readonly route: Routing;
  readonly outcomes: Pick<Outcomes, 'inFrontOf'>;
  /** With orders and what the engine deals with itself. */
  readonly destinationOf: Routing['destinationOf'];
  controlOf(destination: string, hosts: readonly SiteHost[]): SiteControl;
  /** The lane of mail about which nothing is said. */
  defaultLane(): Lane;
}

/** Builds the questions of the control plane about mail. */
export function explaining(parts: ExplainParts): Pick<EngineControl, 'why' | 'route' | 'destinations'> {
  return {
    why: (id) => why(id, parts),
    route: async (question) => {
      const { route, clock, outcomes, orders } = parts;
      const { found, ...told } = await explainRoute(question, {
        routes: route.routes(),
        tenants: route.tenants(),
        lanes: { default: parts.defaultLane() },
        siteOf: route.siteOf,
        elsewhere: (own, recipient, { tenant, tags }) => {
          const mail = { handling: { ...PLAIN_HANDLING, tenant, tags: tags ?? [] } };
          return outcomes.inFrontOf(() => ordered(own, recipient, mail, route, orders))(recipient, mail);
        },
      });
      const now = clock.now();
      const control = found.kind === 'hosts' ? parts.controlOf(told.destination, found.hosts) : null;
      const report: RouteReport = {
        ...told,
        site: control?.site ?? '',
        limits: control?.describe(now) ?? {},
        waits: waitsOf(parts.delivery.waits(told.destination), control?.waits(now) ?? [], clock),
      };
      return report;
    },
    destinations: (after, limit, busiest = false) => destinations(after, limit, busiest, parts),
  };
}

async function why(shown: string, parts: ExplainParts): Promise<WhyReport | undefined> {
  const { clock, scheduler } = parts;
  const id = parseQueueId(shown);
  const stored = id === undefined ? undefined : await parts.spool.load(id);
  if (id === undefined || stored === undefined) return undefined;
  const { envelope, state } = stored;
  const active = scheduler.active.get(id);
  const held = active?.held ?? state?.held ?? false;
  const waits = held
    ? [everywhere({ kind: 'held', reason: 'held by an operator: `sluice queue release`', until: Infinity }, clock)]
    : waitsFor(id, envelope, state, parts);
  const attempts = active?.attempts ?? state?.attempts ?? 0;
  // The same moment as in its wait: two readings of the clocks may be a millisecond apart.
  const scheduledAt = waits.find(({ kind }) => kind === 'schedule')?.until;
  return {
    id: shown,
    state: held ? 'held' : active === undefined && state !== null ? 'deferred' : 'active',
    lane: laneAfter(envelope.handling.lane, attempts),
    tenant: envelope.handling.tenant,
    attempts,
    nextAttempt: held || active !== undefined || state === null ? 0 : (scheduledAt ?? wallTime(state.due, clock)),
    waits,
  };
}

function waitsFor(
  id: number,
  envelope: Envelope,
  state: DeliveryState | null,
  parts: ExplainParts,
): readonly WaitReport[] {
  const { clock, delivery, orders, scheduler } = parts;
  const waits: WaitReport[] = [];
  const pending = envelope.recipients.flatMap((recipient, index) =>
    (state?.recipients[index]?.status ?? 'pending') === 'pending'
      ? [{ index, address: recipient.address, destination: parts.destinationOf(recipient, envelope) }]
      : [],
  );
  for (const { index, address, destination } of pending) {
    const order = orders.match(envelope, index, destination);
    if (order === undefined) continue;
    const reason = `suspended by ${order.by}, order ${order.id}${order.reason === '' ? '' : `: ${order.reason}`}`;
    waits.push({ recipients: [address], destination, kind: 'suspended', reason, until: order.until });
  }
  for (const wait of scheduler.explain(id)) {
    const concerned =
      wait.recipients.length === 0 ? pending : pending.filter(({ index }) => wait.recipients.includes(index));
    if (wait.kind === 'schedule') waits.push(...scheduled(wait, concerned, envelope, state, clock));
    else {
      const recipients = concerned.map(({ address }) => address);
      waits.push({ ...reportOf(wait, clock), recipients, destination: wait.destination });
      // A turn comes when the destination's mail goes: what keeps that from going is the reason.
      if (wait.destination !== '')
        for (const one of delivery.waits(wait.destination))
          waits.push({ ...reportOf(one, clock), recipients, destination: wait.destination });
    }
  }
  if (waits.length === 0)
    waits.push(everywhere({ kind: 'turn', reason: 'it is being delivered now', until: Infinity }, clock));
  return waits;
}

/** The time of a next attempt, with what each recipient's host said last. */
function scheduled(
  wait: Wait,
  concerned: readonly { readonly index: number; readonly address: string; readonly destination: string }[],
  envelope: Envelope,
  state: DeliveryState | null,
  clock: Clock,
): WaitReport[] {
  const { until } = reportOf(wait, clock);
  if ((state?.attempts ?? 0) === 0 && envelope.handling.holdUntil > clock.now())
    return [
      {
        recipients: concerned.map(({ address }) => address),
        destination: '',
        kind: 'schedule',
        reason: 'its sender asked for it to be held until then (FUTURERELEASE)',
        until,
      },
    ];
  return concerned.map(({ index, address, destination }) => {
    const { reply = '', host = '' } = state?.recipients[index] ?? {};
    const said = reply === '' ? 'not tried yet' : `${host === '' ? '' : `${host} said `}${reply}`;
    const reason = `put off until its next attempt; the last: ${said}`;
    return { recipients: [address], destination, kind: 'schedule', reason, until };
  });
}

function destinations(after: string, limit: number, busiest: boolean, { scheduler, delivery, clock }: ExplainParts) {
  const queues: DestinationQueue[] = [];
  for (const queue of scheduler.counts()) if (busiest || queue.key > after) queues.push(queue);
  const byName = (a: DestinationQueue, b: DestinationQueue): number => (a.key < b.key ? -1 : 1);
  queues.sort(busiest ? (a, b) => b.length + b.cold - a.length - a.cold || byName(a, b) : byName);
  return queues.slice(0, limit).map((queue) => {
    const [facts] = delivery.describe(queue.key);
    return {
      destination: queue.key,
      site: facts?.site ?? '',
      queued: {
        immediate: queue.lengthOf('immediate'),
        bulk: queue.lengthOf('bulk'),
        deferred: queue.lengthOf('deferred'),
      },
      cold: queue.cold,
      connections: facts?.connections ?? 0,
      hosts: facts?.hosts ?? [],
      limits: facts?.limits ?? {},
      waits: waitsOf(facts?.waits ?? [], [], clock),
    };
  });
}

/** Two lists of waits without what is in both. */
function waitsOf(some: readonly Wait[], others: readonly Wait[], clock: Clock) {
  const all = [...some, ...others.filter(({ reason }) => !some.some((one) => one.reason === reason))];
  return all.map((wait) => reportOf(wait, clock));
}

function everywhere(wait: Wait, clock: Clock): WaitReport {
  return { ...reportOf(wait, clock), recipients: [], destination: '' };
}

function reportOf({ kind, reason, until }: Wait, clock: Clock) {
  return { kind, reason, until: wallTime(until, clock) };
}

/** Engine clock to wall clock; Infinity is 0. */
function wallTime(at: number, clock: Clock): number {
  return Number.isFinite(at) ? Math.round(at + clock.wall() - clock.now()) : 0;
}
