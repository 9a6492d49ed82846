import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AccountQuotas } from '../../src/accounts/account-quotas.js';
import type { AccountLimit } from '../../src/accounts/account-settings.js';
import { QuotaFile } from '../../src/accounts/quota-file.js';
import { logLines } from './log-lines.js';

const SPAN_MS = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
const START = Date.UTC(2026, 0, 1);
const perHour: AccountLimit[] = [{ counted: 'messages', span: 'hour', most: 3 }];

describe('limits of an account', () => {
  it('let through what is allowed, then say which limit and how long', () => {
    const quotas = new AccountQuotas();
    for (let i = 0; i < 3; i++) expect(quotas.admit('ann', perHour, 1, START + i * 60_000)).toBeNull();
    const refusal = quotas.admit('ann', perHour, 1, START + 180_000)!;
    expect(refusal.reply).toMatchObject({ code: 451, enhanced: '4.7.1' });
    expect(refusal.reply.text).toContain('3 messages per hour');
    expect(refusal.until).toBe(START + 61 * 60_000);
    expect(refusal.reply.text).toContain(`${(refusal.until - START - 180_000) / 1000} s`);
    expect(quotas.refusal('ann', perHour, 1, START + 180_000)?.until).toBe(refusal.until);
    expect(quotas.admit('bob', perHour, 1, START)).toBeNull();
    expect(quotas.admit('ann', perHour, 1, refusal.until - 1)).not.toBeNull();
    expect(quotas.refusal('ann', perHour, 1, refusal.until)).toBeNull();
    expect(quotas.admit('ann', perHour, 1, refusal.until)).toBeNull();
    expect(quotas.admit('ann', perHour, 1, refusal.until)).not.toBeNull();
  });

  it('count recipients, all limits at once, and nothing of what is refused', () => {
    const quotas = new AccountQuotas();
    const limits: AccountLimit[] = [
      { counted: 'messages', span: 'minute', most: 2 },
      { counted: 'recipients', span: 'day', most: 10 },
    ];
    expect(quotas.admit('ann', limits, 6, START)).toBeNull();
    expect(quotas.admit('ann', limits, 5, START)?.reply.text).toContain('10 recipients per day');
    expect(quotas.admit('ann', limits, 4, START)).toBeNull();
    const refusal = quotas.admit('ann', limits, 1, START)!;
    expect(refusal.reply.text).toContain('per day');
    expect(refusal.until).toBeGreaterThanOrEqual(START + SPAN_MS.day);
  });

  it('refuse for good what can never be sent', () => {
    const quotas = new AccountQuotas();
    const limits: AccountLimit[] = [{ counted: 'recipients', span: 'minute', most: 10 }];
    const refusal = quotas.admit('ann', limits, 11, START)!;
    expect(refusal.reply).toMatchObject({ code: 550, enhanced: '5.5.3' });
    expect(refusal.until).toBe(Number.POSITIVE_INFINITY);
    expect(quotas.refusal('ann', limits, 1, START)).toBeNull();
  });

  it('never let more through in any span, and all of it again after a span and a sixtieth', () => {
    const step = fc.record({ wait: fc.integer({ min: 0, max: 40_000 }), recipients: fc.integer({ min: 1, max: 5 }) });
    const limit = fc.record({
      counted: fc.constantFrom('messages' as const, 'recipients' as const),
      span: fc.constantFrom('minute' as const, 'hour' as const),
      most: fc.integer({ min: 5, max: 12 }),
    });
    fc.assert(
      fc.property(
        fc.array(limit, { minLength: 1, maxLength: 3 }),
        fc.array(step, { maxLength: 150 }),
        (given, steps) => {
          // One limit of a kind, as in settings.
          const limits = [...new Map(given.map((one) => [`${one.counted}${one.span}`, one])).values()];
          const quotas = new AccountQuotas();
          const sent: { at: number; recipients: number }[] = [];
          let now = START;
          for (const { wait, recipients } of steps) {
            now += wait;
            const refusal = quotas.admit('ann', limits, recipients, now);
            if (refusal === null) sent.push({ at: now, recipients });
            const size = ({ counted }: AccountLimit, one: { recipients: number }) =>
              counted === 'messages' ? 1 : one.recipients;
            const used = (one: AccountLimit, since: number) =>
              sent.filter(({ at }) => at > since).reduce((sum, message) => sum + size(one, message), 0);
            for (const one of limits) expect(used(one, now - SPAN_MS[one.span])).toBeLessThanOrEqual(one.most);
            if (refusal !== null) {
              // Something still counts that was sent within a span and a slot.
              const full = limits.some(
                (one) => used(one, now - (SPAN_MS[one.span] * 61) / 60 - 1) + size(one, { recipients }) > one.most,
              );
              expect(full).toBe(true);
              expect(refusal.until).toBeGreaterThan(now);
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('what was used', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sluice-quotas-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const clock = { now: () => START, wall: () => START };

  it('survives a restart', async () => {
    const log = logLines();
    const quotas = new AccountQuotas();
    const file = await QuotaFile.open(dir, quotas, clock, log);
    for (let i = 0; i < 3; i++) quotas.admit('änn', perHour, 1, START);
    for (let i = 0; i < 2000; i++) quotas.admit(`user${i}`, perHour, 1, START);
    await file.close();
    expect(readdirSync(dir)).toEqual(['account-quotas']);
    expect(statSync(join(dir, 'account-quotas')).mode & 0o777).toBe(0o600);
    const again = new AccountQuotas();
    await (await QuotaFile.open(dir, again, clock, log)).close();
    expect(again.admit('änn', perHour, 1, START)?.until).toBe(START + 61 * 60_000);
    expect(again.refusal('user1999', perHour, 1, START)).toBeNull();
    const count = (used: AccountQuotas) => [...used.keptCounts()].map(({ limit, slots }) => [limit, slots]);
    expect(count(again)).toEqual(count(quotas));
    expect(log.lines).toEqual([]);
  });

  it('is forgotten after a span, and never outlives one when the clock was set back', async () => {
    const quotas = new AccountQuotas();
    const file = await QuotaFile.open(dir, quotas, clock, logLines());
    for (let i = 0; i < 3; i++) quotas.admit('ann', perHour, 1, START);
    await file.close();
    for (const [now, free] of [
      [START + 61 * 60_000, true],
      [START - 10 * SPAN_MS.day, false],
    ] as const) {
      const again = new AccountQuotas();
      await (await QuotaFile.open(dir, again, { now: () => now, wall: () => now }, logLines())).close();
      expect(again.refusal('ann', perHour, 1, now) === null).toBe(free);
      expect(again.refusal('ann', perHour, 1, now + 61 * 60_000)).toBeNull();
    }
  });

  it('is ignored with a warning when the file is damaged anywhere', async () => {
    const path = join(dir, 'account-quotas');
    const quotas = new AccountQuotas();
    const file = await QuotaFile.open(dir, quotas, clock, logLines());
    for (let i = 0; i < 3; i++) quotas.admit(`user${i}`, perHour, 1, START);
    await file.close();
    const good = readFileSync(path, 'utf8');
    const lines = good.split('\n');
    const damaged = [
      '',
      'x',
      good.slice(0, -10),
      `${good}x`,
      good.replace('messages', '"'),
      [lines[0], ...lines.slice(2)].join('\n'),
    ];
    for (const text of damaged) {
      writeFileSync(path, text);
      const log = logLines();
      const again = new AccountQuotas();
      await (await QuotaFile.open(dir, again, clock, log)).close();
      expect(log.lines, text).toMatchObject([{ level: 'warn', fields: { path } }]);
      expect([...again.keptCounts()]).toEqual([]);
    }
  });
});
