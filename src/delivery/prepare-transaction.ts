/**
 * The slow path of planning a transaction: messages whose content has to be looked at, or brought into 7-bit form,
 * before a next hop without 8BITMIME or SMTPUTF8 can have them.
 *
 * The whole content is read into memory for a downgrade, so it is refused above a bound.
 */
import { unstuffer } from '../message/dot-stuffing.js';
import { downgradeTo7Bit } from '../message/downgrade.js';
import type { ContentFacts } from '../message/envelope.js';
import type { DeliveryJob } from '../queue/queued-message.js';
import type { Capabilities } from '../smtp/capabilities.js';
import type { TransactionPlan } from '../smtp/client-host.js';
import type { StoredContent } from '../spool/spool.js';
import type { HopSecurity } from './require-tls.js';
import { type PlanRefusal, planTransaction } from './transaction-plan.js';

/** Largest content that is converted, bytes: converting takes about 8 ms a MiB in one go. */
const MAX_DOWNGRADE = 4 * 1024 * 1024;

export interface PreparedTransaction {
  readonly plan: TransactionPlan;
  readonly content: StoredContent;
  readonly facts: ContentFacts;
}

/** Plans a transaction that needs a look at the content. Rejects when the content cannot be read. */
export async function prepareTransaction(
  job: DeliveryJob,
  capabilities: Capabilities,
  hop: HopSecurity,
  sender: string,
): Promise<PreparedTransaction | { refusal: PlanRefusal }> {
  const { envelope } = job.message;
  let content = job.message.content;
  let facts = envelope.content;
  let headerAscii: boolean | undefined;
  for (;;) {
    const step = planTransaction(envelope, job.recipients, facts, capabilities, headerAscii, hop, sender);
    if (step.kind === 'plan') return { plan: step.plan, content, facts };
    if (step.kind === 'refused') return { refusal: step.refusal };
    if (step.kind === 'header') {
      headerAscii = await hasAsciiHeader(content);
      continue;
    }
    if (content.size > MAX_DOWNGRADE) return refusal('the message is too large to be converted to 7 bit');
    const converted = downgradeTo7Bit(await readPlain(content, facts));
    if ('refused' in converted) return refusal(converted.refused);
    content = inMemory(converted.ok);
    facts = {
      size: converted.ok.length,
      form: 'plain',
      dotLines: countDotLines(converted.ok),
      eightBit: false,
      binary: false,
      endsWithCrlf: converted.ok.length === 0 || converted.ok.subarray(-2).equals(CRLF),
    };
  }
}

const CRLF = Buffer.from('\r\n');
const BLANK_LINE = Buffer.from('\r\n\r\n');

function refusal(reason: string): { refusal: PlanRefusal } {
  return { refusal: { enhanced: '5.6.3', reason: `the next hop does not take 8BITMIME: ${reason}` } };
}

async function hasAsciiHeader(content: StoredContent): Promise<boolean> {
  // A blank line may lie across two pieces, or be the first line.
  let tail: Buffer = CRLF;
  for (let offset = 0; offset < content.size; ) {
    const piece = await content.read(offset);
    const seam = Buffer.concat([tail, piece.subarray(0, BLANK_LINE.length - 1)]).indexOf(BLANK_LINE);
    const end = seam >= 0 ? Math.max(0, seam - tail.length) : piece.indexOf(BLANK_LINE);
    const header = end < 0 ? piece : piece.subarray(0, end);
    for (const byte of header) if (byte > 127) return false;
    if (end >= 0) return true;
    offset += piece.length;
    tail = Buffer.concat([tail, piece.subarray(-(BLANK_LINE.length - 1))]).subarray(-(BLANK_LINE.length - 1));
  }
  return true;
}

async function readPlain(content: StoredContent, facts: ContentFacts): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const convert = facts.form === 'wire' && facts.dotLines > 0 ? unstuffer() : null;
  for (let offset = 0; offset < content.size; ) {
    const piece = await content.read(offset);
    offset += piece.length;
    pieces.push(convert === null ? piece : convert(piece));
  }
  return Buffer.concat(pieces);
}

function countDotLines(content: Buffer): number {
  let count = content[0] === 46 ? 1 : 0;
  for (let at = content.indexOf('\r\n.'); at >= 0; at = content.indexOf('\r\n.', at + 2)) count++;
  return count;
}

function inMemory(bytes: Buffer): StoredContent {
  return { size: bytes.length, inline: null, read: async (offset) => bytes.subarray(offset), release: () => {} };
}
