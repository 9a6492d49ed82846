/**
 * What routes say to recipients before there is content: refused, taken, or first asked for at the target.
 */
import type { Outcomes } from './app-outcomes.js';
import type { Routing } from './app-routing.js';
import type { Settings } from './config/schema.js';
import type { RouteFacts } from './delivery/routes/compiled-route.js';
import { RecipientVerifier, type Verification, type VerifierOptions } from './delivery/routes/recipient-verifier.js';
import type { Routes } from './delivery/routes/routes.js';
import type { Envelope } from './message/envelope.js';
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

/**
 * What is asked at RCPT: the suppression list, then the routes. Of use while one of them has something to say
 * (`routes().decidesAtEdge`, `askRecipients`).
 */
export function recipientPolicy(
  outcomes: Pick<Outcomes, 'askRecipients' | 'refusalOf' | 'isBounceAddress'>,
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
    const listed = outcomes.askRecipients();
    if ((!routes.decidesAtEdge && !listed) || outcomes.isBounceAddress(address)) return null;
    // What the header says of the tenant comes later; what is found suppressed then is dealt with where it is queued.
    const facts = factsOf(client, routing);
    const suppressed = listed ? outcomes.refusalOf(facts.tenant, address) : null;
    if (suppressed !== null || !routes.decidesAtEdge) return suppressed;
    const decision = routes.edgeDecision(address, facts);
    if (decision === null) return null;
    if (decision !== 'verify') return makeReply(decision.code, decision.enhanced, decision.text);
    const answer = verifier.verify(routes.destinationFor(address, facts), address);
    return answer instanceof Promise ? answer.then(replyTo) : replyTo(answer);
  };
}

/** The refusal of a message that all its recipients' routes refuse, which only its header could tell. */
export function contentRefusal(routes: Routes, envelope: Envelope): Reply | null {
  const refusal = routes.contentDecision(envelope);
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
