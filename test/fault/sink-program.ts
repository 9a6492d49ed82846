/**
 * The recording sink, a process of its own: `sink-program.js PORT FILE`.
 *
 * An SMTP server that takes everything and appends one JSON line for each message (Arrival of ledger.ts) before it
 * answers 250. Kill it whenever you like: what it answered is in the file. Messages from its parent change its manners:
 * `{refuse: 0.1}` answers that share of MAIL with 451, `{drop: 0.1}` closes instead of answering that share of messages,
 * `{slow: 20}` waits so many ms before each 250.
 */
import { createHash } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import net from 'node:net';

export interface Manners {
  readonly refuse?: number;
  readonly drop?: number;
  readonly slow?: number;
}

const END = Buffer.from('\r\n.\r\n');
let manners: Manners = {};

class SinkConnection {
  private readonly socket: net.Socket;
  private readonly file: number;
  private buffer: Buffer = Buffer.alloc(0);
  private pieces: Buffer[] = [];
  private from = '';
  private to: string[] = [];
  private chunks: Buffer[] = [];
  private mode: 'command' | 'data' | number = 'command';
  private last = false;
  /** MAIL was taken. */
  private open = false;
  private replies = '';

  constructor(socket: net.Socket, file: number) {
    this.socket = socket;
    this.file = file;
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    socket.write('220 sink.example ESMTP\r\n');
  }

  private take(chunk: Buffer): void {
    // A large message in many pieces is put together once and not once for each piece.
    this.pieces.push(chunk);
    if (this.mode === 'data' && chunk.length >= 5 && !chunk.subarray(-5).equals(END) && !chunk.includes(END)) {
      if (!this.endsAcross()) return;
    }
    this.buffer = Buffer.concat([this.buffer, ...this.pieces]);
    this.pieces = [];
    while (this.step());
    if (this.replies !== '') this.socket.write(this.replies);
    this.replies = '';
  }

  /** The end of data may lie across two pieces. */
  private endsAcross(): boolean {
    const before = this.pieces.at(-2) ?? this.buffer;
    return Buffer.concat([before.subarray(-4), this.pieces.at(-1)!.subarray(0, 4)]).includes(END);
  }

  private step(): boolean {
    if (this.mode === 'data') {
      const empty = this.buffer.subarray(0, 3).equals(Buffer.from('.\r\n'));
      const at = empty ? 0 : this.buffer.indexOf(END);
      if (at < 0) return false;
      const content = empty ? Buffer.alloc(0) : this.buffer.subarray(0, at + 2);
      this.buffer = this.buffer.subarray(at + (empty ? 3 : 5));
      this.mode = 'command';
      this.finish(unstuff(content));
      return true;
    }
    if (typeof this.mode === 'number') {
      if (this.buffer.length < this.mode) return false;
      this.chunks.push(Buffer.from(this.buffer.subarray(0, this.mode)));
      this.buffer = this.buffer.subarray(this.mode);
      this.mode = 'command';
      if (!this.open) this.say('503 5.5.1 no transaction');
      else if (this.last) this.finish(Buffer.concat(this.chunks));
      else this.say('250 2.0.0 chunk');
      return true;
    }
    const end = this.buffer.indexOf('\r\n');
    if (end < 0) return false;
    const line = this.buffer.toString('latin1', 0, end);
    this.buffer = this.buffer.subarray(end + 2);
    this.command(line);
    return true;
  }

  private command(line: string): void {
    const verb = line.slice(0, 4).toUpperCase();
    if (verb === 'EHLO')
      this.say('250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 CHUNKING');
    else if (verb === 'MAIL') {
      this.reset(/<([^>]*)>/.exec(line)?.[1] ?? '');
      this.open = Math.random() >= (manners.refuse ?? 0);
      this.say(this.open ? '250 2.1.0 ok' : '451 4.3.0 not now');
    } else if ((verb === 'RCPT' || verb === 'DATA') && !this.open) {
      // What was pipelined behind a refused MAIL.
      this.say('503 5.5.1 no transaction');
    } else if (verb === 'RCPT') {
      this.to.push(/<([^>]*)>/.exec(line)?.[1] ?? '');
      this.say('250 2.1.5 ok');
    } else if (verb === 'DATA') {
      this.mode = 'data';
      this.say('354 go on');
    } else if (verb === 'BDAT') {
      const [, size, last] = line.split(' ');
      this.mode = Number(size);
      this.last = last !== undefined;
    } else if (verb === 'RSET') {
      this.reset('');
      this.say('250 2.0.0 ok');
    } else if (verb === 'QUIT') {
      this.say('221 2.0.0 bye');
      this.socket.end(this.replies);
      this.replies = '';
    } else this.say('250 2.0.0 ok');
  }

  private finish(content: Buffer): void {
    const split = content.indexOf('\r\n\r\n');
    const header = content.toString('latin1', 0, split < 0 ? content.length : split + 2);
    const body = split < 0 ? Buffer.alloc(0) : content.subarray(split + 4);
    const field = (name: string): string => new RegExp(`^${name}: (\\S+)\\r$`, 'mi').exec(header)?.[1] ?? '';
    const whole = createHash('sha256').update(body).digest('hex') === field('X-Fault-Sha256');
    if (Math.random() < (manners.drop ?? 0)) {
      this.socket.destroy();
      return;
    }
    // The relay's own Received is on top.
    const queueId = /^Received:[^;]*?\sid (\w+)/.exec(header)?.[1] ?? '';
    const arrival = { at: Date.now(), from: this.from, to: this.to, id: field('X-Fault-Id'), whole, queueId };
    writeSync(this.file, `${JSON.stringify(arrival)}\n`);
    this.reset('');
    const { slow } = manners;
    if (slow === undefined || slow === 0) this.say('250 2.0.0 stored');
    else setTimeout(() => this.socket.write('250 2.0.0 stored\r\n'), slow);
  }

  private reset(from: string): void {
    this.from = from;
    this.open = false;
    this.to = [];
    this.chunks = [];
  }

  private say(line: string): void {
    this.replies += `${line}\r\n`;
  }
}

function unstuff(content: Buffer): Buffer {
  if (content[0] !== 46 && content.indexOf('\r\n.') < 0) return content;
  return Buffer.from(content.toString('latin1').replace(/(^|\r\n)\./g, '$1'), 'latin1');
}

const [port, path] = process.argv.slice(2);
if (port !== undefined && path !== undefined) {
  const file = openSync(path, 'a');
  const server = net.createServer((socket) => new SinkConnection(socket, file));
  server.listen({ port: Number(port), host: '127.0.0.1', backlog: 1024 }, () => process.send?.('ready'));
  process.on('message', (message) => {
    manners = message as Manners;
  });
  process.on('disconnect', () => process.exit(0));
}
