/**
 * DKIM through a whole engine: what leaves it verifies, with the keys that are in force at that moment.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SigningKeyPem } from '../../src/message/dkim/key-store.js';
import { EngineProcess } from '../helpers/engine.js';
import { makeKey, resolverFor } from '../message/dkim-keys.js';
import { mail, Stage, values } from './stage.js';

let stage: Stage;
let folder: string;
beforeEach(() => {
  stage = new Stage();
  folder = mkdtempSync(join(tmpdir(), 'sluice-keys-'));
});
afterEach(async () => {
  await stage.end();
  rmSync(folder, { recursive: true, force: true });
});

function publish(key: SigningKeyPem): SigningKeyPem {
  mkdirSync(join(folder, key.domain), { recursive: true });
  writeFileSync(join(folder, key.domain, `${key.selector}.pem`), key.pem, { mode: 0o600 });
  return key;
}

/** `selector domain result` of each signature. */
async function verdicts(content: Buffer, keys: readonly SigningKeyPem[]): Promise<string[]> {
  const { results } = await dkimVerify(content, { resolver: resolverFor(keys) });
  return results
    .filter((result) => result.signingDomain !== undefined)
    .map((result) => `${result.selector} ${result.signingDomain} ${result.status.result}`)
    .sort();
}

const BODIES: readonly (readonly [string, string])[] = [
  ['plain', 'Hello\r\n'],
  ['empty', ''],
  ['dots', '.\r\n..\r\n.dot\r\n'],
  ['trailing blank lines', 'text \t \r\n\r\n\r\n'],
  ['8 bit', 'schön\r\n'],
  ['long', `${'x'.repeat(990)}\r\n`.repeat(100)],
];

describe('signatures', () => {
  it('verify, two for a domain with two keys, whatever the content', async () => {
    const keys = [
      publish(makeKey('client.example', 'rsa', 'rsa')),
      publish(makeKey('client.example', 'ed', 'ed25519')),
    ];
    const sink = await stage.sink();
    const engine = await stage.engine({ SLUICE_DKIM_DIR: folder, SLUICE_HEADER_ADD: 'X-Relay: 1' }, sink);
    const client = await stage.client(engine);
    for (const [name, body] of BODIES) {
      const text = Buffer.from(mail([`X-Case: ${name}`, 'Bcc: gone@client.example'], body));
      const chunked = await client.sendChunk('<ann@client.example> BODY=8BITMIME', ['<bob@accept.example>'], text);
      expect(chunked.code).toBe(250);
      const plain = await client.send('<ann@client.example> BODY=8BITMIME', ['<bob@accept.example>'], text);
      expect(plain.code).toBe(250);
    }
    const messages = await sink.waitFor(2 * BODIES.length);
    for (const { content } of messages) {
      expect(content.toString('latin1')).toMatch(/^DKIM-Signature: /);
      expect(values(content, 'DKIM-Signature').join()).not.toMatch(/\bl=/);
      expect(await verdicts(content, keys), values(content, 'X-Case')[0]).toEqual([
        'ed client.example pass',
        'rsa client.example pass',
      ]);
    }
  });

  it('use the key of the From domain or of its parent, after rewriting', async () => {
    const keys = [publish(makeKey('new.example', 's1', 'ed25519')), publish(makeKey('other.example', 's2', 'ed25519'))];
    const sink = await stage.sink();
    const settings = { SLUICE_DKIM_DIR: folder, SLUICE_REWRITE_DOMAINS: 'client.example=sub.new.example' };
    const engine = await stage.engine(settings, sink);
    const client = await stage.client(engine);
    await client.send('<ann@client.example>', ['<bob@accept.example>'], mail());
    await client.send('<ann@third.example>', ['<bob@accept.example>'], 'From: x@third.example\r\n\r\nHello\r\n');
    const messages = await sink.waitFor(2);
    const own = messages.filter((message) => message.mail.includes('sub.new.example'));
    expect(await verdicts(own[0]!.content, keys)).toEqual(['s1 new.example pass']);
    const foreign = messages.filter((message) => message.mail.includes('third.example'));
    expect(values(foreign[0]!.content, 'DKIM-Signature')).toEqual([]);
  });

  it.each(['simple/simple', 'relaxed/simple'])('are made with %s when set', async (canonicalization) => {
    const keys = [publish(makeKey('client.example', 's', 'ed25519'))];
    const sink = await stage.sink();
    const settings = { SLUICE_DKIM_DIR: folder, SLUICE_DKIM_CANONICALIZATION: canonicalization };
    const engine = await stage.engine(settings, sink);
    const client = await stage.client(engine);
    await client.send('<ann@client.example>', ['<bob@accept.example>'], mail([], 'trailing \r\n\r\n'));
    const [message] = await sink.waitFor(1);
    expect(values(message!.content, 'DKIM-Signature')[0]!.replace(/\s/g, '')).toContain(`c=${canonicalization};`);
    expect(await verdicts(message!.content, keys)).toEqual(['s client.example pass']);
  });
});

describe('SIGHUP', () => {
  it('takes up a new key, and keeps the old ones when the new one is bad', async () => {
    const first = publish(makeKey('client.example', 'first', 'ed25519'));
    const sink = await stage.sink();
    const engine = await stage.engine({ SLUICE_DKIM_DIR: folder }, sink);
    const client = await stage.client(engine);
    const selectors = async (): Promise<string[]> => {
      const count = sink.messages.length;
      expect((await client.send('<ann@client.example>', ['<bob@accept.example>'], mail())).code).toBe(250);
      const messages = await sink.waitFor(count + 1);
      return verdicts(messages[count]!.content, [first, second]);
    };
    const second = makeKey('client.example', 'second', 'ed25519');
    expect(await selectors()).toEqual(['first client.example pass']);
    publish(second);
    engine.signal('SIGHUP');
    await engine.waitForLog('signing keys, certificates and accounts read again');
    expect(await selectors()).toEqual(['first client.example pass', 'second client.example pass']);
    const bad = join(folder, 'client.example', 'third.pem');
    writeFileSync(bad, 'no key');
    engine.signal('SIGHUP');
    const complaint = await engine.waitForLog((line) => line.msg.startsWith('reload failed'));
    expect(complaint['reason']).toContain(bad);
    expect(await selectors()).toEqual(['first client.example pass', 'second client.example pass']);
  });

  it('loses no message that is being signed meanwhile', async () => {
    const key = publish(makeKey('client.example', 's', 'rsa'));
    const sink = await stage.sink();
    const engine = await stage.engine({ SLUICE_DKIM_DIR: folder }, sink);
    const clients = await Promise.all([1, 2, 3, 4].map(() => stage.client(engine)));
    let reloads = 0;
    const timer = setInterval(() => {
      reloads++;
      engine.signal('SIGHUP');
    }, 60);
    const replies = await Promise.all(
      clients.map(async (client) => {
        const codes: number[] = [];
        for (let i = 0; i < 25; i++)
          codes.push((await client.send('<ann@client.example>', ['<bob@accept.example>'], mail())).code);
        return codes;
      }),
    ).finally(() => clearInterval(timer));
    expect(reloads).toBeGreaterThan(0);
    expect(replies.flat()).toEqual(Array.from({ length: 100 }, () => 250));
    const messages = await sink.waitFor(100);
    for (const { content } of messages) expect(await verdicts(content, [key])).toEqual(['s client.example pass']);
  });
});

describe('start', () => {
  it('stops at a bad key and names the file', async () => {
    mkdirSync(join(folder, 'client.example'));
    const file = join(folder, 'client.example', 'broken.pem');
    writeFileSync(file, '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n');
    const engine = new EngineProcess({ settings: { SLUICE_DKIM_DIR: folder } });
    expect((await engine.exited).code).toBe(78);
    expect(engine.errors).toContain(file);
    await engine.stop();
  });
});
