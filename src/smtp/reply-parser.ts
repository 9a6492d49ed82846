/**
 * Replies of a next hop, from bytes (RFC 5321 section 4.2).
 *
 * Tolerant where it is safe: a line may end in a bare LF, the text may be anything. A line without a code, a code that
 * changes within a reply, or more than the bounds below is an error, after which the stream cannot be trusted.
 */

/** One reply: all its lines. */
export interface PeerReply {
  readonly code: number;
  /** Text of the lines without codes, joined with one space, cut at a bound; control characters replaced. */
  readonly text: string;
  /** Text lines as they came, for EHLO. */
  readonly lines: readonly string[];
}

/** Longest line kept, bytes; RFC 5321 says 512, real hosts send more. */
const MAX_LINE = 4096;
const MAX_LINES = 128;
/** Longest text of a reply, in logs and in the spool for each recipient. */
const MAX_TEXT = 1024;

const CR = 13;
const LF = 10;
const HYPHEN = 45;
const SPACE = 32;

export class ReplyParser {
  /** Bytes of the last chunk behind the reply at which `onReply` said to stop. */
  dropped = 0;
  private carry = '';
  private code = 0;
  private lines: string[] = [];

  /**
   * Reads `chunk[start, end)` and calls `onReply` for each whole reply; stops early when it returns false (the rest is
   * dropped). False when the bytes are no SMTP replies.
   */
  feed(chunk: Buffer, start: number, end: number, onReply: (reply: PeerReply) => boolean): boolean {
    let from = start;
    this.dropped = 0;
    for (let i = start; i < end; i++) {
      if (chunk[i] !== LF) continue;
      let line: string;
      if (this.carry === '') {
        line = chunk.toString('latin1', from, i > from && chunk[i - 1] === CR ? i - 1 : i);
      } else {
        line = this.carry + chunk.toString('latin1', from, i);
        this.carry = '';
        if (line.charCodeAt(line.length - 1) === CR) line = line.slice(0, -1);
      }
      from = i + 1;
      const last = this.take(line);
      if (last === null) return false;
      if (last) {
        const reply = this.finish();
        if (!onReply(reply)) {
          this.dropped = end - from;
          return true;
        }
      }
    }
    if (from < end) {
      if (this.carry.length + end - from > MAX_LINE) return false;
      this.carry += chunk.toString('latin1', from, end);
    }
    return true;
  }

  /** Forgets a half-read reply. */
  reset(): void {
    this.carry = '';
    this.code = 0;
    this.lines = [];
  }

  /** Takes a line: true when it ends a reply, null when it is none. */
  private take(line: string): boolean | null {
    if (line.length < 3 || line.length > MAX_LINE || this.lines.length >= MAX_LINES) return null;
    const a = line.charCodeAt(0) - 48;
    const b = line.charCodeAt(1) - 48;
    const c = line.charCodeAt(2) - 48;
    if (a < 2 || a > 5 || b < 0 || b > 9 || c < 0 || c > 9) return null;
    const separator = line.length > 3 ? line.charCodeAt(3) : SPACE;
    if (separator !== SPACE && separator !== HYPHEN) return null;
    const code = a * 100 + b * 10 + c;
    if (this.lines.length > 0 && code !== this.code) return null;
    this.code = code;
    this.lines.push(line.slice(4));
    return separator === SPACE;
  }

  private finish(): PeerReply {
    const lines = this.lines;
    const all = lines.length === 1 ? lines[0]! : lines.join(' ');
    const text = all.length > MAX_TEXT ? all.slice(0, MAX_TEXT) : all;
    this.lines = [];
    return { code: this.code, text: /[^\x20-\x7e]/.test(text) ? text.replace(/[^\x20-\x7e]/g, '?') : text, lines };
  }
}

/** The enhanced status code a reply's text begins with (RFC 2034), or one that fits its class. */
export function enhancedCode(reply: PeerReply): string {
  const match = /^([245])\.(\d{1,3})\.(\d{1,3})(?: |$)/.exec(reply.text);
  const kind = Math.floor(reply.code / 100);
  if (match !== null && Number(match[1]) === kind) return match[0].trimEnd();
  return `${kind === 3 ? 4 : kind}.0.0`;
}
