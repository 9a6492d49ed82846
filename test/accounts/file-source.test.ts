/** Accounts of a file, through the door that sessions use. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { chmodSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { readAccountFile } from '../../src/accounts/account-file.js';
import { hashPassword } from '../../src/accounts/password-hash.js';
import type { AuthQuestion } from '../../src/smtp/authentication.js';
import { accepted, accountFile, folder, openWorld, password, refused } from './account-world.js';

const HOST = '192.0.2.1';

/** A client's proof (RFC 5802 section 3). */
function proof(secret: string, salt: string, iterations: number, authMessage: string): string {
  const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const clientKey = hmac(pbkdf2Sync(secret, Buffer.from(salt, 'base64'), iterations, 32, 'sha256'), 'Client Key');
  const signature = hmac(createHash('sha256').update(clientKey).digest(), authMessage);
  return Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]!)).toString('base64');
}

function cram(user: string, secret: string): AuthQuestion {
  const challenge = '<1.2@example.org>';
  return { kind: 'cram', user, challenge, digest: createHmac('md5', secret).update(challenge).digest('hex') };
}

describe('accounts of a file', () => {
  it('log in with a password of either kind of hash, under their name in any case', async () => {
    const dir = folder();
    const path = await accountFile(dir, { 'Ann@Example.org': ['one'], bob: ['two', { hash: 'scrypt' }] });
    const { accounts, log } = await openWorld(dir, { SLUICE_AUTH_FILE: path });
    expect(accounts.mechanisms).toEqual(['PLAIN', 'LOGIN']);
    expect(await accounts.answer(password('ann@example.ORG', 'one'), HOST)).toEqual(accepted('ann@example.org'));
    expect(await accounts.answer(password('bob', 'two', 'LOGIN'), HOST)).toEqual(accepted('bob'));
    expect(await accounts.answer(password('bob', 'one'), HOST)).toEqual(refused);
    expect(await accounts.answer(password('eve', 'one'), HOST)).toEqual(refused);
    expect(log.lines.map(({ level, text, fields }) => [level, text, fields['user'], fields['reason']])).toEqual([
      ['info', 'authenticated', 'ann@example.ORG', undefined],
      ['info', 'authenticated', 'bob', undefined],
      ['warn', 'authentication failed', 'bob', 'wrong password'],
      ['warn', 'authentication failed', 'eve', 'unknown user'],
    ]);
    expect(log.lines[2]!.fields).toEqual({ address: HOST, user: 'bob', mechanism: 'PLAIN', reason: 'wrong password' });
    expect(JSON.stringify(log.lines)).not.toContain('one');
  });

  it('log in by SCRAM, and unknown users get a salt that stays the same', async () => {
    const dir = folder();
    const path = await accountFile(dir, { ann: ['secret', { scram: true }], bob: ['x'] });
    const { accounts, log } = await openWorld(dir, { SLUICE_AUTH_FILE: path });
    expect(accounts.mechanisms).toEqual(['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'PLAIN', 'LOGIN']);
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { without: 1 } }]);
    const saltOf = async (user: string) => {
      const salt = await accounts.answer({ kind: 'scram-salt', user }, HOST);
      if (salt.kind !== 'salt') throw new Error(salt.kind);
      return salt;
    };
    const { salt, iterations } = await saltOf('ann');
    const question = (user: string, secret: string): AuthQuestion => ({
      kind: 'scram-proof',
      mechanism: 'SCRAM-SHA-256',
      user,
      authMessage: 'n=ann,r=x',
      proof: proof(secret, salt, iterations, 'n=ann,r=x'),
    });
    const answer = await accounts.answer(question('ann', 'secret'), HOST);
    expect(answer).toMatchObject(accepted('ann'));
    expect(answer).toHaveProperty('serverSignature', expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/));
    expect(await accounts.answer(question('ann', 'wrong'), HOST)).toEqual(refused);
    for (const user of ['bob', 'nobody']) {
      const fake = await saltOf(user);
      expect(fake).toEqual(await saltOf(user.toUpperCase()));
      expect(fake.iterations).toBe(iterations);
      expect(fake.salt).toHaveLength(salt.length);
      expect(fake.salt).not.toBe(salt);
      expect(await accounts.answer(question(user, 'secret'), HOST)).toEqual(refused);
    }
    expect((await saltOf('bob')).salt).not.toBe((await saltOf('nobody')).salt);
  });

  it('log in by CRAM-MD5', async () => {
    const dir = folder();
    const path = await accountFile(dir, { ann: ['secret', { cram: true }], bob: ['secret'] });
    const { accounts } = await openWorld(dir, { SLUICE_AUTH_FILE: path });
    expect(accounts.mechanisms).toEqual(['CRAM-MD5', 'PLAIN', 'LOGIN']);
    expect(await accounts.answer(cram('ann', 'secret'), HOST)).toEqual(accepted('ann'));
    expect(await accounts.answer(cram('ann', 'other'), HOST)).toEqual(refused);
    expect(await accounts.answer(cram('bob', 'secret'), HOST)).toEqual(refused);
    expect(await accounts.answer(cram('eve', 'secret'), HOST)).toEqual(refused);
  });

  it('need no hash: a password is checked against what there is', async () => {
    const dir = folder();
    const path = await accountFile(dir, { ann: ['secret', { scram: true }], bob: ['secret', { cram: true }] });
    writeFileSync(path, readFileSync(path, 'utf8').replace(/\$argon2id\S+ /g, ''));
    const { accounts } = await openWorld(dir, { SLUICE_AUTH_FILE: path });
    for (const user of ['ann', 'bob']) {
      expect(await accounts.answer(password(user, 'secret'), HOST)).toEqual(accepted(user));
      expect(await accounts.answer(password(user, 'wrong'), HOST)).toEqual(refused);
    }
  });

  it('offer and answer only what the settings allow', async () => {
    const dir = folder();
    const path = await accountFile(dir, { ann: ['secret', { scram: true, cram: true }] });
    const env = { SLUICE_AUTH_FILE: path, SLUICE_AUTH_MECHANISMS: 'plain, xoauth2' };
    const { accounts } = await openWorld(dir, env);
    expect(accounts.mechanisms).toEqual(['PLAIN']);
    expect(await accounts.answer(cram('ann', 'secret'), HOST)).toEqual(refused);
    expect(await accounts.answer(password('ann', 'secret', 'LOGIN'), HOST)).toEqual(refused);
    expect(await accounts.answer(password('ann', 'secret'), HOST)).toEqual(accepted('ann'));
  });

  it('have no more right to a mechanism than their settings say, and a good secret does not show', async () => {
    const dir = folder();
    const path = await accountFile(dir, { ann: ['secret', { cram: true }] });
    const config = `${dir}/sluice.toml`;
    writeFileSync(config, '[[account]]\nname = "ann"\nsenders = ["@example.org"]\nmechanisms = ["CRAM-MD5"]\n');
    const { accounts, log } = await openWorld(dir, { SLUICE_AUTH_FILE: path, SLUICE_CONFIG: config });
    expect(await accounts.answer(password('ann', 'secret'), HOST)).toEqual(refused);
    expect(log.lines[0]).toMatchObject({ text: 'authentication failed', fields: { mechanism: 'PLAIN' } });
    expect(await accounts.answer(cram('ann', 'secret'), HOST)).toEqual(accepted('ann', ['@example.org']));
  });

  it('are read again on change and on reload; a mistake keeps the old ones and says where', async () => {
    const dir = folder();
    const path = await accountFile(dir, { ann: ['one'] });
    const { accounts, log } = await openWorld(dir, { SLUICE_AUTH_FILE: path });
    const renew = (text: string) => {
      writeFileSync(`${path}.new`, text, { mode: 0o600 });
      renameSync(`${path}.new`, path);
    };
    renew(`bob ${await hashPassword('two', 'argon2id')}\n`);
    await vi.waitFor(() => expect(log.lines.at(-1)?.text).toBe('accounts read again'), 10_000);
    expect(await accounts.answer(password('bob', 'two'), HOST)).toEqual(accepted('bob'));
    expect(await accounts.answer(password('ann', 'one'), HOST)).toEqual(refused);
    renew('# nothing\n\nbob secret\n');
    await vi.waitFor(() => expect(log.lines.at(-1)?.level).toBe('error'), 10_000);
    expect(log.lines.at(-1)?.fields['reason']).toContain('line 3');
    expect(JSON.stringify(log.lines)).not.toContain('secret');
    await accounts.reload();
    expect(log.lines.at(-1)?.level).toBe('error');
    expect(await accounts.answer(password('bob', 'two'), HOST)).toEqual(accepted('bob'));
  });

  it('forget a password that was changed, though it was good a moment ago', async () => {
    const dir = folder();
    const path = await accountFile(dir, { ann: ['one'] });
    const { accounts } = await openWorld(dir, { SLUICE_AUTH_FILE: path });
    expect(await accounts.answer(password('ann', 'one'), HOST)).toEqual(accepted('ann'));
    await accountFile(dir, { ann: ['two'] });
    await accounts.reload();
    expect(await accounts.answer(password('ann', 'one'), HOST)).toEqual(refused);
    expect(await accounts.answer(password('ann', 'two'), HOST)).toEqual(accepted('ann'));
  });

  it('must be there at start, and readable for their owner only', async () => {
    const dir = folder();
    await expect(openWorld(dir, { SLUICE_AUTH_FILE: `${dir}/none` })).rejects.toMatchObject({
      code: 'bad-account-file',
      temporary: false,
    });
    const path = await accountFile(dir, {});
    chmodSync(path, 0o644);
    const { accounts, log } = await openWorld(dir, { SLUICE_AUTH_FILE: path });
    expect(log.lines).toMatchObject([{ level: 'warn', text: expect.stringContaining('chmod 600') }]);
    expect(accounts.mechanisms).toEqual([]);
  });
});

describe('the file of accounts', () => {
  const hash = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4';
  it.each([
    ['ann\n', 'line 1: "ann" has no credential'],
    [`ann ${hash}\n\nANN ${hash}`, 'line 3: "ann" is there already, in line 1'],
    [`ann ${hash} ${hash}`, 'line 1: "ann" has two credentials of one kind'],
    [`ann hunter2\n`, 'line 1: a credential of "ann" is of no known kind'],
    ['ann $argon2id$v=19$m=1', 'line 1: a credential of "ann" cannot be read: not of the form'],
    ['ann SCRAM-SHA-256$x', 'line 1: a credential of "ann" cannot be read'],
    ['ann CRAM-MD5$x', 'line 1: a credential of "ann" cannot be read'],
    [`a\u0001b ${hash}`, 'line 1: "a\\u0001b" cannot be the name'],
    [`x`.repeat(5000), 'line 1: the line is longer'],
    ['ann\nbob\n', 'line 1: "ann" has no credential; `sluice user passwd` makes one; line 2: "bob"'],
  ])('is refused for %j', async (text, message) => {
    const path = `${folder()}/accounts`;
    writeFileSync(path, text);
    const read = readAccountFile(path);
    await expect(read).rejects.toMatchObject({ code: 'bad-account-file' });
    await expect(read).rejects.toThrow(message);
    await expect(read).rejects.not.toThrow('hunter2');
  });

  it('may have a hundred thousand accounts, read while other work goes on', async () => {
    const path = `${folder()}/accounts`;
    writeFileSync(path, Array.from({ length: 100_000 }, (_, i) => `user${i}@example.org ${hash}\n`).join(''));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const { accounts, usualHash } = await readAccountFile(path);
    clearInterval(timer);
    expect(accounts.size).toBe(100_000);
    expect(accounts.get('user99999@example.org')?.hash).toBe(hash);
    expect(usualHash).toBe(hash);
    expect(turns).toBeGreaterThan(5);
  });
});
