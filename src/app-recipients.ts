/**
 * What routes say to recipients before there is content: refused, taken, or first asked for at the target.
 */
import type { Routing } from './app-routing.js';
import type { Settings } from './config/schema.js';
import type { RouteFacts } from './delivery/routes/compiled-route.js';
import { RecipientVerifier, type Verification, type VerifierOptions } from './delivery/routes/recipient-verifier.js';
import { domainOf } from './smtp/address.js';
import { makeReply, type Reply, replies } from './smtp/replies.js';

/** Who names a recipient. */
export interface RecipientClient {
  readonly address: string;
  readonly relays: boolean;
  readonly account: string;
  readonly listener: string;
  /** Reverse-path of the open transaction. */
  readonly sender: string;
}

/** A reply refuses the recipient, null takes it; a promise of one never rejects. */
export type RecipientPolicy = (client: RecipientClient, address: string) => Reply | null | Promise<Reply | null>;

/** The verifier of an engine. */
export function recipientVerifier(
  settings: Settings,
  routing: Pick<Routing, 'siteOf'>,
  parts: Pick<VerifierOptions, 'clock' | 'wheel' | 'dial' | 'connection'>,
): RecipientVerifier {
  const { verifyTimeout, verifyPositive, verifyNegative } = settings;
  const { connectTimeout, replyTimeout } = parts.connection;
  return new RecipientVerifier({
    ...parts,
    // An answer that comes late is kept for the next time, one that comes much later is not waited for.
    connection: {
      ...parts.connection,
      connectTimeout: Math.min(connectTimeout, 2 * verifyTimeout),
      replyTimeout: Math.min(replyTimeout, 4 * verifyTimeout),
    },
    siteOf: routing.siteOf,
    timeout: verifyTimeout,
    positive: verifyPositive,
    negative: verifyNegative,
  });
}

/** What is asked at RCPT. Of use while `routing.routes().decidesAtEdge`. */
export function recipientPolicy(
  routing: Pick<Routing, 'routes' | 'tenants'>,
  verifier: Pick<RecipientVerifier, 'verify'>,
  unknown: Settings['verifyUnknown'],
): RecipientPolicy {
  const replyTo = (answer: Verification): Reply | null => {
    if (answer.kind === 'accepted') return null;
    if (answer.kind === 'refused') return makeReply(answer.code, answer.enhanced, answer.text);
    return unknown === 'accept' ? null : replies.recipientNotVerified;
  };
  return (client, address) => {
    const routes = routing.routes();
    if (!routes.decidesAtEdge) return null;
    const facts = factsOf(client, routing);
    const decision = routes.edgeDecision(address, facts);
    if (decision === null) return null;
    if (decision !== 'verify') return makeReply(decision.code, decision.enhanced, decision.text);
    const answer = verifier.verify(routes.destinationFor(address, facts), address);
    return answer instanceof Promise ? answer.then(replyTo) : replyTo(answer);
  };
}

/** The refusal of a message that all its recipients' routes refuse, which only its header could tell. */
export function contentRefusal(
  routing: Pick<Routing, 'routes'>,
  envelope: Parameters<ReturnType<Routing['routes']>['contentDecision']>[0],
): Reply | null {
  const refusal = routing.routes().contentDecision(envelope);
  return refusal === null ? null : makeReply(refusal.code, refusal.enhanced, refusal.text);
}

function factsOf(client: RecipientClient, routing: Pick<Routing, 'tenants'>): RouteFacts {
  const { sender, account, listener, relays, address } = client;
  const tenant = routing.tenants().of({
    relays,
    account,
    header: '',
    sender,
    senderDomain: domainOf(sender),
    client: address,
    listener,
  });
  return {
    sender,
    account,
    tenant: tenant?.name ?? '',
    listener,
    client: address,
    lane: null,
    tags: null,
    fields: null,
  };
}
