/**
 * Purpose: what a benchmark needs to know of a relay: whether it can run here, how to start it, how to stop it.
 * Contract: start() gives a relay that greets on 127.0.0.1:port and passes everything on to the sink; all its
 *   processes are started through `account`, so that they are counted and none outlives the run. Each start gets an
 *   empty folder (or, for a restart, the folder of the run before) on a real disk. Durability is the relay's default.
 * Limits: none of its own.
 */
import { Socket } from 'node:net';
import type { ProcessAccount } from './process-account.js';
import { sleep } from './programs.js';

export type KeyType = 'rsa' | 'ed25519';

/** A signing key made for the run: the PEM file lies at <directory>/<domain>/<selector>.pem. */
export interface SigningKey {
  readonly type: KeyType;
  readonly directory: string;
  readonly domain: string;
  readonly selector: string;
  readonly file: string;
}

/** A certificate made for the run, with its key; both PEM files. */
export interface TlsCertificate {
  readonly certificate: string;
  readonly key: string;
}

export interface RelayStart {
  /** Where the relay may keep its configuration and its queue; absolute. */
  readonly directory: string;
  readonly sinkPort: number;
  readonly account: ProcessAccount;
  readonly signing?: SigningKey;
  /** STARTTLS is offered with this certificate. */
  readonly tls?: TlsCertificate;
  /** The sink offers STARTTLS, and nothing may go to it without TLS; its certificate is not verified. */
  readonly tlsOut?: boolean;
  /** Largest message that must be taken, bytes, where that is above the relay's default. */
  readonly maxMessageBytes?: number;
  /** Deferred mail must stay deferred for the whole run. */
  readonly holdDeferred?: boolean;
  /** That many client connections at once must be allowed, from one address. */
  readonly clientConnections?: number;
  /** A second listener is for immediate mail, the first for bulk. */
  readonly lanes?: boolean;
  /** Mail is taken over HTTP too. */
  readonly http?: boolean;
  /** Words put in front of the command (strace, for the count of flushes). */
  readonly prefix?: readonly string[];
}

export interface RunningRelay {
  readonly port: number;
  /** With `lanes`. */
  readonly immediatePort?: number;
  /** With `http`. */
  readonly httpPort?: number;
  /** Milliseconds from the start of the process to the point where it was ready. */
  readonly startMilliseconds: number;
  /** The process whose main thread must stay free; absent where a relay has no such thread. */
  readonly mainPid?: number;
  stop(): Promise<void>;
}

/** What a scenario asks of a relay beyond plain relaying. */
export type Need = 'rsa' | 'ed25519' | 'idle' | 'durable' | 'restart' | 'tls' | 'tls-out' | 'lanes' | 'http';

export interface RelayDriver {
  readonly name: string;
  /** Why it cannot run here, or undefined. */
  missing(): string | undefined;
  /** Why it cannot take part in a scenario with this need, or undefined. */
  unfit(need: Need): string | undefined;
  start(options: RelayStart): Promise<RunningRelay>;
}

/** Waits until a server greets with 220. Throws after `limitMs`. */
export async function waitForGreeting(port: number, limitMs = 30_000): Promise<void> {
  const end = Date.now() + limitMs;
  while (Date.now() < end) {
    const greeted = await new Promise<boolean>((resolve) => {
      const socket = new Socket();
      const done = (value: boolean) => {
        socket.destroy();
        resolve(value);
      };
      socket.setTimeout(5_000, () => done(false));
      socket.once('error', () => done(false));
      socket.once('close', () => done(false));
      socket.once('data', (bytes) => done(bytes.toString('latin1').startsWith('220')));
      socket.connect(port, '127.0.0.1');
    });
    if (greeted) return;
    await sleep(50);
  }
  throw new Error(`nothing greets on port ${port}`);
}
