/**
 * What comes back is booked to whom it concerns, once, and only what is proved does anything.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { formatQueueId } from '../../src/core/queue-id.js';
import { PLAIN_HANDLING } from '../../src/message/envelope.js';
import { BounceDesk } from '../../src/outcomes/bounce-desk.js';
import { SuppressionList } from '../../src/outcomes/suppression-list.js';
import { Verp } from '../../src/outcomes/verp.js';
import { VerpTokens } from '../../src/outcomes/verp-token.js';
import { QueuedMessage } from '../../src/queue/queued-message.js';
import { envelope, facts, inlineContent, piecewiseContent } from '../helpers/mail.js';
import { MemoryKeyTable } from '../helpers/memory-spool.js';
import {
  arf,
  exchangeDsn,
  eximBounce,
  gmailDelayed,
  personal,
  postfixDsn,
  qmailBounce,
  severalRecipients,
  vacation,
} from './returned-mail.js';

const WALL = 1_764_000_100_000;
const SENT = WALL * 1000 - 3_600_000_000;
const clock = { wall: () => WALL, now: () => WALL };
const tokens = new VerpTokens(Buffer.alloc(32, 1), ['acme']);
const verp = new Verp(
  { tenants: [{ tenant: 'acme', pattern: 'bounces.acme.example' }], addresses: ['fbl@acme.example'] },
  tokens,
);
/** Our mail to some recipients, and the reverse-path it went out with. */
const pathFor = (address: string, id = SENT): string =>
  verp.of(
    { ...envelope(id, [address], { sender: 'news@acme.example' }), handling: { ...PLAIN_HANDLING, tenant: 'acme' } },
    0,
  );

let told: Record<string, unknown>[];
let list: SuppressionList;
let desk: BounceDesk;
beforeEach(() => {
  told = [];
  const times = { 'bad-mailbox': 1000, 'bad-domain': 1000, 'inactive-mailbox': 1000, complaint: 0 };
  list = new SuppressionList({ table: new MemoryKeyTable(), clock, times, most: 100, flush: async () => {} });
  desk = new BounceDesk({
    verp: () => verp,
    clock,
    hostname: 'relay.example',
    suppression: list,
    events: {
      bounced: (bounce) => told.push({ event: 'bounced', ...bounce }),
      complained: (complaint) => told.push({ event: 'complained', ...complaint }),
      setAside: (_id, to, from, what) => told.push({ event: 'setAside', to, from, what }),
    },
  });
});

async function arrives(to: string | readonly string[], content: string, sender = ''): Promise<void> {
  const recipients = typeof to === 'string' ? [to] : to;
  const message = new QueuedMessage(
    envelope(1, recipients, { sender, content: { ...facts(), size: content.length } }),
    inlineContent(content),
    null,
  );
  const job = { message, destination: 'local/bounces', recipients: recipients.map((_, i) => i), requeued: 0 };
  const outcomes = await desk.deliver(job);
  expect(outcomes.map(({ kind }) => kind)).toEqual(recipients.map(() => 'delivered'));
}

describe('bounces that come back', () => {
  it('are booked to message, recipient and tenant, and dead addresses are suppressed', async () => {
    await arrives(pathFor('ann@example.com'), postfixDsn());
    expect(told).toEqual([
      {
        event: 'bounced',
        id: formatQueueId(SENT),
        messageId: '<1.2.3@acme.example>',
        to: 'ann@example.com',
        tenant: 'acme',
        verified: true,
        reporter: 'mx.example.com',
        category: 'bad-mailbox',
        hard: true,
        dsn: '5.1.1',
        reply: '550 5.1.1 <ann@inside.example.com>: Recipient address rejected: User unknown in virtual mailbox table',
      },
    ]);
    expect(list.suppressed('acme', 'ann@example.com')).toMatchObject({ reason: 'bad-mailbox', source: 'bounce' });
    expect(list.size).toBe(1);
  });

  it('are booked once', async () => {
    const path = pathFor('ann@example.com');
    await Promise.all([
      arrives(path, exchangeDsn()),
      arrives(path, exchangeDsn()),
      arrives([path, path], exchangeDsn()),
    ]);
    expect(told.map(({ event, what }) => what ?? event)).toEqual([
      'bounced',
      ...Array.from({ length: 3 }, () => 'a bounce that was booked before'),
    ]);
  });

  it('suppress nobody but the recipient that the token was made for', async () => {
    await arrives(pathFor('victor@example.com'), exchangeDsn({ to: 'someone@example.com' }));
    expect(told).toMatchObject([{ event: 'bounced', to: '', verified: true, hard: true }]);
    expect(list.size).toBe(0);
    // Forwarded: the report names another address, what came back names ours.
    await arrives(pathFor('bob@example.com', SENT + 1), exchangeDsn({ to: 'bob@example.com' }));
    expect(told[1]).toMatchObject({ to: 'bob@example.com' });
    expect(list.suppressed('acme', 'bob@example.com')).not.toBeNull();
  });

  it('find the recipient among several', async () => {
    await arrives(pathFor('full@example.com'), severalRecipients());
    expect(told).toMatchObject([{ to: 'full@example.com', category: 'mailbox-full', hard: false }]);
    expect(list.size).toBe(0);
  });

  it('are taken from programs that write for people', async () => {
    await arrives(pathFor('ann@example.com'), qmailBounce());
    await arrives(pathFor('ann@example.com', SENT + 1), eximBounce());
    expect(told).toMatchObject([
      { event: 'bounced', to: 'ann@example.com', category: 'bad-mailbox', hard: true },
      { event: 'bounced', to: 'ann@example.com', category: 'bad-mailbox', hard: true },
    ]);
  });

  it('without a token are told, with what names the message, and do nothing', async () => {
    await arrives('fbl@acme.example', postfixDsn({ queueId: 'HZM0A1B2C3' }));
    const forged = `b+${'a'.repeat(39)}@bounces.acme.example`;
    await arrives(forged, postfixDsn());
    const old = pathFor('ann@example.com', SENT - 100 * 86_400_000_000);
    await arrives(old, postfixDsn());
    for (const bounce of told)
      expect(bounce).toMatchObject({ event: 'bounced', id: 'HZM0A1B2C3', tenant: '', verified: false });
    expect([told.length, list.size]).toEqual([3, 0]);
  });

  it('prove themselves by the reverse-path that came back, too', async () => {
    await arrives('fbl@acme.example', postfixDsn({ returnPath: pathFor('ann@example.com') }));
    expect(told).toMatchObject([{ event: 'bounced', tenant: 'acme', verified: true, to: 'ann@example.com' }]);
  });

  it('that are none are done with and answered never', async () => {
    const path = pathFor('ann@example.com');
    await arrives(path, gmailDelayed());
    await arrives(path, vacation(), 'ann@example.com');
    await arrives(path, personal(), 'ann@example.com');
    await arrives(path, '');
    const nested = Array.from(
      { length: 30 },
      (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`,
    );
    await arrives(path, nested.join(''));
    expect(told.map(({ what }) => what)).toEqual([
      'a notice of delay',
      'an answer by a machine',
      'no report',
      'no report',
      expect.stringMatching(/^not understood: /),
    ]);
    expect(list.size).toBe(0);
  });

  it('are read in pieces, unstuffed, and only their beginning', async () => {
    const dots = postfixDsn().replace('Your message', '..Your message');
    const long = `${dots}${'x'.repeat(70)}\r\n`.padEnd(2_000_000, 'y');
    const message = new QueuedMessage(
      envelope(1, [pathFor('ann@example.com')], {
        sender: '',
        content: { ...facts(), size: long.length, dotLines: 1 },
      }),
      piecewiseContent(Buffer.from(long)),
      null,
    );
    await desk.deliver({ message, destination: 'local/bounces', recipients: [0], requeued: 0 });
    expect(told).toMatchObject([{ event: 'bounced', to: 'ann@example.com' }]);
  });

  it('are put off where they cannot be read now, and hold nobody up', async () => {
    const content = { ...inlineContent('x'), read: () => Promise.reject(new Error('disk')) };
    const message = new QueuedMessage(envelope(1, [pathFor('ann@example.com')]), content, null);
    const job = { message, destination: 'local/bounces', recipients: [0], requeued: 0 };
    await expect(desk.deliver(job)).rejects.toThrow('disk');
    await arrives(pathFor('ann@example.com'), exchangeDsn());
    expect(told).toMatchObject([{ event: 'bounced' }]);
  });
});

describe('complaints', () => {
  it('are booked and suppress, by whichever token proves them', async () => {
    await arrives('fbl@acme.example', arf({ mailFrom: pathFor('ann@example.com') }));
    expect(told).toEqual([
      {
        event: 'complained',
        id: formatQueueId(SENT),
        messageId: '<1.2.3@acme.example>',
        to: 'ann@example.com',
        tenant: 'acme',
        verified: true,
        reporter: 'mail.example.com',
        type: 'abuse',
      },
    ]);
    expect(list.suppressed('acme', 'ann@example.com')).toMatchObject({
      source: 'complaint',
      reason: 'abuse',
      until: 0,
    });
    // The recipient is blotted out of the report; the message that came back names it.
    const returned = { returnPath: pathFor('bob@example.com', SENT + 1), to: 'bob@example.com' };
    await arrives('fbl@acme.example', arf({ rcptTo: '', returned }));
    expect(told[1]).toMatchObject({ event: 'complained', to: 'bob@example.com', verified: true });
  });

  it('without a token are told and do nothing', async () => {
    await arrives('fbl@acme.example', arf({}));
    await arrives('fbl@acme.example', arf({ returned: null, rcptTo: '' }));
    expect(told).toMatchObject([
      {
        event: 'complained',
        id: 'HZM0A1B2C3',
        messageId: '<1.2.3@acme.example>',
        to: 'ann@example.com',
        verified: false,
      },
      { event: 'complained', id: '', to: '', verified: false },
    ]);
    expect(list.size).toBe(0);
  });

  it('are no complaints where somebody says it is no spam', async () => {
    await arrives('fbl@acme.example', arf({ mailFrom: pathFor('ann@example.com'), type: 'not-spam' }));
    expect(told).toMatchObject([{ what: 'feedback that is no complaint: not-spam' }]);
    expect(list.size).toBe(0);
  });
});
