/**
 * Where mail goes: all of it to the configured upstreams, or to the mail hosts of each recipient domain.
 */
import { networkInterfaces } from 'node:os';
import { deliverySecurity, type SecurityHost } from './app-security.js';
import { upstreamsOf } from './app-upstreams.js';
import type { Settings } from './config/schema.js';
import type { Clock } from './core/clock.js';
import { SluiceError } from './core/errors.js';
import type { DeliveryEvents } from './delivery/delivery.js';
import { DnsMailHostResolver } from './delivery/mail-host-resolver.js';
import { mailSite, type Site, upstreamSite } from './delivery/site.js';
import type { Envelope, Recipient } from './message/envelope.js';
import { DnsClient } from './net/dns-client.js';
import { HostLookup, readSearchList } from './net/host-lookup.js';
import { HttpRequester } from './net/http-request.js';
import { asciiDomain } from './smtp/address.js';

export interface Routing {
  /** The key of the destination for a recipient of a message. */
  destinationOf(recipient: Recipient, envelope: Envelope): string;
  siteOf(destination: string): Site;
  /** For reports; to be told with DeliveryEvents.tlsResult. */
  readonly tlsResult: DeliveryEvents['tlsResult'];
  /** Before the first delivery, when the spool's directory is there. Never rejects. */
  open(): Promise<void>;
  close(): Promise<void>;
}

/** The one destination of a relay with upstreams. */
const UPSTREAM = 'upstream';

/** In front of the domain in the destination of mail that TLS policies do not hold: it has connections of its own. */
const TLS_OPTIONAL = 'tls-optional:';

/**
 * Builds the routing. `ports`: those we listen on, once we do.
 * @throws SluiceError `bad-ca`, or `bad-upstream` where a next hop cannot be used as it is set.
 */
export function routing(settings: Settings, clock: Clock, ports: () => readonly number[], host: SecurityHost): Routing {
  const dns = new DnsClient({
    clock,
    servers: settings.dnsServers.map(({ address, port }) => hostPort(address, port)),
    trusted: settings.dnssecServers.map(({ address }) => address),
  });
  if (settings.upstream.length > 0) {
    const lookup = new HostLookup({ clock, dns, hostsFile: '/etc/hosts', ...readSearchList() });
    const http = new HttpRequester();
    const site = upstreamSite(upstreamsOf(settings, http, clock), async (host) => {
      const found = await lookup.lookup(host);
      if (found.kind === 'failed') throw new SluiceError('upstream-unknown', found.reason, { temporary: true });
      return found;
    });
    return {
      destinationOf: () => UPSTREAM,
      siteOf: () => site,
      tlsResult: () => {},
      open: async () => {},
      close: async () => {
        dns.close();
        http.close();
      },
    };
  }
  const own = ownAddresses();
  const resolver = new DnsMailHostResolver({
    dns,
    clock,
    ownNames: [settings.hostname],
    // Loopback is never somebody else's host at the real port, whoever listens there.
    isOurselves: (address) =>
      isLoopback(address)
        ? settings.mxPort === SMTP_PORT || ports().includes(settings.mxPort)
        : ports().includes(settings.mxPort) && own.has(address),
  });
  const security = deliverySecurity(settings, clock, dns, host);
  const { mxPort, mxConnections } = settings;
  return {
    destinationOf: ({ address }, { tlsOptional }) => {
      const domain = asciiDomain(address.slice(address.lastIndexOf('@') + 1));
      return tlsOptional === true ? `${TLS_OPTIONAL}${domain}` : domain;
    },
    siteOf: (destination) =>
      destination.startsWith(TLS_OPTIONAL)
        ? mailSite(destination.slice(TLS_OPTIONAL.length), resolver, security.mxWithoutPolicies, mxPort, mxConnections)
        : mailSite(destination, resolver, security.mx, mxPort, mxConnections),
    tlsResult: security.tlsResult,
    open: () => security.open(),
    close: async () => {
      dns.close();
      await security.close();
    },
  };
}

/** The events, with results of TLS told to reports as well. */
export function reporting(events: DeliveryEvents, tlsResult: DeliveryEvents['tlsResult']): DeliveryEvents {
  return {
    attempt: (...told) => events.attempt(...told),
    uncertain: (...told) => events.uncertain(...told),
    unreadable: (...told) => events.unreadable(...told),
    connected: (...told) => events.connected(...told),
    hostFailed: (...told) => events.hostFailed(...told),
    credentialsRefused: (...told) => events.credentialsRefused(...told),
    throttled: (...told) => events.throttled(...told),
    tlsResult: (...told) => {
      events.tlsResult(...told);
      tlsResult(...told);
    },
  };
}

const SMTP_PORT = 25;

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function ownAddresses(): Set<string> {
  const found = new Set<string>();
  for (const list of Object.values(networkInterfaces())) for (const { address } of list ?? []) found.add(address);
  return found;
}

function hostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
