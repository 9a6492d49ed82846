/**
 * The version in package.json.
 */
import { readFileSync } from 'node:fs';

const description: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

export const VERSION: string = (description as { version: string }).version;
