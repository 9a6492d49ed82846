/**
 * Benchmarks of the parser of next hops' replies.
 */
import type { Bench } from 'tinybench';
import { enhancedCode, type PeerReply, ReplyParser } from '../src/smtp/reply-parser.js';

const EHLO = [
  '250-sink.example',
  '250-PIPELINING',
  '250-SIZE 52428800',
  '250-8BITMIME',
  '250-SMTPUTF8',
  '250-CHUNKING',
  '250 ENHANCEDSTATUSCODES',
];

export function addReplyParserTasks(bench: Bench): void {
  const parser = new ReplyParser();
  const group = Buffer.from('250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n');
  const final = Buffer.from('250 2.0.0 Ok: queued as 4FQZ3K1B2C\r\n');
  const ehlo = Buffer.from(`${EHLO.join('\r\n')}\r\n`);
  const read = (bytes: Buffer, step: number, expected: number): void => {
    let replies = 0;
    const count = (reply: PeerReply): boolean => {
      if (enhancedCode(reply) !== '') replies++;
      return true;
    };
    for (let at = 0; at < bytes.length; at += step) parser.feed(bytes, at, Math.min(bytes.length, at + step), count);
    if (replies !== expected) throw new Error(`${replies} replies instead of ${expected}`);
  };
  bench
    .add('replies: one final reply', () => read(final, final.length, 1))
    .add('replies: group of a pipelined transaction', () => read(group, group.length, 3))
    .add('replies: group, byte by byte', () => read(group, 1, 3))
    .add('replies: EHLO of 7 lines', () => read(ehlo, ehlo.length, 1));
}
