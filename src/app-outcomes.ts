/**
 * What becomes of mail, tied together: bounces are told apart, dead addresses and complaints suppressed, bounces and
 * complaints that come back booked, and the operator's figures kept.
 *
 * With nothing of it configured no message goes another way and none costs more than a comparison.
 */
import type { Settings } from './config/schema.js';
import type { EngineControl } from './control/engine-control.js';
import type { Clock } from './core/clock.js';
import type { ReturnPath } from './delivery/return-path.js';
import type { Site } from './delivery/site.js';
import { ownOutcome } from './delivery/verdicts.js';
import type { Envelope, Recipient } from './message/envelope.js';
import type { TenantSettings } from './message/tenant.js';
import { BounceDesk, type ReturnedAbout } from './outcomes/bounce-desk.js';
import { LOCAL_HOST, OutcomeBook } from './outcomes/outcome-book.js';
import type { SuppressionEntry } from './outcomes/suppression-entry.js';
import { SuppressionList } from './outcomes/suppression-list.js';
import { Verp } from './outcomes/verp.js';
import { openVerpKey } from './outcomes/verp-key.js';
import { VerpTokens } from './outcomes/verp-token.js';
import type { Outcome } from './queue/outcome.js';
import type { DeliveryJob } from './queue/queued-message.js';
import { type Reply, suppressedReply } from './smtp/replies.js';
import type { OpenedSpool } from './spool/open-spool.js';
import type { EngineEvents } from './telemetry/engine-events.js';
import { Kpi, type KpiReport } from './telemetry/kpi.js';
import type { ReturnedMail } from './telemetry/mail-event.js';
import { SiteNames } from './telemetry/site-name.js';

/** What is asked of a message to find its destination; M: what else whoever is behind needs. */
type DestinationOf<M> = (recipient: Recipient, mail: M) => string;

export interface Outcomes {
  readonly returnPath: ReturnPath;
  /** Domains of bounce addresses. `all`: with those of which only some addresses are (isBounceAddress decides). */
  bounceDomains(all: boolean): readonly string[];
  /** Sessions have to ask about recipients. When that becomes so, `changed` is told. */
  askRecipients(): boolean;
  /** Mail to this address is a bounce or a complaint that comes back: taken from anyone. */
  isBounceAddress(address: string): boolean;
  /** The answer to RCPT for a recipient on the tenant's suppression list; null: it is not, or is to be dropped. */
  refusalOf(tenant: string, address: string): Reply | null;
  /** There may be recipients that are dropped. */
  mayDrop(): boolean;
  /** Why a recipient is taken and gets nothing; null: it gets its mail, or is to be refused. */
  dropReason(tenant: string, address: string): string | null;
  /** The destinations of routes, with what goes elsewhere taken out first: to `local/bounces` and `local/suppressed`. */
  inFrontOf<M extends Pick<Envelope, 'handling'>>(routes: DestinationOf<M>): DestinationOf<M>;
  /** The site of what is behind `local/`, undefined where it is not ours. */
  local(name: string): Site | undefined;
  kpis(): KpiReport;
  /** Entries of the suppression list. */
  suppressedCount(): number;
  readonly control: Pick<EngineControl, 'suppressions' | 'suppress' | 'unsuppress'>;
  /** Tenants as they are from now on. @throws SluiceError `bad-verp`, and nothing changes. */
  configure(tenants: readonly TenantSettings[]): void;
  close(): void;
}

/** Behind `local/`. */
const BOUNCES = 'bounces';
const SUPPRESSED = 'suppressed';
/** Ten million entries are looked at within some days; one that has ended counts for nothing at once. */
const SWEEP_EVERY = 10_000;

/** Builds it, and has the events told to it. `changed`: what sessions have to ask is different from now on. @throws SluiceError `bad-verp`, `bad-verp-key`. */
export function openOutcomes(
  settings: Settings,
  tenants: readonly TenantSettings[],
  spool: OpenedSpool,
  clock: Clock,
  events: EngineEvents,
  changed: () => void,
): Outcomes {
  const kpi = new Kpi();
  const sites = new SiteNames();
  const suppression = suppressionOf(settings, spool, clock, events, changed);
  let verp = verpOf(settings, tenants);
  let policies = policiesOf(tenants);
  const siteOf = (host: string, recipient: string): string => sites.of(host, recipient);
  const book = new OutcomeBook({ clock, counts: kpi, suppression, siteOf });
  events.follower = book;
  const desk = new BounceDesk({
    verp: () => verp,
    clock,
    hostname: settings.hostname,
    suppression,
    events: {
      bounced: (bounce) => {
        events.bounced({ ...bounce });
        events.returned(returnedMail('returned', bounce, bounce.reply, bounce.category));
        if (bounce.verified) book.cameBack('bounce', bounce.tenant, bounce.to, bounce.reporter);
      },
      complained: (complaint) => {
        events.complained({ ...complaint });
        events.returned(returnedMail('complained', complaint, '', complaint.type));
        if (complaint.verified) book.cameBack('complaint', complaint.tenant, complaint.to, complaint.reporter);
      },
      setAside: (...told) => events.setAside(...told),
    },
  });
  const entryOf = (policy: 'reject' | 'drop', tenant: string, address: string): SuppressionEntry | null => {
    if (suppression.size === 0) return null;
    if ((policies.get(tenant) ?? settings.suppressed) !== policy) return null;
    return suppression.suppressed(tenant, address);
  };
  const dropReason = (tenant: string, address: string): string | null => {
    const entry = entryOf('drop', tenant, address);
    return entry === null ? null : `on the suppression list: ${entry.reason}`;
  };
  const local = (deliver: (job: DeliveryJob) => Promise<readonly Outcome[]>): Site => ({
    resolve: async () => ({ kind: 'local', deliver, expires: Number.POSITIVE_INFINITY }),
  });
  const bounceSite = local((job) => desk.deliver(job));
  const suppressedSite = local(async ({ message: { envelope }, recipients }) =>
    recipients.map((index): Outcome => {
      const { tenant } = envelope.handling;
      const { address } = envelope.recipients[index]!;
      const dropped = dropReason(tenant, address);
      if (dropped !== null)
        return { kind: 'delivered', reply: `dropped: ${dropped}`, enhanced: '2.0.0', host: LOCAL_HOST, relayed: false };
      const reason = suppression.suppressed(tenant, address)?.reason;
      // Taken off the list meanwhile: it finds its way with the next attempt.
      if (reason === undefined) return ownOutcome('deferred', '4.1.1', 'no longer suppressed', LOCAL_HOST);
      return ownOutcome('failed', '5.1.1', `the recipient is on the suppression list: ${reason}`, LOCAL_HOST);
    }),
  );
  const timer = setInterval(() => suppression.sweep(), SWEEP_EVERY);
  timer.unref();
  return {
    returnPath: {
      appliesTo: (envelope) => verp.appliesTo(envelope),
      of: (envelope, recipient) => verp.of(envelope, recipient),
    },
    bounceDomains: (all) => [...verp.domains, ...(all ? verp.sharedDomains : [])],
    askRecipients: () => suppression.size > 0 || verp.sharedDomains.size > 0,
    mayDrop: () => settings.suppressed === 'drop' || [...policies.values()].includes('drop'),
    isBounceAddress: (address) => verp.isBounceAddress(address),
    refusalOf: (tenant, address) => {
      const entry = entryOf('reject', tenant, address);
      return entry === null ? null : suppressedReply(entry.reason, entry.since);
    },
    dropReason,
    inFrontOf: (routes) => (recipient, envelope) => {
      const { address } = recipient;
      if (verp.isBounceAddress(address)) return `local/${BOUNCES}`;
      if (suppression.suppressed(envelope.handling.tenant, address) !== null) return `local/${SUPPRESSED}`;
      return routes(recipient, envelope);
    },
    local: (name) => (name === BOUNCES ? bounceSite : name === SUPPRESSED ? suppressedSite : undefined),
    kpis: () => kpi.report(clock.now()),
    suppressedCount: () => suppression.size,
    control: {
      suppressions: (tenant, after, limit) => suppression.list(tenant, after, limit),
      suppress: (tenant, address, reason, forMs) => suppression.add(tenant, address, reason, forMs),
      unsuppress: (tenant, address) => suppression.remove(tenant, address),
    },
    configure: (next) => {
      verp = verpOf(settings, next);
      policies = policiesOf(next);
    },
    close: () => {
      clearInterval(timer);
      events.follower = null;
    },
  };
}

function returnedMail(kind: ReturnedMail['kind'], about: ReturnedAbout, reply: string, category: string) {
  const { id, to, tenant, verified } = about;
  return { kind, id, recipient: to, tenant, verified, reply, category };
}

function policiesOf(tenants: readonly TenantSettings[]): ReadonlyMap<string, TenantSettings['suppression']> {
  return new Map(tenants.map(({ name, suppression }) => [name, suppression]));
}

function suppressionOf(
  settings: Settings,
  spool: OpenedSpool,
  clock: Clock,
  events: EngineEvents,
  changed: () => void,
): SuppressionList {
  const learns = (what: 'bounces' | 'complaints'): boolean =>
    settings.suppression === what || settings.suppression === 'all';
  const bounces = learns('bounces');
  return new SuppressionList({
    table: spool.suppression,
    clock,
    times: {
      'bad-mailbox': bounces ? settings.suppressBadMailbox : null,
      'bad-domain': bounces ? settings.suppressBadDomain : null,
      'inactive-mailbox': bounces ? settings.suppressInactive : null,
      complaint: learns('complaints') ? settings.suppressComplaint : null,
    },
    most: settings.suppressionMax,
    flush: () => spool.flush(),
    added: (entry) => events.suppressed({ ...entry }),
    begun: changed,
    full: () => events.suppressionFull(settings.suppressionMax),
  });
}

function verpOf(settings: Settings, tenants: readonly TenantSettings[]): Verp {
  const own = tenants.filter(({ verp }) => verp !== '').map(({ name, verp }) => ({ tenant: name, pattern: verp }));
  const general =
    settings.verp === '' ? [] : ['', ...tenants.filter(({ verp }) => verp === '').map(({ name }) => name)];
  const all = [...own, ...general.map((tenant) => ({ tenant, pattern: settings.verp }))];
  // Without reverse-paths of our own there is nothing to prove, and no key is made.
  const key = all.length === 0 ? Buffer.alloc(0) : openVerpKey(settings.spoolDir);
  return new Verp(
    { tenants: all, addresses: settings.bounceAddresses },
    new VerpTokens(
      key,
      all.map(({ tenant }) => tenant),
    ),
  );
}
