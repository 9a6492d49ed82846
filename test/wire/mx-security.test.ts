/**
 * A whole engine under policies of recipient domains: MTA-STS over HTTPS and DNS of the test, TLS reports on their way.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type HttpsServerHandle,
  startHttpsServer,
  type TestAuthority,
  testAuthority,
} from '../helpers/https-server.js';
import type { SmtpSink } from '../helpers/smtp-sink.js';
import { mail, Stage } from './stage.js';

const DAY = 86_400_000;

let stage: Stage;
let authority: TestAuthority;
let folder: string;
let web: HttpsServerHandle;
let sink: SmtpSink;
let policy: string;
let settings: Record<string, string>;

beforeAll(() => {
  authority = testAuthority();
  folder = mkdtempSync(join(tmpdir(), 'mx-security-'));
  writeFileSync(join(folder, 'ca.pem'), authority.ca);
});
afterAll(() => rmSync(folder, { recursive: true }));

beforeEach(async () => {
  stage = new Stage();
  policy = 'version: STSv1\nmode: enforce\nmx: elsewhere.d.test\nmax_age: 86400\n';
  web = await startHttpsServer(authority.issue(['mta-sts.d.test']), (_, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' }).end(policy);
  });
  sink = await stage.sink();
  const dns = await stage.dns({
    'd.test': { MX: [[1, 'mx.d.test']] },
    'mx.d.test': { A: ['127.0.0.1'] },
    '_mta-sts.d.test': { TXT: ['v=STSv1; id=1;'] },
    'mta-sts.d.test': { A: ['127.0.0.1'] },
    '_smtp._tls.d.test': { TXT: ['v=TLSRPTv1; rua=mailto:reports@d.test'] },
  });
  settings = {
    SLUICE_DNS_SERVERS: dns.address,
    SLUICE_MX_PORT: sink.url.replace(/^.*:/, ''),
    SLUICE_MTA_STS_PORT: String(web.port),
    SLUICE_MTA_STS_CA: join(folder, 'ca.pem'),
    SLUICE_RETRY_MIN: '300ms',
    SLUICE_RETRY_MAX: '300ms',
  };
});
afterEach(async () => {
  await stage.end();
  await web.close();
});

describe('a policy of MTA-STS', () => {
  it('that does not name the mail host defers, says why, and holds after a restart without the web', async () => {
    const spool = join(folder, 'spool');
    const engine = await stage.engine(settings, undefined, spool);
    const client = await stage.client(engine);
    await client.send('<ann@client.example>', ['<bob@d.test>'], mail());
    const deferred = await engine.waitForLog((line) => line['status'] === 'deferred' && line['dsn'] !== undefined);
    expect(deferred).toMatchObject({
      dsn: '4.7.1',
      reply: 'the MTA-STS policy of d.test does not name its mail host mx.d.test',
    });
    expect(await engine.waitForLog('a policy forbids a mail host')).toMatchObject({
      domain: 'd.test',
      host: 'mx.d.test',
    });
    await engine.stop();
    const asked = web.asked.length;
    await web.close();
    const again = await stage.engine(settings, undefined, spool);
    await again.waitForLog((line) => line['dsn'] === '4.7.1');
    expect([asked, sink.messages.length]).toEqual([1, 0]);
  });

  it('that is off lets mail go', async () => {
    const engine = await stage.engine({ ...settings, SLUICE_MTA_STS: 'off' });
    const client = await stage.client(engine);
    await client.send('<ann@client.example>', ['<bob@d.test>'], mail());
    await sink.waitFor(1);
    expect(web.asked).toEqual([]);
  });
});

describe('TLS reports', () => {
  it('get through whatever the policy says, and what fails meanwhile is counted and kept', async () => {
    const spool = join(folder, 'reporting');
    const on = { ...settings, SLUICE_TLS_REPORTS: 'on', SLUICE_TLS_REPORT_CONTACT: 'post@client.example' };
    const engine = await stage.engine(on, undefined, spool);
    const client = await stage.client(engine);
    await client.send('<ann@client.example>', ['<bob@d.test>'], mail());
    await engine.waitForLog((line) => line['dsn'] === '4.7.1');
    await engine.stop();
    const file = join(spool, 'tls-reports.json');
    const kept = JSON.parse(readFileSync(file, 'utf8')) as {
      today: { day: number; domains: [string, { details: { kind: string }[] }[]][] };
    };
    expect(kept.today.domains[0]?.[0]).toBe('d.test');
    expect(kept.today.domains[0]?.[1][0]?.details[0]?.kind).toBe('validation-failure');
    // It was the day before yesterday, so the report is due.
    kept.today.day = Math.floor(Date.now() / DAY) - 2;
    writeFileSync(file, JSON.stringify(kept));
    const again = await stage.engine(on, undefined, spool);
    await sink.waitFor(1);
    expect(await again.waitForLog('TLS report sent')).toMatchObject({ domain: 'd.test', to: 'reports@d.test' });
    const [message] = sink.messages;
    expect([message!.mail.split(' SIZE')[0], ...message!.rcpts]).toEqual([
      'MAIL FROM:<tls-reports@relay.example>',
      expect.stringMatching(/^RCPT TO:<reports@d\.test>/),
    ]);
    const content = message!.content.toString('latin1');
    expect(content).toContain('TLS-Report-Domain: d.test\r\n');
    const encoded = /filename="[^"]*"\r\n\r\n([A-Za-z0-9+/=\r\n]+)/.exec(content)![1]!;
    expect(JSON.parse(gunzipSync(Buffer.from(encoded, 'base64')).toString())).toMatchObject({
      'contact-info': 'post@client.example',
      'organization-name': 'relay.example',
      policies: [{ policy: { 'policy-type': 'sts' }, 'failure-details': [{ 'result-type': 'validation-failure' }] }],
    });
  });
});
