/**
 * Cases of ../shared/conformance, which are no part of the project: read where they stand, or skipped with a word.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The cases of one file, undefined (and said so) where it is not here. */
export function conformanceCases<T>(path: string): T | undefined {
  for (const above of ['..', '../..']) {
    const file = join(process.cwd(), above, 'shared/conformance', path);
    if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as T;
  }
  console.warn(`SKIPPED: ../shared/conformance/${path} is not here`);
  return undefined;
}
