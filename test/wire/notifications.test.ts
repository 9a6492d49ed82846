/**
 * Delivery status notifications through a whole engine: who is told what, when, and who never is (RFC 3461, RFC 3464).
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ALL_CAPABILITIES, type SinkMessage, type SinkOptions } from '../helpers/smtp-sink.js';
import { parseReport } from './report.js';
import { mail, parsed, Stage, values } from './stage.js';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.end());

const QUICK = { SLUICE_RETRY_MIN: '300ms', SLUICE_RETRY_MAX: '300ms' };
const WITHOUT_DSN = ALL_CAPABILITIES.filter((keyword) => keyword !== 'DSN');
/** Refuses recipients called `bad`, puts off those called `slow`. */
const refusing: SinkOptions['reply'] = (moment, line) => {
  if (moment !== 'RCPT') return undefined;
  if (line.includes('<bad')) return '550 5.1.1 No such user here';
  return line.includes('<slow') ? '451 4.7.1 Greylisted' : undefined;
};
const isNotice = (message: SinkMessage): boolean => message.mail.startsWith('MAIL FROM:<>');

describe('bounce', () => {
  it('tells the sender with all that RFC 3464 asks for', async () => {
    const sink = await stage.sink({ capabilities: WITHOUT_DSN, reply: refusing });
    const engine = await stage.engine({}, sink);
    const client = await stage.client(engine);
    const body = '.dot\r\n..dots\r\nlast\r\n';
    const to = ['<bad@accept.example> ORCPT=rfc822;first+2Bbox@old.example', '<good@accept.example>'];
    const reply = await client.send('<ann@client.example> ENVID=QQ+2B314159', to, mail([], body));
    expect(reply.code).toBe(250);
    const [notice] = await sink.waitFor(1, isNotice);
    expect(notice!.rcpts).toHaveLength(1);
    expect(notice!.rcpts[0]).toMatch(/^RCPT TO:<ann@client\.example>/);
    expect(values(notice!.content, 'Auto-Submitted')).toEqual(['auto-replied']);
    expect(values(notice!.content, 'To')[0]).toContain('ann@client.example');
    expect(values(notice!.content, 'From')[0]).toMatch(/MAILER-DAEMON@relay\.example/i);
    expect(values(notice!.content, 'Message-ID')).toHaveLength(1);
    expect(values(notice!.content, 'Date')).toHaveLength(1);
    const report = parseReport(notice!.content);
    expect(report.contentType).toMatch(/report-type="?delivery-status/);
    expect(report.message.get('reporting-mta')).toBe('dns; relay.example');
    expect(report.message.get('original-envelope-id')).toBe('QQ+314159');
    expect(report.message.has('arrival-date')).toBe(true);
    expect(report.recipients).toHaveLength(1);
    const [recipient] = report.recipients;
    expect(recipient!.get('final-recipient')).toBe('rfc822; bad@accept.example');
    expect(recipient!.get('original-recipient')).toBe('rfc822; first+box@old.example');
    expect(recipient!.get('action')).toBe('failed');
    expect(recipient!.get('status')).toBe('5.1.1');
    expect(recipient!.get('diagnostic-code')).toBe('smtp; 550 5.1.1 No such user here');
    expect(recipient!.get('remote-mta')).toMatch(/^dns; /);
    expect(report.text).toContain('bad@accept.example');
    expect(report.returnedType).toMatch(/^message\/rfc822/);
    expect(report.returned).toContain(body.trimEnd());
    // The other recipient got the message.
    const [delivered] = await sink.waitFor(1, (message) => !isNotice(message));
    expect(delivered!.rcpts).toEqual(['RCPT TO:<good@accept.example>']);
    expect(parsed(delivered!.content).body).toBe(body);
  });

  it('gives back the header only with RET=HDRS', async () => {
    const sink = await stage.sink({ reply: refusing });
    const engine = await stage.engine({}, sink);
    const client = await stage.client(engine);
    await client.send('<ann@client.example> RET=HDRS', ['<bad@accept.example>'], mail(['X-Mark: kept'], 'secret\r\n'));
    const [notice] = await sink.waitFor(1, isNotice);
    const report = parseReport(notice!.content);
    expect(report.returnedType).toMatch(/^text\/rfc822-headers/);
    expect(report.returned).toContain('X-Mark: kept');
    expect(report.returned).not.toContain('secret');
  });

  it('is never made for the null sender, nor where NOTIFY=NEVER', async () => {
    const sink = await stage.sink({ reply: refusing });
    const engine = await stage.engine({}, sink);
    const client = await stage.client(engine);
    await client.send('<>', ['<bad1@accept.example>'], mail());
    await client.send('<ann@client.example>', ['<bad2@accept.example> NOTIFY=NEVER'], mail());
    await client.send('<ann@client.example>', ['<bad3@accept.example> NOTIFY=SUCCESS,DELAY'], mail());
    await client.send('<ann@client.example>', ['<bad4@accept.example> NOTIFY=FAILURE'], mail());
    for (const name of ['bad1', 'bad2', 'bad3', 'bad4'])
      await engine.waitForLog((line) => line['to'] === `${name}@accept.example` && line['status'] === 'failed');
    const notices = await sink.waitFor(1, isNotice);
    expect(notices.map(({ content }) => parseReport(content).recipients[0]!.get('final-recipient'))).toEqual([
      'rfc822; bad4@accept.example',
    ]);
    // Drained: nothing else is on its way.
    expect((await engine.stop()).code).toBe(0);
    expect(sink.messages.filter(isNotice)).toHaveLength(1);
  });

  it('comes when the message expires', async () => {
    const sink = await stage.sink({ reply: refusing });
    const engine = await stage.engine({ ...QUICK, SLUICE_EXPIRE: '1s' }, sink);
    const client = await stage.client(engine);
    await client.send('<ann@client.example>', ['<slow@accept.example>'], mail());
    const [notice] = await sink.waitFor(1, isNotice);
    const [recipient] = parseReport(notice!.content).recipients;
    expect(recipient!.get('action')).toBe('failed');
    expect(recipient!.get('diagnostic-code')).toBe('smtp; 451 4.7.1 Greylisted');
    await engine.waitForLog((line) => line['to'] === 'slow@accept.example' && line['status'] === 'expired');
  });
});

describe('success', () => {
  it('is reported as relayed where the next hop does not speak DSN', async () => {
    const sink = await stage.sink({ capabilities: WITHOUT_DSN });
    const engine = await stage.engine({}, sink);
    const client = await stage.client(engine);
    const to = [
      '<one@accept.example> NOTIFY=SUCCESS,FAILURE',
      '<two@accept.example> NOTIFY=FAILURE',
      '<three@accept.example>',
    ];
    await client.send('<ann@client.example>', to, mail([], 'secret\r\n'));
    const [notice] = await sink.waitFor(1, isNotice);
    const report = parseReport(notice!.content);
    expect(report.recipients.map((recipient) => [recipient.get('final-recipient'), recipient.get('action')])).toEqual([
      ['rfc822; one@accept.example', 'relayed'],
    ]);
    expect(report.recipients[0]!.get('status')).toMatch(/^2\.\d+\.\d+$/);
    expect(report.returnedType).toMatch(/^text\/rfc822-headers/);
    expect(report.returned).not.toContain('secret');
  });

  it('is left to a next hop that speaks DSN', async () => {
    const sink = await stage.sink();
    const engine = await stage.engine({}, sink);
    const client = await stage.client(engine);
    await client.send('<ann@client.example>', ['<one@accept.example> NOTIFY=SUCCESS'], mail());
    const [message] = await sink.waitFor(1);
    expect(message!.rcpts).toEqual(['RCPT TO:<one@accept.example> NOTIFY=SUCCESS']);
    expect((await engine.stop()).code).toBe(0);
    expect(sink.messages).toHaveLength(1);
  });
});

describe('delay', () => {
  it('is told once, to those who did not say no', async () => {
    const sink = await stage.sink({ reply: refusing });
    const engine = await stage.engine({ ...QUICK, SLUICE_DELAY_WARNING: '1s' }, sink);
    const client = await stage.client(engine);
    await client.send('<ann@client.example>', ['<slow1@accept.example> NOTIFY=FAILURE'], mail());
    await client.send('<ann@client.example>', ['<slow2@accept.example> NOTIFY=DELAY'], mail());
    await client.send('<>', ['<slow3@accept.example>'], mail());
    await client.send('<ann@client.example>', ['<slow4@accept.example>'], mail());
    const late = (name: string) =>
      engine.waitForLog(
        (line) =>
          line['to'] === `${name}@accept.example` && line['status'] === 'deferred' && Number(line['attempts']) > 6,
      );
    for (const name of ['slow1', 'slow2', 'slow3', 'slow4']) await late(name);
    const notices = (await sink.waitFor(2, isNotice)).map(({ content }) => parseReport(content));
    expect(notices.map(({ recipients }) => recipients[0]!.get('final-recipient')).sort()).toEqual([
      'rfc822; slow2@accept.example',
      'rfc822; slow4@accept.example',
    ]);
    for (const { recipients } of notices) {
      expect(recipients[0]!.get('action')).toBe('delayed');
      expect(recipients[0]!.get('status')).toMatch(/^4\./);
      expect(recipients[0]!.has('will-retry-until')).toBe(true);
    }
    expect((await engine.command(['queue', 'list', '--json'])).out.trim().split('\n')).toHaveLength(4);
  });
});
