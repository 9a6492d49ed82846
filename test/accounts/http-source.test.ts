/** Accounts of an HTTP endpoint, over real connections on loopback. */
import { describe, expect, it } from 'vitest';
import { accepted, accountFile, endpoint, folder, openWorld, password, refused, unavailable } from './account-world.js';

const HOST = '192.0.2.1';

describe('accounts of an endpoint', () => {
  it('are asked about by POST, and may bring settings', async () => {
    const dir = folder();
    const server = await endpoint((body) => {
      const { user } = JSON.parse(body) as { user: string };
      if (user === 'plain') return [200, ''];
      const settings = { senders: ['@Example.org'], lane: 'bulk', messages_per_hour: 10, department: 'x' };
      return [200, JSON.stringify({ account: 'Ann', ...settings })];
    });
    const { accounts } = await openWorld(dir, { SLUICE_AUTH_URL: `${server.url}/check` });
    expect(accounts.mechanisms).toEqual(['PLAIN', 'LOGIN']);
    const answer = await accounts.answer(password('ann@example.org', 'sécret', 'LOGIN'), HOST);
    expect(answer).toEqual(accepted('ann', ['@example.org']));
    expect(server.asked).toEqual([{ user: 'ann@example.org', password: 'sécret', mechanism: 'LOGIN', address: HOST }]);
    expect(server.headers[0]?.['content-type']).toBe('application/json');
    expect(accounts.settingsOf('ann')).toMatchObject({
      lane: 'bulk',
      limits: [{ counted: 'messages', span: 'hour', most: 10 }],
    });
    expect(await accounts.answer(password('plain', 'x'), HOST)).toEqual(accepted('plain'));
  });

  it('get what the configuration file says where it says something', async () => {
    const dir = folder();
    const { writeFileSync } = await import('node:fs');
    writeFileSync(`${dir}/s.toml`, '[[account]]\nname = "ann"\nmessages_per_hour = 1\ntags = ["a"]\n');
    const body = { messages_per_hour: 100, messages_per_day: 200, lane: 'bulk', tags: ['b'], senders: ['@a.example'] };
    const server = await endpoint(() => [200, JSON.stringify(body)]);
    const { accounts, now } = await openWorld(dir, { SLUICE_AUTH_URL: server.url, SLUICE_CONFIG: `${dir}/s.toml` });
    expect(await accounts.answer(password('ann', 'x'), HOST)).toEqual(accepted('ann', ['@a.example']));
    expect(accounts.settingsOf('ann')).toMatchObject({
      limits: [
        { counted: 'messages', span: 'hour', most: 1 },
        { counted: 'messages', span: 'day', most: 200 },
      ],
      lane: 'bulk',
      tags: ['a'],
    });
    expect(accounts.blockedUntil('ann', now())).toBeNull();
    expect(accounts.admit('ann', 5, now())).toBeNull();
    expect(accounts.admit('ann', 1, now())?.reply.code).toBe(451);
    expect(accounts.blockedUntil('ann', now())?.until).toBeGreaterThan(now());
    accounts.configure([]);
    expect(accounts.blockedUntil('ann', now())).toBeNull();
  });

  it.each([401, 403])('refuse with %i', async (status) => {
    const server = await endpoint(() => [status, 'no']);
    const { accounts, log } = await openWorld(folder(), { SLUICE_AUTH_URL: server.url });
    expect(await accounts.answer(password('ann', 'x'), HOST)).toEqual(refused);
    expect(log.lines[0]?.fields['reason']).toContain(String(status));
  });

  it.each<[string, readonly [number, string] | null]>([
    ['500', [500, '']],
    ['a redirect', [302, '']],
    ['204', [204, '']],
    ['silence', null],
    ['what is not JSON', [200, 'yes']],
    ['a list', [200, '[]']],
    ['a name that is none', [200, '{"account":"a b"}']],
    ['senders that are none', [200, '{"senders":"@example.org"}']],
    ['a lane that is none', [200, '{"lane":"fast"}']],
    ['too much', [200, `{"x":"${'y'.repeat(70_000)}"}`]],
  ])('are unavailable after %s: try later, no failure, one line', async (_name, answer) => {
    const server = await endpoint(() => answer);
    const { accounts, log } = await openWorld(folder(), {
      SLUICE_AUTH_URL: server.url,
      SLUICE_AUTH_TIMEOUT: '150ms',
      SLUICE_AUTH_MAX_FAILURES: '1',
    });
    for (let i = 0; i < 2; i++) expect(await accounts.answer(password('ann', 'hunter2'), HOST)).toEqual(unavailable);
    expect(log.lines).toMatchObject([{ level: 'error', fields: { source: 'http' } }]);
    expect(JSON.stringify(log.lines)).not.toContain('hunter2');
  });

  it('say so when they are back', async () => {
    let status = 500;
    const server = await endpoint(() => [status, '']);
    const { accounts, log } = await openWorld(folder(), { SLUICE_AUTH_URL: server.url });
    expect(await accounts.answer(password('ann', 'x'), HOST)).toEqual(unavailable);
    status = 200;
    expect(await accounts.answer(password('ann', 'x'), HOST)).toEqual(accepted('ann'));
    expect(log.lines.map(({ text }) => text)).toContain('accounts can be asked again');
  });

  it('are kept for the cache time by the whole question, refusals for less', async () => {
    const server = await endpoint((body) => (body.includes('good') ? [200, ''] : [403, '']));
    const { accounts, pass } = await openWorld(folder(), { SLUICE_AUTH_URL: server.url, SLUICE_AUTH_CACHE: '50s' });
    const ask = (secret: string, address = HOST) => accounts.answer(password('ann', secret), address);
    const times = async (questions: () => Promise<unknown>) => {
      const before = server.asked.length;
      await questions();
      return server.asked.length - before;
    };
    expect(await times(() => Promise.all([ask('good'), ask('good')]))).toBe(1);
    expect(await times(() => ask('good'))).toBe(0);
    expect(await times(() => ask('good', '192.0.2.2'))).toBe(1);
    expect(await times(() => ask('bad'))).toBe(1);
    pass(4_000);
    expect(await times(() => ask('bad'))).toBe(0);
    pass(2_000);
    expect(await times(() => ask('bad'))).toBe(1);
    expect(await times(() => ask('good'))).toBe(0);
    pass(50_000);
    expect(await times(() => ask('good'))).toBe(1);
    await accounts.reload();
    expect(await times(() => ask('good'))).toBe(1);
    expect(await ask('bad')).toEqual(refused);
  });

  it('come after those of the file', async () => {
    const dir = folder();
    const server = await endpoint(() => [200, '']);
    const path = await accountFile(dir, { ann: ['secret'] });
    const { accounts } = await openWorld(dir, { SLUICE_AUTH_URL: server.url, SLUICE_AUTH_FILE: path });
    expect(await accounts.answer(password('ann', 'wrong'), HOST)).toEqual(refused);
    expect(await accounts.answer(password('ann', 'secret'), HOST)).toEqual(accepted('ann'));
    expect(server.asked).toEqual([]);
    expect(await accounts.answer(password('bob', 'any'), HOST)).toEqual(accepted('bob'));
    expect(server.asked).toHaveLength(1);
  });
});
