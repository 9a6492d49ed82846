/**
 * Where mail goes: by the routes of the configuration file, else to the configured upstreams or, where there are none, to
 * the mail hosts of each recipient domain.
 *
 * Routes, groups and tenants can be replaced while mail flows (`configure`). What is queued goes by the new ones at its
 * next attempt; a site looks at what holds whenever it looks for its hosts.
 */
import type { Egress } from './app-egress.js';
import { mailHosts } from './app-mail-hosts.js';
import { NextHops } from './app-next-hops.js';
import type { Outcomes } from './app-outcomes.js';
import type { SecurityHost } from './app-security.js';
import { type ConfigFile, readConfigFile } from './config/config-file.js';
import type { Settings } from './config/schema.js';
import { upstreamAddress } from './config/upstream-type.js';
import type { Clock } from './core/clock.js';
import { messageOf, SluiceError } from './core/errors.js';
import type { DeliveryEvents } from './delivery/delivery.js';
import { formatDestination, parseDestination } from './delivery/destination.js';
import { ORDERED, siteOfDestination } from './delivery/routes/route-sites.js';
import { Routes } from './delivery/routes/routes.js';
import type { Site } from './delivery/site.js';
import type { StandingOrders } from './delivery/standing-orders.js';
import { transparentDestination } from './delivery/transparent-destination.js';
import type { Envelope, Recipient } from './message/envelope.js';
import { originalDestinationOf } from './message/original-destination.js';
import { Tenants } from './message/tenant.js';
import { addressSet } from './net/address-set.js';
import { DnsClient } from './net/dns-client.js';
import { HostLookup, readSearchList } from './net/host-lookup.js';
import { HttpRequester } from './net/http-request.js';
import type { DeliveryJob } from './queue/queued-message.js';
import { domainOf } from './smtp/address.js';
import type { Log } from './telemetry/log.js';

export type RoutingTables = Pick<ConfigFile, 'route' | 'upstream' | 'tenant' | 'egress'>;

/** What the routing is given by other parts. */
export interface RoutingParts {
  /** Addresses we listen on, once we do. */
  ports(): readonly number[];
  readonly host: SecurityHost;
  /** Opened, configured and closed with the routing. */
  readonly egress: Egress;
  /** What the engine itself deals with, by the name behind `local/`. */
  local(name: string): Site | undefined;
}

export interface Routing {
  /** The key of the destination for a recipient of a message. */
  destinationOf(recipient: Recipient, envelope: Envelope): string;
  siteOf(destination: string): Site;
  /** Those in use now. */
  routes(): Routes;
  tenants(): Tenants;
  /** Takes other tables. @throws SluiceError `bad-upstream`, `bad-ca`, `bad-route`, `bad-egress`, and keeps the old. */
  configure(tables: RoutingTables): void;
  /** What is wrong with a target that an operator names (`upstream/NAME`, `mx`, `host/NAME:PORT`, `discard`), '' when nothing is. */
  targetProblem(target: string): string;
  /** The key of the destination where mail goes that an operator's order sends to such a target. `instead`: its own. */
  redirect(target: string, instead: string, recipient: Recipient, mail: Pick<Envelope, 'tlsOptional'>): string;
  /** For reports; to be told with DeliveryEvents.tlsResult. */
  readonly tlsResult: DeliveryEvents['tlsResult'];
  /** Before the first delivery, when the spool's directory is there. Never rejects. */
  open(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Builds the routing.
 * @throws SluiceError `bad-ca`, `bad-upstream`, `bad-route` or `bad-egress` where something cannot be used as it is set.
 */
export function routing(settings: Settings, tables: RoutingTables, clock: Clock, parts: RoutingParts): Routing {
  const dns = new DnsClient({
    clock,
    servers: settings.dnsServers.map(({ address, port }) => hostPort(address, port)),
    trusted: settings.dnssecServers.map(({ address }) => address),
  });
  const lookup = new HostLookup({ clock, dns, hostsFile: '/etc/hosts', ...readSearchList() });
  const http = new HttpRequester();
  const hops = new NextHops(settings, http, clock, async (host) => {
    const found = await lookup.lookup(host);
    if (found.kind === 'failed') throw new SluiceError('upstream-unknown', found.reason, { temporary: true });
    return found;
  });
  const fallback = settings.upstream.length > 0 ? 'upstream' : 'mx';
  let mail: ReturnType<typeof mailHosts> | null = null;
  const mailHostsNow = (): NonNullable<typeof mail> => {
    mail ??= mailHosts(settings, clock, dns, parts.ports, parts.host);
    return mail;
  };
  let tenants!: Tenants;
  let routes!: Routes;
  const configure = (next: RoutingTables): void => {
    if (fallback === 'mx' || next.route.some(({ target }) => target.kind === 'mx')) mailHostsNow();
    const takeEgress = parts.egress.prepare(next.egress);
    hops.configure(next.upstream, next.route);
    takeEgress();
    const nextTenants = new Tenants(next.tenant, addressSet);
    tenants = nextTenants;
    routes = new Routes({
      routes: next.route,
      fallback,
      egressOf: (tenant) => nextTenants.named(tenant)?.egress ?? '',
      tenantsHaveEgress: next.tenant.some(({ egress }) => egress !== ''),
      addressSet,
    });
  };
  configure(tables);
  return {
    destinationOf: (recipient, envelope) =>
      originalDestinationOf(envelope.handling) === ''
        ? routes.destinationOf(recipient, envelope)
        : transparentDestination(envelope, tenants.named(envelope.handling.tenant)?.egress ?? ''),
    siteOf: (destination) =>
      siteOfDestination(destination, {
        now: () => clock.now(),
        route: (name) => routes.named(name),
        group: (name) => hops.group(name),
        host: (name) => hops.host(name),
        mx: (domain, tlsOptional) => mailHostsNow().site(domain, tlsOptional),
        local: parts.local,
        egressPool: parts.egress.poolOf,
      }),
    routes: () => routes,
    tenants: () => tenants,
    configure,
    targetProblem: (target) => targetProblem(target, hops),
    redirect: (target, instead, recipient, mail) => {
      const { egress } = parseDestination(instead);
      const [kind = '', name = ''] = splitTarget(target);
      if (kind === 'discard') return `discard/${ORDERED}`;
      if (kind !== 'mx')
        return formatDestination({ kind: kind as 'upstream' | 'host', name, egress, tlsOptional: false });
      const tlsOptional = mail.tlsOptional === true;
      return formatDestination({ kind, name: domainOf(recipient.address), egress, tlsOptional });
    },
    tlsResult: (destination, host, result) => {
      if (mail === null) return;
      const { kind, name, tlsOptional } = parseDestination(destination);
      // Reports speak of domains, and of mail that their policies hold.
      if (kind === 'mx' && !tlsOptional) mail.tlsResult(name, host, result);
    },
    open: async () => {
      await Promise.all([mail?.open(), parts.egress.open()]);
    },
    close: async () => {
      dns.close();
      http.close();
      await Promise.all([mail?.close(), parts.egress.close()]);
    },
  };
}

/** Takes routes from the configuration file anew, which it gives back; a mistake keeps the old ones and is logged: null. */
export function reconfigure(
  route: Routing,
  settings: Settings,
  log: Pick<Log, 'error'>,
  outcomes: Pick<Outcomes, 'configure'>,
): ConfigFile | null {
  try {
    const tables = readConfigFile(settings.configFile);
    // First what can fail.
    route.configure(tables);
    outcomes.configure(tables.tenant);
    return tables;
  } catch (error) {
    log.error({ reason: messageOf(error) }, 'reload failed, the old routes stay in use');
    return null;
  }
}

/** Where an operator's order sends mail that its route sends to `own`: there too where there is none. */
export function ordered(
  own: string,
  recipient: Recipient,
  mail: Pick<Envelope, 'handling' | 'tlsOptional'>,
  route: Pick<Routing, 'targetProblem' | 'redirect'>,
  orders: StandingOrders,
): string {
  const order = orders.rerouteOf(mail, recipient, own);
  // A target that is gone since: the route holds again.
  return order === undefined || route.targetProblem(order.to) !== ''
    ? own
    : route.redirect(order.to, own, recipient, mail);
}

/** A job that would go elsewhere by the routes there are now. */
export function isElsewhere(destinationOf: Routing['destinationOf'], job: DeliveryJob): boolean {
  const { envelope } = job.message;
  return job.recipients.some((index) => destinationOf(envelope.recipients[index]!, envelope) !== job.destination);
}

/** The events, with results of TLS told to reports as well. */
export function reporting(events: DeliveryEvents, tlsResult: DeliveryEvents['tlsResult']): DeliveryEvents {
  return {
    attempt: (...told) => events.attempt(...told),
    uncertain: (...told) => events.uncertain(...told),
    unreadable: (...told) => events.unreadable(...told),
    connected: (...told) => events.connected(...told),
    hostFailed: (...told) => events.hostFailed(...told),
    sourceFailed: (...told) => events.sourceFailed(...told),
    credentialsRefused: (...told) => events.credentialsRefused(...told),
    throttled: (...told) => events.throttled(...told),
    tlsResult: (...told) => {
      events.tlsResult(...told);
      tlsResult(...told);
    },
  };
}

/** `upstream/ses` as its two parts. */
function splitTarget(target: string): readonly string[] {
  const slash = target.indexOf('/');
  return slash < 0 ? [target] : [target.slice(0, slash), target.slice(slash + 1)];
}

function targetProblem(target: string, hops: NextHops): string {
  const [kind, name] = splitTarget(target);
  if ((kind === 'mx' || kind === 'discard') && name === undefined) return '';
  if (kind === 'upstream' && name !== undefined)
    return hops.group(name) === undefined ? `there is no upstream group ${name}` : '';
  if (kind === 'host' && name !== undefined) {
    // A name with more in it than host and port would be read as parameters.
    if (!/^[\w.:[\]-]+:\d+$/.test(name)) return 'a host is given as host/NAME:PORT';
    const parsed = upstreamAddress().parse(`smtp://${name}`);
    return 'value' in parsed ? '' : parsed.problem;
  }
  return 'allowed: upstream/NAME, mx, host/NAME:PORT or discard';
}

function hostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
