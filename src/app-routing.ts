/**
 * Where mail goes: all of it to the configured upstreams, or to the mail hosts of each recipient domain.
 */
import { networkInterfaces } from 'node:os';
import { upstreamsOf } from './app-upstreams.js';
import type { Settings } from './config/schema.js';
import type { Clock } from './core/clock.js';
import { SluiceError } from './core/errors.js';
import { DnsMailHostResolver } from './delivery/mail-host-resolver.js';
import { mailSite, type Site, upstreamSite } from './delivery/site.js';
import type { Recipient } from './message/envelope.js';
import { DnsClient } from './net/dns-client.js';
import { HostLookup, readSearchList } from './net/host-lookup.js';
import { HttpRequester } from './net/http-request.js';
import { asciiDomain } from './smtp/address.js';

export interface Routing {
  /** The key of the destination for a recipient. */
  destinationOf(recipient: Recipient): string;
  siteOf(destination: string): Site;
  close(): void;
}

/** The one destination of a relay with upstreams. */
const UPSTREAM = 'upstream';

/**
 * Builds the routing. `ports`: those we listen on, once we do.
 * @throws SluiceError `bad-upstream` where a next hop cannot be used as it is set.
 */
export function routing(settings: Settings, clock: Clock, ports: () => readonly number[]): Routing {
  const dns = new DnsClient({
    clock,
    servers: settings.dnsServers.map(({ address, port }) => hostPort(address, port)),
  });
  const close = () => dns.close();
  if (settings.upstream.length > 0) {
    const lookup = new HostLookup({ clock, dns, hostsFile: '/etc/hosts', ...readSearchList() });
    const site = upstreamSite(upstreamsOf(settings, new HttpRequester(), clock), async (host) => {
      const found = await lookup.lookup(host);
      if (found.kind === 'failed') throw new SluiceError('upstream-unknown', found.reason, { temporary: true });
      return found;
    });
    return { destinationOf: () => UPSTREAM, siteOf: () => site, close };
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
  return {
    destinationOf: ({ address }) => asciiDomain(address.slice(address.lastIndexOf('@') + 1)),
    siteOf: (domain) => mailSite(domain, resolver, settings.mxPort, settings.mxConnections),
    close,
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
