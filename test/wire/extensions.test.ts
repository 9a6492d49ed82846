/**
 * Parameters and content that an extension carries: passed on where the next hop offers it, handled as its RFC says
 * where it does not.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ALL_CAPABILITIES } from '../helpers/smtp-sink.js';
import { parseReport } from './report.js';
import { mail, parsed, Stage } from './stage.js';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.end());

function without(...keywords: string[]): string[] {
  return ALL_CAPABILITIES.filter((keyword) => !keywords.includes(keyword));
}

describe('offers', () => {
  it('every extension of the issue, with the limits in force', async () => {
    const sink = await stage.sink();
    const engine = await stage.engine(
      {
        SLUICE_MAX_MESSAGE_SIZE: '2m',
        SLUICE_MAX_RECIPIENTS: '150',
        SLUICE_MAX_MESSAGES_PER_CONNECTION: '2',
        SLUICE_MAX_HEADER_SIZE: '64k',
      },
      sink,
    );
    const client = await stage.client(engine);
    expect([...client.capabilities.keys()].sort()).toEqual([
      '8BITMIME',
      'BINARYMIME',
      'CHUNKING',
      'DELIVERBY',
      'DSN',
      'ENHANCEDSTATUSCODES',
      'FUTURERELEASE',
      'LIMITS',
      'MT-PRIORITY',
      'PIPELINING',
      'SIZE',
      'SMTPUTF8',
      'STARTTLS',
    ]);
    expect(client.capabilities.get('SIZE')).toBe('2097152');
    // RFC 9422 section 4.
    expect(client.capabilities.get('LIMITS')?.split(' ').sort()).toEqual(['MAILMAX=2', 'RCPTMAX=150']);
    // And the limits hold: 452 for the recipient above, 421 for the third message.
    await client.expect('MAIL FROM:<ann@client.example>', 250);
    for (let i = 0; i < 150; i++) await client.expect(`RCPT TO:<r${i}@accept.example>`, 250);
    expect((await client.command('RCPT TO:<more@accept.example>')).text).toMatch(/^452 4\.5\.3 /);
    await client.expect('RSET', 250);
    for (let i = 0; i < 2; i++)
      expect((await client.send('<ann@client.example>', ['<bob@accept.example>'], mail())).code).toBe(250);
    expect((await client.command('MAIL FROM:<ann@client.example>')).code).toBe(421);
    expect((await client.reply()).code).toBe(0);
  });
});

describe('parameters', () => {
  it('go on to a next hop that offers the extension', async () => {
    const sink = await stage.sink();
    const engine = await stage.engine({}, sink);
    const client = await stage.client(engine);
    await client.send(
      '<ann@client.example> BODY=8BITMIME RET=FULL ENVID=abc+2Bdef MT-PRIORITY=-3 SIZE=500',
      [
        '<a@accept.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+40b',
        '<b@accept.example> NOTIFY=NEVER',
        '<c@accept.example>',
      ],
      mail(),
    );
    const [message] = await sink.waitFor(1);
    expect(message!.mail).toMatch(/^MAIL FROM:<ann@client\.example> SIZE=\d+ /);
    expect(message!.mail.split(' ').slice(3).sort()).toEqual([
      'BODY=8BITMIME',
      'ENVID=abc+2Bdef',
      'MT-PRIORITY=-3',
      'RET=FULL',
    ]);
    expect(Number(/SIZE=(\d+)/.exec(message!.mail)![1])).toBe(message!.content.length);
    expect(message!.rcpts).toEqual([
      'RCPT TO:<a@accept.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+40b',
      'RCPT TO:<b@accept.example> NOTIFY=NEVER',
      'RCPT TO:<c@accept.example>',
    ]);
  });

  it('stay behind where it is not offered', async () => {
    const sink = await stage.sink({ capabilities: ['PIPELINING'] });
    const engine = await stage.engine({}, sink);
    const client = await stage.client(engine);
    const to = ['<a@accept.example> NOTIFY=FAILURE ORCPT=rfc822;a+40b'];
    await client.send('<ann@client.example> BODY=8BITMIME RET=FULL ENVID=abc MT-PRIORITY=5 SMTPUTF8', to, mail());
    const [message] = await sink.waitFor(1);
    expect(message!.mail).toBe('MAIL FROM:<ann@client.example>');
    expect(message!.rcpts).toEqual(['RCPT TO:<a@accept.example>']);
  });

  it('that are malformed are refused', async () => {
    const engine = await stage.engine({}, await stage.sink());
    const client = await stage.client(engine);
    const bad = [
      'MT-PRIORITY=10',
      'MT-PRIORITY=-10',
      'MT-PRIORITY=x',
      'MT-PRIORITY',
      'RET=SOME',
      'ENVID=a+b',
      'BODY=9BIT',
    ];
    for (const parameter of bad)
      expect((await client.command(`MAIL FROM:<ann@client.example> ${parameter}`)).text, parameter).toMatch(
        /^501 5\.5\.4 /,
      );
    await client.expect('MAIL FROM:<ann@client.example> MT-PRIORITY=9', 250);
  });
});

describe('content', () => {
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

  it('of every byte goes through BDAT to a next hop with BINARYMIME', async () => {
    const sink = await stage.sink();
    const engine = await stage.engine({}, sink);
    const client = await stage.client(engine);
    const content = Buffer.concat([Buffer.from(mail([], '')), everyByte]);
    const reply = await client.sendChunk('<ann@client.example> BODY=BINARYMIME', ['<bob@accept.example>'], content);
    expect(reply.code).toBe(250);
    const [message] = await sink.waitFor(1);
    expect(message!.how).toBe('BDAT');
    expect(message!.mail).toContain(' BODY=BINARYMIME');
    expect(message!.content.subarray(-256)).toEqual(everyByte);
  });

  it.each([['BINARYMIME'], ['CHUNKING']])(
    'that is binary fails with 5.6.3 without %s at the next hop',
    async (keyword) => {
      const sink = await stage.sink({ capabilities: without(keyword) });
      const engine = await stage.engine({}, sink);
      const client = await stage.client(engine);
      const content = Buffer.concat([Buffer.from(mail([], '')), everyByte]);
      await client.sendChunk('<ann@client.example> BODY=BINARYMIME', ['<bob@accept.example>'], content);
      const [notice] = await sink.waitFor(1);
      expect(notice!.mail).toMatch(/^MAIL FROM:<>/);
      expect(notice!.rcpts[0]).toContain('<ann@client.example>');
      const [recipient] = parseReport(notice!.content).recipients;
      expect([recipient!.get('action'), recipient!.get('status')]).toEqual(['failed', '5.6.3']);
      expect(sink.messages).toHaveLength(1);
    },
  );

  it('with an internationalized address fails with 5.6.7 without SMTPUTF8 at the next hop', async () => {
    const sink = await stage.sink({ capabilities: without('SMTPUTF8') });
    const engine = await stage.engine({}, sink);
    const client = await stage.client(engine);
    await client.send('<ann@client.example> SMTPUTF8', ['<jörg@accept.example>'], mail());
    const [notice] = await sink.waitFor(1);
    const [recipient] = parseReport(notice!.content).recipients;
    expect([recipient!.get('action'), recipient!.get('status')]).toEqual(['failed', '5.6.7']);
    expect(sink.commands.join('\n')).not.toContain('jörg');
  });

  it('with internationalized addresses goes on with SMTPUTF8, byte for byte', async () => {
    const sink = await stage.sink();
    const engine = await stage.engine({}, sink);
    const client = await stage.client(engine);
    const text = mail(['X-Greeting: Grüße'], 'schön\r\n');
    await client.send('<änn@client.example> SMTPUTF8 BODY=8BITMIME', ['<jörg@bücher.example>'], text);
    const [message] = await sink.waitFor(1);
    expect(message!.mail).toMatch(/^MAIL FROM:<änn@client\.example> .*\bSMTPUTF8/);
    expect(message!.rcpts[0]).toMatch(/^RCPT TO:<jörg@bücher\.example>/);
    expect(message!.content.toString('utf8').endsWith(text)).toBe(true);
  });

  it('of 8 bit becomes 7 bit where the next hop lacks 8BITMIME, and says the same', async () => {
    const sink = await stage.sink({ capabilities: without('8BITMIME', 'SMTPUTF8') });
    const engine = await stage.engine({}, sink);
    const client = await stage.client(engine);
    const fields = ['MIME-Version: 1.0', 'Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: 8bit'];
    await client.send('<ann@client.example> BODY=8BITMIME', ['<bob@accept.example>'], mail(fields, 'schön\r\n'));
    const [message] = await sink.waitFor(1);
    expect(message!.content.every((byte) => byte < 128)).toBe(true);
    expect(parsed(message!.content).body).toMatch(/^sch=C3=B6n\r\n/);
  });

  it('larger than the next hop takes fails with 5.3.4', async () => {
    const sink = await stage.sink({ capabilities: [...without('SIZE 0'), 'SIZE 10000'] });
    const engine = await stage.engine({}, sink);
    const client = await stage.client(engine);
    await client.send(
      '<ann@client.example> RET=HDRS',
      ['<bob@accept.example>'],
      mail([], `${'x'.repeat(70)}\r\n`.repeat(200)),
    );
    const [notice] = await sink.waitFor(1);
    expect(parseReport(notice!.content).recipients[0]!.get('status')).toBe('5.3.4');
  });
});
