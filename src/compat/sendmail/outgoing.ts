/**
 * A message on its way from sendmail to the engine: what both ways, SMTP and the maildrop, carry.
 */
import type { Notify } from './options.js';

export interface Outgoing {
  /** '' is the null sender. */
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly notify: Notify;
  readonly ret: '' | 'FULL' | 'HDRS';
  /** ENVID as xtext, '' for none. */
  readonly envelopeId: string;
  readonly body: '7BIT' | '8BITMIME';
  readonly smtpUtf8: boolean;
  /** Lines that end with CRLF, not dot-stuffed. */
  readonly content: Buffer;
}

/** xtext of RFC 3461 section 4. */
export function xtext(text: string): string {
  return text.replace(/[^!-*,-<>-~]/g, (c) => `+${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}
