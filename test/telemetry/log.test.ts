import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../src/telemetry/log.js';
import { type AcceptedEvent, acceptedLine, attemptLine, outcomeLine } from '../../src/telemetry/log-line.js';
import { LogWriter } from '../../src/telemetry/log-writer.js';
import { prettyLine } from '../../src/telemetry/pretty-line.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-log-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const accepted: AcceptedEvent = {
  id: 'FQZ3K1B2C4',
  from: '',
  to: 'a@b.example',
  recipients: 2,
  size: 10_240,
  client: '::1',
  helo: 'c.example',
  protocol: 'ESMTP',
};
const attempt = {
  id: 'F',
  to: 'a@b.example',
  host: 'mx.b.example',
  address: '192.0.2.1',
  status: 'deferred',
  code: 451,
  reply: '4.3.0 later',
  ms: 1.23456,
} as const;
const outcome = {
  id: 'F',
  to: 'a@b.example',
  status: 'expired',
  dsn: '4.4.7',
  reply: 'too old',
  delay: 432_000_000,
  attempts: 40,
  category: 'expired',
} as const;

/** Lone surrogates replaced, as UTF-8 would. */
const wellFormed = (text: string): string => Buffer.from(text).toString();

const HOSTILE = [
  '"',
  '\\',
  '"\\"',
  'a\nb\r\n',
  '\0\u0001\u001f\u007f',
  'ü€😀',
  '\ud800',
  '\udc00x',
  '\u2028',
  '{"a":1}',
  '',
];

describe('hot lines', () => {
  it('are what JSON.parse reads back, with fixed fields', () => {
    expect(JSON.parse(acceptedLine(7, accepted))).toEqual({ level: 30, time: 7, ...accepted, msg: 'accepted' });
    expect(JSON.parse(attemptLine(7, attempt))).toEqual({ level: 30, time: 7, ...attempt, ms: 1.235, msg: 'attempt' });
    expect(JSON.parse(outcomeLine(7, outcome))).toEqual({ level: 30, time: 7, ...outcome, msg: 'outcome' });
    // A delivery has no category, and no word about it.
    const { category: _, ...delivered } = outcome;
    expect(JSON.parse(outcomeLine(7, { ...outcome, category: '' }))).toEqual({
      level: 30,
      time: 7,
      ...delivered,
      msg: 'outcome',
    });
  });

  it.each(HOSTILE)('keep %j in one line of valid JSON', (text) => {
    const back = {
      a: acceptedLine(1, { ...accepted, from: text, helo: text }),
      b: attemptLine(1, { ...attempt, reply: text }),
    };
    for (const line of [back.a, back.b]) expect(line.indexOf('\n')).toBe(line.length - 1);
    const first = JSON.parse(back.a) as AcceptedEvent;
    expect(wellFormed(first.from)).toBe(wellFormed(text));
    expect(wellFormed(first.helo)).toBe(wellFormed(text));
    expect(wellFormed((JSON.parse(back.b) as typeof attempt).reply)).toBe(wellFormed(text));
  });

  it('hold for any string and any number', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.double(), (text, number) => {
        const line = outcomeLine(1, { ...outcome, to: text, reply: text, delay: number });
        expect(line.indexOf('\n')).toBe(line.length - 1);
        expect(wellFormed((JSON.parse(line) as { to: string }).to)).toBe(wellFormed(text));
      }),
    );
  });
});

describe('the log', () => {
  async function logged(level: 'info' | 'warn', use: (log: ReturnType<typeof createLog>) => void): Promise<string[]> {
    const path = join(dir, 'log');
    const fd = openSync(path, 'a');
    const log = createLog({ level, format: 'json', fd });
    use(log);
    await log.close();
    closeSync(fd);
    return readFileSync(path, 'utf8').split('\n').slice(0, -1);
  }

  it('writes general and hot lines to a real file in order', async () => {
    const lines = await logged('info', (log) => {
      log.info({ port: 25 }, 'sluice ready');
      for (const text of HOSTILE) log.accepted({ ...accepted, from: text });
      log.attempt(attempt);
      log.outcome(outcome);
      log.error({ err: new Error('no'), odd: '\ud800"\n' }, 'broke');
      log.debug({}, 'not this');
    });
    const records = lines.map((line) => JSON.parse(line) as { msg: string; level: number });
    expect(records.map((record) => record.msg)).toEqual([
      'sluice ready',
      ...HOSTILE.map(() => 'accepted'),
      'attempt',
      'outcome',
      'broke',
    ]);
    expect(records[0]).toEqual({ level: 30, time: expect.any(Number), port: 25, msg: 'sluice ready' });
    expect(records.at(-1)).toMatchObject({ level: 50, err: { message: 'no' } });
  });

  it('leaves out what is below the level', async () => {
    const lines = await logged('warn', (log) => {
      log.info({}, 'a');
      log.accepted(accepted);
      log.attempt(attempt);
      log.outcome(outcome);
      log.warn({}, 'b');
    });
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(['b']);
  });

  it('loses lines, not the process, when the output fails (ENOSPC)', async () => {
    const fd = openSync('/dev/full', 'w');
    const log = createLog({ level: 'info', format: 'json', fd });
    for (let i = 0; i < 5; i++) log.accepted(accepted);
    await log.flush();
    await log.close(10);
    expect(log.dropped).toBe(5);
    closeSync(fd);
  });
});

describe('the writer', () => {
  it('is bounded while the output is stuck, and says how much is missing once it is not', async () => {
    const fifo = join(dir, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const fd = openSync(fifo, 'r+');
    const writer = new LogWriter({
      output: fd,
      delay: 1,
      chunk: 1000,
      limit: 200_000,
      lostLine: (lines) => `lost ${lines}\n`,
    });
    const line = `${'x'.repeat(99)}\n`;
    for (let i = 0; i < 10_000; i++) {
      writer.write(line);
      if (i % 1000 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(writer.dropped).toBeGreaterThan(0);
    const { dropped } = writer;
    const reader = spawn('cat', [fifo], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    reader.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    await writer.flush(5000);
    writer.write('after\n');
    await writer.close(5000);
    closeSync(fd);
    await new Promise((resolve) => reader.on('close', resolve));
    const lines = text.split('\n').slice(0, -1);
    expect(lines.filter((one) => one === line.trim())).toHaveLength(10_000 - dropped);
    expect(lines.filter((one) => one.startsWith('lost'))).toEqual([`lost ${dropped}`]);
    expect(lines.at(-1)).toBe('after');
  });

  it.each(['socket', 'pipe'])(
    'lets the process go on and exit when nobody reads its standard output, a %s',
    async (kind) => {
      const script = `
      const { createLog } = await import(process.argv[1]);
      const log = createLog({ level: 'info', format: 'json' });
      for (let i = 0; i < 20000; i++) { log.info({ i }, 'x'.repeat(200)); if (i % 500 === 0) await new Promise(setImmediate); }
      process.stderr.write('still here');
      await log.close(50);
      process.exit(7);`;
      const fifo = join(dir, 'fifo');
      execFileSync('mkfifo', [fifo]);
      const fd = openSync(fifo, 'r+');
      const args = ['--input-type=module', '-e', script, join(process.cwd(), 'dist/src/telemetry/log.js')];
      const child = spawn(process.execPath, args, { stdio: ['ignore', kind === 'socket' ? 'pipe' : fd, 'pipe'] });
      let said = '';
      child.stderr?.setEncoding('utf8').on('data', (part: string) => {
        said += part;
      });
      const code = await new Promise((resolve) => child.on('exit', resolve));
      child.stdout?.destroy();
      closeSync(fd);
      expect(said).toBe('still here');
      expect(code).toBe(7);
    },
  );

  it('survives a closed standard output (EPIPE)', async () => {
    const script = `
      const { createLog } = await import(process.argv[1]);
      const log = createLog({ level: 'info', format: 'json' });
      await new Promise((resolve) => process.stdin.once('data', resolve));
      for (let i = 0; i < 100; i++) { log.info({ i }, 'x'); await new Promise(setImmediate); }
      await log.close(50);
      process.exit(log.dropped > 0 ? 7 : 8);`;
    const child = spawn(
      process.execPath,
      ['--input-type=module', '-e', script, join(process.cwd(), 'dist/src/telemetry/log.js')],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    child.stdout.destroy();
    child.stdout.on('close', () => child.stdin.write('go\n'));
    expect(await new Promise((resolve) => child.on('exit', resolve))).toBe(7);
  });
});

describe('lines for people', () => {
  it('show time, level, text and fields', () => {
    const line = prettyLine('{"level":40,"time":0,"id":"F1","to":"a b","n":3,"msg":"watch out"}\n', false);
    expect(line).toBe('00:00:00.000 WARN  watch out id=F1 to="a b" n=3\n');
  });

  it('let no control character through', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const line = prettyLine(JSON.stringify({ level: 30, time: 1, msg: text, [text]: text, list: [text] }), false);
        expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
        expect(prettyLine(text, false).slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
      }),
    );
  });

  it('indent the stack of an error', () => {
    expect(
      prettyLine('{"level":50,"time":0,"err":{"message":"m","stack":"Error: m\\n    at x"},"msg":"t"}', false),
    ).toBe('00:00:00.000 ERROR t\n    Error: m\n    at x\n');
  });
});
