/**
 * Real servers with TLS behind Sluice: Postfix, which demands STARTTLS and a login, and Exim with STARTTLS.
 */
import { join } from 'node:path';
import { startEngine } from '../helpers/engine.js';
import { SmtpTestClient } from '../helpers/smtp-client.js';
import { TestAuthority } from './authority.js';
import { type Checks, until } from './checks.js';
import { saslMissing, startSasl } from './sasl-service.js';
import { eximMissing, type MailServer, postfixMissing, startExim, startPostfix } from './servers.js';

const USER = 'relay@e2e.example';
const PASSWORD = 'p@ss/w0rd?&%';
const MECHANISMS = ['PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-256'];

/** One message through an engine with this next hop; the Received field of the server must fit. */
async function through(checks: Checks, server: MailServer, upstream: string, subject: string, expected: RegExp) {
  const engine = checks.own(await startEngine({ settings: { SLUICE_UPSTREAM: upstream } }));
  try {
    const client = await SmtpTestClient.open(engine.port);
    const text = `From: ann@client.example\r\nTo: bob@accept.example\r\nSubject: ${subject}\r\n\r\n.text\r\n`;
    const reply = await client.send('<ann@client.example>', ['<bob@accept.example>'], Buffer.from(text));
    client.destroy();
    if (reply.code !== 250) throw new Error(`the engine says ${reply.text}`);
    const arrived = await until('arrival', 20, () =>
      server.arrived().find((message) => message.includes(`Subject: ${subject}\n`)),
    ).catch((error: unknown) => {
      throw new Error(`${error}\n${server.log()}\n${engine.transcript()}`);
    });
    const received = arrived.toString('latin1').split(/^Subject:/m)[0]!;
    if (!expected.test(received)) throw new Error(`Received does not fit ${expected}: ${received}`);
    return expected.exec(received)![0].replace(/\s+/g, ' ');
  } finally {
    await engine.stop();
  }
}

/** A next hop whose certificate does not fit gets nothing. */
async function refused(checks: Checks, server: MailServer, upstream: string, subject: string): Promise<string> {
  const engine = checks.own(await startEngine({ settings: { SLUICE_UPSTREAM: upstream, SLUICE_RETRY_MIN: '10m' } }));
  try {
    const client = await SmtpTestClient.open(engine.port);
    const text = `Subject: ${subject}\r\n\r\ntext\r\n`;
    await client.send('<ann@client.example>', ['<bob@accept.example>'], Buffer.from(text));
    client.destroy();
    const line = await engine.waitForLog(
      (one) => one['to'] === 'bob@accept.example' && one['dsn'] !== undefined,
      20_000,
    );
    if (line['status'] !== 'deferred') throw new Error(`it was ${line['status']}: ${line['reply']}`);
    if (server.arrived().some((message) => message.includes(`Subject: ${subject}\n`))) throw new Error('it arrived');
    return `${line['dsn']} ${line['reply']}`;
  } finally {
    await engine.stop();
  }
}

export async function secureUpstreams(checks: Checks): Promise<void> {
  const place = join(checks.folder, 'upstreams');
  const authority = new TestAuthority(join(place, 'ca'), 'Upstream authority');
  const stranger = new TestAuthority(join(place, 'stranger'), 'Another authority');
  const pair = authority.issue(['localhost', 'IP:127.0.0.1']);
  const login = `${encodeURIComponent(USER)}:${encodeURIComponent(PASSWORD)}`;
  const [ca, other] = [authority.file, stranger.file].map(encodeURIComponent) as [string, string];
  const missing = postfixMissing() || saslMissing();
  if (missing !== '') checks.skip('Postfix with STARTTLS and a login as next hop', missing);
  else {
    const account = { user: USER, password: PASSWORD, mechanisms: MECHANISMS };
    const sasl = checks.own(await startSasl(join(place, 'sasl'), account));
    const postfix = checks.own(
      await startPostfix(join(place, 'postfix'), { secure: { pair, saslSocket: sasl.socket } }),
    );
    const at = `127.0.0.1:${postfix.port}?tls=required`;
    const authenticated = /using TLSv1\.3[\s\S]*Authenticated sender: relay@e2e\.example/;
    for (const mechanism of ['', ...MECHANISMS]) {
      const auth = mechanism === '' ? '' : `&auth=${mechanism}`;
      const title = mechanism === '' ? 'the best mechanism' : mechanism;
      await checks.check(`Sluice -> Postfix by STARTTLS with ${title}`, () =>
        through(checks, postfix, `smtp://${login}@${at}&ca=${ca}${auth}`, `up-${mechanism || 'best'}`, authenticated),
      );
    }
    await checks.check('a Postfix with a certificate of another authority gets neither mail nor password', async () => {
      const said = await refused(checks, postfix, `smtp://${login}@${at}&ca=${other}`, 'up-stranger');
      const [, commands = ''] = /.*disconnect from \S+ (.*)/s.exec(postfix.log()) ?? [];
      if (!commands.includes('starttls=') || commands.includes('auth=')) throw new Error(`commands: ${commands}`);
      return said;
    });
    await checks.check('a Postfix that does not know the password gets nothing', () =>
      refused(checks, postfix, `smtp://${encodeURIComponent(USER)}:wrong@${at}&ca=${ca}`, 'up-wrong'),
    );
  }
  if (eximMissing() !== '') checks.skip('Exim with STARTTLS as next hop', eximMissing());
  else {
    const exim = checks.own(await startExim(join(place, 'exim'), { pair }));
    const at = `smtp://127.0.0.1:${exim.port}`;
    const secured = /with esmtps\s+\(TLS1\.3\)/;
    await checks.check('Sluice -> Exim by STARTTLS, verified', () =>
      through(checks, exim, `${at}?tls=required&ca=${ca}`, 'exim-required', secured),
    );
    await checks.check('Sluice -> Exim by STARTTLS where it is offered', () =>
      through(checks, exim, at, 'exim-opportunistic', secured),
    );
    await checks.check('Sluice -> Exim in the clear', () =>
      through(checks, exim, `${at}?tls=none`, 'exim-none', /with esmtp\s+\(Exim/),
    );
    await checks.check('an Exim with a certificate of another authority gets nothing', () =>
      refused(checks, exim, `${at}?tls=required&ca=${other}`, 'exim-stranger'),
    );
  }
}
