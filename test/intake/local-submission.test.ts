/**
 * Mail made here: taken over whole, answered by a promise, and its memory given back.
 */
import { describe, expect, it } from 'vitest';
import type { Intake, Submitter } from '../../src/intake/intake.js';
import { submitLocally } from '../../src/intake/local-submission.js';
import type { BodyBuffer } from '../../src/memory/body-buffer.js';
import { SegmentPool } from '../../src/memory/segment-pool.js';
import { NOTIFY_NEVER } from '../../src/message/envelope.js';
import { acceptedReply, type Reply, replies } from '../../src/smtp/replies.js';
import type { Transaction } from '../../src/smtp/server-host.js';

const content = Buffer.from('From: a@me.test\r\n\r\nhello\r\n');
const letter = { from: 'a@me.test', to: 'b@d.test', content };

/** An intake that answers at once. */
function answering(reply: Reply, seen: { submitter: Submitter; transaction: Transaction; text: string }[] = []) {
  const intake: Pick<Intake, 'accept'> = {
    accept(submitter, transaction) {
      const body = transaction.body as BodyBuffer;
      const bytes = Buffer.alloc(body.length);
      body.copyOut(0, body.length, bytes, 0);
      seen.push({ submitter, transaction, text: bytes.toString() });
      body.release();
      submitter.finish(reply);
    },
  };
  return intake;
}

describe('submitLocally', () => {
  it('hands a message to intake as a submission that nobody is notified of', async () => {
    const seen: { submitter: Submitter; transaction: Transaction; text: string }[] = [];
    await submitLocally(answering(acceptedReply('x'), seen), SegmentPool.create(65_536, 4096), letter);
    const [{ submitter, transaction, text }] = seen as [(typeof seen)[0]];
    expect([submitter.relays, text]).toEqual([true, content.toString()]);
    expect(transaction).toMatchObject({
      sender: 'a@me.test',
      recipients: [{ address: 'b@d.test', notify: NOTIFY_NEVER }],
      protocol: 'LOCAL',
      content: { size: content.length, form: 'wire', dotLines: 0 },
    });
  });

  it('says why it was not taken', async () => {
    const segments = SegmentPool.create(65_536, 4096);
    await expect(submitLocally(answering(replies.spoolFull), segments, letter)).rejects.toMatchObject({
      code: 'not-submitted',
      temporary: true,
    });
    const large = { ...letter, content: Buffer.alloc(100_000, 'a') };
    await expect(submitLocally(answering(acceptedReply('x')), segments, large)).rejects.toThrow('no memory');
    expect(segments.available).toBe(segments.count);
  });
});
