/**
 * What the browser looks at: an engine with HTTP, next hops that take mail, put it off, refuse it or are not there, and
 * a source that goes on sending.
 */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type EngineProcess, startEngine } from '../helpers/engine.js';
import { SmtpTestClient } from '../helpers/smtp-client.js';
import { type SmtpSink, startSink } from '../helpers/smtp-sink.js';

/** What a page must show as text, and never as markup. */
export const HOSTILE = '<img src=x onerror=alert(1)><script>alert(2)</script>';
export const HOSTILE_SENDER = '"<img/src=x/onerror=alert(3)>"@evil.example';
const TENANTS = ['shop', 'news', 'billing', 'alerts'];
/** Between two messages of the source, ms. */
const PACE = 20;

export class Stage {
  readonly httpPort: number;
  engine!: EngineProcess;
  private readonly folder: string;
  private readonly smtpPort: number;
  private readonly sinks: SmtpSink[] = [];
  private readonly token: string;
  private sending = false;
  private source: Promise<void> = Promise.resolve();

  private constructor(folder: string, ports: readonly [number, number], token: string) {
    this.folder = folder;
    [this.httpPort, this.smtpPort] = ports;
    this.token = token;
  }

  /** Starts all of it. `token` '': none is asked for. */
  static async open(folder: string, token = ''): Promise<Stage> {
    const stage = new Stage(folder, [await freePort(), await freePort()], token);
    await stage.startSinks();
    await stage.startEngine();
    stage.source = stage.send();
    return stage;
  }

  get url(): string {
    return `http://127.0.0.1:${this.httpPort}/`;
  }

  /** On the same spool and ports as before. */
  async startEngine(): Promise<void> {
    this.engine = await startEngine({
      readyTimeout: 60_000,
      spoolDir: join(this.folder, 'spool'),
      settings: {
        SLUICE_LISTEN: `smtp://127.0.0.1:${this.smtpPort}`,
        SLUICE_HTTP: `http://127.0.0.1:${this.httpPort}`,
        SLUICE_CONFIG: join(this.folder, 'sluice.toml'),
        SLUICE_RELAY_NETWORKS: '127.0.0.0/8',
        SLUICE_CLIENT_LIMITS: 'strangers',
        SLUICE_UPSTREAM: `smtp://127.0.0.1:${this.sinks[0]!.port}?tls=none&pool=8`,
        SLUICE_RETRY_MIN: '20s',
        SLUICE_LOG_LEVEL: 'warn',
        ...(this.token === '' ? {} : { SLUICE_HTTP_TOKEN: this.token }),
      },
    });
  }

  /** Sends one message; its id. */
  async sendOne(from: string, to: string, tenant = 'shop'): Promise<string> {
    const client = await SmtpTestClient.open(this.smtpPort);
    const { text, code } = await client.send(`<${from}>`, [`<${to}>`], content(tenant));
    await client.quit();
    const id = /queued as (\w+)/.exec(text)?.[1];
    if (code !== 250 || id === undefined) throw new Error(`not taken: ${text}`);
    return id;
  }

  async stop(): Promise<void> {
    this.sending = false;
    await this.source;
    await this.engine.stop();
    for (const sink of this.sinks) await sink.close();
  }

  private async startSinks(): Promise<void> {
    const slow = async (ms: number): Promise<undefined> => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return undefined;
    };
    let asked = 0;
    const steady = await startSink({
      reply: (moment) => (moment === 'CONTENT' ? slow(2 + Math.random() * 25) : undefined),
    });
    const moody = await startSink({
      reply: async (moment) => {
        if (moment !== 'RCPT') return moment === 'CONTENT' ? slow(60 + Math.random() * 90) : undefined;
        asked++;
        if (asked % 7 === 0) return `451 4.7.1 too much mail from you ${HOSTILE}`;
        return asked % 9 === 0 ? '550 5.1.1 No such user here' : undefined;
      },
    });
    const backup = await startSink();
    const never = await startSink({
      reply: (moment) => (moment === 'RCPT' ? `450 4.2.1 come back later ${HOSTILE}` : undefined),
    });
    this.sinks.push(steady, moody, backup, never);
    const gone = await freePort();
    const hosts = ({ port }: { readonly port: number }): string => `smtp://127.0.0.1:${port}?tls=none&pool=6`;
    writeFileSync(
      join(this.folder, 'sluice.toml'),
      [
        ...group('moody', [hosts(moody), hosts(backup), hosts({ port: gone })]),
        ...group('never', [hosts(never)]),
        ...route('moody', '@moody.example', 'moody'),
        ...route('never', '@never.example', 'never'),
        ...TENANTS.flatMap((name) => ['[[tenant]]', `name = "${name}"`, `header = "${name}"`]),
      ].join('\n'),
    );
  }

  /** Goes on until the end; while the engine is away it tries again. */
  private async send(): Promise<void> {
    this.sending = true;
    for (let n = 0; this.sending; ) {
      try {
        const client = await SmtpTestClient.open(this.smtpPort);
        for (; this.sending; n++) {
          const domain = n % 5 === 0 ? 'moody.example' : n % 61 === 0 ? 'never.example' : 'steady.example';
          const sender = n % 40 === 0 ? HOSTILE_SENDER : `app@${TENANTS[n % 4]}.example`;
          const { code } = await client.send(`<${sender}>`, [`<user${n}@${domain}>`], content(TENANTS[n % 4]!));
          if (code !== 250) break;
          await new Promise((resolve) => setTimeout(resolve, PACE * (0.4 + Math.random())));
        }
        client.destroy();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
    }
  }
}

function group(name: string, hosts: readonly string[]): string[] {
  return ['[[upstream]]', `name = "${name}"`, `hosts = ${JSON.stringify(hosts)}`];
}

function route(name: string, recipient: string, upstream: string): string[] {
  return ['[[route]]', `name = "${name}"`, `recipient = "${recipient}"`, `upstream = "${upstream}"`];
}

function content(tenant: string): string {
  const fields = [`X-Sluice-Tenant: ${tenant}`, 'X-Sluice-Tags: spring', 'Subject: hello', 'From: a@b.example'];
  return `${fields.join('\r\n')}\r\n\r\n${'text '.repeat(200)}\r\n`;
}

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
