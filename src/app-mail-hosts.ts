/**
 * The mail hosts of recipient domains, with the security of deliveries to them: built where mail goes to MX hosts at all.
 */
import { networkInterfaces } from 'node:os';
import { deliverySecurity, type SecurityHost } from './app-security.js';
import type { Settings } from './config/schema.js';
import type { Clock } from './core/clock.js';
import type { DeliveryEvents } from './delivery/delivery.js';
import { DnsMailHostResolver } from './delivery/mail-host-resolver.js';
import { mailSite, type Site } from './delivery/site.js';
import type { DnsClient } from './net/dns-client.js';

export interface MailHosts {
  /** `tlsOptional`: TLS policies of the domain do not count for this mail. */
  site(domain: string, tlsOptional: boolean): Site;
  /** About the mail hosts of a domain, for reports. */
  readonly tlsResult: DeliveryEvents['tlsResult'];
  /** Takes in what an earlier run knew. Never rejects. */
  open(): Promise<void>;
  close(): Promise<void>;
}

const SMTP_PORT = 25;

/** `ports`: those we listen on, once we do. @throws SluiceError `bad-ca`. */
export function mailHosts(
  settings: Settings,
  clock: Clock,
  dns: DnsClient,
  ports: () => readonly number[],
  host: SecurityHost,
): MailHosts {
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
  let opened: Promise<void> | null = null;
  const open = (): Promise<void> => {
    opened ??= security.open();
    return opened;
  };
  return {
    site: (domain, tlsOptional) => {
      const policies = tlsOptional ? security.mxWithoutPolicies : security.mx;
      const site = mailSite(domain, resolver, policies, mxPort, mxConnections);
      return {
        async resolve() {
          // Built by a reload, it may not be open yet.
          await open();
          return site.resolve();
        },
      };
    },
    tlsResult: security.tlsResult,
    open,
    close: () => security.close(),
  };
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function ownAddresses(): Set<string> {
  const found = new Set<string>();
  for (const list of Object.values(networkInterfaces())) for (const { address } of list ?? []) found.add(address);
  return found;
}
