/**
 * The shaping of deliveries with what it needs of others: rules of the operator, the log, standing orders, sources, and a
 * file that keeps what is counted for an hour or a day over restarts (a crash forgets what was counted last).
 */
import { join } from 'node:path';
import type { ConfigFile } from './config/config-file.js';
import type { Settings } from './config/schema.js';
import type { Clock } from './core/clock.js';
import { messageOf } from './core/errors.js';
import { PROVIDER_RULES } from './delivery/shaping/provider-rules.js';
import { Shaping } from './delivery/shaping/shaping.js';
import type { ShapingActions, ShapingEvents } from './delivery/shaping/shaping-events.js';
import type { StandingOrders } from './delivery/standing-orders.js';
import { StateFile } from './security/state-file.js';
import type { Log } from './telemetry/log.js';

/** Between two looks whether something is to be kept, ms. */
const KEEP_INTERVAL = 30_000;

export type ShapingTables = Pick<ConfigFile, 'shaping' | 'lanes'>;

export interface OpenShaping {
  readonly shaping: Shaping;
  /** Takes other rules, with all that was counted and learnt. */
  configure(tables: ShapingTables): void;
  /** Writes what is to be kept. */
  close(): Promise<void>;
}

/** Builds it. `pauseSource`: tells the pools of egress sources. */
export async function openShaping(
  settings: Settings,
  tables: ShapingTables,
  log: Log,
  clock: Clock,
  orders: StandingOrders,
  pauseSource: ShapingActions['pauseSource'],
): Promise<OpenShaping> {
  const shaping = new Shaping({
    rules: tables.shaping,
    reserve: tables.lanes.reserve,
    shipped: PROVIDER_RULES,
    now: () => clock.now(),
    events: logged(log),
    actions: {
      pauseSource,
      suspendTenant: (tenant, forMs, reason) => {
        const selector = { domain: '', tenant, pool: '', campaign: '' };
        if (orders.isSuspended(selector)) return false;
        try {
          orders.suspend(selector, { reason, forMs, by: 'rule' });
        } catch (error) {
          log.error({ tenant, reason: messageOf(error) }, 'the tenant could not be suspended');
          return false;
        }
        return true;
      },
    },
  });
  const { scopes } = shaping;
  const counts = new StateFile({
    path: join(settings.spoolDir, 'shaping.json'),
    snapshot: () => scopes.kept(),
    warn: (fields, line) => log.warn(fields, line),
    delay: 0,
  });
  scopes.restore(await counts.read());
  const keep = (): void => {
    if (scopes.changed) counts.changed();
  };
  const timer = setInterval(keep, KEEP_INTERVAL);
  timer.unref();
  return {
    shaping,
    configure: ({ shaping: rules, lanes }) => shaping.configure(rules, lanes.reserve),
    close: () => {
      clearInterval(timer);
      keep();
      return counts.close();
    },
  };
}

/** A line for each change of state and each action. */
function logged(log: Log): ShapingEvents {
  return {
    learnt: (site, source, { what, limit, reason }) => {
      const where = source === '' ? { site } : { site, source };
      if (limit === Number.POSITIVE_INFINITY) log.info({ ...where, what, reason }, 'the site is no longer slowed down');
      else {
        const key = what === 'connections' ? 'connections' : 'messagesPerSecond';
        log.info({ ...where, [key]: Number(limit.toPrecision(3)), reason }, 'the site is slowed down');
      }
    },
    acted: ({ action, site, source, tenant, ms, reason }) => {
      const named = Object.entries({ source, tenant }).filter(([, value]) => value !== '');
      log.warn({ action, site, ...Object.fromEntries(named), forMs: ms, reason }, 'a reply was acted on');
    },
  };
}
