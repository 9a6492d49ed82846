/**
 * The real and torture messages of the shared conformance set, in the form a client sends them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(process.cwd(), '..', 'shared', 'conformance', 'messages');
const MANIFEST = join(FOLDER, 'passthru-manifest.json');

export interface ConformanceMessage {
  readonly path: string;
  readonly strict: boolean;
  readonly bytes: Buffer;
}

/** undefined, with a warning, where the set is not there. */
export function conformanceMessages(): ConformanceMessage[] | undefined {
  if (!existsSync(MANIFEST)) {
    console.warn('SKIPPED: no ../shared/conformance/messages beside the project');
    return undefined;
  }
  const entries = JSON.parse(readFileSync(MANIFEST, 'utf8')) as {
    path: string;
    strict: boolean;
    lf_converted: boolean;
  }[];
  return entries.map(({ path, strict, lf_converted: converted }) => {
    let text = readFileSync(join(FOLDER, path), 'latin1');
    if (text.startsWith('From ')) text = text.slice(text.indexOf('\n') + 1);
    if (converted) text = text.replace(/\r?\n/g, '\r\n');
    if (!text.endsWith('\r\n')) text += '\r\n';
    return { path, strict, bytes: Buffer.from(text, 'latin1') };
  });
}
