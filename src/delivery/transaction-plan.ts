/**
 * From a message and what the next hop can do to the commands of a transaction, or to the reason why the message must
 * not be sent there as it is (RFC 6152, RFC 3030, RFC 6531, RFC 1870, RFC 8689): never silently broken.
 */
import { domainToASCII } from 'node:url';
import type { ContentFacts, Envelope } from '../message/envelope.js';
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
 * one). `headerAscii`: undefined until it was looked at. `sender`: the reverse-path to send with.
 */
export function planTransaction(
  envelope: Envelope,
  recipients: readonly number[],
  content: ContentFacts,
  capabilities: Capabilities,
  headerAscii: boolean | undefined,
  hop: HopSecurity,
  sender = envelope.sender,
): PlanStep {
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
  const rcpts = recipients.map((index, i) => rcptCommand(envelope.recipients[index]!, addresses[i]!, capabilities));
  const unstuffed = content.form === 'wire' ? content.size - content.dotLines : content.size;
  return { kind: 'plan', plan: { mail, rcpts, utf8, transfer: binary ? 'bdat' : 'data', size: unstuffed } };
}

/** A host without SMTPUTF8 still gets mail for an internationalized domain, by its A-labels, when the local part is ASCII. */
function deliveryAddress(address: string, smtpUtf8: boolean): string {
  if (smtpUtf8 || !NON_ASCII.test(address)) return address;
  const at = address.lastIndexOf('@');
  const domain = domainToASCII(address.slice(at + 1));
  return domain === '' ? address : `${address.slice(0, at)}@${domain}`;
}

function rcptCommand(recipient: Recipient, address: string, capabilities: Capabilities): string {
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
  return command;
}

function refused(enhanced: string, reason: string): PlanStep {
  return { kind: 'refused', refusal: { enhanced, reason } };
}
