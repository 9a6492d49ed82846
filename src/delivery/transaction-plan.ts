/**
 * From a message and what the next hop can do to the commands of a transaction, or to the reason why the message must
 * not be sent there as it is (RFC 6152, RFC 3030, RFC 6531, RFC 1870, RFC 8689, RFC 2852): never silently broken.
 */
import { domainToASCII } from 'node:url';
import { systemClock } from '../core/clock.js';
import type { ContentFacts, DeliverBy, Envelope } from '../message/envelope.js';
import { NOTIFY_DELAY, NOTIFY_FAILURE, NOTIFY_NEVER, NOTIFY_SUCCESS, type Recipient } from '../message/envelope.js';
import type { Capabilities } from '../smtp/capabilities.js';
import type { TransactionPlan } from '../smtp/client-host.js';
import { type HopSecurity, requireTlsRefusal } from './require-tls.js';

/** Why a transaction cannot be made. */
export interface PlanRefusal {
  readonly enhanced: string;
  /** Another try may find it otherwise: the message is deferred. */
  readonly temporary?: boolean;
  readonly reason: string;
}

/** What has to be known or done first: `header`: whether the header is ASCII; `downgrade`: a 7-bit form. */
export type PlanStep =
  | { readonly kind: 'plan'; readonly plan: TransactionPlan }
  | { readonly kind: 'refused'; readonly refusal: PlanRefusal }
  | { readonly kind: 'header' }
  | { readonly kind: 'downgrade' };

const NON_ASCII = /[^\x00-\x7f]/;

/**
 * Plans a transaction for some recipients. `content`: facts of what would be sent (of the downgraded form once there is
 * one). `headerAscii`: undefined until it was looked at. `sender`: the reverse-path to send with. `now`: the engine's clock,
 * asked where a message has a deadline.
 */
export function planTransaction(
  envelope: Envelope,
  recipients: readonly number[],
  content: ContentFacts,
  capabilities: Capabilities,
  headerAscii: boolean | undefined,
  hop: HopSecurity,
  sender = envelope.sender,
  now: () => number = systemClock.now,
): PlanStep {
  const { deliverBy } = envelope.handling;
  const time = deliverBy === null ? '' : deliverByParameter(deliverBy, capabilities, now());
  if (typeof time !== 'string') return { kind: 'refused', refusal: time };
  const unsafe = envelope.requireTls ? requireTlsRefusal(capabilities, hop) : null;
  if (unsafe !== null) return { kind: 'refused', refusal: unsafe };
  if (capabilities.maxSize > 0 && content.size > capabilities.maxSize)
    return refused('5.3.4', `message of ${content.size} bytes is over the next hop's limit of ${capabilities.maxSize}`);
  const binary = content.binary;
  if (binary && !(capabilities.chunking && (envelope.bodyType !== 'BINARYMIME' || capabilities.binaryMime)))
    return refused('5.6.3', 'binary content, and the next hop does not take BINARYMIME');
  if (binary && content.eightBit && !capabilities.binaryMime && !capabilities.eightBitMime)
    return refused('5.6.3', '8-bit content that is no text, and the next hop takes neither 8BITMIME nor BINARYMIME');
  let utf8 = NON_ASCII.test(sender);
  const addresses = recipients.map((index) => {
    const address = deliveryAddress(envelope.recipients[index]!.address, capabilities.smtpUtf8);
    utf8 ||= NON_ASCII.test(address);
    return address;
  });
  if (utf8 && !capabilities.smtpUtf8)
    return refused('5.6.7', 'internationalized address, and the next hop does not take SMTPUTF8');
  const international = utf8 || (envelope.smtpUtf8 && content.eightBit);
  if (international && !capabilities.smtpUtf8) {
    if (headerAscii === undefined) return { kind: 'header' };
    if (!headerAscii) return refused('5.6.9', 'internationalized header, and the next hop does not take SMTPUTF8');
  }
  if (content.eightBit && !binary && !capabilities.eightBitMime) return { kind: 'downgrade' };
  let mail = `MAIL FROM:<${sender}>`;
  if (capabilities.size) mail += ` SIZE=${content.size}`;
  if (binary && capabilities.binaryMime) mail += ' BODY=BINARYMIME';
  else if (capabilities.eightBitMime && (content.eightBit || envelope.bodyType === '8BITMIME'))
    mail += ' BODY=8BITMIME';
  if (capabilities.smtpUtf8 && (utf8 || envelope.smtpUtf8)) mail += ' SMTPUTF8';
  if (capabilities.dsn) {
    if (envelope.ret !== '') mail += ` RET=${envelope.ret}`;
    if (envelope.envelopeId !== '') mail += ` ENVID=${envelope.envelopeId}`;
  }
  if (envelope.requireTls) mail += ' REQUIRETLS';
  if (capabilities.mtPriority && envelope.priority !== 0) mail += ` MT-PRIORITY=${envelope.priority}`;
  mail += time;
  // With a reverse-path of our own (VERP) the address goes along, so that what comes back names it; RFC 3461 section
  // 5.2.1 lets a relay add it.
  const named = sender !== envelope.sender;
  const rcpts = recipients.map((index, i) =>
    rcptCommand(envelope.recipients[index]!, addresses[i]!, capabilities, named),
  );
  const unstuffed = content.form === 'wire' ? content.size - content.dotLines : content.size;
  return { kind: 'plan', plan: { mail, rcpts, utf8, transfer: binary ? 'bdat' : 'data', size: unstuffed } };
}

/** Furthest that BY can say, s: nine digits. */
const MAX_DELIVER_BY = 999_999_999;

/**
 * What is left of the time a message has, for the next hop (RFC 2852 section 4.1). With mode R a message does not go to a
 * host that does not know DELIVERBY, or that wants more time than is left; with mode N it goes without.
 */
function deliverByParameter({ at, mode, trace }: DeliverBy, hop: Capabilities, now: number): string | PlanRefusal {
  const left = Math.max(-MAX_DELIVER_BY, Math.min(MAX_DELIVER_BY, Math.floor((at - now) / 1000)));
  if (mode === 'R') {
    if (left <= 0) return { enhanced: '5.4.7', reason: 'the time within which it was to be delivered is over' };
    if (!hop.deliverBy)
      return {
        enhanced: '5.3.3',
        reason: 'it is to be delivered by a time or returned, and the next hop knows no DELIVERBY',
      };
    if (left < hop.minDeliverBy)
      return {
        enhanced: '5.4.7',
        reason: `${left} s are left for its delivery, and the next hop wants ${hop.minDeliverBy}`,
      };
  }
  return hop.deliverBy ? ` BY=${left};${mode}${trace ? 'T' : ''}` : '';
}

/** A host without SMTPUTF8 still gets mail for an internationalized domain, by its A-labels, when the local part is ASCII. */
function deliveryAddress(address: string, smtpUtf8: boolean): string {
  if (smtpUtf8 || !NON_ASCII.test(address)) return address;
  const at = address.lastIndexOf('@');
  const domain = domainToASCII(address.slice(at + 1));
  return domain === '' ? address : `${address.slice(0, at)}@${domain}`;
}

function rcptCommand(recipient: Recipient, address: string, capabilities: Capabilities, named: boolean): string {
  let command = `RCPT TO:<${address}>`;
  if (!capabilities.dsn) return command;
  const { notify, originalRecipient } = recipient;
  if (notify !== 0) {
    const words = [];
    if (notify & NOTIFY_NEVER) words.push('NEVER');
    if (notify & NOTIFY_SUCCESS) words.push('SUCCESS');
    if (notify & NOTIFY_FAILURE) words.push('FAILURE');
    if (notify & NOTIFY_DELAY) words.push('DELAY');
    command += ` NOTIFY=${words.join(',')}`;
  }
  if (originalRecipient !== '') command += ` ORCPT=${originalRecipient}`;
  else if (named && !NON_ASCII.test(recipient.address)) command += ` ORCPT=rfc822;${xtext(recipient.address)}`;
  return command;
}

/** RFC 3461 section 4. */
function xtext(text: string): string {
  return text.replace(/[^!-~]|[+=]/g, (c) => `+${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

function refused(enhanced: string, reason: string): PlanStep {
  return { kind: 'refused', refusal: { enhanced, reason } };
}
