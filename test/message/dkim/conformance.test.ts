/**
 * Our body canonicalization against signatures that others made.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BodyHasher, type Canonicalization } from '../../../src/message/dkim/body-hash.js';
import { FieldName, HeaderScan } from '../../../src/message/header-scan.js';
import { place } from '../content-fixture.js';

const FOLDER = join(process.cwd(), '..', 'shared', 'conformance', 'dkim');
const SIGNATURE = new FieldName('DKIM-Signature');

function tagsOf(value: string): Map<string, string> {
  return new Map(
    value
      .replace(/\s+/g, '')
      .split(';')
      .filter((tag) => tag.includes('='))
      .map((tag) => [tag.slice(0, tag.indexOf('=')), tag.slice(tag.indexOf('=') + 1)]),
  );
}

describe('the shared DKIM messages', () => {
  it('have the body hashes that their signers wrote', (ctx) => {
    const list = join(FOLDER, 'dkim-cases.json');
    if (!existsSync(list)) {
      console.warn('SKIPPED: no ../shared/conformance/dkim beside the project');
      return ctx.skip();
    }
    const cases = JSON.parse(readFileSync(list, 'utf8')) as {
      id: string;
      file: string;
      expect: string;
      tier: string;
    }[];
    const hasher = new BodyHasher();
    let compared = 0;
    for (const { id, file, expect: expected, tier } of cases) {
      if (tier !== 'agreed' || !expected.startsWith('pass') || !existsSync(join(FOLDER, file))) continue;
      const bytes = Buffer.from(readFileSync(join(FOLDER, file), 'latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
      const scan = new HeaderScan();
      scan.scan(bytes, true);
      const placed = place(bytes, 100, true);
      const verdicts: boolean[] = [];
      for (let i = 0; i < scan.count; i++) {
        if (!scan.is(i, SIGNATURE)) continue;
        const tags = tagsOf(scan.value(i));
        if (tags.has('l') || !tags.get('a')?.endsWith('-sha256') || tags.get('bh') === undefined) continue;
        const form = (tags.get('c')?.split('/')[1] ?? 'simple') as Canonicalization;
        verdicts.push(hasher.digest(placed.memory, placed, scan.bodyStart, form, false) === tags.get('bh'));
      }
      if (verdicts.length === 0) continue;
      compared++;
      expect(verdicts, id).toContain(true);
    }
    console.log(`${compared} messages compared`);
    expect(compared).toBeGreaterThan(7);
  });
});
