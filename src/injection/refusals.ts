/**
 * Refusals of items: those made of SMTP replies, and those of what an item says.
 */
import { SluiceError } from '../core/errors.js';
import type { Reply } from '../smtp/replies.js';
import type { Refusal } from './mail-item.js';

/** An item cannot be taken as it is. */
export class BadItem extends SluiceError {
  constructor(code: string, message: string) {
    super(code, message, { temporary: false });
  }
}

/** A reply of SMTP as an item's refusal. */
export function refusalOf(reply: Reply): Refusal {
  return { status: statusOf(reply), code: 'refused', detail: reply.text, reply: textOf(reply) };
}

/** Anything that went wrong with one item. */
export function refusalFor(error: unknown): Refusal {
  if (error instanceof BadItem) return { status: 422, code: error.code, detail: error.message, reply: '' };
  return { status: 500, code: 'internal', detail: 'the message could not be composed', reply: '' };
}

/** Codes and words in one line. */
export function textOf({ code, enhanced, text }: Reply): string {
  return enhanced === '' ? `${code} ${text}` : `${code} ${enhanced} ${text}`;
}

/** Limits are 429 (RFC 6585), room that is missing is 507 (RFC 4918), all that may pass is 503, the rest lasts. */
function statusOf({ code, enhanced }: Reply): number {
  if (enhanced === '4.7.1' || enhanced === '4.7.0') return 429;
  if (enhanced === '4.3.1') return 507;
  if (code < 500) return 503;
  return enhanced === '5.3.4' ? 413 : 422;
}
