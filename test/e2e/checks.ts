/**
 * The frame of an end-to-end run: named checks with a line each, things that must be stopped, a time limit, an exit code.
 *
 * Contract: what was given to `own` is stopped in reverse order by `cleanUp`, also when the time limit or a signal ends
 * the run. The run ends with 1 when a check failed or none was made.
 */
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Stoppable {
  stop(): Promise<unknown>;
}

/** Waits for `look` to find something, at most `seconds`. */
export async function until<T>(what: string, seconds: number, look: () => T | undefined): Promise<T> {
  for (const end = Date.now() + seconds * 1000; ; ) {
    const found = look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class Checks {
  /** A folder of this run, readable for servers that run as users of their own; removed at the end. */
  readonly folder: string;
  private readonly name: string;
  private readonly owned: Stoppable[] = [];
  private passed = 0;
  private failed = 0;
  private skipped = 0;

  constructor(name: string) {
    this.name = name;
    this.folder = mkdtempSync(join(tmpdir(), `sluice-${name.replace(/\W+/g, '-')}-`));
    chmodSync(this.folder, 0o755);
  }

  report(ok: boolean, name: string, detail = ''): void {
    if (ok) this.passed++;
    else this.failed++;
    console.log(`${ok ? 'ok  ' : 'FAIL'} ${name}${detail === '' ? '' : `: ${detail}`}`);
  }

  /** `work` gives a word about what was found, and throws where it is not as it must be. */
  async check(name: string, work: () => Promise<string>): Promise<void> {
    const began = Date.now();
    try {
      const detail = await work();
      this.report(true, name, `${detail} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    } catch (error) {
      this.report(false, name, error instanceof Error ? error.message : String(error));
    }
  }

  skip(name: string, reason: string): void {
    this.skipped++;
    console.log(`SKIP ${name}: ${reason}`);
  }

  /** Takes charge of ending it. */
  own<T extends Stoppable>(started: T): T {
    this.owned.push(started);
    return started;
  }

  async cleanUp(): Promise<void> {
    for (const one of this.owned.splice(0).reverse())
      await one.stop().catch((error: unknown) => console.error(`while cleaning up: ${error}`));
  }

  /** Runs `main` within `limit` ms and ends the process. */
  async run(limit: number, main: () => Promise<void>): Promise<never> {
    const timer = setTimeout(() => {
      this.report(false, 'time limit', `not done within ${limit / 1000} s`);
      void this.finish();
    }, limit);
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => {
        this.report(false, 'interrupted', signal);
        void this.finish();
      });
    try {
      if (!existsSync(join(process.cwd(), 'dist/src/main.js'))) throw new Error('run from the root of the project');
      await main();
    } catch (error) {
      this.report(false, 'the test itself', error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    clearTimeout(timer);
    return this.finish();
  }

  private async finish(): Promise<never> {
    await this.cleanUp();
    rmSync(this.folder, { recursive: true, force: true });
    console.log(`${this.name}: ${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`);
    process.exit(this.failed > 0 || this.passed === 0 ? 1 : 0);
  }
}
