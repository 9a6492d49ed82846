/**
 * Benchmarks of the server session: what it costs to parse one whole transaction, without sockets, and the parts of it.
 *
 * The host is the smallest there can be: it takes everything and answers at once. Content goes into shared segments, as
 * in the engine.
 */
import type { Bench } from 'tinybench';
import { BodyBuffer } from '../src/memory/body-buffer.js';
import { SegmentPool } from '../src/memory/segment-pool.js';
import { makeReply } from '../src/smtp/replies.js';
import type { ServerHost, Transaction } from '../src/smtp/server-host.js';
import { defaultServerSessionOptions } from '../src/smtp/server-options.js';
import { ServerSession } from '../src/smtp/server-session.js';

const ACCEPTED = makeReply(250, '2.0.0', 'Ok: queued as FQZ3K1B2C4');
const CONTENT_BYTES = 10_240;

/** A session after EHLO, and how to speak to it. */
class Talk {
  /** Bytes of replies: a session that said nothing would be a broken benchmark. */
  said = 0;
  messages = 0;
  private readonly session: ServerSession;

  constructor(pool: SegmentPool) {
    const host: ServerHost = {
      send: (bytes) => {
        this.said += bytes.length;
      },
      admitMail: () => null,
      admitRecipient: () => null,
      openBody: () => new BodyBuffer(pool),
      accept: (transaction: Transaction) => {
        transaction.body.release();
        this.messages++;
        this.session.finish(ACCEPTED, 0);
      },
      tlsAvailable: () => false,
      startTls: () => {},
      authenticate: () => {},
      close: () => {
        throw new Error('the session was closed');
      },
    };
    const options = { ...defaultServerSessionOptions, hostname: 'mx.example', maxMessagesPerConnection: 0 };
    this.session = new ServerSession(host, options, 0);
    this.session.greet();
    this.say(Buffer.from('EHLO client.example\r\n'));
  }

  say(chunk: Buffer): void {
    if (this.session.feed(chunk, 0, chunk.length, 0) !== chunk.length) throw new Error('bytes were left');
  }

  /** Says all chunks; they must make so many messages. */
  transaction(chunks: readonly Buffer[], messages: number): void {
    const before = this.messages;
    for (const chunk of chunks) this.say(chunk);
    if (this.messages !== before + messages) throw new Error('the message was not taken');
  }
}

export function addServerSessionTasks(bench: Bench): void {
  const talk = new Talk(SegmentPool.create(1024 * 1024, 16_384));
  const mail = Buffer.from('MAIL FROM:<bounce+1234567@news.example> SIZE=10240 BODY=8BITMIME\r\n');
  const rcpt = Buffer.from('RCPT TO:<jane.doe@mail.example.org>\r\n');
  const data = Buffer.from('DATA\r\n');
  const content = contentOf(CONTENT_BYTES);
  const ended = Buffer.concat([content, Buffer.from('.\r\n')]);
  const bdat = Buffer.concat([Buffer.from(`BDAT ${content.length} LAST\r\n`), content]);
  const pipelined = Buffer.concat([mail, rcpt, data]);
  const many = Buffer.concat(Array.from({ length: 100 }, () => rcpt));
  const reset = Buffer.from('RSET\r\n');
  const noop = Buffer.from('NOOP\r\n');
  const pieces = Array.from({ length: Math.ceil(ended.length / 1448) }, (_, i) =>
    ended.subarray(i * 1448, (i + 1) * 1448),
  );
  bench
    .add('session: transaction of 10 KiB, command by command', () => talk.transaction([mail, rcpt, data, ended], 1))
    .add('session: transaction of 10 KiB, pipelined', () => talk.transaction([pipelined, ended], 1))
    .add('session: transaction of 10 KiB, in pieces of 1448 bytes', () =>
      talk.transaction([mail, rcpt, data, ...pieces], 1),
    )
    .add('session: transaction of 10 KiB by BDAT', () => talk.transaction([mail, rcpt, bdat], 1))
    .add('session: MAIL, RCPT and RSET', () => talk.transaction([mail, rcpt, reset], 0))
    .add('session: MAIL, 100 RCPT in one chunk and RSET', () => talk.transaction([mail, many, reset], 0))
    .add('session: MAIL and RCPT, NOOP, RSET one byte at a time', () => {
      talk.say(mail);
      talk.say(rcpt);
      for (const line of [noop, reset]) for (let i = 0; i < line.length; i++) talk.say(line.subarray(i, i + 1));
    });
}

/** A header and lines of text, about so many bytes. */
function contentOf(bytes: number): Buffer {
  const line = 'The quick brown fox jumps over the lazy dog, and nobody knows why it does.\r\n';
  const head = 'From: <news@news.example>\r\nTo: <jane.doe@mail.example.org>\r\nSubject: bench\r\n\r\n';
  return Buffer.from(head + line.repeat(Math.floor((bytes - head.length) / line.length)), 'latin1');
}
