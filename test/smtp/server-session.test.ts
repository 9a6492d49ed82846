import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeReply } from '../../src/smtp/replies.js';
import type { ServerSessionOptions } from '../../src/smtp/server-options.js';
import { FakeHost, testOptions } from './fake-host.js';
import { LENIENT_END } from './reference-scanner.js';

const envelope = 'EHLO client.example\r\nMAIL FROM:<a@client.example>\r\nRCPT TO:<b@accept.example>\r\n';

function inTransaction(changes: Partial<ServerSessionOptions> = {}): FakeHost {
  const host = new FakeHost(testOptions(changes));
  host.say(envelope);
  return host;
}

describe('server session: what the host gets', () => {
  it('hands over envelope and content facts of DATA', () => {
    const host = new FakeHost();
    host.say(
      'EHLO client.example\r\nMAIL FROM:<A.b@client.example> BODY=8BITMIME RET=FULL ENVID=x+2By MT-PRIORITY=4\r\n',
    );
    host.say('RCPT TO:<@relay.example:"o d"@Accept.Example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;q@x.example\r\nDATA\r\n');
    host.say('S: x\r\n\r\n..a\r\n\xe9\r\n.\r\n');
    expect(host.calls).toEqual(['mail A.b@client.example 0', 'rcpt "o d"@Accept.Example accept.example', 'body']);
    expect(host.accepted).toEqual([
      {
        sender: 'A.b@client.example',
        recipients: [{ address: '"o d"@Accept.Example', notify: 10, originalRecipient: 'rfc822;q@x.example' }],
        bodyType: '8BITMIME',
        smtpUtf8: false,
        ret: 'FULL',
        envelopeId: 'x+2By',
        priority: 4,
        helo: 'client.example',
        protocol: 'ESMTP',
        tls: '',
        account: '',
        requireTls: false,
        holdFor: 0,
        contentTime: 0,
        deliverBy: null,
        content: { size: 16, form: 'wire', dotLines: 1, eightBit: true, binary: false, endsWithCrlf: true },
        text: 'S: x\r\n\r\n..a\r\n\xe9\r\n',
      },
    ]);
  });

  it('hands over content of BDAT as it is', () => {
    const host = inTransaction();
    host.say('BDAT 5\r\nab\r\n.BDAT 6 LAST\r\n\r\n.\r\nx');
    expect(host.accepted[0]).toMatchObject({
      text: 'ab\r\n.\r\n.\r\nx',
      content: { size: 11, form: 'plain', dotLines: 2, eightBit: false, binary: false, endsWithCrlf: false },
    });
  });

  it('marks what only BDAT can carry', () => {
    const nul = inTransaction();
    nul.say('BDAT 5 LAST\r\na\0b\r\n');
    expect(nul.accepted[0]!.content.binary).toBe(true);
    const binary = new FakeHost();
    binary.say('EHLO x\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<b@accept.example>\r\nBDAT 7 LAST\r\n\n.\n.\r\r\n');
    expect(binary.accepted[0]).toMatchObject({ text: '\n.\n.\r\r\n', content: { binary: true, endsWithCrlf: true } });
    const data = inTransaction();
    data.say('DATA\r\na\0b\r\n.\r\n');
    expect(data.accepted[0]).toMatchObject({ text: 'a\0b\r\n', content: { binary: false } });
  });

  it('keeps all byte values through DATA and BDAT', () => {
    const all = Array.from({ length: 256 }, (_, i) => (i === 13 || i === 10 ? '' : String.fromCharCode(i))).join('');
    const content = `${all}\r\n${all}${all}\r\n`;
    const host = inTransaction();
    host.say(`DATA\r\n${content}.\r\n`);
    host.say(`MAIL FROM:<>\r\nRCPT TO:<b@accept.example>\r\nBDAT ${content.length} LAST\r\n${content}`);
    expect(host.accepted.map((message) => message.text)).toEqual([content, content]);
  });

  it('gives policy A-labels and the envelope what was sent', () => {
    const host = new FakeHost();
    host.say(Buffer.from('EHLO x\r\nMAIL FROM:<é@bücher.example> SMTPUTF8\r\n').toString('latin1'));
    host.say(Buffer.from('RCPT TO:<δοκιμή@BÜCHER.example>\r\nDATA\r\n.\r\n').toString('latin1'));
    expect(host.calls[1]).toBe('rcpt δοκιμή@BÜCHER.example xn--bcher-kva.example');
    expect(host.accepted[0]).toMatchObject({ sender: 'é@bücher.example', protocol: 'UTF8SMTP', smtpUtf8: true });
  });

  it('converts bare newlines where told to', () => {
    const host = inTransaction({ bareNewline: 'convert' });
    host.say('DATA\r\na\n.\nb\r.\r\n.\r\n');
    expect(host.accepted[0]!.text).toBe('a\r\n..\r\nb\r\n..\r\n');
    expect(host.accepted[0]!.content.dotLines).toBe(2);
  });

  it('counts the size without stuffing', () => {
    const fits = inTransaction({ maxMessageSize: 7 });
    expect(fits.say('DATA\r\n..a\r\n..\r\n.\r\n')).toMatch(/250 2\.0\.0 Ok: queued/);
    const over = inTransaction({ maxMessageSize: 6 });
    expect(over.say('DATA\r\n..a\r\n..\r\n.\r\n')).toContain('552 5.3.4');
    expect(over.heldBodies).toBe(0);
  });

  it('refuses long lines and headers after the end of data', () => {
    expect(inTransaction({ maxTextLine: 10 }).say(`DATA\r\n\r\n${'x'.repeat(9)}\r\n.\r\n`)).toContain('550 5.6.0');
    expect(inTransaction({ maxHeaderSize: 10 }).say('DATA\r\nA: b\r\nC: d\r\n\r\nx\r\n.\r\n')).toContain('552 5.3.4');
  });
});

describe('server session: memory', () => {
  it('answers 452 when there is none, and reads the content all the same', () => {
    const full = inTransaction();
    full.bodiesLeft = 0;
    expect(full.say('DATA\r\n')).toMatch(/^452 4\.3\.1/);
    expect(full.say('BDAT 6 LAST\r\nNOOP\r\nNOOP\r\n')).toMatch(/^452 4\.3\.1.*\r\n250 2\.0\.0 Ok\r\n$/);
    const small = inTransaction();
    small.room = 10;
    const replies = small.say(`DATA\r\n${'NOOP\r\n'.repeat(100)}.\r\nNOOP\r\n`);
    expect(replies.split('\r\n').map((line) => line.slice(0, 3))).toEqual(['354', '452', '250', '']);
    expect(small.heldBodies).toBe(0);
  });

  it('gives the body back at once when the content is refused, and once only', () => {
    const host = inTransaction();
    host.say('DATA\r\nbare\n');
    host.say('more');
    expect(host.bodies[0]!.released).toBe(1);
    host.session.abort();
    expect(host.bodies[0]!.released).toBe(1);
  });

  it.each(['RSET\r\n', 'EHLO x\r\n', 'QUIT\r\n'])('gives the body of unfinished chunks back at %j', (command) => {
    const host = inTransaction();
    host.say(`BDAT 3\r\nabc${command}`);
    expect(host.bodies.map((body) => body.released)).toEqual([1]);
  });

  it('leaves a message with the host to the host', () => {
    const host = inTransaction();
    host.answerAtOnce = false;
    const bytes = Buffer.from('DATA\r\nx\r\n.\r\nNOOP\r\n');
    const taken = host.session.feed(bytes, 0, bytes.length, 1000);
    expect(bytes.length - taken).toBe('NOOP\r\n'.length);
    expect(host.session.feed(bytes, taken, bytes.length, 1000)).toBe(0);
    expect(host.session.waiting).toBe(true);
    expect(host.session.deadline).toBe(Number.POSITIVE_INFINITY);
    host.session.abort();
    host.answer();
    expect(host.sent).not.toContain('queued');
    expect(host.bodies[0]!.released).toBe(1);
  });
});

describe('server session: time', () => {
  const times = { connectTimeout: 30, commandTimeout: 300, idleTimeout: 600, dataTimeout: 180, minDataRate: 1000 };

  it('sets the deadline by what is awaited', () => {
    const host = new FakeHost(testOptions(times));
    expect(host.session.deadline).toBe(1030);
    host.now = 1020;
    host.say('EHL');
    expect(host.session.deadline).toBe(1030);
    host.say('O x\r\n');
    expect(host.session.deadline).toBe(1620);
    host.say('MAIL FROM:<>\r\nRCPT TO:<b@accept.example>\r\n');
    expect(host.session.deadline).toBe(1320);
    host.now = 1100;
    host.say('DATA\r\n');
    expect(host.session.deadline).toBe(1280);
    host.now = 1200;
    host.say('x\r\n.\r\n');
    expect(host.session.deadline).toBe(1800);
  });

  it('says 421 and closes at the deadline, not before', () => {
    const host = inTransaction(times);
    host.say('DATA\r\nx');
    host.session.timeout(host.session.deadline - 1);
    expect(host.closes).toBe(0);
    host.session.timeout(host.session.deadline);
    expect(host.sent).toMatch(/421 4\.4\.2 .*\r\n$/);
    expect(host.closes).toBe(1);
    expect(host.heldBodies).toBe(0);
    host.session.timeout(1e9);
    expect(host.closes).toBe(1);
  });

  it.each(['DATA\r\n', 'BDAT 5000\r\n'])('does not let a byte a tick hold %j for ever', (command) => {
    const host = inTransaction(times);
    host.say(command);
    for (let n = 0; n < 1000 && host.closes === 0; n++) {
      host.now += 100;
      host.session.timeout(host.now);
      if (host.closes === 0) host.say('x');
    }
    expect(host.closes).toBe(1);
    expect(host.now).toBeLessThan(1500);
  });

  it('lets a slow sender end that keeps the rate', () => {
    const host = inTransaction(times);
    host.say('DATA\r\n');
    for (let n = 0; n < 50; n++) {
      host.now += 100;
      host.session.timeout(host.now);
      host.say(`${'x'.repeat(98)}\r\n`);
    }
    expect(host.say('.\r\n')).toContain('250 2.0.0');
  });

  it('bounds unfinished chunks as a whole', () => {
    const host = inTransaction(times);
    for (let n = 0; n < 100 && host.closes === 0; n++) {
      host.now += 100;
      host.session.timeout(host.now);
      if (host.closes === 0) host.say('BDAT 1\r\nx');
    }
    expect(host.closes).toBe(1);
  });
});

describe('server session: shutdown', () => {
  it('ends idle sessions at once and open transactions when they are over', () => {
    const idle = new FakeHost();
    idle.say('EHLO x\r\n');
    idle.session.shutdown();
    expect(idle.sent).toMatch(/421 4\.3\.2 .*\r\n$/);
    expect(idle.closes).toBe(1);
    const busy = inTransaction();
    busy.session.shutdown(makeReply(421, '4.3.2', 'Later'));
    expect(busy.closes).toBe(0);
    expect(busy.say('DATA\r\nx\r\n.\r\nMAIL FROM:<>\r\n')).toMatch(/^354 .*\r\n250 .*\r\n421 4\.3\.2 Later\r\n$/);
    expect(busy.closes).toBe(1);
    const given = inTransaction();
    given.session.shutdown();
    expect(given.say('RSET\r\nNOOP\r\n')).toMatch(/^250 .*\r\n421 .*\r\n$/);
  });

  it('closes after an answer of 421', () => {
    const host = inTransaction();
    host.answerAtOnce = false;
    const bytes = Buffer.from('DATA\r\n.\r\n');
    host.session.feed(bytes, 0, bytes.length, 1000);
    host.answer(makeReply(421, '4.3.0', 'Gone'));
    expect(host.closes).toBe(1);
  });
});

describe('server session: any bytes', () => {
  const line = fc.constantFrom(
    'EHLO x',
    'MAIL FROM:<a@b.example>',
    'MAIL FROM:<> BODY=BINARYMIME',
    'RCPT TO:<b@accept.example>',
    'DATA',
    'BDAT 4',
    'BDAT 9 LAST',
    'BDAT 0 LAST',
    'RSET',
    'NOOP',
    '.',
    '..',
    'text',
    '',
  );
  const piece = fc.oneof(
    { weight: 5, arbitrary: line.map((text) => `${text}\r\n`) },
    { weight: 2, arbitrary: fc.constantFrom('\r', '\n', '.', '\0', '\r\n', '\n.\n', '\r\n.\0\r\n', '\xff', 'a') },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1')) },
  );
  const start = fc.constantFrom('', envelope, `${envelope}DATA\r\n`);
  const stream = fc.tuple(start, fc.array(piece, { maxLength: 30 })).map(([head, rest]) => head + rest.join(''));
  const variants = (['reject', 'convert', 'pass'] as const).map((bareNewline) =>
    testOptions({
      bareNewline,
      relayClient: true,
      maxErrors: 12,
      maxMessageSize: 60,
      maxTextLine: 50,
      maxCommandLine: 90,
    }),
  );

  it('are answered alike however they are cut, and leave nothing behind', () => {
    fc.assert(
      fc.property(
        stream,
        fc.constantFrom(...variants),
        fc.array(fc.nat(400), { maxLength: 6 }),
        (text, options, cuts) => {
          const whole = new FakeHost(options);
          whole.say(text);
          const bytewise = new FakeHost(options);
          for (const byte of text) bytewise.say(byte);
          expect(bytewise.trace()).toEqual(whole.trace());
          const cut = new FakeHost(options);
          let from = 0;
          for (const to of [...cuts.sort((a, b) => a - b), text.length]) {
            cut.say(text.slice(from, to));
            from = Math.max(from, Math.min(to, text.length));
          }
          expect(cut.trace()).toEqual(whole.trace());
          for (const host of [whole, bytewise, cut]) {
            host.session.abort();
            expect(host.heldBodies).toBe(0);
          }
        },
      ),
      { numRuns: 1500 },
    );
  });

  it('never store what a lenient server could take for an end of data', () => {
    fc.assert(
      fc.property(stream, fc.constantFrom(...variants), (text, options) => {
        const host = new FakeHost(options);
        host.say(text);
        for (const message of host.accepted) {
          if (message.bodyType === 'BINARYMIME') continue;
          const wire = message.content.form === 'wire' ? message.text : message.text.replace(/(^|\r\n)\./g, '$1..');
          expect(LENIENT_END.test(wire)).toBe(false);
          if (options.bareNewline !== 'pass') expect(/\r(?!\n)|(?<!\r)\n/.test(wire)).toBe(false);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
