/**
 * DKIM verification by two implementations that share nothing with ours: mailauth and dkimpy.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import type { SigningKeyPem } from '../../src/message/dkim/key-store.js';
import { recordOf } from '../message/dkim-keys.js';

/** `selector domain result` of each of our signatures, sorted. */
export type Verdicts = readonly string[];

function recordsOf(keys: readonly SigningKeyPem[]): Map<string, string> {
  return new Map(keys.map((key) => [`${key.selector}._domainkey.${key.domain}`, recordOf(key)]));
}

export async function verifyWithMailauth(content: Buffer, keys: readonly SigningKeyPem[]): Promise<Verdicts> {
  const records = recordsOf(keys);
  const resolver = async (name: string): Promise<string[][]> => {
    const record = records.get(name);
    if (record === undefined) throw Object.assign(new Error(`no record ${name}`), { code: 'ENOTFOUND' });
    return [[record]];
  };
  const { results } = await dkimVerify(content, { resolver });
  return results
    .filter(({ selector, signingDomain }) => records.has(`${selector}._domainkey.${signingDomain}`))
    .map(({ selector, signingDomain, status }) => `${selector} ${signingDomain} ${status.result}`)
    .sort();
}

/** Debian's Python, which is where its python3-dkim is. */
const PYTHON = '/usr/bin/python3';

export function dkimpyMissing(): string {
  return spawnSync(PYTHON, ['-c', 'import dkim, nacl']).status === 0 ? '' : 'python3-dkim is not installed';
}

/** All messages in one go. */
export function verifyWithDkimpy(contents: readonly Buffer[], keys: readonly SigningKeyPem[]): Verdicts[] {
  const job = {
    records: Object.fromEntries(recordsOf(keys)),
    messages: contents.map((content) => content.toString('base64')),
  };
  const done = spawnSync(PYTHON, [join(process.cwd(), 'test/e2e/verify-dkim.py')], {
    input: JSON.stringify(job),
    maxBuffer: 64 << 20,
    timeout: 120_000,
  });
  if (done.status !== 0) throw new Error(`dkimpy failed: ${done.stderr}`);
  const lists = JSON.parse(done.stdout.toString()) as [string, string, string][][];
  return lists.map((list) => list.map((one) => one.join(' ')).sort());
}
