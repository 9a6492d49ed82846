/**
 * The fixtures of import-postfix as they can be run: copies in which every next hop is a sink of its own on loopback, and
 * which mail must come to which of them, as Postfix would send it.
 *
 * Sinks speak TLS with a certificate for localhost and take any login, which is written down. The files of a copy say
 * `[localhost]:port` where the fixture has a host, and nothing else of them is changed but paths, the authority and the
 * types of tables that need no `postmap`.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Script, SmtpPeer } from './smtp-peer.js';
import type { TestAuthority } from './test-authority.js';

const FIXTURES = 'test/compat/postfix/fixtures';

/** Where a message ends: a next hop as the fixture writes it, the MX hosts of its domain, or nowhere. */
export interface Case {
  readonly from: string;
  readonly to: string;
  readonly at: string | 'mx' | 'nowhere';
  /** Who logs in there, '' for nobody. */
  readonly login?: string;
  readonly helo?: string;
  /** Why Postfix is not asked: it does something else, which the report of the import names. */
  readonly differs?: string;
}

export interface Shape {
  readonly name: string;
  readonly fixture: string;
  readonly cases: readonly Case[];
  /** Next hops that do not answer, and those that nothing goes to. */
  readonly down?: readonly string[];
  readonly idle?: readonly string[];
  /** Files that the fixture lacks on purpose. */
  readonly files?: Readonly<Record<string, string>>;
  /** Why it does not run in Postfix as it is. */
  readonly withoutPostfix?: string;
}

const one = (to: string, at: string, login = '', from = 'ann@sender.example'): Case => ({ from, to, at, login });
const ISP = ['[smtp.isp.example]:submission', '[smtp2.isp.example]:587'] as const;

export const shapes: readonly Shape[] = [
  {
    ...{ name: 'docker-image', fixture: 'docker-image' },
    files: { sasl_passwd: '[smtp.mailgun.org]:587 mg:secret\n', allowed_senders: 'sender.example OK\n' },
    cases: [one('u@any.example', '[smtp.mailgun.org]:587', 'mg:secret')],
  },
  {
    ...{ name: 'docker-env', fixture: 'docker-env' },
    cases: [one('u@any.example', '[relay.provider.example]:2525', 'apikey:key-123', 'a@example.com')],
  },
  {
    ...{ name: 'exchange-hybrid', fixture: 'exchange-hybrid' },
    cases: [
      one('u@contoso.example', '[exch01.corp.contoso.example]:25'),
      one('u@other.example', '[contoso-example.mail.protection.outlook.com]:25'),
      one('u@contoso.mail.onmicrosoft.example', 'mx'),
    ],
  },
  {
    ...{ name: 'inbound-gateway', fixture: 'inbound-gateway' },
    cases: [
      one('ann@example.org', '[mail.internal]:25'),
      one('nobody@example.org', 'nowhere'),
      one('any@example.com', '[mail2.internal]:2525'),
    ],
  },
  {
    ...{ name: 'isp-smarthost', fixture: 'isp-smarthost', idle: [ISP[1]] },
    cases: [one('u@any.example', ISP[0], 'office:pass word#1')],
  },
  {
    ...{ name: 'isp-smarthost, its first host down', fixture: 'isp-smarthost', down: [ISP[0]] },
    cases: [one('u@any.example', ISP[1], 'office:other')],
  },
  {
    ...{ name: 'milter-opendkim', fixture: 'milter-opendkim', withoutPostfix: 'it needs milters and a content filter' },
    cases: [one('u@any.example', 'mx')],
  },
  {
    ...{ name: 'multi-tenant', fixture: 'multi-tenant' },
    cases: [
      { ...one('a@any.example', '[vip.acme.example]', '', 'vip@acme.example'), helo: 'mail.acme.example' },
      { ...one('b@any.example', '[relay.acme.example]', '', 'x@acme.example'), helo: 'mail.acme.example' },
      { ...one('c@any.example', '[relay.globex.example]:25', '', 'x@globex.example'), helo: 'mail.globex.example' },
      { ...one('d@any.example', '[relay.plain.example]', '', 'x@plain.example'), helo: 'mx.hoster.example' },
      one('e@any.example', '[out.hoster.example]', '', 'x@other.example'),
      one('f@any.example', '[out.hoster.example]'),
    ],
  },
  { ...{ name: 'null-client', fixture: 'null-client' }, cases: [one('u@any.example', '$mydomain')] },
  {
    ...{ name: 'office365-relay', fixture: 'office365-relay' },
    cases: [
      one('u@any.example', '[smtp.office365.com]:587', 'app@fabrikam.example:S3cret!'),
      one('u@partner.example', '[mail.partner.example]:25'),
      {
        ...one('u@hr.fabrikam.example', '[hr.fabrikam.example]'),
        differs: 'dane-only of a host is TLS with any certificate',
      },
    ],
  },
  {
    ...{ name: 'sender-dependent', fixture: 'sender-dependent' },
    cases: [
      one('a@any.example', '[smtp.a.example]:587', 'a-user:a-secret', 'x@brand-a.example'),
      one('b@any.example', '[smtp.shared.example]:587', 'b-user:b-secret', 'news@brand-b.example'),
      one('c@any.example', '[smtp.shared.example]:587', 'main:secret', 'x@brand-b.example'),
      one('d@any.example', '[smtp.shared.example]:587', 'main:secret'),
    ],
  },
  {
    ...{ name: 'sendgrid', fixture: 'sendgrid' },
    cases: [one('u@any.example', '[smtp.sendgrid.net]:587', 'apikey:SG.abc_DEF-123')],
  },
  {
    ...{ name: 'ses', fixture: 'ses' },
    cases: [one('u@any.example', '[email-smtp.eu-west-1.amazonaws.com]:587', 'AKIAIOSFODNN7EXAMPLE:BMG/Ea+l5=7')],
  },
  {
    ...{ name: 'smarthost-sasl', fixture: 'smarthost-sasl' },
    cases: [one('u@any.example', '[smtp.provider.example]:587', 'relay@example.org:p@ss:w/o#rd%1')],
  },
  {
    ...{ name: 'tls-policy', fixture: 'tls-policy' },
    cases: [
      one('u@any.example', '[relay.example.net]:587'),
      one('u@bank.example', '[mx.bank.example]'),
      one('u@pinned.example', '[mx.pinned.example]:465'),
    ],
  },
  {
    ...{ name: 'transport-maps', fixture: 'transport-maps' },
    cases: [
      one('boss@partner.example', '[10.0.0.9]'),
      one('u@partner.example', '[mx.partner.example]'),
      one('u@sub.partner.example', '[mx.partner.example]'),
      one('user+x@tagged.example', '[tags.example.org]'),
      one('u@old.example', 'nowhere'),
      one('u@later.example', 'nowhere'),
      one('u@sink.example', 'nowhere'),
      one('u@direct.example', 'mx'),
      one('u@slow.example', '[mx.slow.example]'),
      one('u@any.example', '[fallback.example.org]:2525'),
    ],
  },
  {
    ...{ name: 'virtual-domains', fixture: 'virtual-domains', withoutPostfix: 'it needs tables in MySQL' },
    cases: [one('u@any.example', 'mx')],
  },
];

/** A recipient that arrived somewhere. */
export interface Arrival {
  readonly to: string;
  readonly at: string;
  readonly login: string;
  readonly helo: string;
  readonly secure: boolean;
}

export class StagedShape {
  /** The copy. */
  readonly folder: string;
  readonly shape: Shape;
  private readonly sinks = new Map<string, SmtpPeer>();
  private readonly logins = new Map<string, string>();

  private constructor(shape: Shape, folder: string) {
    this.shape = shape;
    this.folder = folder;
  }

  static async open(shape: Shape, folder: string, authority: TestAuthority): Promise<StagedShape> {
    const staged = new StagedShape(shape, folder);
    const issued = authority.issue({ names: ['localhost'], addresses: ['127.0.0.1'] });
    const hops = [...new Set([...shape.cases.map(({ at }) => at), ...(shape.down ?? []), ...(shape.idle ?? []), 'mx'])];
    for (const hop of hops.filter((at) => at !== 'nowhere')) await staged.listen(hop, issued);
    mkdirSync(folder, { recursive: true });
    cpSync(join(FIXTURES, shape.fixture), folder, { recursive: true });
    for (const [name, text] of Object.entries(shape.files ?? {})) writeFileSync(join(folder, name), text);
    writeFileSync(join(folder, 'ca.pem'), authority.own.cert);
    writeFileSync(join(folder, 'hybrid.pem'), issued.cert + issued.key, { mode: 0o600 });
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (!name.endsWith('.pem') && statSync(path).isFile())
        writeFileSync(path, staged.rewritten(readFileSync(path, 'utf8'), issued.fingerprint));
    }
    // Lines of a postconf -n end with one.
    writeFileSync(join(folder, 'main.cf'), `${staged.main()}\nsmtp_tls_CAfile = ${join(folder, 'ca.pem')}\n`);
    return staged;
  }

  main(): string {
    return readFileSync(join(this.folder, 'main.cf'), 'utf8');
  }

  master(): string {
    const path = join(this.folder, 'master.cf');
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  /** The port that MX hosts are reached on. */
  get mxPort(): number {
    return this.sinks.get('mx')!.port;
  }

  /** What arrived of the cases, in their order. */
  arrivals(): Arrival[] {
    const wanted = new Map(this.shape.cases.map(({ to }, place) => [to, place]));
    const found = [...this.sinks].flatMap(([at, { messages, commands }]) =>
      messages.flatMap(({ connection, recipients, secure }) =>
        recipients.map((to) => ({
          ...{ to, at, secure, login: this.logins.get(`${at} ${connection}`) ?? '' },
          helo: commands.findLast((line) => line.startsWith('EHLO '))?.slice(5) ?? '',
        })),
      ),
    );
    return found.filter(({ to }) => wanted.has(to)).sort((a, b) => wanted.get(a.to)! - wanted.get(b.to)!);
  }

  /** Cases that end at a sink, in the form of arrivals. */
  expected(): Pick<Arrival, 'to' | 'at' | 'login'>[] {
    return this.shape.cases.filter(({ at }) => at !== 'nowhere').map(({ to, at, login = '' }) => ({ to, at, login }));
  }

  async close(): Promise<void> {
    for (const sink of this.sinks.values()) await sink.close();
  }

  private async listen(hop: string, issued: { readonly cert: string; readonly key: string }): Promise<void> {
    const script: Script = (stage, connection, _, line) => {
      if (stage !== 'AUTH') return undefined;
      const [, mechanism, first = ''] = line.split(' ');
      if (mechanism !== 'PLAIN') return '504 5.5.4 PLAIN only';
      const [, user, password] = Buffer.from(first, 'base64').toString('utf8').split('\u0000');
      this.logins.set(`${hop} ${connection}`, `${user}:${password}`);
      return '235 2.7.0 welcome';
    };
    const account = { name: '', password: '' };
    const sink = await SmtpPeer.start(script, 0, '127.0.0.1', {
      tls: { cert: issued.cert, key: issued.key },
      ...(this.shape.cases.some((given) => given.at === hop && (given.login ?? '') !== '') && {
        account: account as never,
      }),
    });
    this.sinks.set(hop, sink);
    if (!(this.shape.down ?? []).includes(hop)) return;
    sink.script = (stage) => (stage === 'greeting' ? 'close' : undefined);
  }

  private rewritten(text: string, fingerprint: string): string {
    let result = text
      .replaceAll('/etc/postfix/', `${this.folder}/`)
      .replace(/\b(?:hash|lmdb):(?=\/|\$)/g, 'texthash:')
      .replaceAll('pcre:/', 'regexp:/')
      .replace('default_database_type = lmdb', 'default_database_type = hash')
      .replace('smtp_sasl_mechanism_filter = login', 'smtp_sasl_mechanism_filter = plain')
      .replace(/match=3D(?::[0-9A-F]{2})+/, `match=${fingerprint.toUpperCase().replace(/..(?!$)/g, '$&:')}`);
    // With a port before without.
    const hops = [...this.sinks].filter(([hop]) => hop !== 'mx').sort(([a], [b]) => b.length - a.length);
    for (const [hop, { port }] of hops)
      result =
        hop === '$mydomain'
          ? result.replace('relayhost = $mydomain', `relayhost = [localhost]:${port}`)
          : result.replaceAll(hop, `[localhost]:${port}`);
    return result;
  }
}
