/**
 * What is changed in a message on its way through a whole engine, and what is not.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mail, parsed, Stage, values } from './stage.js';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.end());

const STRANGER = { SLUICE_RELAY_NETWORKS: '!127.0.0.0/8', SLUICE_RELAY_DOMAINS: 'accept.example' };

describe('submission', () => {
  it('gains Received, Date and Message-ID, and loses Bcc', async () => {
    const sink = await stage.sink();
    const engine = await stage.engine({}, sink);
    const client = await stage.client(engine);
    const text = mail(
      ['Bcc: secret@accept.example,', '\tother@accept.example', 'X-Last: 1'],
      'Bcc: in the body stays\r\n',
    );
    const reply = await client.send('<ann@client.example>', ['<bob@accept.example>'], text);
    const id = /queued as (\w+)/.exec(reply.text)![1];
    const { content } = (await sink.waitFor(1))[0]!;
    const { header, body } = parsed(content);
    expect(content.toString()).not.toContain('secret@');
    expect(content.toString()).not.toContain('other@');
    expect(body).toBe('Bcc: in the body stays\r\n');
    expect(header[0]!.name).toBe('Received');
    expect(header[0]!.value).toMatch(
      new RegExp(
        `^from client\\.example \\(\\[127\\.0\\.0\\.1\\]\\)\\s+by relay\\.example with ESMTP id ${id}` +
          '\\s+for <bob@accept\\.example>; \\w{3}, \\d{1,2} \\w{3} \\d{4} \\d\\d:\\d\\d:\\d\\d [+-]\\d{4}$',
      ),
    );
    const dated = new Date(header[0]!.value.split('; ')[1]!).getTime();
    expect(Math.abs(dated - Date.now())).toBeLessThan(60_000);
    expect(new Date(values(content, 'Date')[0]!).getTime()).toBe(dated);
    expect(values(content, 'Message-ID')).toEqual([expect.stringMatching(/^<[^@<>\s]+@relay\.example>$/)]);
    expect(header.slice(-4)).toEqual([
      { name: 'From', value: 'Ann <ann@client.example>' },
      { name: 'To', value: 'bob@accept.example' },
      { name: 'Subject', value: 'test' },
      { name: 'X-Last', value: '1' },
    ]);
  });

  it('keeps Date and Message-ID that are there, and names no recipient where there are several', async () => {
    const sink = await stage.sink();
    const engine = await stage.engine({}, sink);
    const client = await stage.client(engine);
    const own = ['date: Thu, 1 Jan 2026 00:00:00 +0000', 'MESSAGE-id: <own@client.example>'];
    await client.send('<ann@client.example>', ['<bob@accept.example>', '<eve@accept.example>'], mail(own));
    const [message] = await sink.waitFor(1);
    expect(message!.rcpts).toHaveLength(2);
    expect(values(message!.content, 'Date')).toHaveLength(1);
    expect(values(message!.content, 'Message-ID')).toEqual(['<own@client.example>']);
    expect(values(message!.content, 'Received')[0]).not.toContain('accept.example');
  });

  it('without a header gets one', async () => {
    const sink = await stage.sink();
    const engine = await stage.engine({}, sink);
    const client = await stage.client(engine);
    await client.send('<ann@client.example>', ['<bob@accept.example>'], '\r\nOnly a body\r\n');
    const [message] = await sink.waitFor(1);
    const { header, body } = parsed(message!.content);
    expect(header.map(({ name }) => name)).toEqual(['Received', 'Date', 'Message-ID']);
    expect(body).toBe('Only a body\r\n');
  });
});

describe('mail from strangers', () => {
  it('gains Received and nothing else', async () => {
    const sink = await stage.sink();
    const engine = await stage.engine(STRANGER, sink);
    const client = await stage.client(engine);
    const text = mail(['Bcc: kept@accept.example'], '.\r\n..\r\n.x\r\n');
    await client.send('<ann@client.example>', ['<bob@accept.example>'], text);
    const [message] = await sink.waitFor(1);
    const received = /^Received: [^\r]*(?:\r\n\t[^\r]*)*\r\n/.exec(message!.content.toString())![0];
    expect(message!.content.toString()).toBe(received + text);
  });

  it('is not relayed to other domains', async () => {
    const engine = await stage.engine(STRANGER, await stage.sink());
    const client = await stage.client(engine);
    await client.expect('MAIL FROM:<ann@client.example>', 250);
    for (const path of [
      '<x@other.example>',
      '<x@sub.accept.example>',
      '<x%other.example@relay.example>',
      '<"x@other.example">',
    ])
      expect((await client.command(`RCPT TO:${path}`)).code, path).toBeGreaterThanOrEqual(500);
    expect((await client.command('RCPT TO:<x@other.example>')).text).toMatch(/^554 5\.7\.1 /);
    expect((await client.command('RCPT TO:<@accept.example:x@other.example>')).text).toMatch(/^554 5\.7\.1 /);
    await client.expect('RCPT TO:<x@ACCEPT.Example>', 250);
  });
});

describe('envelope', () => {
  it('loses source routes and keeps quoted local parts', async () => {
    const sink = await stage.sink();
    const engine = await stage.engine({}, sink);
    const client = await stage.client(engine);
    const to = ['<@hop.example,@two.example:bob@accept.example>', '<"a b\\"c"@accept.example>'];
    await client.send('<@first.example:ann@client.example>', to, mail());
    const [message] = await sink.waitFor(1);
    expect(message!.mail).toMatch(/^MAIL FROM:<ann@client\.example>/);
    expect(message!.rcpts).toEqual(['RCPT TO:<bob@accept.example>', 'RCPT TO:<"a b\\"c"@accept.example>']);
  });
});

describe('loops', () => {
  it('end at the limit of Received fields', async () => {
    const sink = await stage.sink();
    const engine = await stage.engine({ SLUICE_MAX_HOPS: '10' }, sink);
    const client = await stage.client(engine);
    const hops = (count: number) =>
      Array.from(
        { length: count },
        (_, i) => `Received: from h${i}.example by h${i + 1}.example; Thu, 1 Jan 2026 00:00:00 +0000`,
      );
    const looping = await client.send('<ann@client.example>', ['<bob@accept.example>'], mail(hops(10)));
    expect(looping.text).toMatch(/^554 5\.4\.6 /);
    const fine = await client.send('<ann@client.example>', ['<bob@accept.example>'], mail(hops(9)));
    expect(fine.code).toBe(250);
    const [message] = await sink.waitFor(1);
    expect(values(message!.content, 'Received')).toHaveLength(10);
  });
});

describe('rules', () => {
  it('from the settings are applied', async () => {
    const sink = await stage.sink();
    const engine = await stage.engine(
      {
        SLUICE_HEADER_REMOVE: 'X-Mailer, X-Originating-IP',
        SLUICE_HEADER_REPLACE: 'Organization: Example Ltd',
        SLUICE_HEADER_ADD: 'X-Relay: one | List-Unsubscribe: <mailto:off@client.example>',
      },
      sink,
    );
    const client = await stage.client(engine);
    const fields = ['X-Mailer: old', 'x-originating-ip: [10.0.0.1]', 'Organization: None,', ' really', 'X-Kept: 1'];
    await client.send('<ann@client.example>', ['<bob@accept.example>'], mail(fields));
    const [message] = await sink.waitFor(1);
    const { content } = message!;
    expect(values(content, 'X-Mailer')).toEqual([]);
    expect(values(content, 'X-Originating-IP')).toEqual([]);
    expect(values(content, 'Organization')).toEqual(['Example Ltd']);
    expect(values(content, 'X-Relay')).toEqual(['one']);
    expect(values(content, 'List-Unsubscribe')).toEqual(['<mailto:off@client.example>']);
    expect(values(content, 'X-Kept')).toEqual(['1']);
    expect(parsed(content).body).toBe('Hello\r\n');
  });

  it('rewrite domains in fields and envelope', async () => {
    const sink = await stage.sink();
    const engine = await stage.engine({ SLUICE_REWRITE_DOMAINS: 'client.example=new.example' }, sink);
    const client = await stage.client(engine);
    const fields = ['Sender: "Ann @client.example" <ann@CLIENT.example>', 'Reply-To: ann@client.example'];
    await client.send('<bounce+1@client.example>', ['<bob@client.example>'], mail(fields));
    const [message] = await sink.waitFor(1);
    expect(message!.mail).toMatch(/^MAIL FROM:<bounce\+1@new\.example>/);
    expect(message!.rcpts).toEqual(['RCPT TO:<bob@client.example>']);
    expect(values(message!.content, 'From')).toEqual(['Ann <ann@new.example>']);
    expect(values(message!.content, 'Sender')).toEqual(['"Ann @client.example" <ann@new.example>']);
    expect(values(message!.content, 'Reply-To')).toEqual(['ann@client.example']);
  });

  it('leave alone the fields that are not named', async () => {
    const sink = await stage.sink();
    const settings = { SLUICE_REWRITE_DOMAINS: 'client.example=new.example', SLUICE_REWRITE_FIELDS: 'from' };
    const engine = await stage.engine(settings, sink);
    const client = await stage.client(engine);
    await client.send('<ann@client.example>', ['<bob@accept.example>'], mail(['Sender: ann@client.example']));
    const [message] = await sink.waitFor(1);
    expect(message!.mail).toMatch(/^MAIL FROM:<ann@client\.example>/);
    expect(values(message!.content, 'From')).toEqual(['Ann <ann@new.example>']);
    expect(values(message!.content, 'Sender')).toEqual(['ann@client.example']);
  });
});
