/**
 * ClientSession against scripted peers: what it says, and what it concludes, at every split of what the peer says.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SessionSecurity, TransactionPlan, Verdict } from '../../src/smtp/client-host.js';
import { ClientSession } from '../../src/smtp/client-session.js';

const REPLY_TIMEOUT = 1000;
const DATA_TIMEOUT = 5000;
const TLS_TIMEOUT = 700;
const PIPELINING = '250-up\r\n250-PIPELINING\r\n250 SIZE 1000\r\n';
const LOCKSTEP = '250-up\r\n250 SIZE 1000\r\n';

function planOf(recipients: number, transfer: 'data' | 'bdat' = 'data'): TransactionPlan {
  return {
    mail: 'MAIL FROM:<a@example.com>',
    rcpts: Array.from({ length: recipients }, (_, i) => `RCPT TO:<r${i}@example.com>`),
    utf8: false,
    transfer,
    size: 7,
  };
}

/** One session and everything that came of it. */
class Run {
  readonly sent: string[] = [];
  readonly results: Verdict[][] = [];
  ends: { reason: string; code: number | null }[] = [];
  readonly missing: string[] = [];
  readonly clears: string[] = [];
  readonly faults: string[] = [];
  greetings = 0;
  now = 0;
  /** The content takes a while: `contentSent` is left to the test. */
  slow = false;
  readonly session: ClientSession;

  constructor(
    private readonly plans: TransactionPlan[],
    security?: SessionSecurity,
  ) {
    this.session = new ClientSession(
      {
        send: (text) => this.sent.push(text),
        sendContent: (plan) => {
          this.sent.push(plan.transfer === 'data' ? '<content>.' : '<content>');
          if (!this.slow) this.session.contentSent(this.now);
        },
        startTls: () => this.sent.push('<tls>'),
        fetchToken: () => this.sent.push('<token>'),
        tlsMissing: (kind, reason) => this.missing.push(`${kind}: ${reason}`),
        clear: (reason) => this.clears.push(reason),
        greeted: () => {
          this.greetings++;
          this.next();
        },
        finished: (verdicts) => {
          this.results.push([...verdicts]);
          if (this.session.usable) this.next();
        },
        over: (reason, reply, fault) => {
          this.ends.push({ reason, code: reply?.code ?? null });
          this.faults.push(fault === undefined ? '' : `${fault.kind} ${fault.enhanced}`);
        },
      },
      { hostname: 'me.example', replyTimeout: REPLY_TIMEOUT, dataTimeout: DATA_TIMEOUT, tlsTimeout: TLS_TIMEOUT },
      0,
      security,
    );
  }

  private next(): void {
    const plan = this.plans.shift();
    if (plan !== undefined) this.session.begin(plan, this.now);
  }

  /** Feeds the whole of what the peer says, cut at the given places. */
  feed(text: string, cuts: readonly number[] = []): this {
    const bytes = Buffer.from(text, 'latin1');
    let from = 0;
    for (const at of [...cuts, bytes.length]) {
      this.session.feed(bytes, from, at, this.now);
      from = at;
    }
    return this;
  }

  /** Verdicts of a transaction as `stage code`. */
  verdicts(n = 0): string[] {
    return (this.results[n] ?? []).map(({ stage, reply }) => `${stage} ${reply.code}`);
  }

  outcome() {
    return { sent: this.sent.join(''), results: this.results, ends: this.ends, greetings: this.greetings };
  }
}

function run(script: string, plans: TransactionPlan[] = [planOf(1)]): Run {
  return new Run([...plans]).feed(script);
}

describe('greeting', () => {
  it('goes from EHLO to idle', () => {
    const { sent, session, greetings } = run(`220 hi\r\n${PIPELINING}`, []);
    expect(sent).toEqual(['EHLO me.example\r\n']);
    expect([session.idle, greetings, session.capabilities.maxSize]).toEqual([true, 1, 1000]);
    expect(session.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  it.each([500, 502, 550])('falls back to HELO after EHLO gets %i', (code) => {
    const peer = run(`220 hi\r\n${code} what\r\n250 up\r\n`);
    expect(peer.sent.slice(0, 3)).toEqual([
      'EHLO me.example\r\n',
      'HELO me.example\r\n',
      'MAIL FROM:<a@example.com>\r\n',
    ]);
  });

  it.each([
    ['421 busy\r\n', 421],
    ['554 no\r\n', 554],
    ['250 odd\r\n', 250],
    ['hello\r\n', null],
    [`220 hi\r\n421 no\r\n`, 421],
    [`220 hi\r\n500 no\r\n550 no\r\n`, 550],
  ])('is over after %j', (script, code) => {
    const peer = run(script);
    expect(peer.ends.map((end) => end.code)).toEqual([code]);
    expect([peer.session.ended, peer.results.length]).toEqual([true, 0]);
  });

  it('waits for the greeting from the moment the connection is made', () => {
    const peer = new Run([]);
    peer.session.connected(900);
    expect(peer.session.deadline).toBe(900 + REPLY_TIMEOUT);
    peer.session.timeout();
    expect(peer.ends).toHaveLength(1);
  });
});

/** Scripts after the greeting, with what must come of the first transaction. */
interface Case {
  name: string;
  plan: TransactionPlan;
  pipelined: string;
  /** The same peer without PIPELINING, where it says something else. */
  lockstep?: string;
  verdicts: string[];
  /** The session goes on. */
  goesOn: boolean;
}

const CASES: Case[] = [
  {
    name: 'all is well',
    plan: planOf(1),
    pipelined: '250 m\r\n250 r\r\n354 go\r\n250 done\r\n',
    verdicts: ['content 250'],
    goesOn: true,
  },
  {
    name: 'MAIL refused',
    plan: planOf(2),
    pipelined: '550 m\r\n503 r\r\n503 r\r\n503 d\r\n',
    lockstep: '550 m\r\n',
    verdicts: ['mail 550', 'mail 550'],
    goesOn: true,
  },
  {
    name: 'one of three refused',
    plan: planOf(3),
    pipelined: '250 m\r\n250 r\r\n550 r\r\n450 r\r\n354 go\r\n250 done\r\n',
    verdicts: ['content 250', 'rcpt 550', 'rcpt 450'],
    goesOn: true,
  },
  {
    name: '251 and 252 to RCPT',
    plan: planOf(2),
    pipelined: '250 m\r\n251 r\r\n252 r\r\n354 go\r\n250 done\r\n',
    verdicts: ['content 250', 'content 250'],
    goesOn: true,
  },
  {
    name: 'all refused',
    plan: planOf(2),
    pipelined: '250 m\r\n550 r\r\n551 r\r\n503 d\r\n',
    lockstep: '250 m\r\n550 r\r\n551 r\r\n',
    verdicts: ['rcpt 550', 'rcpt 551'],
    goesOn: true,
  },
  {
    name: 'all refused, yet 354',
    plan: planOf(1),
    pipelined: '250 m\r\n550 r\r\n354 go\r\n250 empty\r\n',
    lockstep: '250 m\r\n550 r\r\n',
    verdicts: ['rcpt 550'],
    goesOn: true,
  },
  {
    name: 'DATA refused',
    plan: planOf(2),
    pipelined: '250 m\r\n250 r\r\n550 r\r\n451 d\r\n',
    verdicts: ['data 451', 'rcpt 550'],
    goesOn: true,
  },
  {
    name: 'content refused',
    plan: planOf(2),
    pipelined: '250 m\r\n250 r\r\n250 r\r\n354 go\r\n554 spam\r\n',
    verdicts: ['content 554', 'content 554'],
    goesOn: true,
  },
  {
    name: '3xx after the dot',
    plan: planOf(1),
    pipelined: '250 m\r\n250 r\r\n354 go\r\n354 more\r\n',
    verdicts: ['content 354'],
    goesOn: false,
  },
  { name: '421 to MAIL', plan: planOf(2), pipelined: '421 m\r\n', verdicts: ['mail 421', 'mail 421'], goesOn: false },
  {
    name: '421 to the second RCPT',
    plan: planOf(3),
    pipelined: '250 m\r\n550 r\r\n421 r\r\n',
    verdicts: ['rcpt 550', 'rcpt 421', 'rcpt 421'],
    goesOn: false,
  },
  {
    name: '421 to RCPT after one was taken',
    plan: planOf(2),
    pipelined: '250 m\r\n250 r\r\n421 r\r\n',
    verdicts: ['rcpt 421', 'rcpt 421'],
    goesOn: false,
  },
  {
    name: '421 to DATA',
    plan: planOf(1),
    pipelined: '250 m\r\n250 r\r\n421 d\r\n',
    verdicts: ['data 421'],
    goesOn: false,
  },
  {
    name: '421 to the content',
    plan: planOf(1),
    pipelined: '250 m\r\n250 r\r\n354 go\r\n421 c\r\n',
    verdicts: ['content 421'],
    goesOn: false,
  },
  {
    name: 'BDAT',
    plan: planOf(2, 'bdat'),
    pipelined: '250 m\r\n250 r\r\n550 r\r\n250 done\r\n',
    verdicts: ['content 250', 'rcpt 550'],
    goesOn: true,
  },
  {
    name: 'BDAT refused',
    plan: planOf(1, 'bdat'),
    pipelined: '250 m\r\n250 r\r\n554 no\r\n',
    verdicts: ['content 554'],
    goesOn: true,
  },
  {
    name: 'BDAT without recipients',
    plan: planOf(1, 'bdat'),
    pipelined: '250 m\r\n550 r\r\n503 no\r\n',
    lockstep: '250 m\r\n550 r\r\n',
    verdicts: ['rcpt 550'],
    goesOn: true,
  },
];

describe.each([
  ['pipelined', PIPELINING],
  ['lockstep', LOCKSTEP],
])('%s', (mode, ehlo) => {
  const replies = (one: Case) => (mode === 'lockstep' ? (one.lockstep ?? one.pipelined) : one.pipelined);

  it.each(CASES)('$name', (one) => {
    const peer = run(`220 hi\r\n${ehlo}${replies(one)}`, [one.plan]);
    expect(peer.verdicts()).toEqual(one.verdicts);
    expect(peer.results).toHaveLength(1);
    expect(peer.session.idle).toBe(one.goesOn);
    expect(peer.session.ended).toBe(!one.goesOn);
    // Over with the transaction: nothing is under way, so `finished` is the last word.
    expect(peer.ends).toEqual([]);
  });

  it.each(CASES)('$name, at every split', (one) => {
    const script = `220 hi\r\n${ehlo}${replies(one)}`;
    const whole = run(script, [one.plan]).outcome();
    for (let at = 0; at <= script.length; at++) expect(new Run([one.plan]).feed(script, [at]).outcome()).toEqual(whole);
    expect(
      new Run([one.plan])
        .feed(
          script,
          Array.from(script, (_, i) => i),
        )
        .outcome(),
    ).toEqual(whole);
  });

  it('carries a transaction after every one that leaves the session usable', () => {
    for (const one of CASES.filter((each) => each.goesOn)) {
      // RSET is answered where it is sent; it is sent where the peer may still hold a transaction.
      const peer = run(`220 hi\r\n${ehlo}${replies(one)}`, [one.plan]);
      const before = peer.sent.length;
      peer.session.begin(planOf(1), 0);
      const reset = peer.sent[before]!.startsWith('RSET\r\n');
      peer.feed(`${reset ? '250 reset\r\n' : ''}250 m\r\n250 r\r\n354 go\r\n250 done\r\n`);
      expect([one.name, peer.verdicts(1)]).toEqual([one.name, ['content 250']]);
    }
  });

  it.each(['250 m\r\n', '250 m\r\n250 r\r\n', '250 m\r\n250 r\r\n354 go\r\n'])(
    'is over once, with the recipients open, when garbage follows %j',
    (before) => {
      const peer = run(`220 hi\r\n${ehlo}${before}yes\r\n250 ok\r\n`, [planOf(1)]);
      expect(peer.ends).toHaveLength(1);
      expect(peer.results).toEqual([]);
      expect(peer.session.uncertain).toBe(before.includes('354'));
      expect(peer.session.unanswered).toBe(false);
    },
  );

  it('is over after a reply that nobody asked for', () => {
    expect(run(`220 hi\r\n${ehlo}421 bye\r\n`, []).ends).toEqual([{ reason: 'the host closes', code: 421 }]);
    expect(run(`220 hi\r\n${ehlo}250 ok\r\n`, []).ends).toHaveLength(1);
  });

  it('says goodbye and takes any answer, or none', () => {
    for (const answer of ['221 bye\r\n', '500 what\r\n', null]) {
      const peer = run(`220 hi\r\n${ehlo}`, []);
      peer.session.quit(0);
      expect(peer.sent.at(-1)).toBe('QUIT\r\n');
      expect([peer.session.idle, peer.session.usable]).toEqual([false, false]);
      if (answer === null) peer.session.timeout();
      else peer.feed(answer);
      expect(peer.ends).toHaveLength(1);
    }
  });
});

describe('commands', () => {
  it('sends a pipelined group in one piece and the content after 354 only', () => {
    const peer = run(`220 hi\r\n${PIPELINING}`, [planOf(2)]);
    expect(peer.sent.at(-1)).toBe(
      'MAIL FROM:<a@example.com>\r\nRCPT TO:<r0@example.com>\r\nRCPT TO:<r1@example.com>\r\nDATA\r\n',
    );
    peer.feed('250 m\r\n250 r\r\n250 r\r\n');
    expect(peer.sent.join('')).not.toContain('<content>');
    peer.feed('354 go\r\n');
    expect(peer.sent.at(-1)).toBe('<content>.');
  });

  it('never has more than one command out without PIPELINING', () => {
    const peer = run(`220 hi\r\n${LOCKSTEP}`, [planOf(2)]);
    for (const [reply, expected] of [
      ['250 m\r\n', 'RCPT TO:<r0@example.com>\r\n'],
      ['250 r\r\n', 'RCPT TO:<r1@example.com>\r\n'],
      ['250 r\r\n', 'DATA\r\n'],
      ['354 go\r\n', '<content>.'],
    ] as const) {
      const before = peer.sent.length;
      peer.feed(reply);
      expect(peer.sent.slice(before)).toEqual([expected]);
    }
  });

  it('ends a transaction without recipients with an empty message', () => {
    const peer = run(`220 hi\r\n${PIPELINING}250 m\r\n550 r\r\n354 go\r\n`, [planOf(1)]);
    expect(peer.sent.at(-1)).toBe('.\r\n');
    expect(peer.results).toEqual([]);
    expect(peer.feed('250 took nothing\r\n').verdicts()).toEqual(['rcpt 550']);
  });

  it('sends the BDAT chunk with its group', () => {
    const peer = run(`220 hi\r\n${PIPELINING}`, [planOf(1, 'bdat')]);
    expect(peer.sent.slice(-2)).toEqual([
      'MAIL FROM:<a@example.com>\r\nRCPT TO:<r0@example.com>\r\nBDAT 7 LAST\r\n',
      '<content>',
    ]);
    // Nothing is answered, but all of it is there: the peer may have it.
    expect([peer.session.unanswered, peer.session.uncertain]).toEqual([true, true]);
    peer.feed('250 m\r\n550 r\r\n');
    expect(peer.session.uncertain).toBe(false);
  });
});

describe('replies inside the content', () => {
  it('takes no positive reply before the content is out', () => {
    const peer = new Run([planOf(1)]);
    peer.slow = true;
    peer.feed(`220 hi\r\n${PIPELINING}250 m\r\n250 r\r\n354 go\r\n250 early\r\n`);
    expect([peer.results.length, peer.ends.length, peer.session.uncertain]).toEqual([0, 1, false]);
  });

  it.each([452, 552])('%i before the content is out ends the session with the verdict', (code) => {
    const peer = new Run([planOf(1)]);
    peer.slow = true;
    peer.feed(`220 hi\r\n${PIPELINING}250 m\r\n250 r\r\n354 go\r\n${code} early\r\n`);
    expect(peer.verdicts()).toEqual([`content ${code}`]);
    expect(peer.session.ended).toBe(true);
  });
});

describe('deadlines', () => {
  it('are the reply timeout for commands and the data timeout for content', () => {
    const peer = run(`220 hi\r\n${PIPELINING}`, [planOf(1)]);
    expect(peer.session.deadline).toBe(REPLY_TIMEOUT);
    peer.now = 500;
    peer.feed('250 m\r\n');
    expect(peer.session.deadline).toBe(500 + REPLY_TIMEOUT);
    peer.feed('250 r\r\n354 go\r\n');
    expect(peer.session.deadline).toBe(500 + DATA_TIMEOUT);
    peer.feed('250 done\r\n');
    expect(peer.session.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  it('are the data timeout also when BDAT was pipelined', () => {
    const peer = run(`220 hi\r\n${PIPELINING}250 m\r\n250 r\r\n`, [planOf(1, 'bdat')]);
    expect(peer.session.deadline).toBe(DATA_TIMEOUT);
  });

  it('are not moved by a reply that never becomes whole', () => {
    const peer = run(`220 hi\r\n${PIPELINING}`, [planOf(1)]);
    peer.now = 900;
    peer.feed('25');
    expect(peer.session.deadline).toBe(REPLY_TIMEOUT);
    peer.session.timeout();
    expect(peer.ends).toHaveLength(1);
    expect(peer.feed('0 ok\r\n').ends).toHaveLength(1);
  });
});

describe('any peer at all', () => {
  const line = fc.constantFrom('220 a', '250 b', '250-c', '354 d', '421 e', '450 f', '550 g', '221 h', 'junk', '');
  it('gets at most one result for a transaction, one end, and never a throw', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 25 }), fc.boolean(), fc.boolean(), (lines, pipelining, bdat) => {
        const plans = [planOf(2, bdat ? 'bdat' : 'data'), planOf(1), planOf(1)];
        const script = `220 hi\r\n${pipelining ? PIPELINING : LOCKSTEP}${lines.join('\r\n')}\r\n`;
        const peer = new Run(plans).feed(script);
        expect(peer.ends.length).toBeLessThanOrEqual(1);
        for (const verdicts of peer.results)
          for (const verdict of verdicts) expect(verdict.reply.code).toBeGreaterThan(199);
        if (peer.ends.length > 0) expect(peer.session.ended).toBe(true);
        // Delivered only by a 2xx to content that was sent.
        const delivered = peer.results.flat().filter(({ stage, reply }) => stage === 'content' && reply.code < 300);
        expect(delivered.length === 0 || peer.sent.some((text) => text.startsWith('<content>'))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

const TLS_PEER = '220 hi\r\n250-up\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n220 go\r\n';
const credentials = {
  user: 'me',
  password: 'pw',
  token: false,
  certificate: false,
  mechanism: '',
  inClear: false,
  derived: null,
} as const;

describe('opening', () => {
  const open = (security: SessionSecurity, script: string, cuts: readonly number[] = []): Run =>
    new Run([], security).feed(script, cuts);

  it('begins TLS after the go-ahead, forgets what was said and authenticates, at every split', () => {
    const after = '250-up\r\n250-PIPELINING\r\n250 AUTH PLAIN CRAM-MD5\r\n334 PHg+\r\n235 ok\r\n';
    for (let at = 0; at < TLS_PEER.length; at++)
      for (const then of [0, 1, 17, after.length - 3]) {
        const peer = open({ tls: 'required', credentials }, TLS_PEER, [at]);
        expect([peer.sent.at(-1), peer.session.handshaking]).toEqual(['<tls>', true]);
        expect(peer.session.deadline).toBe(TLS_TIMEOUT);
        peer.session.secured(null, 10);
        expect([peer.session.capabilities.startTls, peer.session.deadline]).toEqual([false, 10 + REPLY_TIMEOUT]);
        peer.feed(after, [then]);
        expect(peer.sent.slice(0, 5)).toEqual([
          'EHLO me.example\r\n',
          'STARTTLS\r\n',
          '<tls>',
          'EHLO me.example\r\n',
          'AUTH CRAM-MD5\r\n',
        ]);
        expect([peer.greetings, peer.session.idle, peer.session.capabilities.pipelining]).toEqual([1, true, true]);
        expect([peer.missing, peer.clears, peer.ends]).toEqual([[], [], []]);
      }
  });

  it('ends where anything came with the go-ahead', () => {
    for (const injected of ['2', '250 x\r\n', '250-up\r\n250 AUTH PLAIN\r\n']) {
      const peer = open({ tls: 'opportunistic', credentials: null }, TLS_PEER + injected);
      expect([peer.sent.includes('<tls>'), peer.session.ended, peer.faults]).toEqual([false, true, ['tls 4.7.5']]);
      expect(peer.missing[0]).toMatch(/^validation-failure/);
    }
  });

  it('ends where bytes come in the clear once TLS has begun', () => {
    const peer = open({ tls: 'required', credentials: null }, TLS_PEER).feed('2');
    expect(peer.session.ended).toBe(true);
  });

  it('is over with a reason where TLS is required and not to be had', () => {
    for (const script of ['250 up\r\n', '502 what\r\n250 up\r\n', '250-up\r\n250 STARTTLS\r\n554 5.7.0 no\r\n']) {
      const peer = open({ tls: 'required', credentials }, `220 hi\r\n${script}`);
      expect([peer.session.ended, peer.faults, peer.greetings]).toEqual([true, ['tls 4.7.4'], 0]);
      expect(peer.missing[0]).toMatch(/^starttls-not-supported/);
      expect(peer.sent.join('')).not.toMatch(/AUTH|MAIL/);
    }
  });

  it('asks for a token and takes it when it comes', () => {
    const peer = open({ tls: 'implicit', credentials: { ...credentials, token: true } }, '');
    peer.session.secured(null, 0);
    peer.feed('220 hi\r\n250-up\r\n250 AUTH XOAUTH2\r\n');
    expect(peer.sent).toEqual(['EHLO me.example\r\n', '<token>']);
    peer.session.tokenReady('abc', 5);
    expect(peer.sent[2]).toBe(
      `AUTH XOAUTH2 ${Buffer.from('user=me\x01auth=Bearer abc\x01\x01').toString('base64')}\r\n`,
    );
    peer.feed('235 ok\r\n');
    expect(peer.greetings).toBe(1);
  });

  it('survives whatever a peer says, and ends or waits', () => {
    const line = fc.constantFrom(
      '220 x',
      '250 x',
      '250-x',
      '250 STARTTLS',
      '250 AUTH PLAIN LOGIN SCRAM-SHA-256',
      '334 ',
      '334 eA==',
      '235 x',
      '535 x',
      '454 x',
      '421 x',
      'junk',
      '',
    );
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 12 }),
        fc.constantFrom('none', 'opportunistic', 'required', 'implicit'),
        (lines, tls) => {
          const peer = open({ tls, credentials: { ...credentials, inClear: true } }, '');
          for (const one of lines) {
            if (peer.session.ended) break;
            if (peer.session.handshaking) peer.session.secured(Buffer.alloc(32), 0);
            peer.feed(`${one}\r\n`);
          }
          expect(peer.ends.length).toBe(peer.session.ended ? 1 : 0);
          if (tls === 'required' && !peer.sent.includes('<tls>')) expect(peer.sent.join('')).not.toMatch(/AUTH/);
        },
      ),
    );
  });
});
