/**
 * Takes an address out of a file of log lines.
 *
 * Each occurrence becomes `(erased)`; the line stays, since counts and ids in it are of nobody. Written beside the file and
 * renamed, with the same mode and times, so that a crash leaves one or the other. Addresses are compared without regard to
 * case. Also found: `ann=shop.example`, as bounce addresses hold a recipient.
 */
import { createReadStream } from 'node:fs';
import { open, rename, stat, unlink } from 'node:fs/promises';

export const ERASED = '(erased)';
/** Bytes read at once. */
const CHUNK = 64 * 1024;

/** What finds an address in a line: not as a part of a longer one. */
export function addressPattern(address: string): RegExp {
  const at = address.lastIndexOf('@');
  const [local, domain] = [address.slice(0, Math.max(0, at)), address.slice(at + 1)].map(escaped) as [string, string];
  const inner = at <= 0 ? escaped(address) : `${local}[@=]${domain}`;
  return new RegExp(`(?<![\\p{L}\\p{N}._-])${inner}(?![\\p{L}\\p{N}_-]|\\.[\\p{L}\\p{N}])`, 'giu');
}

/** Rewrites a file that has the address; how many lines had it. */
export async function eraseFromFile(path: string, address: string): Promise<number> {
  const pattern = addressPattern(address);
  const facts = await stat(path);
  const beside = `${path}.erase`;
  const output = await open(beside, 'w', facts.mode & 0o777);
  let lines = 0;
  try {
    const cleaned = (line: string): string => {
      const left = line.replace(pattern, ERASED);
      if (left !== line) lines++;
      return left;
    };
    let rest = '';
    for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: CHUNK })) {
      const parts = (rest + String(chunk)).split('\n');
      rest = parts.pop()!;
      if (parts.length > 0) await output.writeFile(`${parts.map(cleaned).join('\n')}\n`);
    }
    if (rest !== '') await output.writeFile(cleaned(rest));
    await output.chmod(facts.mode & 0o777);
    await output.utimes(facts.atime, facts.mtime);
    await output.sync();
    if (lines > 0) await rename(beside, path);
    return lines;
  } finally {
    await output.close();
    await unlink(beside).catch(() => undefined);
  }
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
