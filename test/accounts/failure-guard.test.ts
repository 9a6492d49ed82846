/** Delays and blocks after failed attempts; caches and limits of what sources do. */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AnswerCache } from '../../src/accounts/answer-cache.js';
import { addressKey, FailureGuard, type FailurePolicy } from '../../src/accounts/failure-guard.js';
import { WorkLimit } from '../../src/accounts/work-limit.js';
import { createLog } from '../../src/telemetry/log.js';
import { accepted, accountFile, blocked, endpoint, folder, openWorld, password, refused } from './account-world.js';

const policy: FailurePolicy = {
  firstDelay: 1000,
  maxDelay: 8000,
  addressFailures: 5,
  accountFailures: 3,
  window: 60_000,
  blockTime: 300_000,
};

describe('failed attempts', () => {
  it('are answered later each time, by address or by account', () => {
    const guard = new FailureGuard({ ...policy, addressFailures: 0, accountFailures: 0 });
    const delays = (address: string, account: string) =>
      Array.from({ length: 5 }, () => guard.failed(address, account, 0));
    expect(delays('192.0.2.1', 'ann')).toEqual([1000, 2000, 4000, 8000, 8000]);
    expect(guard.failed('192.0.2.2', 'ann', 0)).toBe(8000);
    expect(guard.failed('192.0.2.2', 'bob', 0)).toBe(2000);
    expect(guard.failed('192.0.2.3', '', 0)).toBe(1000);
    for (let i = 0; i < 5000; i++) guard.failed('192.0.2.9', 'x', 0);
    expect(guard.failed('192.0.2.9', 'x', 0)).toBe(8000);
    expect(new FailureGuard({ ...policy, firstDelay: 0 }).failed('a', 'b', 0)).toBe(0);
  });

  it('block an account from everywhere, until its time is over', () => {
    const guard = new FailureGuard(policy);
    for (let i = 0; i < 3; i++) {
      expect(guard.blocked('192.0.2.9', 'ann', i)).toBeNull();
      guard.failed(`192.0.2.${i}`, 'ann', i);
    }
    expect(guard.blocked('192.0.2.9', 'ann', 2)).toBe('account');
    expect(guard.blocked('192.0.2.9', 'bob', 2)).toBeNull();
    expect(guard.blocked('192.0.2.9', 'ann', 2 + policy.blockTime - 1)).toBe('account');
    expect(guard.blocked('192.0.2.9', 'ann', 2 + policy.blockTime)).toBeNull();
  });

  it('block an address; a success on one account does not clear it', () => {
    const guard = new FailureGuard(policy);
    for (let i = 0; i < 5; i++) {
      guard.failed('2001:db8:0:1::1', `user${i}`, 0);
      guard.succeeded('mine');
    }
    expect(guard.blocked('2001:db8:0:1:ffff::2', 'ann', 1)).toBe('address');
    expect(guard.blocked('2001:db8:0:2::1', 'ann', 1)).toBeNull();
  });

  it('are forgotten after the window, and by a success of the account', () => {
    const guard = new FailureGuard(policy);
    for (let i = 0; i < 10; i++) guard.failed('192.0.2.1', `u${i}`, i * 20_000);
    expect(guard.blocked('192.0.2.1', '', 200_000)).toBeNull();
    for (let i = 0; i < 10; i++) {
      guard.failed(`198.51.100.${i}`, 'ann', 0);
      guard.succeeded('ann');
    }
    expect(guard.blocked('192.0.2.2', 'ann', 0)).toBeNull();
  });

  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:0db8::1', '2001:db8:0:0::/64'],
    ['2001:DB8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', ''],
  ])('count %j as %j', (address, key) => expect(addressKey(address)).toBe(key));
});

describe('blocks at the door', () => {
  it('answer 421 to all, also to the right password, and end', async () => {
    const dir = folder();
    const path = await accountFile(dir, { ann: ['secret'] });
    const env = { SLUICE_AUTH_FILE: path, SLUICE_AUTH_MAX_FAILURES: '3', SLUICE_AUTH_BLOCK_TIME: '10m' };
    const { accounts, log, pass } = await openWorld(dir, env);
    for (let i = 0; i < 3; i++) expect(await accounts.answer(password('ann', 'x'), '192.0.2.1')).toEqual(refused);
    expect(await accounts.answer(password('ann', 'secret'), '192.0.2.1')).toEqual(blocked);
    expect(await accounts.answer({ kind: 'scram-salt', user: 'ann' }, '192.0.2.1')).toEqual(blocked);
    expect(log.lines.at(-1)).toMatchObject({
      text: 'authentication failed',
      fields: { reason: 'the address is blocked', address: '192.0.2.1' },
    });
    expect(await accounts.answer(password('ann', 'secret'), '192.0.2.2')).toEqual(accepted('ann'));
    pass(600_001);
    expect(await accounts.answer(password('ann', 'secret'), '192.0.2.1')).toEqual(accepted('ann'));
  });

  it('write one line a failure that fail2ban can read, whatever the user says', async () => {
    const dir = folder();
    const path = `${dir}/log`;
    const fd = openSync(path, 'w');
    const log = createLog({ level: 'info', format: 'json', fd });
    const { accounts } = await openWorld(dir, { SLUICE_AUTH_FILE: await accountFile(dir, {}) }, log);
    const users = ['ann', 'x","address":"198.51.100.1', 'a\n{"b":1}', 'ü'.repeat(3000)];
    for (const user of users) await accounts.answer(password(user, 'hunter2'), '192.0.2.1');
    await log.close();
    closeSync(fd);
    const text = readFileSync(path, 'utf8');
    const line =
      /^\{"level":40,"time":\d+,"address":"([0-9a-fA-F:.]+)","user":"(?:[^"\\]|\\.)*","mechanism":"[A-Z0-9-]+","reason":"[^"]*","msg":"authentication failed"\}$/;
    const lines = text.trim().split('\n');
    expect(lines.map((one) => line.exec(one)?.[1])).toEqual(users.map(() => '192.0.2.1'));
    expect(text).not.toContain('hunter2');
  });

  it('let no more guesses through when they come all at once', async () => {
    const dir = folder();
    const asked = await endpoint(() => [403, '']);
    const env = { SLUICE_AUTH_URL: asked.url, SLUICE_AUTH_MAX_FAILURES: '5', SLUICE_AUTH_REQUESTS: '4' };
    const { accounts } = await openWorld(dir, env);
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => accounts.answer(password('ann', `guess${i}`), '192.0.2.1')),
    );
    expect(answers.filter((answer) => answer.kind !== 'refused')).toEqual([]);
    // Those under way when the fifth failed are asked, their answer is not told.
    expect(asked.asked.length).toBeLessThanOrEqual(5 + 4);
    expect(answers.filter((answer) => JSON.stringify(answer) === JSON.stringify(refused)).length).toBe(5);
  });

  it('hold answers back, and give them at once when the accounts are closed', async () => {
    const dir = folder();
    const path = await accountFile(dir, {});
    const { accounts } = await openWorld(dir, {
      SLUICE_AUTH_URL: 'http://127.0.0.1:1',
      SLUICE_AUTH_FILE: path,
      SLUICE_AUTH_DELAY: '1m',
      SLUICE_AUTH_MAX_DELAY: '5m',
    });
    let answered = false;
    const answer = accounts
      .answer({ kind: 'cram', user: 'ann', challenge: '<1>', digest: '00' }, '192.0.2.1')
      .then((value) => {
        answered = true;
        return value;
      });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(answered).toBe(false);
    await accounts.close();
    expect(await answer).toEqual(refused);
  });
});

describe('kept answers', () => {
  it('are asked for once at the same time, kept for their life, and bounded', async () => {
    const cache = new AnswerCache<number>(2);
    let [now, asked] = [0, 0];
    const get = (question: string, life = 100) =>
      cache.get(
        [question],
        () => now,
        () => life,
        async () => ++asked,
      );
    expect(await Promise.all([get('a'), get('a')])).toEqual([1, 1]);
    expect(await get('a')).toBe(1);
    now = 100;
    expect(await get('a')).toBe(2);
    await get('b');
    await get('a');
    await get('c');
    expect(await get('a')).toBe(2);
    expect(await get('b')).toBe(5 - 0);
    expect(await get('d', 0)).toBe(6);
    expect(await get('d', 0)).toBe(7);
  });

  it('are not kept where asking failed', async () => {
    const cache = new AnswerCache<number>(2);
    const get = (ask: () => Promise<number>) =>
      cache.get(
        ['a'],
        () => 0,
        () => 100,
        ask,
      );
    await expect(get(() => Promise.reject(new Error('down')))).rejects.toThrow('down');
    expect(await get(async () => 1)).toBe(1);
  });
});

describe('limits of work', () => {
  it('run so much at once, let so much wait, and refuse the rest', async () => {
    const limit = new WorkLimit(2, 3);
    let [running, most] = [0, 0];
    const work = async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
    };
    const all = await Promise.allSettled(Array.from({ length: 7 }, () => limit.run(work)));
    expect(most).toBe(2);
    expect(all.map(({ status }) => status)).toEqual([...new Array(5).fill('fulfilled'), 'rejected', 'rejected']);
    await expect(limit.run(() => Promise.reject(new Error('x')))).rejects.toThrow('x');
    await limit.run(work);
    expect(running).toBe(0);
  });
});
