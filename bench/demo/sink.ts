/**
 * The next hop of the demo, on a thread of its own: an SMTP server that takes everything, notes in the ledger what has
 * arrived before it answers, and keeps nothing.
 *
 * Speaks PIPELINING, so that the engine may. It trusts its one client: lines are not checked, nothing is bounded but by
 * the size of what the source sends. Tells its parent the port once it listens.
 */
import { createServer, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { Ledger } from './ledger.js';
import { messageOfMail, recipientOfRcpt } from './messages.js';

export interface SinkData {
  readonly shared: SharedArrayBuffer;
  readonly messages: number;
}

export interface SinkReport {
  readonly port: number;
}

const data = workerData as SinkData;
const ledger = new Ledger(data.messages, data.shared);

const END = Buffer.from('\r\n.\r\n');
const SIGNATURE = 'DKIM-Signature:';

class SinkConnection {
  private readonly socket: Socket;
  private line = '';
  private inData = false;
  /** Up to four bytes before the next chunk of content: the end of data may be cut anywhere. */
  private tail = Buffer.alloc(0);
  private head = '';
  private message = -1;
  private recipients: number[] = [];
  private replies = '';

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    // The engine closes connections as it likes; what has not arrived shows in the ledger.
    socket.on('error', () => socket.destroy());
    socket.write('220 sink.example ESMTP\r\n');
  }

  private receive(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) at = this.inData ? this.takeContent(chunk, at) : this.takeLine(chunk, at);
    if (this.replies === '') return;
    this.socket.write(this.replies, 'latin1');
    this.replies = '';
  }

  private takeLine(chunk: Buffer, start: number): number {
    const end = chunk.indexOf(10, start);
    if (end < 0) {
      this.line += chunk.toString('latin1', start);
      return chunk.length;
    }
    const line = this.line + chunk.toString('latin1', start, end);
    this.line = '';
    this.command(line);
    return end + 1;
  }

  private command(line: string): void {
    switch (line.slice(0, 4).toUpperCase()) {
      case 'EHLO':
        this.replies +=
          '250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n';
        break;
      case 'MAIL':
        this.message = messageOfMail(line);
        this.recipients = [];
        this.replies += '250 2.1.0 Ok\r\n';
        break;
      case 'RCPT':
        this.recipients.push(recipientOfRcpt(line));
        this.replies += '250 2.1.5 Ok\r\n';
        break;
      case 'DATA':
        this.inData = true;
        this.head = '';
        this.tail = Buffer.from('\r\n');
        this.replies += '354 Go ahead\r\n';
        break;
      case 'QUIT':
        this.socket.end(`${this.replies}221 2.0.0 Bye\r\n`, 'latin1');
        this.replies = '';
        break;
      default:
        this.replies += '250 2.0.0 Ok\r\n';
    }
  }

  private takeContent(chunk: Buffer, start: number): number {
    const { tail } = this;
    if (this.head.length < SIGNATURE.length)
      this.head += chunk.toString('latin1', start, start + SIGNATURE.length - this.head.length);
    const seam = Buffer.concat([tail, chunk.subarray(start, start + END.length - 1)]);
    const inSeam = seam.indexOf(END);
    const found = inSeam >= 0 ? start + inSeam - tail.length : chunk.indexOf(END, start);
    if (inSeam < 0 && found < 0) {
      this.tail = Buffer.concat([tail, chunk.subarray(Math.max(start, chunk.length - 4))]).subarray(-4);
      return chunk.length;
    }
    this.inData = false;
    const { message, recipients } = this;
    if (message >= 0 && message < data.messages)
      ledger.arrive(
        message,
        recipients.filter((recipient) => recipient >= 0),
        this.head === SIGNATURE,
      );
    this.replies += '250 2.0.0 Ok\r\n';
    return found + END.length;
  }
}

const server = createServer((socket) => new SinkConnection(socket));
server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, () => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the sink has no port');
  parentPort!.postMessage({ port: address.port } satisfies SinkReport);
});
