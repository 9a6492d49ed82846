/**
 * Python's standard library as an independent reader of what we write. Absent Python skips the test, with a word about it.
 */
import { spawnSync } from 'node:child_process';
import type { TestContext } from 'vitest';

/** Skips the running test, loudly, where there is no python3. */
export function pythonOrSkip(ctx: TestContext): void {
  if (spawnSync('python3', ['-c', 'import email']).status === 0) return;
  console.warn(`SKIPPED: ${ctx.task.name}: no python3 here`);
  ctx.skip('no python3');
}

/** Runs a program on bytes; what it prints as JSON. */
export function runPython(program: string, input: Buffer): unknown {
  const done = spawnSync('python3', ['-c', program], { input, maxBuffer: 64 << 20 });
  if (done.status !== 0) throw new Error(done.stderr.toString());
  return JSON.parse(done.stdout.toString());
}
