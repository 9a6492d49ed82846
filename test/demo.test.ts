import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { figuresOf, percentile } from '../bench/demo/figures.js';
import { Ledger } from '../bench/demo/ledger.js';
import { DemoMessages, messageOfMail, recipientCount, recipientOfRcpt } from '../bench/demo/messages.js';
import { parseDemoOptions } from '../bench/demo/options.js';
import { bar, grouped, Progress } from '../bench/demo/progress.js';
import { type DemoResult, summary } from '../bench/demo/summary.js';

const DEMO = join(process.cwd(), 'dist/bench/demo/demo.js');

function demo(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [DEMO, ...args], (error, out, err) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, out, err });
    });
  });
}

function runsLeft(): string[] {
  try {
    return readdirSync('var/demo');
  } catch {
    return [];
  }
}

describe('npm run demo', () => {
  it.each([
    ['unsigned', ['--messages', '200']],
    ['signed', ['--messages', '200', '--dkim', 'ed25519', '--durability', 'commit', '--size', '4096']],
  ])('carries 200 messages, %s, through a real engine and loses none', async (kind, args) => {
    const before = runsLeft();
    const { code, out, err } = await demo('--json', ...args);
    expect(err).toBe('');
    expect(code).toBe(0);
    const result = JSON.parse(out) as DemoResult;
    expect(result).toMatchObject({
      submitted: 200,
      accepted: 200,
      delivered: 200,
      refused: 0,
      lost: 0,
      duplicates: 0,
      signed: kind === 'signed' ? 200 : 0,
      troubles: [],
    });
    expect(result.recipients).toBeGreaterThan(200);
    expect(result.flushesPerMessage).toBeGreaterThan(0);
    expect(result.toArrival!.max).toBeGreaterThanOrEqual(result.toArrival!.p50);
    expect(runsLeft().filter((run) => !before.includes(run))).toEqual([]);
  });

  it('names what is wrong with an option', async () => {
    const { code, out, err } = await demo('--messages', 'many', '--dkim', 'dsa');
    expect(code).toBe(64);
    expect(out).toBe('');
    expect(err).toContain('--messages "many": allowed is a whole number from 1 to 1000000');
    expect(err).toContain('--dkim "dsa": allowed: none, rsa, ed25519');
  });
});

describe('the options of the demo', () => {
  it('have the defaults that the help names', () => {
    expect(parseDemoOptions([])).toEqual({
      messages: 10_000,
      size: 0,
      dkim: 'none',
      durability: 'fsync',
      connections: 50,
      json: false,
    });
    expect(parseDemoOptions(['--help'])).toBe('help');
    expect(parseDemoOptions(['--frob'])).toEqual([expect.stringContaining('--frob')]);
  });
});

describe('the messages of the demo', () => {
  it('are found again by their envelopes', () => {
    const messages = new DemoMessages(0, 'run');
    const counts = new Set<number>();
    for (let i = 0; i < 500; i++) {
      const { mail, recipients, header, body } = messages.make(i);
      expect(messageOfMail(mail)).toBe(i);
      expect(recipients.map(recipientOfRcpt)).toEqual(Array.from({ length: recipientCount(i) }, (_, n) => n));
      expect(header.endsWith('\r\n\r\n')).toBe(true);
      // Only the very end may be an end of data.
      expect(body.indexOf('\r\n.')).toBe(body.length - 5);
      counts.add(recipients.length);
    }
    expect([...counts].sort()).toEqual([1, 2, 4]);
    expect(messageOfMail('MAIL FROM:<>')).toBe(-1);
    expect(recipientOfRcpt('RCPT TO:<postmaster>')).toBe(-1);
  });

  it('have the size that was asked for', () => {
    const { header, body } = new DemoMessages(10_240, 'run').make(7);
    expect(Math.abs(header.length + body.length - 10_240)).toBeLessThan(300);
  });
});

describe('the figures of the demo', () => {
  it('count what is lost, what came twice and what was never acknowledged', () => {
    const ledger = new Ledger(1000);
    const single = Array.from({ length: 1000 }, (_, i) => i).filter((i) => recipientCount(i) === 1);
    const [good, lost, twice, refused] = single as [number, number, number, number];
    for (const i of [good, lost, twice]) {
      ledger.submit(i);
      ledger.acknowledge(i);
    }
    ledger.submit(refused);
    ledger.refuse();
    for (const i of [good, twice, twice]) ledger.arrive(i, [0], false);
    expect(figuresOf(ledger, 1000)).toMatchObject({
      submitted: 4,
      accepted: 3,
      refused: 1,
      delivered: 2,
      recipients: 3,
      lost: 1,
      duplicates: 1,
    });
  });

  it('count a lost recipient of a message that others got', () => {
    const ledger = new Ledger(1000);
    const several = Array.from({ length: 1000 }, (_, i) => i).find((i) => recipientCount(i) === 4)!;
    ledger.submit(several);
    ledger.acknowledge(several);
    ledger.arrive(several, [0, 1, 3], false);
    expect(figuresOf(ledger, 1000)).toMatchObject({ delivered: 1, recipients: 4, lost: 1 });
  });

  it('take percentiles by nearest rank', () => {
    const values = Float64Array.from({ length: 100 }, (_, i) => i + 1);
    expect([0.5, 0.9, 0.99, 1].map((share) => percentile(values, share))).toEqual([50, 90, 99, 100]);
    expect(percentile(Float64Array.of(7), 0.5)).toBe(7);
  });

  it('make a summary also of a run in which nothing arrived and nothing could be looked at', () => {
    const text = summary(
      {
        ...figuresOf(new Ledger(10), 10),
        messages: 10,
        bytes: 0,
        connections: 1,
        durability: 'fsync',
        dkim: 'none',
        seconds: 0,
        flushesPerMessage: null,
        threads: null,
        peakMemoryBytes: null,
        troubles: ['mail was answered with: 452'],
      },
      false,
    );
    expect(text).toMatch(/submission to arrival +-\n/);
    expect(text).toContain('mail was answered with: 452');
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
  });
});

describe('progress', () => {
  it('is one redrawn line on a terminal, whatever its width, and plain lines elsewhere', () => {
    for (const columns of [40, 80, 200]) {
      let drawn = '';
      const progress = new Progress({ isTTY: true, columns, write: (text) => (drawn += text) }, 10_000);
      progress.show({ accepted: 5_000, delivered: 2_500, elapsed: 1_000 });
      expect(drawn.startsWith('\r')).toBe(true);
      expect(drawn).not.toContain('\n');
      expect(drawn.replace('\r\x1b[K', '').length).toBeLessThan(columns);
    }
    let plain = '';
    const progress = new Progress({ write: (text) => (plain += text) }, 10_000);
    for (const elapsed of [100, 1_050, 1_500, 2_100]) progress.show({ accepted: 5_000, delivered: 2_500, elapsed });
    expect(plain.split('\n')).toHaveLength(3);
    expect(plain).toContain('accepted 5,000  delivered 2,500  of 10,000');
  });

  it('draws bars and numbers', () => {
    expect([bar(0, 4), bar(0.5, 4), bar(1, 4), bar(7, 4), bar(0.125 / 4, 4)]).toEqual([
      '░░░░',
      '██░░',
      '████',
      '████',
      '▏░░░',
    ]);
    expect([999, 1000, 1234567].map(grouped)).toEqual(['999', '1,000', '1,234,567']);
  });
});
