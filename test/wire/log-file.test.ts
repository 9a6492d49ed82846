/**
 * The log of a real engine in a file, in the form of Postfix's: what programs that read mail.log find there, and a rotation
 * by somebody else.
 */
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mail, Stage } from './stage.js';

let stage: Stage;
let dir: string;
beforeEach(() => {
  stage = new Stage();
  dir = mkdtempSync(join(tmpdir(), 'sluice-mail-log-'));
});
afterEach(async () => {
  await stage.end();
  rmSync(dir, { recursive: true, force: true });
});

describe('SLUICE_LOG_FILE with SLUICE_LOG_FORMAT=postfix', () => {
  it('tells of each message as Postfix does, and goes on in a new file after SIGHUP', async () => {
    const path = join(dir, 'mail.log');
    const read = (): string => readFileSync(path, 'utf8');
    const sink = await stage.sink({
      reply: (moment, line) =>
        moment === 'RCPT' && line.includes('nobody@') ? '550 5.1.1 no such user here' : undefined,
    });
    const engine = await stage.engine({ SLUICE_LOG_FILE: path, SLUICE_LOG_FORMAT: 'postfix' }, sink);
    const client = await stage.client(engine);
    const to = ['<bob@accept.example>', '<nobody@accept.example>'];
    const { text } = await client.send('<ann@client.example>', to, mail());
    const id = /queued as (\w+)/.exec(text)![1]!;
    await expect.poll(read, { timeout: 10_000 }).toContain(`${id}: removed`);
    const lines = read()
      .split('\n')
      .filter((line) => line.includes(`: ${id}: `))
      .map((line) => line.replace(/^.{15} \S+ /, ''));
    expect(lines).toHaveLength(5);
    expect(lines[0]).toMatch(/^postfix\/smtpd\[\d+\]: \w+: client=unknown\[127\.0\.0\.1\]$/);
    expect(lines[1]).toMatch(
      /^postfix\/qmgr\[\d+\]: \w+: from=<ann@client\.example>, size=\d+, nrcpt=2 \(queue active\)$/,
    );
    const relay = `relay=127\\.0\\.0\\.1\\[127\\.0\\.0\\.1\\]:${sink.port}, delay=[0-9.]+, delays=[0-9.]+/[0-9.]+/0/[0-9.]+`;
    expect(lines).toContainEqual(
      expect.stringMatching(
        new RegExp(`: to=<bob@accept\\.example>, ${relay}, dsn=2\\.\\d\\.\\d, status=sent \\(250 `),
      ),
    );
    expect(lines).toContainEqual(
      expect.stringMatching(
        new RegExp(
          `: to=<nobody@accept\\.example>, ${relay}, dsn=5\\.1\\.1, status=bounced \\(host .* said: 550 5\\.1\\.1 no such user here\\)$`,
        ),
      ),
    );
    expect(lines[4]).toMatch(/^postfix\/qmgr\[\d+\]: \w+: removed$/);

    renameSync(path, join(dir, 'moved'));
    engine.signal('SIGHUP');
    await expect
      .poll(() => {
        try {
          return read();
        } catch {
          return '';
        }
      })
      .toContain('read again');
  });
});
