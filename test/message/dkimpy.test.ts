/**
 * Our signatures before a verifier that shares no code and no language with us: python3-dkim of Debian.
 */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { firstDomain } from '../../src/message/address-domains.js';
import type { SigningKeyPem } from '../../src/message/dkim/key-store.js';
import { NO_HEADER_RULES } from '../../src/message/header-rules.js';
import { FieldName, HeaderScan } from '../../src/message/header-scan.js';
import { createPreparer } from '../../src/message/prepare.js';
import { conformanceMessages } from './conformance-fixture.js';
import { countDotLines, joined, place, requestFor, stuff, unstuff } from './content-fixture.js';
import { makeKey, recordOf } from './dkim-keys.js';

/** Reads JSON lines {message: base64, records: {name: value}, count}; prints one line of verdicts for each. */
const VERIFY = `
import sys, json, base64, dkim
for line in sys.stdin:
    job = json.loads(line)
    def find(name, timeout=5):
        return job['records'].get(name.decode().rstrip('.'), '').encode()
    out = []
    for index in range(job['count']):
        try:
            out.append(bool(dkim.DKIM(base64.b64decode(job['message'])).verify(idx=index, dnsfunc=find)))
        except Exception as error:
            out.append(type(error).__name__ + ': ' + str(error))
    print(json.dumps(out), flush=True)
`;

const python = ['python3', '/usr/bin/python3'].find(
  (command) => spawnSync(command, ['-c', 'import dkim']).status === 0,
);
if (python === undefined) console.warn('SKIPPED: no Python with the dkim module (Debian: python3-dkim)');

const FROM = new FieldName('From');

function authorOf(bytes: Buffer): string {
  const scan = new HeaderScan();
  scan.scan(bytes, true);
  // One word "from" before a fold is a From field to some: we do not sign that, whoever looks like the author.
  const froms = Array.from({ length: scan.count }, (_, i) => i).filter((i) => scan.beginsWith(i, FROM));
  return froms.length === 1 && scan.is(froms[0]!, FROM) ? firstDomain(scan.value(froms[0]!)) : '';
}

/** Lines that this verifier takes for the end of the header or refuses, and we carry as they are. */
function isPlain(bytes: Buffer): boolean {
  const scan = new HeaderScan();
  scan.scan(bytes, true);
  return Array.from({ length: scan.count }, (_, i) => scan.colons[i]!).every((colon) => colon >= 0);
}

interface Job {
  readonly path: string;
  readonly message: Buffer;
  readonly keys: readonly SigningKeyPem[];
}

function verify(jobs: readonly Job[]): unknown[] {
  const input = jobs.map(({ message, keys }) => {
    const records = Object.fromEntries(keys.map((key) => [`${key.selector}._domainkey.${key.domain}`, recordOf(key)]));
    return JSON.stringify({ message: message.toString('base64'), records, count: keys.length });
  });
  const run = spawnSync(python!, ['-c', VERIFY], { input: input.join('\n'), maxBuffer: 1 << 26 });
  expect(run.stderr.toString()).toBe('');
  return run.stdout
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

describe.skipIf(python === undefined)('python3-dkim', () => {
  const rsa = makeKey('example.com', 'rsa', 'rsa');
  const ed = makeKey('example.com', 'ed', 'ed25519');

  function job(path: string, bytes: Buffer, keys: readonly SigningKeyPem[]): Job {
    const config = { hostname: 'mx.example', rules: NO_HEADER_RULES, keys, maxHeaderSize: 1_000_000, maxHops: 100 };
    const wire = stuff(bytes);
    const placed = place(wire, 1024, true);
    const answer = createPreparer(config).prepare(requestFor(placed, { dotLines: countDotLines(wire) }), placed.memory);
    return { path, message: unstuff(joined(wire, answer)), keys };
  }

  it('verifies every canonicalization and both algorithms', () => {
    const texts = [
      'From: Joe <joe@example.com>\r\nTo: a@b.example\r\nSubject: x  y\r\n\tz\r\n\r\nHi  there \r\n\r\n.dot\r\n\r\n',
      'From: a@example.com\r\nSubject:\r\n\r\n',
      'From: a@example.com\r\nTo: a\r\nTo: b\r\n\r\n \t\r\n',
    ];
    const jobs: Job[] = [];
    for (const text of texts) {
      for (const headerCanonicalization of ['simple', 'relaxed'] as const) {
        for (const bodyCanonicalization of ['simple', 'relaxed'] as const) {
          const keys = [rsa, ed].map((key) => ({ ...key, headerCanonicalization, bodyCanonicalization }));
          jobs.push(job(`${headerCanonicalization}/${bodyCanonicalization} ${text}`, Buffer.from(text), keys));
        }
      }
    }
    const verdicts = verify(jobs);
    expect(verdicts).toHaveLength(jobs.length);
    for (const [i, verdict] of verdicts.entries()) expect(verdict, jobs[i]!.path).toEqual([true, true]);
  }, 60_000);

  it('sees a change', () => {
    const good = job('', Buffer.from('From: a@example.com\r\n\r\nbody\r\n'), [rsa, ed]);
    const bad = { ...good, message: Buffer.from(good.message.toString('latin1').replace('body', 'b0dy'), 'latin1') };
    const [first, second] = verify([good, bad]) as unknown[][];
    expect(first).toEqual([true, true]);
    expect(second).not.toContain(true);
  });

  it('verifies the shared messages', (ctx) => {
    const messages = conformanceMessages();
    if (messages === undefined) return ctx.skip();
    const jobs: Job[] = [];
    for (const { path, strict, bytes } of messages) {
      const domain = authorOf(bytes);
      if (!strict || domain === '' || !isPlain(bytes)) continue;
      jobs.push(
        job(path, bytes, [
          { ...rsa, domain },
          { ...ed, domain },
        ]),
      );
    }
    const verdicts = verify(jobs);
    const bad = verdicts.flatMap((verdict, i) =>
      JSON.stringify(verdict) === '[true,true]' ? [] : [`${jobs[i]!.path} ${JSON.stringify(verdict)}`],
    );
    expect(bad).toEqual([]);
    console.log(`${jobs.length} messages signed and verified by python3-dkim`);
    expect(jobs.length).toBeGreaterThan(250);
  }, 120_000);
});
