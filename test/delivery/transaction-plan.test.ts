/**
 * What is sent to a next hop by what it can do, and what must not be sent to it.
 */
import { describe, expect, it } from 'vitest';
import type { HopSecurity } from '../../src/delivery/require-tls.js';
import { type PlanStep, planTransaction } from '../../src/delivery/transaction-plan.js';
import {
  type ContentFacts,
  type Envelope,
  NOTIFY_DELAY,
  NOTIFY_FAILURE,
  NOTIFY_NEVER,
  PLAIN_HANDLING,
} from '../../src/message/envelope.js';
import { type Capabilities, parseCapabilities } from '../../src/smtp/capabilities.js';
import { envelope, facts, recipient } from '../helpers/mail.js';

const NOW = 1_000_000;
const ALL = ['PIPELINING', 'SIZE 1000', '8BITMIME', 'SMTPUTF8', 'DSN', 'CHUNKING', 'BINARYMIME', 'MT-PRIORITY'];
const host = (...lines: string[]): Capabilities => parseCapabilities(['up', ...lines]);

function plan(
  capabilities: Capabilities,
  more: Partial<Envelope> = {},
  content: Partial<ContentFacts> = {},
  headerAscii?: boolean,
  hop: HopSecurity = { tls: null, foundSecurely: false },
): PlanStep {
  const message = envelope(1, ['r@example.net'], { ...more, content: facts(content) });
  return planTransaction(
    message,
    message.recipients.map((_, i) => i),
    message.content,
    capabilities,
    headerAscii,
    hop,
    message.sender,
    () => NOW,
  );
}

/** In short: the commands, or what stands in the way. */
function inShort(step: PlanStep): string {
  if (step.kind === 'refused') return `refused ${step.refusal.enhanced}`;
  if (step.kind !== 'plan') return step.kind;
  const { mail, rcpts, transfer, utf8 } = step.plan;
  return `${[mail, ...rcpts].join(' | ')} | ${transfer}${utf8 ? ' utf8' : ''}`;
}

const VERIFIED = { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', verified: true, resumed: false };
const UNVERIFIED = { ...VERIFIED, verified: false };
const SAFE: HopSecurity = { tls: VERIFIED, foundSecurely: true };
const MAIL = 'MAIL FROM:<sender@example.com>';
const RCPT = 'RCPT TO:<r@example.net>';
const utf8Rcpt = { recipients: [recipient('röm@example.net')] };
const idnRcpt = { recipients: [recipient('rom@exämple.net')] };

describe('planTransaction', () => {
  it.each<[string, Capabilities, Partial<Envelope>, Partial<ContentFacts>, string]>([
    ['a host that knows nothing', host(), {}, {}, `${MAIL} | ${RCPT} | data`],
    ['SIZE', host('SIZE'), {}, {}, `${MAIL} SIZE=20 | ${RCPT} | data`],
    ['too large', host('SIZE 19'), {}, {}, 'refused 5.3.4'],
    ['SIZE 0 is no limit', host('SIZE 0'), {}, {}, `${MAIL} SIZE=20 | ${RCPT} | data`],
    ['8-bit to 8BITMIME', host('8BITMIME'), {}, { eightBit: true }, `${MAIL} BODY=8BITMIME | ${RCPT} | data`],
    ['declared 8BITMIME', host('8BITMIME'), { bodyType: '8BITMIME' }, {}, `${MAIL} BODY=8BITMIME | ${RCPT} | data`],
    ['declared 8BITMIME but ASCII, to a plain host', host(), { bodyType: '8BITMIME' }, {}, `${MAIL} | ${RCPT} | data`],
    ['8-bit to a plain host', host(), {}, { eightBit: true }, 'downgrade'],
    ['binary to a plain host', host('8BITMIME'), {}, { binary: true }, 'refused 5.6.3'],
    [
      'binary to BINARYMIME',
      host('CHUNKING', 'BINARYMIME', '8BITMIME'),
      { bodyType: 'BINARYMIME' },
      { binary: true, eightBit: true },
      `${MAIL} BODY=BINARYMIME | ${RCPT} | bdat`,
    ],
    ['BINARYMIME to CHUNKING only', host('CHUNKING'), { bodyType: 'BINARYMIME' }, { binary: true }, 'refused 5.6.3'],
    [
      'SMTPUTF8',
      host('SMTPUTF8', '8BITMIME'),
      { smtpUtf8: true, ...utf8Rcpt },
      {},
      `${MAIL} SMTPUTF8 | RCPT TO:<röm@example.net> | data utf8`,
    ],
    ['non-ASCII local part to a plain host', host(), { smtpUtf8: true, ...utf8Rcpt }, {}, 'refused 5.6.7'],
    [
      'IDN to a plain host',
      host(),
      { smtpUtf8: true, ...idnRcpt },
      {},
      `${MAIL} | RCPT TO:<rom@xn--exmple-cua.net> | data`,
    ],
    ['a domain that is none', host(), { recipients: [recipient('rom@ex\u2024\u0000ä.net')] }, {}, 'refused 5.6.7'],
    ['non-ASCII sender to a plain host', host(), { smtpUtf8: true, sender: 'ö@example.com' }, {}, 'refused 5.6.7'],
    [
      'SMTPUTF8 8-bit to 8BITMIME: look at the header',
      host('8BITMIME'),
      { smtpUtf8: true },
      { eightBit: true },
      'header',
    ],
    ['null sender', host(), { sender: '' }, {}, `MAIL FROM:<> | ${RCPT} | data`],
    ['DSN', host('DSN'), { ret: 'HDRS', envelopeId: 'x+2By' }, {}, `${MAIL} RET=HDRS ENVID=x+2By | ${RCPT} | data`],
    [
      'DSN to a host without',
      host(),
      {
        ret: 'FULL',
        envelopeId: 'x',
        recipients: [recipient('r@example.net', { notify: NOTIFY_NEVER, originalRecipient: 'rfc822;o@x' })],
      },
      {},
      `${MAIL} | ${RCPT} | data`,
    ],
    [
      'NOTIFY and ORCPT',
      host('DSN'),
      {
        recipients: [
          recipient('r@example.net', { notify: NOTIFY_FAILURE | NOTIFY_DELAY, originalRecipient: 'rfc822;o@x' }),
        ],
      },
      {},
      `${MAIL} | ${RCPT} NOTIFY=FAILURE,DELAY ORCPT=rfc822;o@x | data`,
    ],
    [
      'NOTIFY=NEVER',
      host('DSN'),
      { recipients: [recipient('r@example.net', { notify: NOTIFY_NEVER })] },
      {},
      `${MAIL} | ${RCPT} NOTIFY=NEVER | data`,
    ],
    ['MT-PRIORITY', host('MT-PRIORITY'), { priority: -3 }, {}, `${MAIL} MT-PRIORITY=-3 | ${RCPT} | data`],
    ['MT-PRIORITY to a host without', host(), { priority: 5 }, {}, `${MAIL} | ${RCPT} | data`],
    [
      'everything',
      host(...ALL),
      { smtpUtf8: true },
      { eightBit: true },
      `${MAIL} SIZE=20 BODY=8BITMIME SMTPUTF8 | ${RCPT} | data`,
    ],
  ])('%s', (_name, capabilities, more, content, expected) => {
    expect(inShort(plan(capabilities, more, content))).toBe(expected);
  });

  const by = (seconds: number, mode: 'R' | 'N', trace = false): Partial<Envelope> => ({
    handling: { ...PLAIN_HANDLING, deliverBy: { at: NOW + seconds * 1000, mode, trace } },
  });

  it.each<[string, Capabilities, Partial<Envelope>, string]>([
    ['what is left of it', host('DELIVERBY'), by(90.9, 'R'), `${MAIL} BY=90;R`],
    ['with a trace', host('DELIVERBY 60'), by(90, 'R', true), `${MAIL} BY=90;RT`],
    ['exactly what the host wants', host('DELIVERBY 90'), by(90, 'R'), `${MAIL} BY=90;R`],
    ['less than the host wants', host('DELIVERBY 91'), by(90, 'R'), 'refused 5.4.7'],
    ['less than the host wants, to be told of', host('DELIVERBY 91'), by(90, 'N'), `${MAIL} BY=90;N`],
    ['less than a second', host('DELIVERBY'), by(0.9, 'R'), 'refused 5.4.7'],
    ['nothing, to be told of', host('DELIVERBY'), by(-30, 'N', true), `${MAIL} BY=-30;NT`],
    ['more than can be said', host('DELIVERBY'), by(2_000_000_000, 'R'), `${MAIL} BY=999999999;R`],
    ['a host that does not know it', host(), by(90, 'R'), 'refused 5.3.3'],
    ['a host that does not know it, to be told of', host(), by(90, 'N'), MAIL],
  ])('says the time for delivery: %s', (_, capabilities, more, expected) => {
    expect(inShort(plan(capabilities, more)).split(' | ')[0]).toBe(expected);
  });

  it('decides by the header once it was looked at', () => {
    expect(inShort(plan(host('8BITMIME'), { smtpUtf8: true }, { eightBit: true }, false))).toBe('refused 5.6.9');
    expect(inShort(plan(host('8BITMIME'), { smtpUtf8: true }, { eightBit: true }, true))).toBe(
      `${MAIL} BODY=8BITMIME | ${RCPT} | data`,
    );
    expect(inShort(plan(host(), { smtpUtf8: true }, { eightBit: true }, true))).toBe('downgrade');
  });

  it('announces the size of what BDAT carries: without the stuffed dots', () => {
    const step = plan(host('CHUNKING', 'BINARYMIME'), { bodyType: 'BINARYMIME' }, { binary: true, dotLines: 3 });
    expect(step.kind === 'plan' && step.plan.size).toBe(17);
    const plain = plan(host('CHUNKING', 'BINARYMIME'), {}, { binary: true, dotLines: 3, form: 'plain' });
    expect(plain.kind === 'plan' && plain.plan.size).toBe(20);
  });

  it.each<[string, Capabilities, HopSecurity, string]>([
    ['found, verified and offered', host('REQUIRETLS'), SAFE, `${MAIL} REQUIRETLS | ${RCPT} | data`],
    ['not offered', host(), SAFE, 'refused 5.7.30'],
    ['no TLS at all', host('REQUIRETLS'), { ...SAFE, tls: null }, 'refused 5.7.30'],
    ['TLS failed', host('STARTTLS'), { ...SAFE, tls: null }, 'refused 4.7.5 temporary'],
    ['nobody vouches for the host', host('REQUIRETLS'), { ...SAFE, foundSecurely: false }, 'refused 5.7.30'],
    ['any certificate', host('REQUIRETLS'), { ...SAFE, tls: UNVERIFIED }, 'refused 4.7.5 temporary'],
  ])('REQUIRETLS: %s', (_, capabilities, hop, expected) => {
    const step = plan(capabilities, { requireTls: true }, {}, undefined, hop);
    const temporary = step.kind === 'refused' && step.refusal.temporary === true ? ' temporary' : '';
    expect(`${inShort(step)}${temporary}`).toBe(expected);
    // Others go as before.
    expect(plan(capabilities, {}, {}, undefined, hop).kind).toBe('plan');
  });

  it('never sends 8-bit bytes to a host that takes none', () => {
    for (const lines of [[], ['CHUNKING'], ['CHUNKING', 'BINARYMIME'], ['SMTPUTF8'], ['SIZE', 'DSN']])
      for (const binary of [false, true])
        for (const bodyType of ['7BIT', '8BITMIME', 'BINARYMIME'] as const) {
          const step = plan(host(...lines), { bodyType }, { eightBit: true, binary });
          if (step.kind === 'plan')
            expect([lines, step.plan.mail]).toEqual([lines, expect.stringContaining('BODY=BINARYMIME')]);
        }
  });

  it('plans for the recipients of the job only, in their order', () => {
    const message = envelope(1, ['a@x.net', 'b@x.net', 'c@x.net']);
    const step = planTransaction(message, [2, 0], message.content, host(), undefined, {
      tls: null,
      foundSecurely: false,
    });
    expect(step.kind === 'plan' && step.plan.rcpts).toEqual(['RCPT TO:<c@x.net>', 'RCPT TO:<a@x.net>']);
  });

  it('sends with a reverse-path of our own, and names the recipient to a host that speaks DSN', () => {
    const own = 'b+token@bounces.example';
    const of = (capabilities: Capabilities, more: Partial<Envelope> = {}): string => {
      const message = envelope(1, ['r+x=y@example.net'], more);
      const hop = { tls: null, foundSecurely: false };
      return inShort(planTransaction(message, [0], message.content, capabilities, undefined, hop, own));
    };
    expect(of(host())).toBe(`MAIL FROM:<${own}> | RCPT TO:<r+x=y@example.net> | data`);
    expect(of(host('DSN'))).toBe(
      `MAIL FROM:<${own}> | RCPT TO:<r+x=y@example.net> ORCPT=rfc822;r+2Bx+3Dy@example.net | data`,
    );
    const named = {
      recipients: [{ address: 'r@example.net', notify: 0, originalRecipient: 'rfc822;first@example.org' }],
    };
    expect(of(host('DSN'), named)).toContain('ORCPT=rfc822;first@example.org');
    // The original sender's address is not sent, so it does not ask for SMTPUTF8 either.
    expect(of(host(), { sender: 'röm@example.com' })).toContain(`MAIL FROM:<${own}>`);
  });
});
