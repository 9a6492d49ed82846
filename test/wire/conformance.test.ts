/**
 * The outside cases: SMTP conversations, smuggling, and messages that must arrive byte for byte, against a real engine
 * with a recording next hop behind it. What may fail, and why, is in exceptions.json; a stale exception fails as well.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, type TestContext } from 'vitest';
import { driverOrSkip, runDriver, startRawSink } from '../helpers/conformance.js';
import { startEngine } from '../helpers/engine.js';

interface CaseResult {
  readonly id: string;
  readonly level: string;
  readonly result: 'pass' | 'FAIL' | 'skip';
  readonly why: string;
  readonly log: readonly string[];
}

/** Why a case may fail, and what its failure must begin with. */
interface Exception {
  readonly reason: string;
  readonly failure: string;
}

/** By next hop and case. */
const exceptions: Readonly<Record<string, Readonly<Record<string, Exception>>>> = JSON.parse(
  readFileSync(new URL('./exceptions.json', import.meta.url), 'utf8'),
);

/** Drivers at once: one goes case by case and mostly waits, so the cases are dealt out to several. */
const DRIVERS = 16;
/** Capabilities that are not offered yet: cases that need them are skipped by the driver. */
const NOT_OFFERED = new Set(['STARTTLS', 'AUTH']);
const FIXTURE = {
  SLUICE_RELAY_DOMAINS: 'accept.example',
  SLUICE_MAX_MESSAGE_SIZE: '1m',
};
/** Loopback is taken out of the networks that may relay: the drivers come as strangers. */
const STRANGER = { ...FIXTURE, SLUICE_RELAY_NETWORKS: '!127.0.0.0/8' };

/** An engine with a recording next hop, both gone with the test. */
interface Setting {
  readonly folder: string;
  /** Where the next hop writes. */
  readonly sink: string;
  readonly address: string;
}

async function setUp(ctx: TestContext, settings: Record<string, string>, flags: readonly string[]): Promise<Setting> {
  const rawSink = driverOrSkip(ctx, 'wire/raw-sink.py');
  const folder = mkdtempSync(join(tmpdir(), 'sluice-wire-'));
  ctx.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const sink = join(folder, 'sink');
  const nextHop = await startRawSink(rawSink, sink, flags);
  ctx.onTestFinished(() => nextHop.stop());
  const engine = await startEngine({ settings: { ...settings, SLUICE_UPSTREAM: `smtp://127.0.0.1:${nextHop.port}` } });
  ctx.onTestFinished(async () => void (await engine.stop()));
  return { folder, sink, address: `127.0.0.1:${engine.port}` };
}

// The drivers mostly wait, so both at once.
describe.concurrent('wire cases', () => {
  for (const [setting, flags] of [
    ['strict', []],
    ['lenient', ['--lenient']],
  ] as const) {
    it(`${setting} next hop`, { timeout: 120_000 }, async (ctx) => {
      const runner = driverOrSkip(ctx, 'wire/wire-run.py');
      const { folder, sink, address } = await setUp(ctx, STRANGER, flags);
      const results = await Promise.all(
        dealt(JSON.parse(readFileSync(driverOrSkip(ctx, 'wire/smtp-wire-cases.json'), 'utf8'))).map(async (part, i) => {
          const [cases, out] = [join(folder, `${i}-cases.json`), join(folder, `${i}-results.json`)];
          writeFileSync(cases, JSON.stringify(part));
          const where = ['--mx', address, '--sink', sink];
          const { code, output } = await runDriver([runner, ...where, '-q', '--cases', cases, '--json', out]);
          if (code === 2) throw new Error(output);
          return JSON.parse(readFileSync(out, 'utf8')) as CaseResult[];
        }),
      );
      const cases = results.flat();
      const expected = exceptions[setting] ?? {};
      const failed = cases.filter((one) => one.result === 'FAIL');
      const unexpected = failed.filter(({ id, why }) => !why.startsWith(expected[id]?.failure ?? '\0'));
      expect(unexpected.map((one) => `${one.level} ${one.id}: ${one.why}\n  ${one.log.join('\n  ')}`)).toEqual([]);
      const failedIds = new Set(failed.map((one) => one.id));
      expect(Object.keys(expected).filter((id) => !failedIds.has(id))).toEqual([]);
      expect(cases.filter((one) => one.result === 'skip' && !mayBeSkipped(one)).map((one) => one.why)).toEqual([]);
      expect(cases.filter((one) => one.result === 'pass').length).toBeGreaterThan(170);
    });
  }
});

interface CaseFile {
  readonly cases: readonly { readonly profile: string }[];
}

/** The cases for the plain port in as many files as there are drivers. */
function dealt(file: CaseFile): CaseFile[] {
  const cases = file.cases.filter((one) => one.profile === 'mx');
  return Array.from({ length: DRIVERS }, (_, i) => ({
    ...file,
    cases: cases.filter((_one, at) => at % DRIVERS === i),
  }));
}

/** One that needs what is not offered yet. */
function mayBeSkipped(one: CaseResult): boolean {
  const [, names] = /^not offered: (.*)$/.exec(one.why) ?? [];
  return names?.split(',').every((name) => NOT_OFFERED.has(name)) === true;
}

describe('messages', () => {
  for (const [relay, settings] of [
    ['submitted', FIXTURE],
    ['from strangers', STRANGER],
  ] as const) {
    it(`${relay} arrive byte for byte through DATA and BDAT`, { timeout: 120_000 }, async (ctx) => {
      const passthru = driverOrSkip(ctx, 'messages/passthru.py');
      const unlimited = { SLUICE_MAX_MESSAGES_PER_CONNECTION: '0', SLUICE_MAX_ERRORS: '0' };
      const { sink, address } = await setUp(ctx, { ...settings, ...unlimited }, []);
      const common = [passthru, address, sink];
      const runs = await Promise.all([runDriver(common), runDriver([...common, '--bdat'])]);
      for (const { code, output } of runs) {
        expect(output).toMatch(/ 0 strict refused, .* 0 BAD\s*$/);
        expect(code).toBe(0);
      }
    });
  }
});
