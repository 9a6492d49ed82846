/**
 * A crowd of bad clients, a process of its own: `bad-client-program.js PORT [TLS_PORT]`.
 *
 * Its parent sends `{begin: {kind: number, ...}}` with how many of each kind at once, `{tell: true}`, which is answered
 * with what became of them so far, and `{end: true}`, which is answered likewise. A client that the engine gets rid of comes back as a new one of its kind.
 */
import { randomBytes } from 'node:crypto';
import { BadClient } from './bad-client.js';
import { isImplicit, TLS_KINDS } from './bad-tls-kinds.js';

/** How many of each kind there are at once. */
export type CrowdPlan = Partial<Record<BadKind, number>>;
/** Clients begun, and those that the engine ended, by kind. */
export type CrowdReport = Partial<Record<BadKind, { begun: number; ended: number }>>;

export type BadKind = keyof typeof KINDS;

const OPENING = 'EHLO bad.example\r\nMAIL FROM:<bad@client.example>\r\nRCPT TO:<bad@accept.example>\r\nDATA\r\n';
const HEADER = 'Subject: bad\r\n\r\n';
const PIECE = Buffer.alloc(64 * 1024, 'A');
const FLOOD = 'NOOP\r\n'.repeat(500);
const MEGABYTE = Buffer.alloc(1024 * 1024, 'vanishing line of text that is 38 long\r\n');

/** What each kind does once it is connected. Those that read nothing do not resume. */
const KINDS = {
  ...TLS_KINDS,
  /** A byte a second of EHLO, without an end. */
  dripHello: (client: BadClient) => {
    client.socket.resume();
    client.drip(`EHLO ${'x'.repeat(200)}`, 1000);
  },
  /** A byte a second of a message. */
  dripData: (client: BadClient) => {
    client.socket.resume();
    client.write(OPENING);
    client.drip(`${HEADER}drip\r\n`, 1000);
  },
  /** Connects and says nothing at all. */
  silent: (client: BadClient) => client.socket.resume(),
  /** A command line without an end. */
  endlessLine: (client: BadClient) => {
    client.socket.resume();
    client.pour(() => PIECE, 5);
  },
  /** A line of a message without an end. */
  endlessData: (client: BadClient) => {
    client.socket.resume();
    client.write(OPENING + HEADER);
    client.pour(() => PIECE, 5);
  },
  /** Goes away in the middle of a message of a megabyte. */
  vanish: (client: BadClient) => {
    client.socket.resume();
    client.write(OPENING + HEADER);
    client.socket.write(MEGABYTE, () => setTimeout(() => client.socket.destroy(), 100));
  },
  /** Commands without an end, pipelined. */
  flood: (client: BadClient) => {
    client.socket.resume();
    client.write('EHLO bad.example\r\n');
    client.pour(() => FLOOD, 5);
  },
  /** The same, and it reads none of the replies. */
  deafFlood: (client: BadClient) => {
    client.write('EHLO bad.example\r\n');
    client.pour(() => FLOOD, 5);
  },
  /** NUL, 8-bit bytes, anything. */
  junk: (client: BadClient) => {
    client.socket.resume();
    client.pour(() => randomBytes(2000), 5);
  },
  /** Junk where a message should be, with a CRLF now and then. */
  junkData: (client: BadClient) => {
    client.socket.resume();
    client.write(OPENING);
    client.pour(() => Buffer.concat([randomBytes(700), Buffer.from('\r\n\0\r\n.\r\n')]), 5);
  },
} as const satisfies Record<string, (client: BadClient) => void>;

/** Pause before a client that was got rid of comes back, ms. */
const RETURN = 250;

class Crowd {
  private readonly port: number;
  private readonly tlsPort: number;
  private readonly clients = new Set<BadClient>();
  readonly report: Record<string, { begun: number; ended: number }> = {};
  private over = false;

  constructor(port: number, tlsPort: number) {
    this.port = port;
    this.tlsPort = tlsPort;
  }

  begin(plan: CrowdPlan): void {
    let n = 0;
    // Not all in one moment: that would be another attack.
    for (const [kind, count] of Object.entries(plan))
      for (let i = 0; i < count; i++) setTimeout(() => this.join(kind as BadKind), n++ / 2);
  }

  end(): CrowdReport {
    this.over = true;
    for (const client of this.clients) {
      client.stop = true;
      client.socket.destroy();
    }
    return this.report as CrowdReport;
  }

  private join(kind: BadKind): void {
    if (this.over) return;
    const account = this.report[kind] ?? { begun: 0, ended: 0 };
    this.report[kind] = account;
    account.begun++;
    const client = new BadClient(isImplicit(kind) ? this.tlsPort : this.port, () => {
      this.clients.delete(client);
      if (this.over) return;
      account.ended++;
      setTimeout(() => this.join(kind), RETURN);
    });
    this.clients.add(client);
    client.socket.once('connect', () => KINDS[kind](client));
  }
}

const [port = 0, tlsPort = 0] = process.argv.slice(2).map(Number);
if (port > 0 && process.send !== undefined) {
  const crowd = new Crowd(port, tlsPort);
  process.on('message', (message) => {
    const order = message as { begin?: CrowdPlan; tell?: true; end?: true };
    if (order.begin !== undefined) crowd.begin(order.begin);
    else process.send!(order.tell === true ? crowd.report : crowd.end());
  });
  process.on('disconnect', () => process.exit(0));
}
