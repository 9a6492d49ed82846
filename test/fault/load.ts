/**
 * Load over real sockets: lanes that send one message after another and enter each into the ledger.
 *
 * A lane survives everything: a lost connection or a refusal makes it pause a little and go on. Bodies are random, with
 * their SHA-256 in the header, so that a mix-up cannot pass.
 */
import { createHash, randomBytes } from 'node:crypto';
import { between, pause } from './fault-case.js';
import type { Ledger } from './ledger.js';
import { type ClientSecurity, NoReply, SmtpClient } from './smtp-client.js';

export interface LoadOptions {
  readonly port: number;
  readonly ledger: Ledger;
  /** Connections at once. */
  readonly lanes: number;
  /** Messages a second of all lanes; 0: as fast as they are answered. */
  readonly rate?: number;
  /** Smallest and largest body, bytes. */
  readonly size?: readonly [number, number];
  /** Share of messages of a megabyte. */
  readonly large?: number;
  /** Fewest and most recipients. */
  readonly recipients?: readonly [number, number];
  readonly helo?: string;
  /** TLS and AUTH of the n-th lane; in the clear where there is none. */
  readonly security?: (lane: number) => ClientSecurity | undefined;
  /** Port of the n-th lane where it is another. */
  readonly portOf?: (lane: number) => number;
  /** Messages after which a lane connects anew; 0: never of its own accord. */
  readonly messagesPerConnection?: number;
  /** Domain of the n-th message's recipients. */
  readonly domain?: (n: number) => string;
  /** Pause after a refusal or a lost connection, ms. */
  readonly rest?: number;
}

const LARGE = 1024 * 1024;

export class Load {
  /** Time from the final dot to the reply of acknowledged messages, ms. */
  readonly latencies: number[] = [];
  /** Replies by code, of any command that did not go well. */
  readonly refusals = new Map<string, number>();
  /** Replies that never came on connections that stayed open: always a fault of the engine. */
  readonly unanswered: string[] = [];
  /** Connections that were opened, with everything that was to be done before the first message. */
  connections = 0;
  private readonly options: LoadOptions;
  private running = true;
  private readonly lanes: Promise<void>[];
  private count = 0;

  /** Begins at once. */
  constructor(options: LoadOptions) {
    this.options = options;
    this.lanes = Array.from({ length: options.lanes }, (_, n) => this.lane(n));
  }

  /** Lets what is under way end. */
  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.lanes);
  }

  /** Percentile of the latencies, ms. */
  percentile(share: number): number {
    const sorted = this.latencies.toSorted((a, b) => a - b);
    return Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 10) / 10;
  }

  private async lane(n: number): Promise<void> {
    const { helo, rate = 0, lanes, rest = 50, messagesPerConnection = 0 } = this.options;
    const port = this.options.portOf?.(n) ?? this.options.port;
    const security = this.options.security?.(n);
    while (this.running) {
      let client: SmtpClient | null = null;
      try {
        client = await SmtpClient.open(port, helo, security);
        this.connections++;
        for (let sent = 0; this.running && (messagesPerConnection === 0 || sent < messagesPerConnection); sent++) {
          if (!(await this.send(client))) await pause(rest);
          if (rate > 0) await pause((-Math.log(1 - Math.random()) * 1000 * lanes) / rate);
        }
        client.write('QUIT\r\n');
      } catch (error) {
        if (error instanceof NoReply) this.unanswered.push(`${new Date().toISOString()} ${error.message}`);
        await pause(rest);
      } finally {
        client?.close();
      }
    }
  }

  /** One transaction; false: refused on the way. */
  private async send(client: SmtpClient): Promise<boolean> {
    const { ledger, domain = () => 'accept.example', recipients: [fewest, most] = [1, 3] } = this.options;
    const id = `f${randomBytes(8).toString('hex')}`;
    const at = domain(this.count++);
    const wanted = Math.floor(between(fewest, most + 0.999));
    const recipients = Array.from({ length: wanted }, (_, n) => `${id}.${n}@${at}`);
    const content = this.message(id, recipients[0]!);
    let reply = await client.command(`MAIL FROM:<${id}@client.example> SIZE=${content.length}`);
    if (reply.code !== 250) return this.refused(client, reply);
    const taken: string[] = [];
    for (const recipient of recipients) {
      reply = await client.command(`RCPT TO:<${recipient}>`);
      if (reply.code === 250) taken.push(recipient);
    }
    if (taken.length === 0) return this.refused(client, reply);
    reply = await client.command('DATA');
    if (reply.code !== 354) return this.refused(client, reply);
    ledger.tried(id, taken);
    client.write(content);
    const began = performance.now();
    client.write('.\r\n');
    reply = await client.reply();
    ledger.answered(id, reply.code);
    if (reply.code !== 250) return this.noteRefusal(reply.text);
    this.latencies.push(performance.now() - began);
    return true;
  }

  private async refused(client: SmtpClient, reply: { code: number; text: string }): Promise<boolean> {
    this.noteRefusal(reply.text);
    await client.command('RSET');
    return false;
  }

  private noteRefusal(text: string): false {
    const short = text.slice(0, 9);
    this.refusals.set(short, (this.refusals.get(short) ?? 0) + 1);
    return false;
  }

  private message(id: string, to: string): Buffer {
    const { size: [low, high] = [1000, 60_000], large = 0 } = this.options;
    const bytes = Math.random() < large ? LARGE : between(low, high);
    const hex = randomBytes(Math.ceil(bytes / 2)).toString('hex');
    const lines: string[] = ['.a line that begins with a dot'];
    for (let from = 0; from < hex.length; from += 76) lines.push(hex.slice(from, from + 76));
    const body = `${lines.join('\r\n')}\r\n`;
    const hash = createHash('sha256').update(body, 'latin1').digest('hex');
    const header =
      `From: <${id}@client.example>\r\nTo: <${to}>\r\nSubject: ${id}\r\nMessage-ID: <${id}@client.example>\r\n` +
      `Date: Mon, 06 Jan 2025 10:00:00 +0000\r\nX-Fault-Id: ${id}\r\nX-Fault-Sha256: ${hash}\r\n\r\n`;
    return Buffer.from(header + body.replaceAll(/^\./gm, '..'), 'latin1');
  }
}
