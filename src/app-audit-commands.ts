/**
 * Which commands of operators change something, and how they are written down before they are done.
 *
 * `CHANGES` says of every command whether it changes something: a new one does not compile until it does.
 */
import type { AuditEvent } from './audit/audit-entry.js';
import type { AuditLog } from './audit/audit-log.js';
import type { EngineControl } from './control/engine-control.js';
import { messageOf } from './core/errors.js';

type Details = AuditEvent['details'];

/** `reads`, or the action's name and what of its arguments is written down. */
type Change<A extends readonly unknown[]> = 'reads' | readonly [action: string, details: (...args: A) => Details];

const onMessage = (action: string) => [action, (id: string): Details => ({ id })] as const;

const CHANGES: { readonly [K in keyof EngineControl]: Change<Parameters<EngineControl[K]>> } = {
  status: 'reads',
  list: 'reads',
  details: 'reads',
  show: 'reads',
  content: 'reads',
  why: 'reads',
  route: 'reads',
  destinations: 'reads',
  orders: 'reads',
  suppressions: 'reads',
  figures: 'reads',
  upstreams: 'reads',
  tenants: 'reads',
  messages: 'reads',
  message: 'reads',
  erasures: 'reads',
  webhooks: 'reads',
  testWebhook: ['webhooks.test', (name) => ({ name })],
  resumeWebhook: ['webhooks.resume', (name) => ({ name })],
  change: ['queue.change', (action, ids) => ({ action, ids: ids.join(' ') })],
  retry: onMessage('queue.retry'),
  hold: onMessage('queue.hold'),
  release: onMessage('queue.release'),
  remove: onMessage('queue.delete'),
  suspend: ['orders.suspend', (selector, reason, forMs) => ({ ...given(selector), reason, forMs })],
  reroute: ['orders.reroute', (selector, to, reason, forMs) => ({ ...given(selector), to, reason, forMs })],
  resume: ['orders.resume', (order, selector) => ({ ...(order === '' ? {} : { order }), ...given(selector) })],
  bounce: ['orders.bounce', (selector, reason) => ({ ...given(selector), reason })],
  // The log stays as it is: whom it was about is not written into it.
  erase: ['history.erase', ({ tenant, suppression }) => ({ tenant, suppression })],
  suppress: ['suppression.add', (tenant, address, reason, forMs) => ({ tenant, address, reason, forMs })],
  unsuppress: ['suppression.remove', (tenant, address) => ({ tenant, address })],
};

/** The same commands; those that change something are written down first. `actor`: as in AuditEvent. */
export function audited(control: EngineControl, actor: string, log: Pick<AuditLog, 'append'>): EngineControl {
  const commands = Object.entries(CHANGES).map(([name, change]) => {
    const command = (control[name as keyof EngineControl] as (...args: unknown[]) => unknown).bind(control);
    if (change === 'reads') return [name, command];
    const [action, details] = change as readonly [string, (...args: unknown[]) => Details];
    return [
      name,
      (...args: unknown[]) => recorded(log, { actor, action, details: details(...args) }, () => command(...args)),
    ];
  });
  return Object.fromEntries(commands) as EngineControl;
}

async function recorded(log: Pick<AuditLog, 'append'>, event: AuditEvent, act: () => unknown): Promise<unknown> {
  const { seq } = await log.append(event);
  const { actor, action } = event;
  const ended = (how: string, details: Details): void => {
    // Whether it was done is known to who asked; that it was asked for is on disk.
    log.append({ actor, action: `${action}.${how}`, details: { of: seq, ...details } }).catch(() => undefined);
  };
  try {
    const result = await act();
    ended('done', summary(result));
    return result;
  } catch (error) {
    ended('failed', { reason: messageOf(error) });
    throw error;
  }
}

/** What came of it, in short. */
function summary(result: unknown): Details {
  if (typeof result === 'number') return { affected: result };
  if (Array.isArray(result)) return { affected: result.length };
  const { id } = (result ?? {}) as { readonly id?: unknown };
  return typeof id === 'string' ? { id } : {};
}

/** What of a selector is given. */
function given(selector: object): Details {
  return Object.fromEntries(Object.entries(selector).filter(([, value]) => value !== ''));
}
