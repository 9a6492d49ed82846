/**
 * Recipient domains that say how safely their mail must come: DANE out of signed DNS, MTA-STS from a web server, to a real
 * Postfix with STARTTLS and to a host without.
 */
import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { startEngine } from '../helpers/engine.js';
import { SmtpTestClient } from '../helpers/smtp-client.js';
import { startSink } from '../helpers/smtp-sink.js';
import { TestAuthority } from './authority.js';
import { type Checks, type Stoppable, until } from './checks.js';
import { startSignedDns } from './dnssec.js';
import { startPostfix } from './servers.js';

/** Where the host without TLS is; Postfix is on 127.0.0.1. */
const PLAIN_HOST = '127.0.0.2';

interface MxCase {
  readonly domain: string;
  /** What is the matter with it. */
  readonly about: string;
  /** Codes of the first outcome (RFC 3463): 4.7.x, 4.4.x ...; '' when it is delivered. */
  readonly deferred: RegExp | '';
  /** Address of its mail host, `mx.<domain>`. */
  readonly address?: string;
  /** TLSA records of the mail host. */
  readonly tlsa?: readonly string[];
  /** The mail host is not named in Postfix's certificate. */
  readonly unnamed?: true;
  /** Lines of its policy. */
  readonly policy?: readonly string[];
  /** DNS says so, not its own records. */
  readonly zone?: 'bogus' | 'unsigned' | 'bogus-tlsa';
  /** Kind of failure in the TLS report of the day. */
  readonly reported?: string;
}

const hex = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
const publicKey = (pem: Buffer): Buffer => createPublicKey(pem).export({ type: 'spki', format: 'der' });

/**
 * `own`: digest of the mail host's public key; `ca`: its authority. TLSA records (RFC 6698 section 2.1): usage 3 is the
 * host's own, 2 its authority; selector 1 is the public key.
 */
function cases(own: string, ca: Buffer): MxCase[] {
  const wrong = hex(Buffer.from('another key'));
  const mx = (domain: string): string => `mx: mx.${domain}`;
  return [
    { domain: 'dane-ee.example', about: 'TLSA 3 1 1', tlsa: [`3 1 1 ${own}`], unnamed: true, deferred: '' },
    {
      domain: 'dane-roll.example',
      about: 'TLSA 3 1 1, next key first',
      tlsa: [`3 1 1 ${wrong}`, `3 1 1 ${own}`],
      deferred: '',
    },
    { domain: 'dane-ta.example', about: 'TLSA 2 1 1', tlsa: [`2 1 1 ${hex(publicKey(ca))}`], deferred: '' },
    {
      domain: 'dane-ca.example',
      about: 'TLSA 2 0 1',
      tlsa: [`2 0 1 ${hex(new X509Certificate(ca).raw)}`],
      deferred: '',
    },
    {
      domain: 'dane-pkix.example',
      about: 'only TLSA of usage 1, which is none for SMTP',
      tlsa: [`1 1 1 ${wrong}`],
      deferred: '',
    },
    {
      domain: 'dane-wrong.example',
      about: 'TLSA of another key',
      tlsa: [`3 1 1 ${wrong}`],
      deferred: /^4\.7\./,
      reported: 'validation-failure',
    },
    {
      domain: 'dane-ta-name.example',
      about: 'TLSA 2 1 1 and a certificate for another name',
      tlsa: [`2 1 1 ${hex(publicKey(ca))}`],
      unnamed: true,
      deferred: /^4\.7\./,
    },
    {
      domain: 'dane-clear.example',
      about: 'TLSA and no STARTTLS',
      tlsa: [`3 1 1 ${own}`],
      address: PLAIN_HOST,
      deferred: /^4\.7\./,
      reported: 'starttls-not-supported',
    },
    { domain: 'dane-lost.example', about: 'TLSA that cannot be validated', zone: 'bogus-tlsa', deferred: /^4\.7\./ },
    { domain: 'bogus.example', about: 'no record can be validated', zone: 'bogus', deferred: /^4\.[47]\./ },
    {
      domain: 'unsigned.example',
      about: 'TLSA of another key without DNSSEC',
      zone: 'unsigned',
      tlsa: [`3 1 1 ${wrong}`],
      deferred: '',
    },
    { domain: 'no-policy.example', about: 'no TLSA, no policy', deferred: '' },
    { domain: 'clear.example', about: 'no policy, no STARTTLS', address: PLAIN_HOST, deferred: '' },
    { domain: 'sts.example', about: 'MTA-STS enforce', policy: ['mode: enforce', mx('sts.example')], deferred: '' },
    {
      domain: 'sts-name.example',
      about: 'MTA-STS enforce and a certificate for another name',
      policy: ['mode: enforce', mx('sts-name.example')],
      unnamed: true,
      deferred: /^4\.7\./,
      reported: 'certificate-host-mismatch',
    },
    {
      domain: 'sts-other.example',
      about: 'MTA-STS enforce that does not name the MX',
      policy: ['mode: enforce', 'mx: mx.elsewhere.example'],
      deferred: /^4\.7\./,
      reported: 'validation-failure',
    },
    {
      domain: 'sts-clear.example',
      about: 'MTA-STS enforce and no STARTTLS',
      policy: ['mode: enforce', mx('sts-clear.example')],
      address: PLAIN_HOST,
      deferred: /^4\.7\./,
      reported: 'starttls-not-supported',
    },
    {
      domain: 'sts-testing.example',
      about: 'MTA-STS testing and a certificate for another name',
      policy: ['mode: testing', mx('sts-testing.example')],
      unnamed: true,
      deferred: '',
      reported: 'certificate-host-mismatch',
    },
  ];
}

/** Serves each policy under its own policy host. */
async function startPolicyHosts(
  all: readonly MxCase[],
  authority: TestAuthority,
): Promise<Stoppable & { port: number }> {
  const policies = new Map<string, string>(
    all.flatMap(({ domain, policy }) =>
      policy === undefined
        ? []
        : [[`mta-sts.${domain}`, ['version: STSv1', ...policy, 'max_age: 86400', ''].join('\r\n')] as const],
    ),
  );
  const pair = authority.issue([...policies.keys()]);
  const server = createServer({ cert: readFileSync(pair.cert), key: readFileSync(pair.key) }, (request, response) => {
    const policy = policies.get((request.headers.host ?? '').replace(/:\d+$/, ''));
    const found = policy !== undefined && request.url === '/.well-known/mta-sts.txt';
    response.writeHead(found ? 200 : 404, { 'content-type': 'text/plain' }).end(found ? policy : '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

function records({ domain, address = '127.0.0.1', tlsa = [], policy }: MxCase, port: number): string[] {
  return [
    `${domain}. MX 10 mx.${domain}.`,
    `mx.${domain}. A ${address}`,
    ...tlsa.map((record) => `_${port}._tcp.mx.${domain}. TLSA ${record}`),
    `_smtp._tls.${domain}. TXT "v=TLSRPTv1; rua=mailto:reports@no-policy.example"`,
    ...(policy === undefined ? [] : [`_mta-sts.${domain}. TXT "v=STSv1; id=1;"`, `mta-sts.${domain}. A 127.0.0.1`]),
  ];
}

/** Kinds of failure by domain, from what the engine keeps for the report of the day. */
function failuresKept(spoolDir: string): Map<string, string[]> {
  interface Kept {
    readonly today: {
      readonly domains: readonly (readonly [string, readonly { details: readonly { kind: string }[] }[]])[];
    };
  }
  const { today } = JSON.parse(readFileSync(join(spoolDir, 'tls-reports.json'), 'utf8')) as Kept;
  return new Map(
    today.domains.map(([domain, results]) => [
      domain,
      results.flatMap(({ details }) => details.map(({ kind }) => kind)),
    ]),
  );
}

export async function mxSecurity(checks: Checks): Promise<void> {
  const place = join(checks.folder, 'mx');
  const authority = new TestAuthority(join(place, 'ca'), 'MX authority');
  const ca = readFileSync(authority.file);
  const named = cases('', ca).filter(({ unnamed }) => unnamed !== true);
  const host = authority.issue(named.map(({ domain }) => `mx.${domain}`));
  const all = cases(hex(publicKey(readFileSync(host.cert))), ca);

  const postfix = checks.own(await startPostfix(join(place, 'postfix'), { secure: { pair: host }, everyDomain: true }));
  const plain = await startSink({ address: PLAIN_HOST, port: postfix.port });
  checks.own({ stop: () => plain.close() });
  const web = checks.own(await startPolicyHosts(all, authority));
  const inZone = (zone: MxCase['zone']): Record<string, string[]> =>
    Object.fromEntries(all.filter((one) => one.zone === zone).map((one) => [one.domain, records(one, postfix.port)]));
  const lost = all.find(({ zone }) => zone === 'bogus-tlsa')!.domain;
  const dns = checks.own(
    await startSignedDns(join(place, 'dns'), {
      records: all
        .filter(({ zone }) => zone !== 'bogus' && zone !== 'unsigned')
        .flatMap((one) => records(one, postfix.port)),
      bogus: { ...inZone('bogus'), [`_tcp.mx.${lost}`]: [`_${postfix.port} TLSA 3 1 1 ${hex(ca)}`] },
      unsigned: inZone('unsigned'),
    }),
  );
  const spoolDir = join(place, 'spool');
  const engine = checks.own(
    await startEngine({
      spoolDir,
      settings: {
        SLUICE_DNS_SERVERS: dns.address,
        SLUICE_MX_PORT: `${postfix.port}`,
        SLUICE_MTA_STS_PORT: `${web.port}`,
        SLUICE_MTA_STS_CA: authority.file,
        SLUICE_TLS_REPORTS: 'on',
        SLUICE_RETRY_MIN: '10m',
        SLUICE_MAX_MESSAGES_PER_CONNECTION: '0',
        SLUICE_MX_CA: authority.file,
      },
    }),
  );
  const client = await SmtpTestClient.open(engine.port);
  for (const { domain } of all) {
    const text = `From: ann@client.example\r\nTo: bob@${domain}\r\nSubject: for-${domain}\r\n\r\ntext\r\n`;
    await client.send('<ann@client.example>', [`<bob@${domain}>`], Buffer.from(text));
  }
  client.destroy();
  const has = (content: Buffer, domain: string): boolean =>
    content.includes(`Subject: for-${domain}\r`) || content.includes(`Subject: for-${domain}\n`);
  for (const { domain, about, deferred, address } of all) {
    await checks.check(`${domain}: ${about}: ${deferred === '' ? 'delivered' : 'deferred'}`, async () => {
      const line = await engine.waitForLog((one) => one['to'] === `bob@${domain}` && one['dsn'] !== undefined, 30_000);
      const said = `${line['status']} ${line['dsn']} ${line['reply']}`;
      if (deferred !== '') {
        if (line['status'] !== 'deferred' || !deferred.test(String(line['dsn']))) throw new Error(`it was ${said}`);
        return said;
      }
      if (line['status'] !== 'delivered') throw new Error(`it was ${said}\n${postfix.log()}`);
      if (address === PLAIN_HOST) return said;
      const arrived = await until('arrival', 10, () => postfix.arrived().find((content) => has(content, domain)));
      if (!/using TLSv1\.[23] with cipher /.test(arrived.toString('latin1'))) throw new Error('it came without TLS');
      return said;
    });
  }
  await checks.check('nothing that was deferred arrived', async () => {
    const came = [...postfix.arrived(), ...plain.messages.map(({ content }) => content)];
    const wrong = all.filter(({ deferred, domain }) => deferred !== '' && came.some((content) => has(content, domain)));
    if (wrong.length > 0) throw new Error(wrong.map(({ domain }) => domain).join(', '));
    return `${came.length} messages arrived`;
  });
  await engine.stop();
  await checks.check('failures are kept for the TLS reports', async () => {
    const kept = failuresKept(spoolDir);
    const expected = all.filter(({ reported }) => reported !== undefined);
    const missing = expected.filter(({ domain, reported }) => !(kept.get(domain) ?? []).includes(reported!));
    if (missing.length > 0)
      throw new Error(
        missing.map(({ domain, reported }) => `${domain}: ${reported}, kept: ${kept.get(domain)}`).join('; '),
      );
    return `${expected.length} domains`;
  });
}
