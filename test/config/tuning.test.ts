import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { replaceTables, settingsTables } from '../../src/config/describe-settings.js';
import { schema } from '../../src/config/schema.js';

describe('tuning.md', () => {
  it('has the tables of all settings as the schema says (npm run docs rewrites them)', () => {
    const document = readFileSync('tuning.md', 'utf8');
    expect(document).toBe(replaceTables(document, settingsTables(schema)));
  });

  it('names every setting once in a table', () => {
    const tables = settingsTables(schema);
    for (const { name } of Object.values(schema)) {
      expect(tables.split(`| \`${name}\` |`), name).toHaveLength(2);
    }
  });

  it('cannot be written without its markers', () => {
    expect(() => replaceTables('# no markers', 'x')).toThrow(/settings:begin/);
  });
});
