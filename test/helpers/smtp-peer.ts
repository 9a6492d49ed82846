/**
 * A scripted SMTP server on loopback, standing in for a next hop.
 *
 * It answers well by default and counts what it took. A script per connection may answer otherwise, close, reset or say
 * nothing, at every stage. Everything it holds is closed by `close`.
 */
import net from 'node:net';

/** What it does instead of answering well: a reply (without CRLF), or an action. */
export type Reaction = string | 'close' | 'reset' | 'silent';

/** Stages where a script may step in; `dot` is the end of the content, `afterDot` comes right behind its reply. */
export type PeerStage = 'greeting' | 'EHLO' | 'HELO' | 'MAIL' | 'RCPT' | 'DATA' | 'dot' | 'afterDot' | 'RSET' | 'QUIT';

/** Asked at every stage with the number of the connection and how often this stage came on it, both from 0. */
export type Script = (stage: PeerStage, connection: number, count: number, line: string) => Reaction | undefined;

export interface TakenMessage {
  readonly connection: number;
  readonly sender: string;
  readonly recipients: readonly string[];
  /** Content as it came, dot-stuffed, without the end of data. */
  readonly content: string;
}

const GOOD: Record<PeerStage, string> = {
  greeting: '220 peer.example ESMTP',
  EHLO: '250-peer.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 DSN',
  HELO: '250 peer.example',
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
  script: Script;
  private readonly server: net.Server;

  private constructor(script: Script) {
    this.script = script;
    this.server = net.createServer({ noDelay: true }, (socket) => this.serve(socket));
  }

  /** Listens on a free port, or where it is told to. */
  static async start(script: Script = () => undefined, port = 0, address = '127.0.0.1'): Promise<SmtpPeer> {
    const peer = new SmtpPeer(script);
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

  /** Closes every open connection; new ones are welcome. */
  hangUp(): void {
    for (const socket of this.open) socket.end();
  }

  async close(): Promise<void> {
    for (const socket of this.open) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private serve(socket: net.Socket): void {
    const connection = this.accepted++;
    const counts = new Map<PeerStage, number>();
    let sender = '';
    let recipients: string[] = [];
    let content: string | null = null;
    let buffered = '';
    let mute = false;
    this.open.add(socket);
    this.mostOpen = Math.max(this.mostOpen, this.open.size);
    socket.on('close', () => this.open.delete(socket));
    socket.on('error', () => {});

    /** Reacts at a stage; the code that was said, 0 for none. */
    const react = (stage: PeerStage, line = ''): number => {
      const count = counts.get(stage) ?? 0;
      counts.set(stage, count + 1);
      const reaction = this.script(stage, connection, count, line) ?? GOOD[stage];
      if (reaction === 'close') socket.end();
      else if (reaction === 'reset') socket.resetAndDestroy();
      else if (reaction !== 'silent') {
        if (reaction !== '') socket.write(`${reaction}\r\n`, 'latin1');
        return Number.parseInt(reaction, 10) || 0;
      }
      mute = true;
      return 0;
    };

    const command = (line: string): void => {
      const verb = line.split(/[ :]/, 1)[0]!.toUpperCase();
      this.commands.push(line);
      if (!(verb in GOOD)) socket.write('500 5.5.1 what\r\n');
      else {
        const code = react(verb as PeerStage, line);
        const path = /<(.*)>/.exec(line)?.[1] ?? '';
        if (verb === 'MAIL') {
          sender = path;
          recipients = [];
        } else if (verb === 'RCPT' && code === 250) recipients.push(path);
        else if (verb === 'DATA' && code === 354) content = '';
        else if (verb === 'QUIT' && code !== 0) socket.end();
      }
    };

    socket.on('data', (bytes) => {
      buffered += bytes.toString('latin1');
      while (!mute) {
        if (content !== null) {
          const end = `\r\n${buffered}`.indexOf('\r\n.\r\n');
          if (end < 0) return;
          content = buffered.slice(0, end);
          buffered = buffered.slice(end + 3);
          if (react('dot') === 250) this.messages.push({ connection, sender, recipients, content });
          content = null;
          if (!mute) react('afterDot');
        } else {
          const end = buffered.indexOf('\r\n');
          if (end < 0) return;
          const line = buffered.slice(0, end);
          buffered = buffered.slice(end + 2);
          command(line);
        }
      }
    });
    react('greeting');
  }
}

/** Waits until something holds; fails with `what` after `limit` ms. */
export async function until(what: string, holds: () => boolean, limit = 10_000): Promise<void> {
  for (const end = Date.now() + limit; !holds(); ) {
    if (Date.now() > end) throw new Error(`waited too long until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
