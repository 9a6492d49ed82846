/**
 * Egress sources in a real engine: mail leaves from the addresses of its pool under their names, and a source that warms
 * up sends no more than its day allows, also over a restart.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EngineProcess, startEngine } from './helpers/engine.js';
import { SmtpTestClient } from './helpers/smtp-client.js';
import { SmtpSink } from './helpers/smtp-sink.js';

let folder = '';
const ends: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-egress-'));
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  rmSync(folder, { recursive: true, force: true });
});

async function sinkHere(): Promise<SmtpSink> {
  const sink = new SmtpSink({});
  await sink.listen();
  ends.push(() => sink.close());
  return sink;
}

async function engineWith(config: string, sink: SmtpSink): Promise<EngineProcess> {
  const path = join(folder, 'sluice.toml');
  writeFileSync(path, config);
  const engine = await startEngine({
    spoolDir: join(folder, 'spool'),
    settings: {
      SLUICE_CONFIG: path,
      SLUICE_UPSTREAM: sink.url,
      // Each message makes a connection, and so a choice among the sources.
      SLUICE_MESSAGES_PER_UPSTREAM_CONNECTION: '1',
    },
  });
  ends.push(() => engine.stop());
  return engine;
}

async function send(engine: EngineProcess, to: string): Promise<void> {
  const client = await SmtpTestClient.open(engine.port);
  await client.send('<a@client.example>', [`<${to}>`], 'Subject: x\r\n\r\nhello\r\n');
  await client.quit();
}

const TODAY = () => new Date().toISOString().slice(0, 10);

describe('an engine with egress sources', () => {
  it('sends from the addresses of the pool by weight, each under its own name', async () => {
    const sink = await sinkHere();
    const engine = await engineWith(
      `
      [[egress]]
      name = "a"
      address = "127.0.0.2"
      helo = "a.mail.example"
      weight = 2

      [[egress]]
      name = "b"
      address = "127.0.0.3"
      helo = "b.mail.example"

      [[egress]]
      name = "c"
      address = "127.0.0.4"
      pool = "news"

      [[route]]
      recipient = "@news.example"
      upstream = "default"
      egress = "news"
      `,
      sink,
    );
    for (let n = 1; n <= 6; n++) {
      await send(engine, `${n}@there.example`);
      await sink.waitFor(n);
    }
    await send(engine, 'x@news.example');
    await sink.waitFor(7);
    const peers = [...sink.peers];
    expect(peers.slice(0, 6).sort()).toEqual([...Array(4).fill('127.0.0.2'), ...Array(2).fill('127.0.0.3')]);
    expect(peers[6]).toBe('127.0.0.4');
    const greetings = sink.commands.filter((line) => line.startsWith('EHLO'));
    const names: Record<string, string> = { '127.0.0.2': 'a.mail', '127.0.0.3': 'b.mail', '127.0.0.4': 'relay' };
    expect(greetings).toEqual(peers.map((peer) => `EHLO ${names[peer]}.example`));
  });

  it('sends no more from a source that warms up than the day allows, also after a restart', async () => {
    // Near midnight the day would change under the test.
    const left = 86_400_000 - (Date.now() % 86_400_000);
    if (left < 15_000) await new Promise((resolve) => setTimeout(resolve, left + 100));
    const sink = await sinkHere();
    const config = `[[egress]]
name = "warm"
address = "127.0.0.2"
warmup = { start = "${TODAY()}", schedule = [3, 100] }
`;
    const first = await engineWith(config, sink);
    for (let n = 1; n <= 2; n++) await send(first, `${n}@there.example`);
    await sink.waitFor(2);
    await first.stop();
    const second = await engineWith(config, sink);
    for (let n = 3; n <= 5; n++) await send(second, `${n}@there.example`);
    await sink.waitFor(3);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(sink.messages).toHaveLength(3);
    // The others wait, and none is lost.
    const { out } = await second.command(['queue', 'list', '--json']);
    expect(out.trim().split('\n').filter(Boolean).length).toBeGreaterThanOrEqual(2);
  });
});
