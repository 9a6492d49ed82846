/** Room for clients by the limit of open files: in a process of its own, whose limit is known. */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';

const BUILT = pathToFileURL(join(process.cwd(), 'dist/src/net/descriptor-budget.js')).href;

/** What a budget says in a process with `limit` descriptors. */
function budget(limit: number, upstream: number): { base: number; openFiles: number; clients: number } {
  const program = `
    import { readdirSync } from 'node:fs';
    const { DescriptorBudget } = await import(${JSON.stringify(BUILT)});
    const budget = new DescriptorBudget(${upstream}, () => 0);
    const base = readdirSync('/proc/self/fd').length;
    console.log(JSON.stringify({ base, openFiles: budget.openFiles, clients: budget.clients }));`;
  const command = [`--nofile=${limit}`, process.execPath, '--input-type=module', '-e', program];
  return JSON.parse(execFileSync('prlimit', command, { encoding: 'utf8' })) as ReturnType<typeof budget>;
}

const able = process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0;
if (!able) console.warn('skipped: the limit of open files cannot be set here (prlimit of Linux)');

describe.runIf(able)('room for clients', () => {
  it('is what deliveries and the engine itself leave', () => {
    const { base, openFiles, clients } = budget(1000, 50);
    expect(openFiles).toBe(1000);
    expect(clients).toBe(1000 - base - 8 - 50);
  });

  it('is half of what there is where deliveries want more than that', () => {
    const { base, clients } = budget(100, 500);
    expect(clients).toBe(Math.ceil((100 - base - 8) / 2));
  });

  it('is never nothing', () => {
    expect(budget(30, 500).clients).toBeGreaterThanOrEqual(1);
  });
});
