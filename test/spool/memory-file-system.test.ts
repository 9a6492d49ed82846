import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { memoryFileSystem, refuseMemory } from '../../src/spool/memory-file-system.js';
import { EngineProcess, startEngine } from '../helpers/engine.js';

/** Debian mounts a tmpfs there; a machine without one tells of it as a failure here, not in silence. */
const MEMORY = '/dev/shm';

let engine: EngineProcess | undefined;
let folder = '';
afterEach(async () => {
  await engine?.stop();
  engine = undefined;
  if (folder !== '') rmSync(folder, { recursive: true, force: true });
  folder = '';
});

describe('a folder in memory', () => {
  it('is known as such, and the source tree is none', () => {
    expect(memoryFileSystem(MEMORY)).toBe('tmpfs');
    expect(memoryFileSystem(process.cwd())).toBe('');
    expect(memoryFileSystem('/nowhere/at/all')).toBe('');
  });

  it('is refused with what to do', () => {
    expect(() => refuseMemory('/x', '')).not.toThrow();
    expect(() => refuseMemory('/x', 'ramfs')).toThrow(/\/x is in memory \(ramfs\).*SLUICE_SPOOL_DIR.*ALLOW_TMPFS=yes/);
  });

  it('is no spool of an engine unless it is told so', async () => {
    folder = mkdtempSync(join(MEMORY, 'sluice-volatile-'));
    const settings = { SLUICE_UPSTREAM: 'smtp://127.0.0.1:9', SLUICE_SPOOL_ALLOW_TMPFS: 'no' };
    const refused = new EngineProcess({ settings, spoolDir: join(folder, 'spool') });
    expect((await refused.exited).code).toBe(78);
    expect(refused.errors).toContain(`${join(folder, 'spool')} is in memory (tmpfs)`);
    await refused.stop();
    engine = await startEngine({
      settings: { ...settings, SLUICE_SPOOL_ALLOW_TMPFS: 'yes' },
      spoolDir: join(folder, 'spool'),
    });
    expect(engine.port).toBeGreaterThan(0);
  });
});
