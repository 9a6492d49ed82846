/** A site's control as the pools use it: what it lets through, what replies lead to, what it tells the operator. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PROVIDER_RULES } from '../../../src/delivery/shaping/provider-rules.js';
import type { ReplyRule, ShapingRule } from '../../../src/delivery/shaping/rule.js';
import { host, job, ShapingWorld, START, verdict } from './shaping-world.js';

const MX = host('mx.example.test');
const MINUTE = 60_000;

function onReply(match: RegExp, action: ReplyRule['action'], code = 0): Partial<ShapingRule> {
  return { site: '*', replies: [{ match, code, action, ms: 10 * MINUTE }] };
}

function world(rules: readonly Partial<ShapingRule>[] = [], shipped: readonly ShapingRule[] = []) {
  const run = new ShapingWorld(rules, shipped);
  return { run, control: run.control('mx/example.test', 'mx.example.test') };
}

/** Most that was booked in any window that ends with a booking. */
function fullest(bookings: readonly { readonly at: number; readonly count: number }[], windowMs: number): number {
  let most = 0;
  for (const { at } of bookings) {
    const sum = bookings.reduce((all, one) => all + (one.at > at - windowMs && one.at <= at ? one.count : 0), 0);
    most = Math.max(most, sum);
  }
  return most;
}

describe('limits of a site', () => {
  it('are exceeded in no window, of no scope, whatever comes from whom and is given back', () => {
    const rules: Partial<ShapingRule>[] = [
      { site: '*', rates: [{ counted: 'messages', span: 'minute', most: 20 }] },
      { site: '*', source: '*', rates: [{ counted: 'recipients', span: 'second', most: 6 }] },
      { tenant: '*', rates: [{ counted: 'messages', span: 'second', most: 3 }] },
      { source: 'a', rates: [{ counted: 'bytes', span: 'minute', most: 9000 }] },
    ];
    const step = fc.record({
      pause: fc.constantFrom(0, 1, 17, 300, 990, 5000),
      site: fc.constantFrom('one.test', 'two.test'),
      source: fc.constantFrom('a', 'b'),
      tenant: fc.constantFrom('', 'x', 'y'),
      recipients: fc.integer({ min: 1, max: 4 }),
      goes: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 50, maxLength: 200 }), (steps) => {
        const run = new ShapingWorld(rules);
        const sent: { at: number; site: string; source: string; tenant: string; recipients: number }[] = [];
        for (const { pause, goes, recipients, site, source, tenant } of steps) {
          run.now += pause;
          const control = run.control(`mx/${site}`, `mx.${site}`);
          const mail = job({ recipients, tenant, size: 1000 });
          const wait = control.admitJob(mail, source, run.now);
          if (wait !== null) expect(wait.until).toBeGreaterThan(run.now);
          else if (goes) sent.push({ at: run.now, site, source, tenant, recipients });
          else control.refund(mail, source, run.now);
        }
        const counted = (fits: (one: (typeof sent)[number]) => boolean, weight: (n: number) => number, ms: number) =>
          fullest(
            sent.filter(fits).map(({ at, recipients }) => ({ at, count: weight(recipients) })),
            ms,
          );
        for (const site of ['one.test', 'two.test']) {
          expect(
            counted(
              (one) => one.site === site,
              () => 1,
              MINUTE,
            ),
          ).toBeLessThanOrEqual(20);
          for (const source of ['a', 'b'])
            expect(
              counted(
                (one) => one.site === site && one.source === source,
                (n) => n,
                1000,
              ),
            ).toBeLessThanOrEqual(6);
        }
        for (const tenant of ['x', 'y'])
          expect(
            counted(
              (one) => one.tenant === tenant,
              () => 1,
              1000,
            ),
          ).toBeLessThanOrEqual(3);
        expect(
          counted(
            ({ source }) => source === 'a',
            () => 1000,
            MINUTE,
          ),
        ).toBeLessThanOrEqual(9000);
      }),
      { numRuns: 300 },
    );
  });

  it('are shared by all destinations of a site, and only by them', () => {
    const run = new ShapingWorld([{ mx: 'google.com', rates: [{ counted: 'messages', span: 'minute', most: 2 }] }]);
    const gmail = run.control('mx/gmail.com', 'gmail-smtp-in.l.google.com');
    const company = run.control('mx/company.test', 'aspmx.l.google.com');
    expect(company).toBe(gmail);
    expect(gmail.site).toBe('google.com');
    expect(gmail.admitJob(job(), '', run.now)).toBeNull();
    expect(company.admitJob(job(), '', run.now)).toBeNull();
    expect(gmail.admitJob(job(), '', run.now)).toMatchObject({
      kind: 'rate',
      reason: 'site google.com: 2 messages a minute',
      until: expect.any(Number),
    });
    expect(run.control('mx/other.test', 'mx.other.test').admitJob(job(), '', run.now)).toBeNull();
  });

  it('of a domain count for it beside those of the provider', () => {
    const run = new ShapingWorld([
      { domain: 'company.test', rates: [{ counted: 'messages', span: 'minute', most: 1 }] },
      { mx: 'google.com', connections: 2, rates: [{ counted: 'messages', span: 'minute', most: 2 }] },
    ]);
    const gmail = run.control('mx/gmail.com', 'gmail-smtp-in.l.google.com');
    const company = run.control('mx/company.test', 'aspmx.l.google.com');
    expect(company).not.toBe(gmail);
    expect(company.admitJob(job(), '', run.now)).toBeNull();
    expect(company.admitJob(job(), '', run.now)?.reason).toBe('domain company.test: 1 message a minute');
    expect(gmail.admitJob(job(), '', run.now)).toBeNull();
    expect(gmail.admitJob(job(), '', run.now)?.reason).toBe('site google.com: 2 messages a minute');
    expect(company.admitConnection(MX, '', run.now)).toBeNull();
    expect(gmail.admitConnection(MX, '', run.now)).toBeNull();
    expect(gmail.admitConnection(MX, '', run.now)?.reason).toBe('site google.com: 2 connections');
  });

  it('let a message that is larger than a limit go alone', () => {
    const { run, control } = world([{ site: '*', rates: [{ counted: 'bytes', span: 'minute', most: 1000 }] }]);
    expect(control.admitJob(job({ size: 50_000 }), '', run.now)).toBeNull();
    const wait = control.admitJob(job({ size: 1 }), '', run.now);
    expect(wait).toMatchObject({ kind: 'rate', reason: 'site mx.example.test: 1000 bytes a minute' });
    run.now = wait!.until;
    expect(control.admitJob(job({ size: 1 }), '', run.now)).toBeNull();
  });

  it('book nothing of what is refused by another', () => {
    const { run, control } = world([
      { site: '*', rates: [{ counted: 'messages', span: 'minute', most: 2 }] },
      { tenant: 'x', rates: [{ counted: 'messages', span: 'hour', most: 1 }] },
    ]);
    expect(control.admitJob(job({ tenant: 'x' }), '', run.now)).toBeNull();
    for (let i = 0; i < 5; i++)
      expect(control.admitJob(job({ tenant: 'x' }), '', run.now)?.reason).toBe('tenant x: 1 message an hour');
    expect(control.admitJob(job(), '', run.now)).toBeNull();
    expect(control.admitJob(job(), '', run.now)?.reason).toBe('site mx.example.test: 2 messages a minute');
  });

  it('keep a share for immediate mail where there is some, so that bulk does not use them up', () => {
    const { run, control } = world([{ site: '*', rates: [{ counted: 'messages', span: 'hour', most: 50 }] }]);
    const goes = (lane: string, attempts = 0) => control.admitJob(job({ lane, attempts }), '', run.now) === null;
    expect(goes('immediate')).toBe(true);
    for (let i = 0; i < 44; i++) expect(goes('bulk')).toBe(true);
    expect(control.admitJob(job(), '', run.now)?.reason).toBe(
      'site mx.example.test: 50 messages an hour, of which 5 are kept for immediate mail',
    );
    // What was put off is no longer immediate.
    expect(goes('immediate', 1)).toBe(false);
    for (let i = 0; i < 5; i++) expect(goes('immediate')).toBe(true);
    expect(goes('immediate')).toBe(false);
  });

  it('are all for bulk where there is no immediate mail', () => {
    const { run, control } = world([{ site: '*', rates: [{ counted: 'messages', span: 'hour', most: 50 }] }]);
    for (let i = 0; i < 50; i++) expect(control.admitJob(job(), '', run.now)).toBeNull();
    expect(control.admitJob(job(), '', run.now)?.reason).toBe('site mx.example.test: 50 messages an hour');
  });

  it('have room again for what was given back', () => {
    const { run, control } = world([{ site: '*', rates: [{ counted: 'recipients', span: 'hour', most: 3 }] }]);
    const mail = job({ recipients: 3 });
    for (let i = 0; i < 3; i++) {
      expect(control.admitJob(mail, '', run.now)).toBeNull();
      expect(control.admitJob(job(), '', run.now)).not.toBeNull();
      control.refund(mail, '', run.now);
    }
  });

  it('of a day are told as a quota', () => {
    const { run, control } = world([{ source: 'ip1', rates: [{ counted: 'messages', span: 'day', most: 1 }] }]);
    control.admitJob(job(), 'ip1', run.now);
    expect(control.admitJob(job(), 'ip1', run.now)).toMatchObject({
      kind: 'quota',
      reason: 'source ip1: 1 message a day',
    });
  });
});

describe('connections', () => {
  it('are as many as the limit, and one more when one is over', () => {
    const { run, control } = world([{ site: '*', source: '*', connections: 2 }]);
    const begin = (source = 'a') => control.admitConnection(MX, source, run.now);
    expect([begin(), begin()]).toEqual([null, null]);
    expect(begin()).toMatchObject({ kind: 'connections', reason: 'site mx.example.test, source a: 2 connections' });
    expect(begin('b')).toBeNull();
    control.connected(MX, 'a', 10, run.now);
    control.closed(MX, 'a', run.now);
    expect(begin()).toBeNull();
    control.connectFailed(MX, 'a', 'connection refused', run.now);
    expect(begin()).toBeNull();
    expect(begin()?.until).toBeLessThanOrEqual(run.now + 1000);
  });

  it('are limited over all sites for a source', () => {
    const run = new ShapingWorld([{ source: 'a', connections: 2 }]);
    const one = run.control('mx/one.test', 'mx.one.test');
    const two = run.control('mx/two.test', 'mx.two.test');
    expect([one.admitConnection(MX, 'a', run.now), two.admitConnection(MX, 'a', run.now)]).toEqual([null, null]);
    expect(two.admitConnection(MX, 'a', run.now)?.reason).toBe('source a: 2 connections');
    one.closed(MX, 'a', run.now);
    expect(two.admitConnection(MX, 'a', run.now)).toBeNull();
  });

  it('are told in advance where there is one source', () => {
    const { run, control } = world([{ site: '*', connections: 3 }]);
    expect(control.connectionLimit(run.now)).toBe(Number.POSITIVE_INFINITY);
    control.admitConnection(MX, '', run.now);
    control.connections = 1;
    expect(control.connectionLimit(run.now)).toBe(3);
  });

  it('are begun no faster than the limit', () => {
    const { run, control } = world([{ site: '*', rates: [{ counted: 'connections', span: 'second', most: 2 }] }]);
    const begun: { at: number; count: number }[] = [];
    for (let i = 0; i < 3000; i += 10) {
      run.now = START + i;
      if (control.admitConnection(MX, '', run.now) === null) {
        begun.push({ at: run.now, count: 1 });
        control.closed(MX, '', run.now);
      }
    }
    expect(fullest(begun, 1000)).toBe(2);
    expect(begun).toHaveLength(6);
  });

  it('become fewer when a host says there are too many, for the source that it said it to', () => {
    const { run, control } = world();
    for (let i = 0; i < 10; i++) for (const source of ['a', 'b']) control.admitConnection(MX, source, run.now);
    control.connectFailed(MX, 'a', 'the host refused the session: 421 4.7.0 Too many connections from you', run.now);
    expect(control.admitConnection(MX, 'a', run.now)?.reason).toBe(
      'site mx.example.test, source a: 6 connections, as learnt (421 4.7.0 Too many connections from you)',
    );
    expect(control.admitConnection(MX, 'b', run.now)).toBeNull();
    expect(run.lessons).toMatchObject([{ site: 'mx.example.test', source: 'a', what: 'connections', limit: 6 }]);
  });

  it('are left alone by a failure without a reply, and where nothing is to be learnt', () => {
    const { run, control } = world([{ site: '*', adaptive: false }]);
    for (let i = 0; i < 10; i++) control.admitConnection(MX, '', run.now);
    control.connectFailed(MX, '', '421 Too many connections', run.now);
    expect(run.lessons).toEqual([]);
    const learning = world();
    for (let i = 0; i < 10; i++) learning.control.admitConnection(MX, '', learning.run.now);
    learning.control.connectFailed(MX, '', 'connect ETIMEDOUT', learning.run.now);
    expect(learning.run.lessons).toEqual([]);
  });
});

describe('replies', () => {
  const finish = (
    { run, control }: ReturnType<typeof world>,
    line: string,
    { source = '', tenant = '', stage = 'content' as const } = {},
  ) => control.finished(job({ tenant }), MX, source, [verdict(line, stage)], 100, run.now);

  it('that ask for fewer messages make fewer, and more again after a while', () => {
    const at = world();
    at.control.admitConnection(MX, '', START);
    for (let i = 0; i < 100; i++) {
      at.run.now += 100;
      at.control.admitJob(job(), '', at.run.now);
      finish(at, '250 ok');
    }
    finish(at, '450 4.7.1 Message rate limit exceeded');
    expect(at.run.lessons).toMatchObject([{ what: 'rate', reason: '450 4.7.1 Message rate limit exceeded' }]);
    expect(at.run.lessons[0]!.limit).toBeCloseTo(7, 0);
    for (let i = 0; i < 10; i++) at.control.admitJob(job(), '', at.run.now);
    const [wait] = at.control.waits(at.run.now);
    expect(wait).toMatchObject({ kind: 'throttled' });
    expect(wait!.reason).toMatch(/^site mx\.example\.test: [\d.]+ messages a second, as learnt \(450 4\.7\.1/);
    at.run.now += 10 * MINUTE;
    expect(at.control.admitJob(job(), '', at.run.now)).toBeNull();
    expect(at.run.lessons.at(-1)).toMatchObject({ what: 'rate', limit: Number.POSITIVE_INFINITY });
  });

  it('that are about a mailbox, or about the mail, are no sign', () => {
    const at = world();
    for (const line of [
      '450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents more; rate limit',
      '452 4.2.2 Mailbox full',
      '451 4.7.1 Greylisting in action, please come back later',
      '550 5.7.1 Message rejected as spam',
      '421 4.4.2 idle timeout, closing connection',
    ])
      finish(at, line);
    expect(at.run.lessons).toEqual([]);
  });

  it('are matched by code and text, in the order of the rules', () => {
    const at = world([onReply(/blocked/i, 'pause_site', 421), onReply(/blocked/i, 'pause_source', 4)]);
    finish(at, '550 blocked', { source: 'a' });
    expect(at.run.actions).toEqual([]);
    finish(at, '450 blocked', { source: 'a' });
    expect(at.run.actions).toMatchObject([{ action: 'pause_source', source: 'a', ms: 10 * MINUTE }]);
    finish(at, '421 blocked', { source: 'a' });
    expect(at.run.actions).toMatchObject([{}, { action: 'pause_site' }]);
  });

  it('pause a source: it gets nothing there, others do, and the pools of sources are told', () => {
    const at = world([onReply(/bad reputation/i, 'pause_source')]);
    for (const source of ['a', 'b']) at.control.admitConnection(MX, source, START);
    finish(at, '450 Bad reputation', { source: 'a' });
    expect(at.run.paused).toEqual(['a at mx.example.test for 600000']);
    expect(at.control.admitJob(job(), 'a', START)).toMatchObject({
      kind: 'throttled',
      until: START + 10 * MINUTE,
      reason: 'site mx.example.test, source a is paused (a rule: 450 Bad reputation)',
    });
    expect(at.control.admitConnection(MX, 'a', START)).not.toBeNull();
    expect(at.control.admitJob(job(), 'b', START)).toBeNull();
    // Told once, however many say so.
    finish(at, '450 Bad reputation', { source: 'a' });
    expect(at.run.actions).toHaveLength(1);
    at.run.now += 10 * MINUTE;
    expect(at.control.admitJob(job(), 'a', at.run.now)).toBeNull();
  });

  it('switch to another source where there is one, and slow down where there is none', () => {
    const at = world([onReply(/not you/i, 'switch_source')]);
    at.control.admitConnection(MX, 'a', START);
    finish(at, '450 not you', { source: 'a' });
    expect([at.run.paused, at.run.lessons.map(({ what }) => what)]).toEqual([[], ['rate', 'connections']]);
    at.control.admitConnection(MX, 'b', START);
    finish(at, '450 not you', { source: 'a' });
    expect(at.run.paused).toEqual(['a at mx.example.test for 600000']);
  });

  it('suspend the tenant whose mail it was, once', () => {
    const at = world([onReply(/spam/i, 'suspend_tenant')]);
    finish(at, '550 spam', { tenant: 'acme' });
    finish(at, '550 spam', { tenant: 'acme' });
    expect(at.run.suspended).toEqual(['acme for 600000']);
    expect(at.run.actions).toMatchObject([{ action: 'suspend_tenant', tenant: 'acme', reason: 'a rule: 550 spam' }]);
    expect(at.control.admitJob(job({ tenant: 'other' }), '', START)).toBeNull();
  });

  it('pause the site for all', () => {
    const at = world([onReply(/go away/i, 'pause_site')]);
    finish(at, '421 go away', { source: 'a' });
    for (const source of ['a', 'b']) {
      expect(at.control.admitJob(job(), source, START)?.until).toBe(START + 10 * MINUTE);
      expect(at.control.admitConnection(MX, source, START)?.reason).toContain('is paused (a rule: 421 go away)');
    }
    expect(at.control.waits(START)).toHaveLength(1);
  });

  it('that a quota of a day is used up pause the source', () => {
    const at = world();
    finish(at, '454 Throttling failure: Daily message quota exceeded.');
    expect(at.control.admitJob(job(), '', START)).toMatchObject({ kind: 'throttled', until: START + 10 * MINUTE });
  });

  it('of rules for a tenant or a source count for these only', () => {
    const at = world([{ ...onReply(/no/i, 'pause_site'), tenant: 'acme', source: 'a' }]);
    finish(at, '450 no', { tenant: 'acme', source: 'b' });
    finish(at, '450 no', { tenant: 'other', source: 'a' });
    expect(at.run.actions).toEqual([]);
    finish(at, '450 no', { tenant: 'acme', source: 'a' });
    expect(at.run.actions).toHaveLength(1);
  });

  it.each([
    ['421 4.7.28 [192.0.2.1 15] Our system has detected an unusual rate of unsolicited mail', 'google.com', 'slow'],
    [
      '421-4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume',
      'yahoodns.net',
      'pause',
    ],
    [
      '451 4.7.652 The mail server [192.0.2.1] has exceeded the maximum number of connections. (S3115)',
      'outlook.com',
      'slow',
    ],
    ['451 4.7.650 The mail server has been temporarily rate limited due to IP reputation.', 'outlook.com', 'slow'],
    ['451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (AS77712344)', 'office365.com', 'slow'],
    ['421 4.1.0 192.0.2.1 Throttled - try again later RL000003', 'comcast.net', 'slow'],
    ['421 Too many connections, slow down. OFR005_104', 'orange.fr', 'slow'],
    ['450 4.7.1 service refuse LPN027_503', 'laposte.net', 'slow'],
    ['450 Mail content denied, frequency limited', 'qq.com', 'pause'],
    ['451 RP:TRC 163 smtp5', '163.com', 'slow'],
  ])('of providers are known: %s', (line, site, what) => {
    const run = new ShapingWorld([], PROVIDER_RULES);
    const control = run.control('mx/x.test', site === 'outlook.com' ? 'x.olc.protection.outlook.com' : hostOf(site));
    expect(control.site).toBe(site);
    control.admitConnection(MX, 'a', run.now);
    control.finished(job(), MX, 'a', [verdict(line.replace(/^(\d\d\d)-/, '$1 '))], 10, run.now);
    if (what === 'pause') expect(run.paused).toHaveLength(1);
    else expect(run.lessons.map((lesson) => lesson.what)).toEqual(['rate', 'connections']);
  });
});

function hostOf(site: string): string {
  return site === 'office365.com' ? 'x-test.mail.protection.outlook.com' : `mx.${site}`;
}

describe('facts for the operator', () => {
  it('say limits and what is used, what was learnt, what waits, and what was said last', () => {
    const { run, control } = world([
      { site: '*', connections: 4, rates: [{ counted: 'messages', span: 'minute', most: 1 }] },
    ]);
    control.admitConnection(MX, '', run.now);
    control.admitJob(job(), '', run.now);
    for (let i = 0; i < 3; i++)
      control.finished(job(), MX, '', [verdict('421 4.3.2 too many connections')], 10, run.now);
    const facts = control.describe(run.now);
    expect(JSON.parse(JSON.stringify(facts))).toEqual({
      limits: [
        { limit: 'site mx.example.test: 4 connections', used: 1 },
        { limit: 'site mx.example.test: 1 message a minute', used: 1 },
      ],
      learnt: [{ source: '', connections: 1, why: '421 4.3.2 too many connections' }],
      waits: [
        { reason: expect.stringContaining('1 connection, as learnt'), until: run.now + 10_000 },
        { reason: 'site mx.example.test: 1 message a minute', until: expect.any(Number) },
      ],
      lastReplies: [{ at: run.now, source: '', reply: '421 4.3.2 too many connections' }],
    });
  });
});

describe('memory', () => {
  it('holds no more sites and scopes than those in which something is remembered', () => {
    const run = new ShapingWorld([{ site: '*', rates: [{ counted: 'messages', span: 'minute', most: 5 }] }]);
    const busy = run.control('mx/busy.test', 'mx.busy.test');
    busy.admitConnection(MX, '', run.now);
    busy.connections = 1;
    for (let i = 0; i < 20_000; i++) {
      run.now += 1000;
      run.control(`mx/d${i}.test`, `mx.d${i}.test`).admitJob(job(), '', run.now);
    }
    expect([...run.shaping.controls].length).toBeLessThan(3000);
    expect(run.control('mx/busy.test', 'mx.busy.test')).toBe(busy);
  });

  it('forgets no count that still counts', () => {
    const run = new ShapingWorld([{ tenant: '*', rates: [{ counted: 'messages', span: 'day', most: 1 }] }]);
    const control = run.control('mx/a.test', 'mx.a.test');
    const times = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      run.now += 10_000;
      const tenant = `t${i % 2000}`;
      const wait = control.admitJob(job({ tenant }), '', run.now);
      const before = times.get(tenant);
      if (before !== undefined && run.now - before < 86_400_000) expect(wait).not.toBeNull();
      if (wait === null) times.set(tenant, run.now);
    }
    expect(times.size).toBe(2000);
  });
});
