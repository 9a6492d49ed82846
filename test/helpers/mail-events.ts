/**
 * Events of mail for tests, whole and plausible unless told otherwise.
 */
import type { AcceptedMail, RecipientOutcome } from '../../src/telemetry/mail-event.js';

const MESSAGE = { at: 1_800_000_000_000, id: 'F1', sender: 'a@a.example', tenant: '', tags: [], lane: 'bulk' };

export function acceptedEvent(given: Partial<AcceptedMail>): AcceptedMail {
  return {
    ...MESSAGE,
    kind: 'accepted',
    recipients: ['b@b.example'],
    ...{ size: 100, account: '', client: '127.0.0.1', protocol: 'ESMTP', tls: '', signed: [] },
    ...given,
  };
}

export function outcomeEvent(kind: RecipientOutcome['kind'], given: Partial<RecipientOutcome>): RecipientOutcome {
  return {
    ...MESSAGE,
    kind,
    ...{ recipient: 'b@b.example', reply: '250 2.0.0 ok', dsn: '2.0.0', category: '', attempts: 1, delay: 5, due: 0 },
    attempt: { host: 'mx.b.example', address: '127.0.0.1:25', tls: '', ms: 3 },
    ...given,
  };
}
