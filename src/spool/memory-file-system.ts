/**
 * Whether a folder is in memory: mail that was answered 250 would be gone with the next restart of the machine.
 *
 * Known by the number that statfs(2) gives of the file system (linux/magic.h). An overlay, as containers have it, may lie on
 * anything and is taken for a disk. Where the number cannot be had the folder is taken for one on a disk too.
 */
import { statfsSync } from 'node:fs';
import { SluiceError } from '../core/errors.js';

const IN_MEMORY: ReadonlyMap<number, string> = new Map([
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
]);

/** The kind of file system in memory that an existing folder is in, '' for none. */
export function memoryFileSystem(folder: string): string {
  try {
    return IN_MEMORY.get(statfsSync(folder).type) ?? '';
  } catch {
    return '';
  }
}

/** @throws SluiceError `volatile-spool`: the folder is in memory. */
export function refuseMemory(folder: string, kind = memoryFileSystem(folder)): void {
  if (kind === '') return;
  const why = `${folder} is in memory (${kind}): mail that was accepted would be gone with the next restart`;
  const remedy = 'set SLUICE_SPOOL_DIR to a folder on a disk (in a container, a volume)';
  throw new SluiceError(
    'volatile-spool',
    `${why}. To mend it, ${remedy}; or, where losing the queue is acceptable, set SLUICE_SPOOL_ALLOW_TMPFS=yes`,
    { temporary: false },
  );
}
