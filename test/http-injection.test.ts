/** Mail handed in over HTTP, through a whole engine to a real next hop. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EngineProcess, startEngine } from './helpers/engine.js';
import { exchange, type RawAnswer, request } from './helpers/http-client.js';
import { type SinkMessage, type SinkOptions, type SmtpSink, startSink } from './helpers/smtp-sink.js';
import { uwsProblem } from './helpers/uws-here.js';

let engine: EngineProcess | undefined;
let sink: SmtpSink;
let port = 0;

beforeEach(async () => {
  sink = await startSink();
});
afterEach(async () => {
  await engine?.stop();
  engine = undefined;
  await sink.close();
});

async function start(settings: Readonly<Record<string, string>> = {}, options: SinkOptions = {}): Promise<void> {
  if (Object.keys(options).length > 0) {
    await sink.close();
    sink = await startSink(options);
  }
  engine = await startEngine({
    settings: { SLUICE_HTTP: 'http://127.0.0.1:0', SLUICE_UPSTREAM: `${sink.url}?tls=none`, ...settings },
  });
  port = Number(/:(\d+)$/.exec(String(engine.logged('HTTP is listened for')[0]?.['address']))?.[1] ?? 0);
}

function post(body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<RawAnswer> {
  return exchange(port, [request('POST', '/v1/messages', JSON.stringify(body), headers)]);
}

interface ItemAnswer {
  readonly id: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly reply: string;
  readonly repeated: true | undefined;
  readonly items: readonly ItemAnswer[];
}

function said(answer: RawAnswer): ItemAnswer {
  return answer.json() as ItemAnswer;
}

function headerOf({ content }: SinkMessage): string {
  return content
    .toString('utf8')
    .split('\r\n\r\n')[0]!
    .replace(/\r\n[ \t]/g, ' ');
}

describe.skipIf(uwsProblem !== '')(`POST /v1/messages ${uwsProblem}`, () => {
  it('takes one message and says its id; it goes out with what submissions get', async () => {
    await start();
    const answer = await post({ from: 'Ann <a@x.example>', to: ['b@y.example'], subject: 's', text: '.t\nu\r\n' });
    expect(answer.status, answer.body).toBe(202);
    const { id } = said(answer);
    const [message] = await sink.waitFor(1);
    expect(message!.mail).toMatch(/^MAIL FROM:<a@x\.example>/);
    expect(message!.rcpts).toEqual(['RCPT TO:<b@y.example>']);
    const header = headerOf(message!);
    expect(header).toMatch(
      new RegExp(`^Received: from unknown \\(\\[127\\.0\\.0\\.1\\]\\) by relay\\.example with HTTP id ${id} for <b@y`),
    );
    expect(header).toMatch(/^From: Ann <a@x\.example>$/m);
    expect(header).toMatch(/^To: b@y\.example$/m);
    expect(header).toMatch(/^Subject: s$/m);
    expect(header).toMatch(/^Date: /m);
    expect(header).toMatch(new RegExp(`^Message-ID: <.*${id}@relay\\.example>$`, 'm'));
    expect(message!.content.toString().split('\r\n\r\n').slice(1).join()).toBe('.t\r\nu\r\n');
  });

  it('answers the items of an array in their order, each by itself', async () => {
    await start();
    const good = { from: 'a@x.example', to: 'b@y.example', subject: 's', text: 't' };
    const raw = Buffer.from('Subject: raw\r\nBcc: hidden@z.example\r\n\r\nbody\r\n').toString('base64');
    const answer = await post([
      good,
      { ...good, from: 'nobody' },
      { mailFrom: '', rcptTo: ['c@y.example'], raw },
      { ...good, colour: 'red' },
      7,
    ]);
    expect(answer.status, answer.body).toBe(202);
    const { items } = said(answer);
    expect(items.map(({ status }) => status)).toEqual([202, 422, 202, 422, 422]);
    expect(items[1]).toMatchObject({ code: 'bad-address', type: 'urn:sluice:problem:bad-address' });
    expect(items[3]!.detail).toContain('colour');
    const found = await sink.waitFor(2);
    const sent = found.find(({ mail }) => mail.startsWith('MAIL FROM:<>'))!;
    expect(headerOf(sent)).toMatch(/^Subject: raw$/m);
    expect(headerOf(sent)).not.toMatch(/bcc|hidden/i);
  });
});
