/**
 * Notifications about mail with REQUIRETLS: held to the same duty, and without the content (RFC 8689 section 5).
 */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { QueueIdSource } from '../../src/core/queue-id.js';
import { ownOutcome } from '../../src/delivery/verdicts.js';
import { DsnNotifier } from '../../src/intake/dsn-notifier.js';
import type { Envelope } from '../../src/message/envelope.js';
import { QueuedMessage } from '../../src/queue/queued-message.js';
import { envelope, facts, inlineContent } from '../helpers/mail.js';
import { MemorySpool } from '../helpers/memory-spool.js';

const TEXT = 'Subject: secret plans\r\n\r\nthe plans\r\n';

async function notified(requireTls: boolean): Promise<{ notice: Envelope; text: string }> {
  const sent: { notice: Envelope; text: string }[] = [];
  const notifier = new DsnNotifier({
    spool: new MemorySpool(),
    clock: systemClock,
    ids: new QueueIdSource(),
    hostname: 'me.example',
    enqueue: (notice, content) => sent.push({ notice, text: content.inline!.toString('latin1') }),
  });
  const original = envelope(1, ['r@example.net'], { requireTls, ret: 'FULL', content: facts({ size: TEXT.length }) });
  const outcome = ownOutcome('failed', '5.7.30', 'REQUIRETLS', 'mx.example.net');
  const message = new QueuedMessage(original, inlineContent(TEXT), null);
  await notifier.notify(message, [{ recipient: 0, kind: 'failed', outcome }], 0);
  return sent[0]!;
}

describe('a notification', () => {
  it('gives back the whole message where it was asked for', async () => {
    const { notice, text } = await notified(false);
    expect(notice.requireTls).toBe(false);
    expect(text).toContain('the plans');
  });

  it('of mail with REQUIRETLS asks for it too, and gives back the header only', async () => {
    const { notice, text } = await notified(true);
    expect(notice.requireTls).toBe(true);
    expect(text).toContain('Subject: secret plans');
    expect(text).not.toContain('the plans');
  });
});
