/**
 * Mail made here that goes the way of all mail: prepared and signed, made durable, queued.
 *
 * Contract: resolves when the message is durable; rejects with `not-submitted` when it was not taken, and nothing of it is
 * kept. Nobody is told of what becomes of it (NOTIFY=NEVER).
 */
import { SluiceError } from '../core/errors.js';
import { BodyBuffer } from '../memory/body-buffer.js';
import type { SegmentPool } from '../memory/segment-pool.js';
import { NOTIFY_NEVER } from '../message/envelope.js';
import type { Intake } from './intake.js';
import { UNSAID } from './unsaid.js';

export interface LocalMail {
  readonly from: string;
  readonly to: string;
  /** ASCII, lines of at most 998 bytes that end with CRLF and begin with no dot. */
  readonly content: Buffer;
}

/** Submits one message. */
export function submitLocally(intake: Pick<Intake, 'accept'>, segments: SegmentPool, mail: LocalMail): Promise<void> {
  const { content } = mail;
  const body = new BodyBuffer(segments);
  if (!body.append(content, 0, content.length)) {
    body.release();
    return Promise.reject(notSubmitted('there is no memory for it now'));
  }
  return new Promise((resolve, reject) => {
    intake.accept(
      {
        address: '',
        port: 0,
        relays: true,
        listener: '',
        finish: (reply) => (reply.code < 300 ? resolve() : reject(notSubmitted(`${reply.code} ${reply.text}`))),
      },
      {
        ...UNSAID,
        sender: mail.from,
        recipients: [{ address: mail.to, notify: NOTIFY_NEVER, originalRecipient: '' }],
        bodyType: '7BIT',
        smtpUtf8: false,
        protocol: 'LOCAL',
        content: {
          size: content.length,
          form: 'wire',
          dotLines: 0,
          eightBit: false,
          binary: false,
          endsWithCrlf: true,
        },
        body,
      },
    );
  });
}

function notSubmitted(reason: string): SluiceError {
  return new SluiceError('not-submitted', `a message of our own was not taken: ${reason}`, { temporary: true });
}
