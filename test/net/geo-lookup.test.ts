import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGeoLookup } from '../../src/net/geo-lookup.js';
import { tinyMmdb } from '../helpers/tiny-mmdb.js';

let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'sluice-geo-'));
  writeFileSync(join(cwd, 'city.mmdb'), tinyMmdb(52.5, 13.4));
  writeFileSync(join(cwd, 'junk.mmdb'), 'junk');
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

describe('places of addresses', () => {
  it('are read from a database', () => {
    const lookUp = openGeoLookup(join(cwd, 'city.mmdb'));
    expect(lookUp('10.1.2.3')).toEqual({ latitude: 52.5, longitude: 13.4 });
    expect(lookUp('192.0.2.1')).toBeUndefined();
    expect(lookUp('2001:db8::1')).toBeUndefined();
  });

  it.each(['junk.mmdb', 'none.mmdb'])('%s: an error names the setting and the file', (name) => {
    expect(() => openGeoLookup(join(cwd, name))).toThrow(new RegExp(`SLUICE_GEOIP_FILE: .*${name}`));
  });
});
