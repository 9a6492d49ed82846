/**
 * From the next hop's verdicts to outcomes (RFC 5321 section 4.2.1: 4yz may succeed later, 5yz will not).
 */
import type { DeliverBy } from '../message/envelope.js';
import type { Outcome } from '../queue/outcome.js';
import type { Capabilities } from '../smtp/capabilities.js';
import type { Verdict } from '../smtp/client-host.js';
import { enhancedCode } from '../smtp/reply-parser.js';
import { throttlingOf } from './throttling.js';

/**
 * The host takes over the duty to notify (RFC 3461 section 5.2), and that to keep to the time for delivery where there is
 * one and the sender did not want to hear of each hop (RFC 2852 section 4.1).
 */
export function takesOverNotices(host: Capabilities, deliverBy: DeliverBy | null): boolean {
  return host.dsn && (deliverBy === null || (host.deliverBy && !deliverBy.trace));
}

/** The outcome a verdict stands for. `notifies`: see takesOverNotices. */
export function outcomeOf(verdict: Verdict, host: string, notifies: boolean): Outcome {
  const { reply, stage } = verdict;
  const accepted = stage === 'content' && reply.code >= 200 && reply.code < 300;
  // Some providers say with a 5yz that a day's quota is used up: nothing is wrong with the mail.
  const tooMuch = reply.code >= 500 && throttlingOf(reply) !== null;
  return {
    kind: accepted ? 'delivered' : reply.code >= 500 && !tooMuch ? 'failed' : 'deferred',
    reply: `${reply.code} ${reply.text}`,
    enhanced: tooMuch ? enhancedCode(reply).replace(/^5/, '4') : enhancedCode(reply),
    host,
    relayed: accepted && !notifies,
  };
}

/** An outcome for a reason of our own, in words. */
export function ownOutcome(kind: 'deferred' | 'failed', enhanced: string, reason: string, host: string): Outcome {
  return { kind, reply: reason, enhanced, host, relayed: false };
}

/**
 * The recipient was refused only because there are too many in one transaction: 452, or 552 which RFC 5321 section
 * 4.5.3.1.10 says to take for 452.
 */
export function isTooManyRecipients(verdict: Verdict): boolean {
  return verdict.stage === 'rcpt' && (verdict.reply.code === 452 || verdict.reply.code === 552);
}
