/**
 * Builds of the engine with threads that die. Threads cannot be killed by a signal, and the engine has no hook for it:
 * the real worker file stands under another name, and in its place a poisoned one that does its harm and hands the rest
 * to the real one.
 */
import { cpSync, existsSync, mkdirSync, renameSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Whether the engine has a worker of that name. */
export function hasWorker(name: string): boolean {
  return existsSync(join(ROOT, 'workers', `${name}.js`));
}

/** Makes a build below `directory` with workers/`name`.js poisoned by poisoned-`name`.js; returns its entry. */
export function poisonedBuild(directory: string, name: 'prepare-message' | 'serve-sessions'): string {
  const build = join(directory, 'build', 'dist');
  mkdirSync(build, { recursive: true });
  for (const room of ['src', 'workers']) cpSync(join(ROOT, room), join(build, room), { recursive: true });
  for (const file of ['package.json', 'node_modules'])
    symlinkSync(join(dirname(ROOT), file), join(dirname(build), file));
  renameSync(join(build, `workers/${name}.js`), join(build, `workers/${name}-real.js`));
  cpSync(fileURLToPath(new URL(`./poisoned-${name}.js`, import.meta.url)), join(build, `workers/${name}.js`));
  return join(build, 'src/main.js');
}
