import { describe, expect, it } from 'vitest';
import { type MailEvent, MailEvents } from '../../src/telemetry/mail-event.js';
import { acceptedMail, recipientOutcome } from '../../src/telemetry/mail-facts.js';

const envelope = {
  id: 1_700_000_000_000_000,
  sender: 'a@example.org',
  recipients: [{ address: 'b@example.net' }, { address: 'c@example.net' }],
  receivedAt: 1000,
  account: 'shop',
  handling: { tenant: 'acme', tags: ['spring'], lane: 'bulk', holdUntil: 0, fields: {} },
  origin: { clientAddress: '127.0.0.1', helo: 'app', protocol: 'ESMTP', tls: '' },
  content: { size: 700 },
};

describe('events of mail', () => {
  it('tells nobody until somebody listens, and all that listen in order', () => {
    const mail = new MailEvents();
    expect(mail.wanted).toBe(false);
    const heard: string[] = [];
    const stop = mail.subscribe(({ kind }) => heard.push(`first ${kind}`));
    mail.subscribe(({ kind }) => heard.push(`second ${kind}`));
    const event: MailEvent = acceptedMail(envelope, ['example.org/s'], 5);
    mail.tell(event);
    stop();
    mail.tell(event);
    expect(mail.wanted).toBe(true);
    expect(heard).toEqual(['first accepted', 'second accepted', 'second accepted']);
  });

  it('speaks of one recipient with the wall clock', () => {
    const states = { isPending: () => true, stateOf: () => ({ status: 'pending' }) };
    const message = { id: envelope.id, envelope, attempts: 2, acknowledgedAt: 0, ...states };
    const outcome = { kind: 'deferred', reply: '451 4.2.0 later', enhanced: '4.2.0', host: 'mx' } as const;
    const event = recipientOutcome(message, 1, outcome, 'deferred', 'greylisted', 61_000, 1500, 900_000);
    expect(event).toMatchObject({ recipient: 'c@example.net', delay: 500, due: 959_500, attempt: null, attempts: 2 });
    expect(recipientOutcome(message, 0, outcome, 'failed', '', Number.POSITIVE_INFINITY, 1, 1)).toMatchObject({
      kind: 'bounced',
      due: 0,
    });
  });
});
