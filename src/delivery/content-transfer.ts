/**
 * Sending a message's content over a wire, in the form the transaction needs.
 *
 * The usual case is one write: content and end of data lie in one Buffer in wire form. Everything else (large content
 * read back piece by piece, dots to be stuffed or unstuffed) goes through `transfer`, which holds one piece at a time
 * and waits for the wire to drain.
 */
import { stuffer, unstuffer } from '../message/dot-stuffing.js';
import type { ContentFacts } from '../message/envelope.js';
import type { StoredContent } from '../spool/spool.js';

/** The content can be written as it lies in `inline`. */
export function isReady(content: StoredContent, facts: ContentFacts, transfer: 'data' | 'bdat'): boolean {
  return content.inline !== null && !mustConvert(facts, transfer);
}

function mustConvert(facts: ContentFacts, transfer: 'data' | 'bdat'): boolean {
  return facts.dotLines > 0 && facts.form !== (transfer === 'data' ? 'wire' : 'plain');
}

/**
 * Writes the content piece by piece, and the end of data for DATA. `write` resolves when more may be written, and to
 * false when the wire is gone; then the transfer stops. Rejects when the content cannot be read.
 */
export async function transferContent(
  content: StoredContent,
  facts: ContentFacts,
  transfer: 'data' | 'bdat',
  write: (bytes: Buffer) => Promise<boolean>,
): Promise<boolean> {
  const convert = mustConvert(facts, transfer) ? (transfer === 'data' ? stuffer() : unstuffer()) : null;
  for (let offset = 0; offset < content.size; ) {
    const piece = await content.read(offset);
    offset += piece.length;
    if (!(await write(convert === null ? piece : convert(piece)))) return false;
  }
  if (transfer === 'bdat') return true;
  return write(facts.endsWithCrlf ? END : END_AFTER_PARTIAL_LINE);
}

const END = Buffer.from('.\r\n');
const END_AFTER_PARTIAL_LINE = Buffer.from('\r\n.\r\n');
