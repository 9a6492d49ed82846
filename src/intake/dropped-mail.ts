/**
 * A message in a file goes the way of all mail: into shared memory piece by piece, prepared, made durable, queued.
 *
 * Contract: never rejects for what is in the file; the reply is that of a session, or a text that says what is wrong.
 * Nothing of a message that is not taken is kept in memory.
 */
import { BodyBuffer } from '../memory/body-buffer.js';
import type { SegmentPool } from '../memory/segment-pool.js';
import type { Recipient, ReturnContent } from '../message/envelope.js';
import { ContentScanner } from '../smtp/data-scanner.js';
import { type Reply, replies } from '../smtp/replies.js';
import type { Intake } from './intake.js';
import { UNSAID } from './unsaid.js';

export interface DroppedMail {
  readonly sender: string;
  readonly recipients: readonly Recipient[];
  readonly ret: ReturnContent;
  /** xtext, '' for none. */
  readonly envelopeId: string;
  readonly smtpUtf8: boolean;
  /** Pieces of lines that end with CRLF, not dot-stuffed. */
  readonly content: AsyncIterable<Buffer>;
}

export interface DroppedLimits {
  /** Bytes; 0: any. */
  readonly maxTextLine: number;
  readonly maxHeaderSize: number;
}

/** Submits it. */
export async function submitDropped(
  intake: Pick<Intake, 'accept'>,
  segments: SegmentPool,
  limits: DroppedLimits,
  mail: DroppedMail,
): Promise<Reply | string> {
  const body = new BodyBuffer(segments);
  let size = 0;
  let full = false;
  const scanner = new ContentScanner(
    { wire: false, convert: false, ...limits },
    {
      span: (source, start, end) => {
        size += end - start;
        full ||= !body.append(source, start, end);
      },
    },
  );
  try {
    for await (const piece of mail.content) {
      scanner.scan(piece, 0, piece.length);
      if (full) break;
    }
  } catch (error) {
    body.release();
    throw error;
  }
  scanner.finish();
  if (full) {
    body.release();
    return replies.outOfMemory;
  }
  if (scanner.flaws !== 0) {
    body.release();
    return 'it has a bare CR or LF, or a line or header that is too long';
  }
  const { eightBit, dotLines, nul, atLineStart } = scanner;
  return new Promise((resolve) => {
    intake.accept(
      { address: '', port: 0, relays: true, listener: '', finish: resolve },
      {
        ...UNSAID,
        sender: mail.sender,
        recipients: mail.recipients,
        bodyType: eightBit ? '8BITMIME' : '7BIT',
        smtpUtf8: mail.smtpUtf8,
        ret: mail.ret,
        envelopeId: mail.envelopeId,
        protocol: 'LOCAL',
        content: { size, form: 'plain', dotLines, eightBit, binary: nul, endsWithCrlf: atLineStart },
        body,
      },
    );
  });
}
