/**
 * Real clients with TLS and accounts in front of Sluice: every kind of listener, every mechanism that a client knows.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addAccount } from '../helpers/account-file.js';
import { type EngineProcess, startEngine } from '../helpers/engine.js';
import { IntrospectionServer } from '../helpers/introspection-server.js';
import { type SmtpSink, startSink } from '../helpers/smtp-sink.js';
import { values } from '../wire/stage.js';
import { TestAuthority } from './authority.js';
import type { Checks } from './checks.js';
import { type ListenerKind, type SecureSubmission, secureClients } from './secure-clients.js';

const USER = 'user@accept.example';
const PASSWORD = 'corr3ct-horse';
const TOKEN = 'good-oauth-token';
const KINDS: readonly ListenerKind[] = ['smtp', 'submission', 'smtps'];
/** Runs at once: clients mostly wait. */
const AT_ONCE = 4;

/** An engine with all kinds of listener, one account and what clients need to know of both. */
export class SubmissionWorld {
  readonly engine: EngineProcess;
  readonly sink: SmtpSink;
  private readonly folder: string;
  private readonly common: Omit<SecureSubmission, 'kind' | 'port' | 'file' | 'unixFile'>;

  private constructor(
    engine: EngineProcess,
    sink: SmtpSink,
    folder: string,
    common: Omit<SecureSubmission, 'kind' | 'port' | 'file' | 'unixFile'>,
  ) {
    this.engine = engine;
    this.sink = sink;
    this.folder = folder;
    this.common = common;
  }

  static async start(
    checks: Checks,
    name: string,
    settings: Readonly<Record<string, string>>,
  ): Promise<SubmissionWorld> {
    const folder = join(checks.folder, name);
    const authority = new TestAuthority(join(folder, 'ca'), 'Submission authority');
    const server = authority.issue(['localhost', 'relay.example', 'IP:127.0.0.1']);
    const certificate = authority.issue([USER, `email:${USER}`], 'clientAuth');
    const sink = await startSink();
    checks.own({ stop: () => sink.close() });
    const tokens = checks.own(
      await IntrospectionServer.start(new Map([[TOKEN, { username: USER, scope: 'smtp', client_id: 'e2e' }]])),
    );
    const accounts = join(folder, 'accounts');
    addAccount(accounts, USER, PASSWORD);
    const engine = checks.own(
      await startEngine({
        settings: {
          SLUICE_LISTEN: KINDS.map((kind) => `${kind}://127.0.0.1:0`).join(','),
          SLUICE_UPSTREAM: sink.url,
          SLUICE_TLS_CERT: server.cert,
          SLUICE_TLS_KEY: server.key,
          SLUICE_TLS_CLIENT_CA: authority.file,
          SLUICE_AUTH_FILE: accounts,
          SLUICE_AUTH_CERTIFICATE_NAMES: 'email',
          SLUICE_AUTH_DELAY: '100ms',
          SLUICE_OAUTH_INTROSPECT_URL: tokens.url,
          // Only who logs in may relay.
          SLUICE_RELAY_NETWORKS: '!127.0.0.0/8',
          SLUICE_MAX_CONNECTIONS_PER_CLIENT: '1000',
          ...settings,
        },
      }),
    );
    const common = { ca: authority.file, user: USER, password: PASSWORD, token: TOKEN, certificate };
    return new SubmissionWorld(engine, sink, folder, { ...common, from: USER, to: 'bob@elsewhere.example' });
  }

  /** A message with this subject for a listener of this kind. */
  submission(kind: ListenerKind, subject: string): SecureSubmission {
    const lines = [`From: <${USER}>`, 'To: bob@elsewhere.example', `Subject: ${subject}`, 'MIME-Version: 1.0'];
    const text = [...lines, `Message-ID: <${subject}@accept.example>`, '', '.dot', '..', 'end', ''].join('\r\n');
    const [file, unixFile] = [join(this.folder, `${subject}.eml`), join(this.folder, `${subject}.txt`)];
    writeFileSync(file, text);
    writeFileSync(unixFile, text.replaceAll('\r\n', '\n'));
    return { ...this.common, kind, port: this.engine.ports[KINDS.indexOf(kind)]!, file, unixFile };
  }

  /** Fails unless the message arrived and its Received says that it came by TLS from somebody who logged in. */
  async arrival(subject: string): Promise<string> {
    const [message] = await this.sink.waitFor(1, ({ content }) => content.includes(`Subject: ${subject}\r\n`), 20_000);
    const received = values(message!.content, 'Received')[0] ?? '';
    if (!/with (?:UTF8SMTPSA|ESMTPSA)\b/.test(received) || !/TLSv1\.[23]/.test(received))
      throw new Error(`Received says ${received}`);
    return /TLSv1\.[23]/.exec(received)![0];
  }
}

/** `work` on all of `list`, a few at a time. */
async function together<T>(list: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const rest = [...list];
  const worker = async (): Promise<void> => {
    for (let one = rest.shift(); one !== undefined; one = rest.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Every client with every mechanism it knows over every kind of listener it can use. */
export async function submissions(
  checks: Checks,
  name: string,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const world = await SubmissionWorld.start(checks, name, settings);
  const runs = KINDS.flatMap((kind) =>
    secureClients
      .filter(({ kinds = KINDS }) => kinds.includes(kind))
      .flatMap((client) => client.mechanisms.map((mechanism) => ({ kind, client, mechanism }))),
  );
  const missing = new Set(secureClients.filter((client) => client.missing() !== ''));
  for (const client of missing) checks.skip(`${client.name} -> Sluice (${name})`, client.missing());
  await together(
    runs.filter(({ client }) => !missing.has(client)),
    ({ kind, client, mechanism }) =>
      checks.check(`${client.name} -> ${kind} with ${mechanism} (${name})`, async () => {
        const subject = `${name}-${kind}-${client.name.replace(/\W/g, '')}-${mechanism}`;
        const { password, ...rest } = world.submission(kind, subject);
        await client.send({ ...rest, password }, mechanism);
        return client.sends === false ? 'logged in' : world.arrival(subject);
      }),
  );
  await checks.check(`a wrong password is refused (${name})`, async () => {
    const subject = `${name}-wrong`;
    const one = { ...world.submission('submission', subject), password: 'wrong', token: 'wrong' };
    for (const mechanism of ['PLAIN', 'CRAM-MD5', 'SCRAM-SHA-256', 'XOAUTH2']) {
      const client = secureClients.find((candidate) => candidate.name === 'Python smtplib')!;
      const refusal = await client.send(one, mechanism).then(
        () => 'accepted',
        (error: unknown) => String(error),
      );
      if (!refusal.includes('535')) throw new Error(`${mechanism}: ${refusal}`);
    }
    return 'by PLAIN, CRAM-MD5, SCRAM-SHA-256 and XOAUTH2';
  });
}
