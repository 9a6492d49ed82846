/**
 * What would become of mail, found out without sending any: `sluice route`.
 */
import type { RouteQuestion, RouteReport } from './control/engine-control.js';
import { parseDestination } from './delivery/destination.js';
import type { RouteFacts } from './delivery/routes/compiled-route.js';
import type { Routes } from './delivery/routes/routes.js';
import type { Site, SiteHost, SiteHosts } from './delivery/site.js';
import type { TlsPolicy } from './delivery/tls-policy.js';
import type { Lane, Recipient } from './message/envelope.js';
import type { LaneSettings } from './message/lane-settings.js';
import type { Tenants } from './message/tenant.js';
import { domainOf } from './smtp/address.js';

/** The part of a RouteReport that routes know. */
export interface RouteExplanation extends Omit<RouteReport, 'site' | 'limits' | 'waits'> {
  /** What the site resolved to, for whoever knows its limits. */
  readonly found: SiteHosts;
}

export interface ExplainingParts {
  readonly routes: Routes;
  readonly tenants: Tenants;
  readonly lanes: Pick<LaneSettings, 'default'>;
  siteOf(destination: string): Site;
  /** Where mail goes that its route sends to `own`: an operator's order, the suppression list. */
  elsewhere(own: string, recipient: Recipient, facts: RouteFacts): string;
}

/** Never rejects. A client that is asked about counts as one that may relay. */
export async function explainRoute(question: RouteQuestion, parts: ExplainingParts): Promise<RouteExplanation> {
  const { routes } = parts;
  const { sender, recipient, account, listener, client, tags, fields } = question;
  const senderDomain = domainOf(sender);
  const marks = { relays: true, account, header: '', sender, senderDomain, client, listener };
  const tenant = parts.tenants.named(question.tenant) ?? parts.tenants.of(marks);
  const name = question.tenant === '' ? (tenant?.name ?? '') : question.tenant;
  const given: Lane | null = question.lane === 'immediate' || question.lane === 'bulk' ? question.lane : null;
  const mail = { sender, account, tenant: name, listener, clientAddress: client, tags, fields };
  const said = routes.traitsOf({ ...mail, recipients: [{ address: recipient, notify: 0, originalRecipient: '' }] });
  const lane = given ?? said?.lane ?? tenant?.lane ?? parts.lanes.default;
  const facts: RouteFacts = { ...mail, client, lane };
  const route = routes.find(recipient, facts);
  const destination = parts.elsewhere(
    routes.destinationFor(recipient, facts),
    { address: recipient, notify: 0, originalRecipient: '' },
    facts,
  );
  const found = await parts.siteOf(destination).resolve();
  return {
    sender,
    recipient,
    route: route?.name ?? '',
    destination,
    egress: parseDestination(destination).egress,
    tenant: name,
    lane,
    hosts: found.kind === 'hosts' ? found.hosts.flatMap(addressesOf) : [],
    problem: found.kind === 'failed' ? found.reason : found.kind === 'local' ? whatBecomes(destination, routes) : '',
    found,
  };
}

function addressesOf({ name, address, alternatives = [], port, tls }: SiteHost) {
  return [address, ...alternatives].map((one) => ({ name, address: one, port, tls: tlsWords(tls) }));
}

function tlsWords({ mode, verify, implicit }: TlsPolicy): string {
  const words = mode === 'required' ? (verify === 'any' ? 'required, not verified' : `required, ${verify}`) : mode;
  return implicit ? `${words}, from the first byte` : words;
}

function whatBecomes(destination: string, routes: Routes): string {
  const { kind, name } = parseDestination(destination);
  const target = routes.named(name)?.target;
  if (target?.kind === 'refuse' && kind === 'refuse')
    return `refused by route ${name}: ${target.code} ${target.enhanced} ${target.text}`;
  return kind === 'discard' ? `discarded by route ${name}` : 'dealt with by the engine itself';
}
