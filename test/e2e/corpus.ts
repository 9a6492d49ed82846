/**
 * The outside messages in the form in which clients send them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { domainToASCII } from 'node:url';
import { parsed } from '../wire/stage.js';

export interface CorpusMessage {
  readonly path: string;
  readonly content: Buffer;
}

interface ManifestEntry {
  readonly path: string;
  readonly bytes: number;
  readonly lf_converted: boolean;
  readonly strict: boolean;
}

const FOLDER = join(process.cwd(), '../shared/conformance/messages');
const MAX_BYTES = 1_000_000;

/** The strict messages (CRLF only, no NUL, lines within 998); none where the folder is absent. */
export function corpus(): CorpusMessage[] {
  const manifest = join(FOLDER, 'passthru-manifest.json');
  if (!existsSync(manifest)) return [];
  const entries = JSON.parse(readFileSync(manifest, 'utf8')) as ManifestEntry[];
  return entries
    .filter((entry) => entry.strict && entry.bytes <= MAX_BYTES)
    .map((entry) => {
      let text = readFileSync(join(FOLDER, entry.path), 'latin1');
      if (text.startsWith('From ')) text = text.slice(text.indexOf('\n') + 1);
      if (entry.lf_converted) text = text.replace(/\r?\n/g, '\r\n');
      if (!text.endsWith('\r\n')) text += '\r\n';
      return { path: entry.path, content: Buffer.from(text, 'latin1') };
    });
}

const DOMAIN = /@([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)\s*(?:>|$|\(|,)/;

/** The domain of a From field that anybody would read in the same way, '' where there is none. */
export function fromDomain(content: Buffer): string {
  const from = parsed(content).header.filter(({ name }) => name.trim().toLowerCase() === 'from');
  const found = DOMAIN.exec(from[0]?.value ?? '')?.[1]?.toLowerCase() ?? '';
  return domainToASCII(found) === found && /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9-]+$/.test(found)
    ? found
    : '';
}

/** Whether it must be signed: one From field, with one plain address, its name plain or in quotes. */
export function isSignable(content: Buffer): boolean {
  const from = parsed(content).header.filter(({ name }) => name.trim().toLowerCase() === 'from');
  const [field] = from;
  if (from.length !== 1 || field === undefined || field.name.toLowerCase() !== 'from') return false;
  return /^(?:(?:"[^"\\<>]*"|[^<>@",;:()]*)\s*<)?[\w.+-]+@[\w.-]+>?$/.test(field.value) && fromDomain(content) !== '';
}
