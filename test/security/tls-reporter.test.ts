/**
 * TLS reports: what is counted, what the report says, and that it gets to those who asked for it, once.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SiteHost } from '../../src/delivery/site.js';
import {
  opportunistic,
  type ReportedPolicy,
  type TlsFailureKind,
  type TlsResult,
} from '../../src/delivery/tls-policy.js';
import { DnsClient } from '../../src/net/dns-client.js';
import { dnsLookup } from '../../src/net/dns-lookup.js';
import { HttpRequester } from '../../src/net/http-request.js';
import { StateFile } from '../../src/security/state-file.js';
import { TlsReporter } from '../../src/security/tls-reporter.js';
import { TlsResults } from '../../src/security/tls-results.js';
import { type DnsServerHandle, startDnsServer } from '../helpers/dns-server.js';
import {
  bodyOf,
  type HttpsServerHandle,
  startHttpsServer,
  type TestAuthority,
  testAuthority,
} from '../helpers/https-server.js';
import { ManualClock } from './manual-clock.js';

const NOON = Date.UTC(2026, 10, 24, 12);
const DAY_SECONDS = 86_400;

const STS: ReportedPolicy = {
  type: 'sts',
  domain: 'd.test',
  text: ['version: STSv1', 'mode: enforce'],
  mx: ['*.d.test'],
};
const TLSA: ReportedPolicy = { type: 'tlsa', domain: 'mx.d.test', text: ['3 1 1 00'], mx: [] };

function host(reported: ReportedPolicy | undefined, address = '192.0.2.1'): SiteHost {
  const source = reported?.type === 'sts' ? ('mta-sts' as const) : ('default' as const);
  const tls = { ...opportunistic('mx.d.test'), source, ...(reported === undefined ? {} : { reported }) };
  return { name: 'mx.d.test', address, port: 25, weight: 1, limit: 1, tls };
}

function secured(verified = true): TlsResult {
  return { kind: 'secured', state: { version: 'TLSv1.3', cipher: 'x', verified, resumed: false } };
}

function failed(kind: TlsFailureKind): TlsResult {
  return { kind: 'failed', failure: { kind, reason: `because of ${kind}` } };
}

const CLEAR: TlsResult = { kind: 'clear', reason: 'not offered' };

describe('results', () => {
  const resultsOf = (results: TlsResults, domain = 'd.test') => results.today.domains.get(domain) ?? [];

  it('count connections by policy, and failures by kind and host', () => {
    let changes = 0;
    const results = new TlsResults(new ManualClock(NOON), () => changes++);
    for (const result of [
      secured(),
      secured(),
      secured(false),
      failed('certificate-expired'),
      failed('certificate-expired'),
    ])
      results.connection('d.test', host({ ...STS }), result);
    results.connection('d.test', host(STS, '192.0.2.2'), failed('certificate-expired'));
    results.connection('d.test', host(TLSA), secured());
    results.policyFailed('d.test', STS, { kind: 'sts-policy-fetch-error', host: '', reason: '404', forbids: false });
    expect(resultsOf(results)).toEqual([
      {
        policy: STS,
        succeeded: 2,
        failed: 5,
        details: [
          { kind: 'validation-failure', host: 'mx.d.test', address: '192.0.2.1', reason: expect.any(String), count: 1 },
          {
            kind: 'certificate-expired',
            host: 'mx.d.test',
            address: '192.0.2.1',
            reason: expect.any(String),
            count: 2,
          },
          {
            kind: 'certificate-expired',
            host: 'mx.d.test',
            address: '192.0.2.2',
            reason: expect.any(String),
            count: 1,
          },
          { kind: 'sts-policy-fetch-error', host: '', address: '', reason: '404', count: 1 },
        ],
      },
      { policy: TLSA, succeeded: 1, failed: 0, details: [] },
    ]);
    expect(changes).toBe(8);
  });

  it('count a handshake that failed and then goes on in the clear once', () => {
    const results = new TlsResults(new ManualClock(NOON), () => {});
    const none: ReportedPolicy = { type: 'no-policy-found', domain: 'd.test', text: [], mx: [] };
    for (const result of [failed('validation-failure'), CLEAR, CLEAR]) results.connection('d.test', host(none), result);
    expect(resultsOf(results)[0]).toMatchObject({
      failed: 2,
      details: [{ kind: 'validation-failure' }, { kind: 'starttls-not-supported', count: 1 }],
    });
  });

  it('leave out upstreams, literals and reports themselves', () => {
    const results = new TlsResults(new ManualClock(NOON), () => {});
    results.connection('upstream', host(undefined), secured());
    results.connection('[192.0.2.1]', host(STS), secured());
    results.connection('tls-optional:d.test', host(STS), secured());
    expect(results.today.domains.size).toBe(0);
  });

  it('are bounded in domains, policies and details', () => {
    const results = new TlsResults(new ManualClock(NOON), () => {});
    for (let i = 0; i < 10_010; i++) results.connection(`d${i}.test`, host(STS), secured());
    expect(results.today.domains.size).toBe(10_000);
    for (let i = 0; i < 100; i++) {
      results.connection('d1.test', host({ ...STS, text: [`v${i}`] }), secured());
      results.connection('d2.test', host(STS, `192.0.2.${i}`), failed('certificate-expired'));
    }
    expect(resultsOf(results, 'd1.test')).toHaveLength(16);
    const [many] = resultsOf(results, 'd2.test');
    expect([many!.failed, many!.details.length]).toEqual([100, 51]);
    expect(many!.details.at(-1)).toMatchObject({ host: '', kind: 'certificate-expired', count: 50 });
  });
});

describe('the reporter', () => {
  let authority: TestAuthority;
  let folder: string;
  let pair: { cert: string; key: string };
  let clock: ManualClock;
  let dnsServer: DnsServerHandle;
  let web: HttpsServerHandle;
  let posted: { type: string | undefined; body: Buffer }[];
  let mails: { from: string; to: string; content: string }[];
  let lines: string[];
  let refuse: boolean;
  const opened: { close(): unknown }[] = [];

  beforeAll(async () => {
    authority = testAuthority();
    pair = authority.issue(['reports.test']);
    folder = await mkdtemp(join(tmpdir(), 'tlsrpt-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  beforeEach(async () => {
    clock = new ManualClock(NOON);
    [posted, mails, lines, refuse] = [[], [], [], false];
    web = await startHttpsServer(pair, (request, response) => {
      void bodyOf(request).then((body) => {
        posted.push({ type: request.headers['content-type'], body });
        response.writeHead(refuse ? 503 : 201).end();
      });
    });
    dnsServer = await startDnsServer({
      '_smtp._tls.d.test': {
        TXT: [`v=TLSRPTv1; rua=mailto:tls@d.test,https://reports.test:${web.port}/v1`],
        ttl: 1,
      },
      'reports.test': { A: ['127.0.0.1'] },
    });
    opened.push(web, dnsServer);
  });
  afterEach(async () => {
    for (const each of opened.splice(0)) await each.close();
  });

  async function start(path = '') {
    const dns = new DnsClient({ clock, servers: [dnsServer.address], timeout: 1000, rounds: 1 });
    const http = new HttpRequester({ ca: authority.ca, lookup: dnsLookup(dns, false) });
    const reporter: TlsReporter = new TlsReporter({
      clock,
      dns,
      http,
      reporter: { organization: 'Us', contact: 'us@me.test', from: 'tls@me.test', hostname: 'me.test' },
      ...(path === ''
        ? {}
        : { file: new StateFile({ path, snapshot: (): unknown => reporter.snapshot(), warn: () => {} }) }),
      random: () => 0.5,
      submit: async (from, to, content) => {
        if (refuse) throw new Error('no room');
        mails.push({ from, to, content: content.toString('latin1') });
      },
      log: (level, { domain }, line) => lines.push(`${level} ${domain} ${line}`),
    });
    const useful = await reporter.open();
    opened.push({ close: () => http.close() }, dns, reporter);
    return { reporter, useful };
  }

  function count(reporter: TlsReporter, domain = 'd.test'): void {
    reporter.results.connection(domain, host(STS), secured());
    reporter.results.connection(domain, host(STS), failed('certificate-expired'));
  }

  it('reports a day when it is over and a delay has passed, by mail and by HTTPS, once', async () => {
    const { reporter } = await start();
    count(reporter);
    await reporter.tick();
    // The day is over at midnight; half of four hours later reports leave.
    clock.pass(13 * 3600);
    await reporter.tick();
    expect([reporter.due, posted.length, mails.length]).toEqual([1, 0, 0]);
    clock.pass(3600);
    await reporter.tick();
    await reporter.tick();
    expect([reporter.due, posted.length, mails.length]).toEqual([0, 1, 1]);
    expect(posted[0]!.type).toBe('application/tlsrpt+gzip');
    expect(JSON.parse(gunzipSync(posted[0]!.body).toString())).toEqual({
      'organization-name': 'Us',
      'date-range': { 'start-datetime': '2026-11-24T00:00:00Z', 'end-datetime': '2026-11-24T23:59:59Z' },
      'contact-info': 'us@me.test',
      'report-id': '2026-11-24_d.test@me.test',
      policies: [
        {
          policy: {
            'policy-type': 'sts',
            'policy-string': ['version: STSv1', 'mode: enforce'],
            'policy-domain': 'd.test',
            'mx-host': ['*.d.test'],
          },
          summary: { 'total-successful-session-count': 1, 'total-failure-session-count': 1 },
          'failure-details': [
            {
              'result-type': 'certificate-expired',
              'receiving-mx-hostname': 'mx.d.test',
              'receiving-ip': '192.0.2.1',
              'failed-session-count': 1,
              'failure-reason-code': 'because of certificate-expired',
            },
          ],
        },
      ],
    });
    expect(lines).toEqual(['info d.test TLS report sent', 'info d.test TLS report sent']);
  });

  it('makes mail as RFC 8460 section 5.3 has it', async () => {
    const { reporter } = await start();
    count(reporter);
    clock.pass(DAY_SECONDS);
    await reporter.tick();
    const { from, to, content } = mails[0]!;
    expect([from, to]).toEqual(['tls@me.test', 'tls@d.test']);
    const [header = '', ...parts] = content.split('\r\n\r\n');
    for (const field of [
      'From: tls@me.test',
      'To: tls@d.test',
      'TLS-Report-Domain: d.test',
      'TLS-Report-Submitter: me.test',
      'TLS-Required: No',
      'Subject: Report Domain: d.test\r\n Submitter: me.test\r\n Report-ID: <2026-11-24_d.test@me.test>',
      'Message-ID: <2026-11-24_d.test@me.test>',
    ])
      expect(`\r\n${header}\r\n`).toContain(`\r\n${field}\r\n`);
    expect(header).toMatch(/Content-Type: multipart\/report; report-type="tlsrpt";\r\n\tboundary="[^"]+"/);
    expect(parts[2]).toContain('Content-Type: application/tlsrpt+gzip\r\n');
    expect(parts[2]).toContain('filename="me.test!d.test!1795478400!1795564799.json.gz"');
    const encoded = /^[A-Za-z0-9+/=\r\n]+/.exec(parts[3]!)![0];
    const document = JSON.parse(gunzipSync(Buffer.from(encoded, 'base64')).toString()) as { 'report-id': string };
    expect(document['report-id']).toBe('2026-11-24_d.test@me.test');
    // What local-submission.ts asks of it.
    for (const line of content.split('\r\n')) {
      expect(line.length).toBeLessThan(999);
      expect(line).toMatch(/^(?!\.)[\t\x20-\x7e]*$/);
    }
    expect(content.endsWith('\r\n')).toBe(true);
  });

  it('reports to nobody who did not ask', async () => {
    const { reporter } = await start();
    count(reporter, 'silent.test');
    clock.pass(DAY_SECONDS);
    await reporter.tick();
    expect([reporter.due, mails, posted]).toEqual([0, [], []]);
    expect(dnsServer.count('_smtp._tls.silent.test')).toBe(1);
  });

  it('tries again what failed, and only that; after a day it gives up', async () => {
    const { reporter } = await start();
    count(reporter);
    dnsServer.zone['_smtp._tls.d.test']!.servfail = true;
    clock.pass(DAY_SECONDS);
    await reporter.tick();
    expect([reporter.due, mails.length]).toEqual([1, 0]);
    delete dnsServer.zone['_smtp._tls.d.test']!.servfail;
    refuse = true;
    clock.pass(301);
    await reporter.tick();
    expect([reporter.due, posted.length]).toEqual([1, 1]);
    await reporter.tick();
    expect(posted).toHaveLength(1);
    for (let hour = 0; hour < 30; hour++) {
      clock.pass(3600);
      await reporter.tick();
    }
    expect(reporter.due).toBe(0);
    expect(posted.length).toBeLessThan(12);
    expect(lines.at(-1)).toBe('warn d.test a TLS report could not be sent and was given up');
  });

  it('sends to each target once although another fails', async () => {
    const { reporter } = await start();
    count(reporter);
    delete dnsServer.zone['reports.test'];
    clock.pass(DAY_SECONDS);
    await reporter.tick();
    expect([reporter.due, mails.length]).toEqual([1, 1]);
    dnsServer.zone['reports.test'] = { A: ['127.0.0.1'] };
    clock.pass(301);
    await reporter.tick();
    expect([reporter.due, mails.length, posted.length]).toEqual([0, 1, 1]);
  });

  it('goes on after a restart with what was counted and what waits', async () => {
    const path = join(folder, 'state.json');
    const first = await start(path);
    count(first.reporter);
    clock.pass(13 * 3600);
    await first.reporter.tick();
    count(first.reporter);
    await first.reporter.close();
    const { reporter, useful } = await start(path);
    expect([useful, reporter.due]).toEqual([true, 1]);
    count(reporter);
    clock.pass(DAY_SECONDS);
    await reporter.tick();
    clock.pass(4 * 3600);
    await reporter.tick();
    expect(posted).toHaveLength(2);
    const second = JSON.parse(gunzipSync(posted[1]!.body).toString()) as { policies: { summary: object }[] };
    expect(second.policies[0]!.summary).toEqual({
      'total-successful-session-count': 2,
      'total-failure-session-count': 2,
    });
  });

  it('begins anew where the file is damaged', async () => {
    const path = join(folder, 'damaged.json');
    await writeFile(path, '{"version":1,"today":{"day":1,"domains":[["d.test",{}]]},"over":[],"waiting":[]}');
    const { reporter, useful } = await start(path);
    expect([useful, reporter.due]).toEqual([false, 0]);
    count(reporter);
    expect(reporter.results.today.domains.size).toBe(1);
  });
});
