/**
 * Files of the maildrop: a message as `sendmail` keeps it while the engine cannot take it.
 *
 * Format, version 1: the line MAGIC, one line of JSON with the envelope and `size` (bytes of content), then the content:
 * lines that end with CRLF, not dot-stuffed, up to the end of the file.
 * Contract: `parseDropHead` never throws; it gives a text that says what is wrong. Whoever may write files there may
 * write anything: everything is checked.
 */
import { parsePath } from '../../smtp/address.js';
import type { Notify } from './options.js';
import type { Outgoing } from './outgoing.js';

export const MAGIC = 'SLUICE-MAILDROP 1';
/** Names of files that are complete; anybody may read them who knows the name, and nobody can guess it. */
export const DROP_NAME = /^drop\.[0-9a-f]{32}$/;
/** Names of files that are being written. */
export const UNFINISHED_NAME = /^tmp\.[0-9a-f]{32}$/;
/** Bytes of both head lines at most, and recipients of a message. */
export const MAX_HEAD = 4 * 1024 * 1024;
const MAX_RECIPIENTS = 10_000;
const NOTIFY = ['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'];

export type DropEnvelope = Omit<Outgoing, 'content'>;

/** What is before the content; `contentAt`: where in the file it begins. */
export interface DropHead {
  readonly envelope: DropEnvelope;
  readonly size: number;
  readonly contentAt: number;
}

/** Both head lines of a message. */
export function dropHead({ content, ...envelope }: Outgoing): Buffer {
  return Buffer.from(`${MAGIC}\n${JSON.stringify({ ...envelope, size: content.length })}\n`);
}

/** The head of a file whose first bytes (up to MAX_HEAD of them) are given, or what is wrong with it. */
export function parseDropHead(start: Buffer): DropHead | string {
  const first = start.indexOf(10);
  if (first < 0 || start.toString('latin1', 0, first) !== MAGIC) return `it does not begin with ${MAGIC}`;
  const second = start.indexOf(10, first + 1);
  if (second < 0) return `its envelope is not one line of at most ${MAX_HEAD} bytes`;
  let given: Readonly<Record<string, unknown>>;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(start.subarray(first + 1, second));
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return 'its envelope is not an object';
    given = value as Readonly<Record<string, unknown>>;
  } catch {
    return 'its envelope is not JSON in UTF-8';
  }
  const { sender, recipients, notify, ret, envelopeId, body, smtpUtf8, size } = given;
  if (typeof sender !== 'string' || !isPath(sender, 'reverse')) return 'its sender is not an address';
  if (!Array.isArray(recipients) || recipients.length === 0 || recipients.length > MAX_RECIPIENTS)
    return `it has no recipients, or more than ${MAX_RECIPIENTS}`;
  const wrong: unknown = recipients.find((one) => typeof one !== 'string' || !isPath(one, 'forward'));
  if (wrong !== undefined) return `a recipient is not an address: ${JSON.stringify(wrong)?.slice(0, 100)}`;
  if (!isNotify(notify)) return 'its notify is not allowed';
  if (ret !== '' && ret !== 'FULL' && ret !== 'HDRS') return 'its ret is not allowed';
  if (typeof envelopeId !== 'string' || !/^[!-<>-~]{0,300}$/.test(envelopeId)) return 'its envelopeId is not xtext';
  if (body !== '7BIT' && body !== '8BITMIME') return 'its body is not allowed';
  if (typeof smtpUtf8 !== 'boolean') return 'its smtpUtf8 is not allowed';
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return 'its size is not a number of bytes';
  return {
    envelope: { sender, recipients: recipients as string[], notify, ret, envelopeId, body, smtpUtf8 },
    size,
    contentAt: second + 1,
  };
}

function isNotify(value: unknown): value is Notify {
  return (
    Array.isArray(value) &&
    new Set(value).size === value.length &&
    value.every((word) => NOTIFY.includes(String(word))) &&
    (value.length < 2 || !value.includes('NEVER'))
  );
}

/** Whether it is an address as MAIL and RCPT take it. */
export function isPath(address: string, kind: 'reverse' | 'forward'): boolean {
  const path = parsePath(`<${address}>`, 0, kind);
  return typeof path !== 'string' && path.end === address.length + 2;
}
