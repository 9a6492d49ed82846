/**
 * A scripted SMTP server on loopback, standing in for a next hop.
 *
 * It answers well by default and counts what it took. A script per connection may answer otherwise, close, reset or say
 * nothing, at every stage. With `security` it speaks TLS and knows an account. Everything it holds is closed by `close`.
 */
import net from 'node:net';
import tls from 'node:tls';
import { type SaslAccount, type SaslServerDialogue, saslDialogue } from './sasl-server.js';

/** What it does instead of answering well: a reply (without CRLF), or an action. */
export type Reaction = string | 'close' | 'reset' | 'silent';

/** Stages where a script may step in; `dot` is the end of the content, `afterDot` comes right behind its reply. */
export type PeerStage =
  | 'greeting'
  | 'EHLO'
  | 'HELO'
  | 'STARTTLS'
  | 'handshake'
  | 'AUTH'
  | 'MAIL'
  | 'RCPT'
  | 'DATA'
  | 'dot'
  | 'afterDot'
  | 'RSET'
  | 'QUIT';

/** How the peer is secured. A script's reaction at `handshake` is what it does, or says in the clear, instead of TLS. */
export interface PeerSecurity {
  /** Certificate and more; STARTTLS is offered until it was used. */
  readonly tls?: tls.SecureContextOptions & { readonly requestCert?: boolean };
  /** TLS before the greeting. */
  readonly implicit?: boolean;
  readonly account?: SaslAccount;
  /** Offered in EHLO. */
  readonly mechanisms?: string;
}

/** Asked at every stage with the number of the connection and how often this stage came on it, both from 0. */
export type Script = (stage: PeerStage, connection: number, count: number, line: string) => Reaction | undefined;

export interface TakenMessage {
  readonly connection: number;
  readonly sender: string;
  readonly recipients: readonly string[];
  /** Content as it came, dot-stuffed, without the end of data. */
  readonly content: string;
  readonly secure: boolean;
}

const GOOD: Record<PeerStage, string> = {
  greeting: '220 peer.example ESMTP',
  EHLO: '250-peer.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 DSN',
  HELO: '250 peer.example',
  STARTTLS: '220 2.0.0 go',
  handshake: '',
  AUTH: '',
  MAIL: '250 2.1.0 ok',
  RCPT: '250 2.1.5 ok',
  DATA: '354 go',
  dot: '250 2.0.0 queued',
  afterDot: '',
  RSET: '250 2.0.0 ok',
  QUIT: '221 2.0.0 bye',
};

export class SmtpPeer {
  readonly messages: TakenMessage[] = [];
  /** Connections ever accepted. */
  accepted = 0;
  /** Commands in order, over all connections. */
  readonly commands: string[] = [];
  mostOpen = 0;
  readonly open = new Set<net.Socket>();
  /** `version` of each TLS session, with ` resumed` where it was. */
  readonly handshakes: string[] = [];
  /** SNI of each TLS session, '' for none. */
  readonly serverNames: string[] = [];
  /** Mechanisms of dialogues that were won. */
  readonly authenticated: string[] = [];
  script: Script;
  security: PeerSecurity;
  /** How long after the command each reply comes, ms; replies stay in their order. */
  latency = 0;
  private context: tls.SecureContext | undefined;
  private readonly server: net.Server;

  private constructor(script: Script, security: PeerSecurity) {
    this.script = script;
    this.security = security;
    this.renewContext();
    this.server = net.createServer({ noDelay: true }, (socket) => this.serve(socket));
  }

  /** Listens on a free port, or where it is told to. */
  static async start(
    script: Script = () => undefined,
    port = 0,
    address = '127.0.0.1',
    security: PeerSecurity = {},
  ): Promise<SmtpPeer> {
    const peer = new SmtpPeer(script, security);
    await new Promise<void>((resolve) => peer.server.listen(port, address, resolve));
    return peer;
  }

  get port(): number {
    return (this.server.address() as net.AddressInfo).port;
  }

  /** Subjects of the messages taken, sorted. */
  get subjects(): string[] {
    return this.messages.map(({ content }) => /^Subject: (.*)$/m.exec(content)?.[1]?.trim() ?? '').sort();
  }

  /** Forgets the TLS sessions it gave out. */
  renewContext(): void {
    this.context = this.security.tls === undefined ? undefined : tls.createSecureContext(this.security.tls);
  }

  /** Closes every open connection; new ones are welcome. */
  hangUp(): void {
    for (const socket of this.open) socket.end();
  }

  async close(): Promise<void> {
    for (const socket of this.open) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private serve(raw: net.Socket): void {
    const connection = this.accepted++;
    const counts = new Map<PeerStage, number>();
    let socket = raw;
    let secure: tls.TLSSocket | null = null;
    let dialogue: SaslServerDialogue | null = null;
    let sender = '';
    let recipients: string[] = [];
    let content: string | null = null;
    let buffered = '';
    let mute = false;
    this.open.add(raw);
    this.mostOpen = Math.max(this.mostOpen, this.open.size);
    raw.on('close', () => this.open.delete(raw));
    raw.on('error', () => {});

    /** What it says by itself. */
    const good = (stage: PeerStage): string => {
      const { account, mechanisms = 'PLAIN' } = this.security;
      const more =
        stage !== 'EHLO'
          ? ''
          : (this.context !== undefined && secure === null ? '\r\n250-STARTTLS' : '') +
            (account === undefined ? '' : `\r\n250-AUTH ${mechanisms}`);
      return GOOD[stage].replace('\r\n', `${more}\r\n`);
    };

    const later = (then: () => void): void => {
      if (this.latency === 0) then();
      else setTimeout(then, this.latency);
    };
    const say = (text: string): void =>
      later(() => {
        if (!socket.destroyed) socket.write(text, 'latin1');
      });

    /** Reacts at a stage; the code that was said, 0 for none. */
    const react = (stage: PeerStage, line = ''): number => {
      const count = counts.get(stage) ?? 0;
      counts.set(stage, count + 1);
      const reaction = this.script(stage, connection, count, line) ?? good(stage);
      if (reaction === 'close') socket.end();
      else if (reaction === 'reset') raw.resetAndDestroy();
      else if (reaction !== 'silent') {
        if (reaction !== '') say(`${reaction}\r\n`);
        return Number.parseInt(reaction, 10) || 0;
      }
      mute = true;
      return 0;
    };

    const startTls = (then: () => void): void => {
      if (this.script('handshake', connection, 0, '') !== undefined) {
        react('handshake');
        return;
      }
      raw.removeAllListeners('data');
      const { requestCert = false } = this.security.tls ?? {};
      const own = new tls.TLSSocket(raw, {
        isServer: true,
        secureContext: this.context!,
        requestCert,
        rejectUnauthorized: false,
      });
      own.on('error', () => raw.destroy());
      own.on('secure', () => {
        this.handshakes.push(`${own.getProtocol()}${own.isSessionReused() ? ' resumed' : ''}`);
        this.serverNames.push((own as unknown as { servername?: string | false }).servername || '');
      });
      secure = own;
      socket = own;
      buffered = '';
      socket.on('data', read);
      own.once('secure', then);
    };

    const step = (message: Buffer | null): void => {
      const next = dialogue!(message);
      if (next.kind === 'challenge') socket.write(`334 ${Buffer.from(next.text).toString('base64')}\r\n`);
      else {
        dialogue = null;
        socket.write(next.ok ? '235 2.7.0 welcome\r\n' : '535 5.7.8 no such user or password\r\n');
        if (next.ok)
          this.authenticated.push(this.commands.findLast((line) => line.startsWith('AUTH '))!.split(' ')[1]!);
      }
    };

    const command = (line: string): void => {
      const verb = line.split(/[ :]/, 1)[0]!.toUpperCase();
      this.commands.push(line);
      if (!(verb in GOOD)) socket.write('500 5.5.1 what\r\n');
      else if (verb === 'AUTH' && this.script('AUTH', connection, counts.get('AUTH') ?? 0, line) === undefined) {
        const [, mechanism, first] = line.split(' ');
        const binding = secure?.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)) ?? null;
        dialogue = saslDialogue(mechanism!, this.security.account!, binding);
        step(first === undefined ? null : Buffer.from(first === '=' ? '' : first, 'base64'));
      } else {
        const code = react(verb as PeerStage, line);
        const path = /<(.*)>/.exec(line)?.[1] ?? '';
        if (verb === 'STARTTLS' && code === 220) startTls(() => {});
        else if (verb === 'MAIL') {
          sender = path;
          recipients = [];
        } else if (verb === 'RCPT' && code === 250) recipients.push(path);
        else if (verb === 'DATA' && code === 354) content = '';
        else if (verb === 'QUIT' && code !== 0) later(() => socket.end());
      }
    };

    const read = (bytes: Buffer): void => {
      buffered += bytes.toString('latin1');
      while (!mute) {
        if (content !== null) {
          const end = `\r\n${buffered}`.indexOf('\r\n.\r\n');
          if (end < 0) return;
          content = buffered.slice(0, end);
          buffered = buffered.slice(end + 3);
          if (react('dot') === 250)
            this.messages.push({ connection, sender, recipients, content, secure: secure !== null });
          content = null;
          if (!mute) react('afterDot');
        } else {
          const end = buffered.indexOf('\r\n');
          if (end < 0) return;
          const line = buffered.slice(0, end);
          buffered = buffered.slice(end + 2);
          if (dialogue === null) command(line);
          else step(Buffer.from(line, 'base64'));
        }
      }
    };
    if (this.security.implicit === true) startTls(() => react('greeting'));
    else {
      socket.on('data', read);
      react('greeting');
    }
  }
}

/** Waits until something holds; fails with `what` after `limit` ms. */
export async function until(what: string, holds: () => boolean, limit = 10_000): Promise<void> {
  for (const end = Date.now() + limit; !holds(); ) {
    if (Date.now() > end) throw new Error(`waited too long until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
