/**
 * Mail that applications hand in, tied to the engine: judged, limited and made durable as mail of clients that may relay.
 */
import type { MailEdge } from './app-edge.js';
import type { MailPlan } from './app-plan.js';
import { sessionOptions } from './app-session.js';
import type { Settings } from './config/schema.js';
import type { Clock } from './core/clock.js';
import { AnsweredRequests } from './injection/answered-requests.js';
import { Injector, type InjectorOptions } from './injection/injector.js';
import type { Admission } from './intake/admission.js';
import type { OpenedSpool } from './spool/open-spool.js';

export interface InjectionParts extends Pick<InjectorOptions, 'segments' | 'intake'> {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly spool: Pick<OpenedSpool, 'answered'>;
  readonly plan: Pick<MailPlan, 'recipientPolicy' | 'route'>;
  readonly edge: Pick<MailEdge, 'limitOf'>;
  readonly admission: Pick<Admission, 'admitMail'>;
}

/** How often keys that are over are looked for, and the pause between two helpings of them, ms. */
const SWEEP_EVERY = 60_000;
const SWEEP_PAUSE = 100;

export interface Injection {
  readonly injector: Injector;
  /** Ends what goes on by itself. */
  close(): void;
}

/** Builds it. */
export function openInjection(parts: InjectionParts): Injection {
  const { settings, clock, spool, segments, intake, plan, edge, admission } = parts;
  const answered = new AnsweredRequests({
    table: spool.answered,
    clock,
    lifetime: settings.idempotencyTime,
    most: settings.idempotencyMax,
  });
  const session = sessionOptions(settings, true, { tls: 'none', auth: 'none' }, false, []);
  const injector = new Injector({
    ...{ segments, intake, clock, session, answered },
    admitMail: (client, size) => edge.limitOf(client) ?? admission.admitMail(size),
    admitRecipient: plan.recipientPolicy,
    knowsTenant: ({ address: client, relays, account, listener, sender }, header, senderDomain) => {
      const tenants = plan.route.tenants();
      if (tenants.all.length === 0) return true;
      return tenants.of({ relays, account, header, sender, senderDomain, client, listener })?.header === header;
    },
  });
  let timer: NodeJS.Timeout;
  const sweep = (): void => {
    timer = setTimeout(sweep, answered.sweep() ? SWEEP_PAUSE : SWEEP_EVERY);
    timer.unref();
  };
  sweep();
  return { injector, close: () => clearTimeout(timer) };
}
