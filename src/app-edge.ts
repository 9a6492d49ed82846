/**
 * What is decided where mail comes in, put together from the settings and the configuration file: how each message is
 * handled, and how much of it there may be.
 */
import type { Accounts } from './accounts/accounts.js';
import type { Outcomes } from './app-outcomes.js';
import { contentRefusal } from './app-recipients.js';
import type { Routing } from './app-routing.js';
import type { ConfigFile } from './config/config-file.js';
import { listenerNames } from './config/listener-names.js';
import type { Settings } from './config/schema.js';
import type { Clock } from './core/clock.js';
import type { Routes } from './delivery/routes/routes.js';
import { COUNTED, type EdgeLimit, EdgeLimits, TenantLimits } from './intake/edge-limits.js';
import { MessageHandling } from './intake/handling.js';
import type { IntakeRules, Submitter } from './intake/intake.js';
import { LimitsInForce } from './intake/limits-in-force.js';
import type { Envelope, Lane, Recipient } from './message/envelope.js';
import type { Tenants } from './message/tenant.js';
import { addressSet, LOOPBACK } from './net/address-set.js';
import type { ConnectionLimits } from './net/connection-count.js';
import type { MailClient } from './net/session-threads.js';
import type { Reply } from './smtp/replies.js';
import type { Transaction } from './smtp/server-host.js';
import type { EngineEvents } from './telemetry/engine-events.js';

/** What the routing made of the file. */
interface RoutesInUse {
  readonly routes: Routes;
  readonly tenants: Tenants;
}

/** What the configuration file says of mail that comes in. */
function mailRules(
  settings: Settings,
  file: Pick<ConfigFile, 'tenant' | 'lanes'>,
  { routes, tenants }: RoutesInUse,
  accounts: Pick<Accounts, 'settingsOf'>,
  clock: Clock,
  events: Events,
  outcomes: Pick<Outcomes, 'mayDrop' | 'dropReason'>,
): IntakeRules {
  const names = listenerNames(settings.listen);
  const lanes = settings.listen.flatMap(({ lane }, i): [string, Lane][] => (lane === null ? [] : [[names[i]!, lane]]));
  const limits = new TenantLimits(file.tenant);
  const handling = new MessageHandling({
    lanes: file.lanes,
    tenants,
    listenerLanes: new Map(lanes),
    keepsListener: settings.listen.some(({ name, lane }) => name !== '' || lane !== null) || routes.asksListener,
    account: (name) => {
      const { lane, tags } = accounts.settingsOf(name);
      return lane === null && tags.length === 0 ? null : { lane, tags };
    },
    traitsOf: routes.handles ? (facts) => routes.traitsOf(facts) : null,
    ignored: (client, field, value) => events.fieldIgnored(client, field, value),
  });
  const limited = ({ handling: { tenant }, recipients, content }: Envelope): Reply | null =>
    limits.admit(tenant, { recipients: recipients.length, bytes: content.size }, clock.now());
  const edge =
    limits.none && !routes.refuses && !outcomes.mayDrop()
      ? null
      : {
          refusal: (envelope: Envelope) => contentRefusal(routes, envelope) ?? limited(envelope),
          dropReason: ({ handling: { tenant } }: Envelope, { address }: Recipient) =>
            outcomes.dropReason(tenant, address),
        };
  return { handling, edge };
}

/** Limits of clients and listeners; null: there are none. */
function edgeLimits(settings: Settings): EdgeLimits | null {
  const names = listenerNames(settings.listen);
  const listeners = settings.listen.map(({ limits }, i): [string, EdgeLimit[]] => [
    names[i]!,
    perMinute(limits.messagesPerMinute, limits.recipientsPerMinute, 0),
  ]);
  const client = perMinute(
    settings.clientMessagesPerMinute,
    settings.clientRecipientsPerMinute,
    settings.clientBytesPerMinute,
  );
  const limited = listeners.filter(([, limits]) => limits.length > 0);
  if (client.length === 0 && limited.length === 0) return null;
  const holdsAll = settings.clientLimits === 'all';
  return new EdgeLimits({ client, isExempt: ({ relays }) => relays && !holdsAll, listeners: new Map(limited) });
}

/** Told that somebody is over a limit: key of LimitsInForce, the reply to MAIL, until when (wall clock, ms). */
type Limited = (key: string, reply: Reply, until: number) => void;

type Events = Pick<EngineEvents, 'fieldIgnored'>;

/**
 * Books each message to its client, its listener and its account, or refuses it, and then the next MAIL; and says how
 * messages are handled.
 */
export class MailEdge {
  rules!: IntakeRules;
  private readonly limits: EdgeLimits | null;
  private readonly inForce = new LimitsInForce();
  private readonly settings: Settings;
  private readonly accounts: Accounts;
  private readonly clock: Clock;
  private readonly events: Events;
  private readonly outcomes: Pick<Outcomes, 'mayDrop' | 'dropReason'>;
  private readonly limited: Limited;

  /** `configure` comes before the first message. */
  constructor(
    settings: Settings,
    accounts: Accounts,
    clock: Clock,
    events: Events,
    outcomes: Pick<Outcomes, 'mayDrop' | 'dropReason'>,
    limited: Limited,
  ) {
    this.limits = edgeLimits(settings);
    this.settings = settings;
    this.accounts = accounts;
    this.clock = clock;
    this.events = events;
    this.outcomes = outcomes;
    this.limited = limited;
  }

  /** Takes what the configuration file says and the routes made of it. */
  configure(file: Pick<ConfigFile, 'tenant' | 'lanes'>, routing: Pick<Routing, 'routes' | 'tenants'>): void {
    const inUse = { routes: routing.routes(), tenants: routing.tenants() };
    this.rules = mailRules(this.settings, file, inUse, this.accounts, this.clock, this.events, this.outcomes);
  }

  /** At the end of a message. */
  admit(submitter: Submitter, { account, recipients, content }: Transaction): Reply | null {
    if (this.limits === null && account === '') return null;
    const now = this.clock.now();
    const size = { recipients: recipients.length, bytes: content.size };
    const refusal = this.limits?.refusal(submitter, size, now) ?? null;
    if (refusal !== null) {
      // One that never fits says nothing of the next.
      if (Number.isFinite(refusal.until)) this.inForce.set(refusal.key, refusal.reply, refusal.until);
      return this.tell(refusal.key, refusal.reply, refusal.until - now);
    }
    if (account !== '') {
      const wall = this.clock.wall();
      const over = this.accounts.admit(account, recipients.length, wall);
      if (over !== null) return this.tell(account, over.reply, over.until - wall);
    }
    this.limits?.book(submitter, size, now);
    return null;
  }

  /** At MAIL. */
  limitOf(client: MailClient): Reply | null {
    const { account } = client;
    if (account !== '') {
      const over = this.accounts.blockedUntil(account, this.clock.wall());
      if (over !== null) return over.reply;
    }
    return this.limits === null ? null : this.inForce.refusal(client, this.clock.now());
  }

  /** Tells threads, which only have the wall clock in common with this one. */
  private tell(key: string, reply: Reply, wait: number): Reply {
    if (Number.isFinite(wait)) this.limited(key, reply, this.clock.wall() + wait);
    return reply;
  }
}

/** Limits on connections; `total`: those there is room for now. */
export function connectionLimits(settings: Settings, total: () => number): ConnectionLimits {
  const names = listenerNames(settings.listen);
  const mayRelay = addressSet([...LOOPBACK, ...settings.relayNetworks]);
  const listeners = settings.listen.flatMap(({ limits }, i): [string, typeof limits][] =>
    limits.connections === 0 && limits.connectionsPerSecond === 0 ? [] : [[names[i]!, limits]],
  );
  return {
    get total() {
      return total();
    },
    perClient: settings.maxConnectionsPerClient,
    newPerClient: settings.clientNewConnectionsPerSecond,
    isExempt: settings.clientLimits === 'all' ? () => false : mayRelay,
    listeners: new Map(listeners),
  };
}

function perMinute(...most: number[]): EdgeLimit[] {
  return COUNTED.map((counted, i): EdgeLimit => ({ counted, span: 'minute', most: most[i]! })).filter(
    (limit) => limit.most > 0,
  );
}
