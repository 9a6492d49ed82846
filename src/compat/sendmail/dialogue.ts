/**
 * Hands a message to the engine by SMTP (RFC 5321), over a stream that others connect.
 *
 * Contract: never rejects. Every recipient has one fate: `accepted` (the engine answered 250, it is durable there),
 * `refused` for good with the reply, or `left`: refused for now, or not known because the stream ended or PATIENCE ran
 * out. After a message whose last reply was lost a recipient is `left` and may get it twice.
 */
import type { Duplex } from 'node:stream';
import type { Outgoing } from './outgoing.js';

export interface Handed {
  readonly accepted: readonly string[];
  readonly refused: readonly { readonly address: string; readonly reply: string }[];
  readonly left: readonly string[];
}

/** For one reply, ms: the flush of a busy disk. */
const PATIENCE = 60_000;
const MAX_LINE = 4096;
const MAX_REPLY_LINES = 100;

interface Reply {
  readonly code: number;
  readonly lines: readonly string[];
}

const [ACCEPTED, GO_ON, LASTING] = [250, 354, 500];

class Talk {
  private readonly stream: Duplex;
  private readonly replies: AsyncGenerator<Reply>;

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on('error', () => {});
    this.replies = repliesOf(stream);
  }

  async reply(): Promise<Reply> {
    const timer = setTimeout(() => this.stream.destroy(new Error('no reply in time')), PATIENCE);
    const { value, done } = await this.replies.next();
    clearTimeout(timer);
    if (done === true) throw new Error('the engine closed the connection');
    return value;
  }

  ask(line: string): Promise<Reply> {
    this.stream.write(`${line}\r\n`);
    return this.reply();
  }

  write(data: Buffer): void {
    this.stream.write(data);
  }

  end(): void {
    this.stream.end('QUIT\r\n');
    this.stream.resume();
  }
}

async function* repliesOf(stream: Duplex): AsyncGenerator<Reply> {
  let text = '';
  let lines: string[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    text += chunk.toString('utf8');
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const line = text.slice(0, end).replace(/\r$/, '');
      text = text.slice(end + 1);
      const match = /^(\d{3})([ -]|$)(.*)$/.exec(line);
      if (match === null || lines.length >= MAX_REPLY_LINES) throw new Error('not SMTP');
      lines.push(match[3]!);
      if (match[2] === '-') continue;
      yield { code: Number(match[1]), lines };
      lines = [];
    }
    if (text.length > MAX_LINE) throw new Error('not SMTP');
  }
}

/** Hands it over and ends the stream. `hostname`: for EHLO. */
export async function handOver(stream: Duplex, message: Outgoing, hostname: string): Promise<Handed> {
  const accepted: string[] = [];
  const refused: { address: string; reply: string }[] = [];
  let left = [...message.recipients];
  try {
    const talk = new Talk(stream);
    if ((await talk.reply()).code !== 220) return { accepted, refused, left };
    const greeting = await talk.ask(`EHLO ${hostname}`);
    if (greeting.code !== ACCEPTED) return { accepted, refused, left };
    const offers = new Set(greeting.lines.slice(1).map((line) => line.split(' ')[0]!.toUpperCase()));
    // More recipients than the engine takes in one transaction go in further ones (RFC 5321 section 4.5.3.1.10).
    for (let before = -1; left.length > 0 && left.length !== before; ) {
      before = left.length;
      const fate = await transaction(talk, { ...message, recipients: left }, offers);
      accepted.push(...fate.accepted);
      refused.push(...fate.refused);
      left = [...fate.left];
    }
    talk.end();
  } catch {
    stream.destroy();
  }
  return { accepted, refused, left };
}

async function transaction(talk: Talk, message: Outgoing, offers: ReadonlySet<string>): Promise<Handed> {
  const { recipients, content } = message;
  const all = (reply: Reply): Handed =>
    reply.code >= LASTING
      ? { accepted: [], refused: recipients.map((address) => ({ address, reply: shown(reply) })), left: [] }
      : { accepted: [], refused: [], left: recipients };
  const begun = await talk.ask(mailCommand(message, offers));
  if (begun.code !== ACCEPTED) return all(begun);
  const taken: string[] = [];
  const left: string[] = [];
  const refused: { address: string; reply: string }[] = [];
  const notify = offers.has('DSN') && message.notify.length > 0 ? ` NOTIFY=${message.notify.join(',')}` : '';
  for (const address of recipients) {
    const reply = await talk.ask(`RCPT TO:<${address}>${notify}`);
    if (reply.code < 300) taken.push(address);
    else if (reply.code >= LASTING) refused.push({ address, reply: shown(reply) });
    else left.push(address);
  }
  if (taken.length === 0) {
    await talk.ask('RSET');
    return { accepted: [], refused, left };
  }
  const data = await talk.ask('DATA');
  if (data.code !== GO_ON) {
    const rest = all(data);
    return { accepted: [], refused: rest.refused, left: rest.left };
  }
  talk.write(stuffed(content));
  talk.write(Buffer.from('.\r\n'));
  const end = await talk.reply();
  if (end.code < 300) return { accepted: taken, refused, left };
  if (end.code < LASTING) return { accepted: [], refused, left: [...taken, ...left] };
  const reply = shown(end);
  return { accepted: [], refused: [...refused, ...taken.map((address) => ({ address, reply }))], left };
}

function mailCommand(message: Outgoing, offers: ReadonlySet<string>): string {
  let line = `MAIL FROM:<${message.sender}>`;
  if (offers.has('SIZE')) line += ` SIZE=${message.content.length}`;
  if (offers.has('8BITMIME') && message.body === '8BITMIME') line += ' BODY=8BITMIME';
  if (offers.has('SMTPUTF8') && message.smtpUtf8) line += ' SMTPUTF8';
  if (offers.has('DSN') && message.ret !== '') line += ` RET=${message.ret}`;
  if (offers.has('DSN') && message.envelopeId !== '') line += ` ENVID=${message.envelopeId}`;
  return line;
}

function shown({ code, lines }: Reply): string {
  return `${code} ${lines.join(' ')}`;
}

/** Doubles dots at line starts (RFC 5321 section 4.5.2). */
function stuffed(content: Buffer): Buffer {
  let dots = content[0] === 46 ? 1 : 0;
  for (let at = content.indexOf('\n.'); at >= 0; at = content.indexOf('\n.', at + 1)) dots++;
  if (dots === 0) return content;
  const out = Buffer.allocUnsafe(content.length + dots);
  let to = 0;
  let from = 0;
  if (content[0] === 46) out[to++] = 46;
  for (let at = content.indexOf('\n.'); at >= 0; at = content.indexOf('\n.', at + 1)) {
    to += content.copy(out, to, from, at + 1);
    out[to++] = 46;
    from = at + 1;
  }
  content.copy(out, to, from);
  return out;
}
