/**
 * Notifications about mail with REQUIRETLS: held to the same duty, and without the content (RFC 8689 section 5); about
 * mail with DELIVERBY (RFC 2852); whose mail they are.
 */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { QueueIdSource } from '../../src/core/queue-id.js';
import { ownOutcome } from '../../src/delivery/verdicts.js';
import { DsnNotifier } from '../../src/intake/dsn-notifier.js';
import { type Envelope, type Handling, NOTIFY_NEVER, PLAIN_HANDLING } from '../../src/message/envelope.js';
import { QueuedMessage } from '../../src/queue/queued-message.js';
import type { NoticeKind } from '../../src/queue/settlement.js';
import { envelope, facts, inlineContent, recipient } from '../helpers/mail.js';
import { MemorySpool } from '../helpers/memory-spool.js';

const TEXT = 'Subject: secret plans\r\n\r\nthe plans\r\n';

async function notified(
  requireTls: boolean,
  handling: Partial<Handling> = {},
  kind: NoticeKind = 'failed',
  notify = 0,
): Promise<{ notice: Envelope; text: string }> {
  const sent: { notice: Envelope; text: string }[] = [];
  const notifier = new DsnNotifier({
    spool: new MemorySpool(),
    clock: systemClock,
    ids: new QueueIdSource(),
    hostname: 'me.example',
    enqueue: (notice, content) => sent.push({ notice, text: content.inline!.toString('latin1') }),
  });
  const original = envelope(1, [], {
    recipients: [recipient('r@example.net', { notify })],
    requireTls,
    ret: 'FULL',
    handling: { ...PLAIN_HANDLING, ...handling },
    content: facts({ size: TEXT.length }),
  });
  const outcome = ownOutcome('failed', '5.7.30', 'REQUIRETLS', 'mx.example.net');
  const message = new QueuedMessage(original, inlineContent(TEXT), null);
  await notifier.notify(message, [{ recipient: 0, kind, outcome }], 0);
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

  it('is its tenant’s, and nothing else of its handling', async () => {
    const { notice } = await notified(false, { tenant: 'acme', lane: 'immediate', tags: ['x'], holdUntil: 5 });
    expect(notice.handling).toEqual({ ...PLAIN_HANDLING, tenant: 'acme' });
    expect((await notified(false)).notice.handling).toBe(PLAIN_HANDLING);
  });

  it('names the time by which it was to be delivered', async () => {
    const deliverBy = { at: systemClock.now(), mode: 'R', trace: false } as const;
    expect((await notified(false, { deliverBy })).text).toMatch(/\r\nDeliver-By-Date: .+ \+0000\r\n/);
    expect((await notified(false)).text).not.toContain('Deliver-By-Date');
  });

  it('of being relayed is made where a time is not passed on or a trace was asked for, unless nobody wants any', async () => {
    const by = (mode: 'R' | 'N', trace: boolean) => ({ deliverBy: { at: 1, mode, trace } });
    const made = async (...of: Parameters<typeof notified>) => (await notified(...of)) !== undefined;
    expect(await made(false, by('N', false), 'relayed')).toBe(true);
    expect(await made(false, by('R', true), 'relayed')).toBe(true);
    expect(await made(false, by('R', false), 'relayed')).toBe(false);
    expect(await made(false, {}, 'relayed')).toBe(false);
    expect(await made(false, by('N', true), 'relayed', NOTIFY_NEVER)).toBe(false);
  });
});
