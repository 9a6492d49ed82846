/**
 * MTA-STS from DNS and HTTPS as they really are, on loopback, under a clock that is moved by hand.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DnsClient } from '../../src/net/dns-client.js';
import { dnsLookup } from '../../src/net/dns-lookup.js';
import { HttpRequester } from '../../src/net/http-request.js';
import { StateFile } from '../../src/security/state-file.js';
import { StsPolicies } from '../../src/security/sts-policies.js';
import { type DnsServerHandle, startDnsServer } from '../helpers/dns-server.js';
import {
  type HttpsServerHandle,
  startHttpsServer,
  type TestAuthority,
  testAuthority,
} from '../helpers/https-server.js';
import { ManualClock } from './manual-clock.js';

const POLICY = 'version: STSv1\r\nmode: enforce\r\nmx: mx.d.test\r\nmax_age: 864000\r\n';
const WELL_KNOWN = 'GET mta-sts.d.test /.well-known/mta-sts.txt';

let authority: TestAuthority;
let pair: { cert: string; key: string };
let folder: string;
let dnsServer: DnsServerHandle;
let web: HttpsServerHandle;
let clock: ManualClock;
let body: string;
let status: number;
let type: string;
let failures: string[];
let warnings: string[];
const opened: { close(): unknown }[] = [];

beforeAll(async () => {
  authority = testAuthority();
  pair = authority.issue(['mta-sts.d.test']);
  folder = await mkdtemp(join(tmpdir(), 'sts-'));
});
afterAll(() => rm(folder, { recursive: true }));

beforeEach(async () => {
  clock = new ManualClock();
  [body, status, type] = [POLICY, 200, 'text/plain; charset=utf-8'];
  [failures, warnings] = [[], []];
  dnsServer = await startDnsServer({
    '_mta-sts.d.test': { TXT: ['v=STSv1; id=one;'] },
    'mta-sts.d.test': { A: ['127.0.0.1'] },
  });
  web = await startHttpsServer(pair, (_, response) => {
    response.writeHead(status, { 'content-type': type, ...(status === 302 ? { location: '/elsewhere' } : {}) });
    response.end(body);
  });
  opened.push(dnsServer, web);
});
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

interface Parts {
  readonly path?: string;
  readonly ca?: string;
  readonly port?: number;
  /** Loopback is nobody else's. */
  readonly others?: boolean;
}

async function start({ path = '', ca = authority.ca, port = web.port, others = false }: Parts = {}) {
  const dns = new DnsClient({ clock, servers: [dnsServer.address], timeout: 1000, rounds: 1 });
  const http = new HttpRequester({ ca, lookup: dnsLookup(dns, others) });
  const warn = (_: unknown, line: string) => warnings.push(line);
  const sts: StsPolicies = new StsPolicies({
    dns,
    http,
    port,
    clock,
    ...(path === '' ? {} : { file: new StateFile({ path, snapshot: (): unknown => sts.snapshot(), warn }) }),
    failed: (domain, { kind }) => failures.push(`${domain} ${kind}`),
  });
  const useful = await sts.open();
  opened.push({ close: () => http.close() }, dns, sts);
  return { sts, useful };
}

/** Waits for what happens in the background. */
async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function announce(id: string): void {
  dnsServer.zone['_mta-sts.d.test'] = { TXT: [`v=STSv1; id=${id};`] };
}

describe('a policy', () => {
  it('is fetched once, however many ask, and holds until it expires', async () => {
    const { sts } = await start();
    const answers = await Promise.all([sts.policyOf('d.test'), sts.policyOf('d.test'), sts.policyOf('d.test')]);
    for (const answer of answers)
      expect(answer).toMatchObject({ policy: { mode: 'enforce', mx: ['mx.d.test'] }, problem: null });
    clock.pass(3600);
    expect((await sts.policyOf('d.test')).policy).not.toBeNull();
    expect(web.asked).toEqual([WELL_KNOWN]);
    clock.pass(864_000);
    expect((await sts.policyOf('d.test')).policy).not.toBeNull();
    expect(web.asked).toHaveLength(2);
    expect(failures).toEqual([]);
  });

  it('is not looked for where none is announced', async () => {
    const { sts } = await start();
    dnsServer.zone['_mta-sts.d.test'] = { TXT: ['v=STSv1; id=not valid'] };
    expect(await sts.policyOf('d.test')).toMatchObject({ policy: null, problem: null });
    expect(await sts.policyOf('e.test')).toMatchObject({ policy: null, problem: null });
    expect(web.asked).toEqual([]);
  });

  it('is fetched anew when its id changes', async () => {
    const { sts } = await start();
    await sts.policyOf('d.test');
    announce('two');
    body = POLICY.replace('enforce', 'none');
    clock.pass(301);
    expect((await sts.policyOf('d.test')).policy?.mode).toBe('none');
  });

  it('outlives failures of DNS and of the web', async () => {
    const { sts } = await start();
    await sts.policyOf('d.test');
    dnsServer.zone['_mta-sts.d.test'] = { servfail: true };
    clock.pass(301);
    expect(await sts.policyOf('d.test')).toMatchObject({ policy: { mode: 'enforce' }, problem: null });
    delete dnsServer.zone['_mta-sts.d.test'];
    clock.pass(301);
    expect(await sts.policyOf('d.test')).toMatchObject({ policy: { mode: 'enforce' }, problem: null });
    announce('two');
    status = 500;
    clock.pass(301);
    expect(await sts.policyOf('d.test')).toMatchObject({
      policy: { mode: 'enforce' },
      problem: { kind: 'sts-policy-fetch-error' },
    });
  });

  it('is refreshed in the background while mail goes there, also without its record', async () => {
    const { sts } = await start();
    await sts.policyOf('d.test');
    clock.pass(86_000);
    sts.refresh();
    expect(web.asked).toHaveLength(1);
    delete dnsServer.zone['_mta-sts.d.test'];
    clock.pass(500);
    sts.refresh();
    await until(() => web.asked.length === 2);
    // Nobody sends there any more: it is left to expire.
    clock.pass(15 * 86_400);
    sts.refresh();
    expect(sts.known).toBe(0);
    expect(web.asked).toHaveLength(2);
  });
});

describe('a fetch that fails', () => {
  it.each([
    ['another status', () => (status = 404), 'sts-policy-fetch-error'],
    ['a redirect', () => (status = 302), 'sts-policy-fetch-error'],
    ['another media type', () => (type = 'text/html'), 'sts-policy-invalid'],
    ['no policy', () => (body = 'v=STSv1'), 'sts-policy-invalid'],
    ['more than 64 KiB', () => (body = POLICY + 'mx: a.test\r\n'.repeat(6000)), 'sts-policy-invalid'],
  ])('%s', async (_, spoil, kind) => {
    spoil();
    const { sts } = await start();
    expect(await sts.policyOf('d.test')).toMatchObject({ policy: null, problem: { kind } });
    expect(failures).toEqual([`d.test ${kind}`]);
    // Once: the redirect was not followed.
    expect(web.asked).toEqual([WELL_KNOWN]);
  });

  it('has a certificate of another authority, for another name, or that is over', async () => {
    const foreign = await start({ ca: testAuthority().ca });
    expect((await foreign.sts.policyOf('d.test')).problem?.kind).toBe('sts-webpki-invalid');
    for (const wrong of [authority.issue(['d.test', '*.other.test']), authority.issue(['mta-sts.d.test'], -1)]) {
      const other = await startHttpsServer(wrong, web.answer);
      opened.push(other);
      const { sts } = await start({ port: other.port });
      expect((await sts.policyOf('d.test')).problem?.kind).toBe('sts-webpki-invalid');
      expect(other.asked).toEqual([]);
    }
  });

  it('finds no host, nobody there, or only this machine', async () => {
    const own = await start({ others: true });
    expect((await own.sts.policyOf('d.test')).problem?.kind).toBe('sts-policy-fetch-error');
    delete dnsServer.zone['mta-sts.d.test'];
    const { sts } = await start();
    expect((await sts.policyOf('d.test')).problem?.kind).toBe('sts-policy-fetch-error');
    expect(web.asked).toEqual([]);
  });

  it('is not tried again for a while that doubles, unless the id changes', async () => {
    status = 500;
    const { sts } = await start();
    const tries = async (): Promise<number> => {
      await sts.policyOf('d.test');
      return web.asked.length;
    };
    expect(await tries()).toBe(1);
    clock.pass(299);
    expect(await tries()).toBe(1);
    clock.pass(2);
    expect(await tries()).toBe(2);
    clock.pass(301);
    expect(await tries()).toBe(2);
    clock.pass(300);
    expect(await tries()).toBe(3);
    announce('two');
    clock.pass(301);
    status = 200;
    expect((await sts.policyOf('d.test')).policy?.mode).toBe('enforce');
  });
});

describe('the file', () => {
  it('keeps policies over a restart', async () => {
    const path = join(folder, 'kept.json');
    const first = await start({ path });
    await first.sts.policyOf('d.test');
    await first.sts.close();
    dnsServer.zone['_mta-sts.d.test'] = { servfail: true };
    status = 500;
    clock.pass(86_400);
    const { sts, useful } = await start({ path });
    expect([useful, sts.known]).toEqual([true, 1]);
    expect((await sts.policyOf('d.test')).policy?.mode).toBe('enforce');
    clock.pass(864_000);
    expect((await start({ path })).sts.known).toBe(0);
  });

  it.each([
    ['half of one', (whole: string) => whole.slice(0, whole.length / 2)],
    ['another shape', (whole: string) => whole.replace('"enforce"', '"enforced"')],
    ['another version', (whole: string) => whole.replace('"version":1', '"version":2')],
    ['nothing', () => ''],
  ])('is ignored when it is damaged: %s', async (_, damage) => {
    const path = join(folder, 'damaged.json');
    const first = await start({ path });
    await first.sts.policyOf('d.test');
    await first.sts.close();
    await writeFile(path, damage(await readFile(path, 'utf8')));
    const { sts, useful } = await start({ path });
    expect(sts.known).toBe(0);
    expect(!useful || warnings.length > 0).toBe(true);
    expect((await sts.policyOf('d.test')).policy?.mode).toBe('enforce');
  });

  it('need not be there', async () => {
    expect(await start({ path: join(folder, 'absent.json') })).toMatchObject({ useful: true });
    expect(warnings).toEqual([]);
  });
});
