/**
 * The outside cases: SMTP conversations, smuggling, and messages that must arrive byte for byte, against a real engine
 * with a recording next hop behind it. What may fail, and why, is in exceptions.json; a stale exception fails as well.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, type TestContext } from 'vitest';
import { addAccount } from '../helpers/account-file.js';
import { driverOrSkip, runDriver, startRawSink } from '../helpers/conformance.js';
import { startEngine } from '../helpers/engine.js';
import { IntrospectionServer } from '../helpers/introspection-server.js';

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
const FIXTURE = {
  SLUICE_RELAY_DOMAINS: 'accept.example',
  SLUICE_MAX_MESSAGE_SIZE: '1m',
};
/** Loopback is taken out of the networks that may relay: the drivers come as strangers. */
const STRANGER = { ...FIXTURE, SLUICE_RELAY_NETWORKS: '!127.0.0.0/8' };

/** The listeners that the cases are for, by the name of the driver's option. */
const PROFILES = { mx: 'smtp', submission: 'submission', smtps: 'smtps' } as const;
const LISTENERS = {
  SLUICE_LISTEN: Object.values(PROFILES)
    .map((kind) => `${kind}://127.0.0.1:0`)
    .join(','),
};
/** Attempts on purpose are neither slowed nor blocked, as the cases ask. */
const UNHINDERED = { SLUICE_AUTH_DELAY: '0', SLUICE_AUTH_MAX_FAILURES: '0', SLUICE_AUTH_MAX_ACCOUNT_FAILURES: '0' };

/** An engine with a recording next hop, both gone with the test. */
interface Setting {
  readonly folder: string;
  /** Where the next hop writes. */
  readonly sink: string;
  /** Of the listeners, in their order. */
  readonly addresses: readonly string[];
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
  return { folder, sink, addresses: engine.ports.map((port) => `127.0.0.1:${port}`) };
}

// The drivers mostly wait, so both at once.
describe.concurrent('wire cases', () => {
  for (const [setting, flags] of [
    ['strict', []],
    ['lenient', ['--lenient']],
  ] as const) {
    it(`${setting} next hop`, { timeout: 120_000 }, async (ctx) => {
      const runner = driverOrSkip(ctx, 'wire/wire-run.py');
      const file: CaseFile = JSON.parse(readFileSync(driverOrSkip(ctx, 'wire/smtp-wire-cases.json'), 'utf8'));
      const login = await accountOf(ctx, file.fixture.vars);
      const { folder, sink, addresses } = await setUp(
        ctx,
        { ...STRANGER, ...LISTENERS, ...UNHINDERED, ...login },
        flags,
      );
      const where = Object.keys(PROFILES).flatMap((profile, i) => [`--${profile}`, addresses[i]!]);
      const results = await Promise.all(
        dealt(file).map(async (part, i) => {
          const [cases, out] = [join(folder, `${i}-cases.json`), join(folder, `${i}-results.json`)];
          writeFileSync(cases, JSON.stringify(part));
          const options = [...where, '--sink', sink, '-q', '--cases', cases, '--json', out];
          const { code, output } = await runDriver([runner, ...options]);
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
      expect(cases.filter((one) => one.result === 'skip').map((one) => `${one.id}: ${one.why}`)).toEqual([]);
      expect(cases.filter((one) => one.result === 'pass').length).toBe(file.cases.length - failed.length);
    });
  }
});

interface CaseFile {
  readonly fixture: { readonly vars: Readonly<Record<'user' | 'password' | 'oauth_token', string>> };
  readonly cases: readonly { readonly profile: string }[];
}

/** The cases in as many files as there are drivers. */
function dealt(file: CaseFile): CaseFile[] {
  return Array.from({ length: DRIVERS }, (_, i) => ({
    ...file,
    cases: file.cases.filter((_one, at) => at % DRIVERS === i),
  }));
}

/** Settings of the account that the cases log in with: by password, and by token. */
async function accountOf(ctx: TestContext, vars: CaseFile['fixture']['vars']): Promise<Record<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-wire-'));
  ctx.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const accounts = join(folder, 'accounts');
  addAccount(accounts, vars.user, vars.password);
  const tokens = await IntrospectionServer.start(new Map([[vars.oauth_token, { username: vars.user }]]));
  ctx.onTestFinished(() => tokens.stop());
  return { SLUICE_AUTH_FILE: accounts, SLUICE_OAUTH_INTROSPECT_URL: tokens.url };
}

describe('messages', () => {
  for (const [relay, settings] of [
    ['submitted', FIXTURE],
    ['from strangers', STRANGER],
  ] as const) {
    it(`${relay} arrive byte for byte through DATA and BDAT`, { timeout: 120_000 }, async (ctx) => {
      const passthru = driverOrSkip(ctx, 'messages/passthru.py');
      const unlimited = { SLUICE_MAX_MESSAGES_PER_CONNECTION: '0', SLUICE_MAX_ERRORS: '0' };
      const { sink, addresses } = await setUp(ctx, { ...settings, ...unlimited }, []);
      const common = [passthru, addresses[0]!, sink];
      const runs = await Promise.all([runDriver(common), runDriver([...common, '--bdat'])]);
      for (const { code, output } of runs) {
        expect(output).toMatch(/ 0 strict refused, .* 0 BAD\s*$/);
        expect(code).toBe(0);
      }
    });
  }
});
