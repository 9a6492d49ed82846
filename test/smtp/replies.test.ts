import { describe, expect, it } from 'vitest';
import { acceptedReply, makeMultilineReply, makeReply, type Reply, replies } from '../../src/smtp/replies.js';

const text = (reply: Reply) => Buffer.from(reply.bytes).toString('latin1');

describe('replies', () => {
  it.each(Object.entries<Reply>(replies))('%s is one line with matching codes', (_, reply) => {
    expect(text(reply)).toMatch(/^[2-5]\d\d [ -~]{1,505}\r\n$/);
    if (reply.enhanced !== '') {
      expect(reply.enhanced).toMatch(/^[245]\.\d\.\d{1,2}$/);
      expect(reply.enhanced[0]).toBe(String(reply.code)[0]);
    }
  });

  it('lets no line end or other byte through', () => {
    expect(text(makeReply(550, '5.7.1', 'a\r\n250 ok\0é'))).toBe('550 5.7.1 a??250 ok??\r\n');
    expect(text(makeMultilineReply(250, ['a\r\nb', 'c']))).toBe('250-a??b\r\n250 c\r\n');
    expect(text(makeReply(550, '5.7.1', 'x'.repeat(2000))).length).toBeLessThanOrEqual(512);
  });

  it('names the queue id', () => {
    expect(text(acceptedReply('FQZ3K1B2C4'))).toBe('250 2.0.0 Ok: queued as FQZ3K1B2C4\r\n');
  });
});
