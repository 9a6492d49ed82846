/**
 * What a wire test puts up - engines, next hops, DNS, clients - and takes down again whatever happened.
 */
import { type DnsServerHandle, startDnsServer, type Zone } from '../helpers/dns-server.js';
import { type EngineProcess, startEngine } from '../helpers/engine.js';
import { SmtpTestClient } from '../helpers/smtp-client.js';
import { type SinkOptions, type SmtpSink, startSink } from '../helpers/smtp-sink.js';

export class Stage {
  private readonly closers: (() => Promise<unknown>)[] = [];

  /** A next hop. */
  async sink(options: SinkOptions = {}): Promise<SmtpSink> {
    const sink = await startSink(options);
    this.closers.push(() => sink.close());
    return sink;
  }

  /** An engine; `upstream` becomes SLUICE_UPSTREAM. */
  async engine(
    settings: Readonly<Record<string, string>> = {},
    upstream?: SmtpSink,
    spoolDir?: string,
  ): Promise<EngineProcess> {
    const engine = await startEngine({
      settings: { ...(upstream === undefined ? {} : { SLUICE_UPSTREAM: upstream.url }), ...settings },
      ...(spoolDir === undefined ? {} : { spoolDir }),
    });
    this.closers.push(() => engine.stop());
    return engine;
  }

  async dns(zone: Zone): Promise<DnsServerHandle> {
    const server = await startDnsServer(zone);
    this.closers.push(() => server.close());
    return server;
  }

  /** A client that has said EHLO. */
  async client(engine: EngineProcess): Promise<SmtpTestClient> {
    const client = await SmtpTestClient.open(engine.port);
    this.closers.push(async () => client.destroy());
    return client;
  }

  /** Takes everything down, the last first. */
  async end(): Promise<void> {
    for (const close of this.closers.reverse()) await close();
    this.closers.length = 0;
  }
}

/** A message with CRLF line ends: `fields` without line ends, then the body. */
export function mail(fields: readonly string[] = [], body = 'Hello\r\n'): string {
  const usual = ['From: Ann <ann@client.example>', 'To: bob@accept.example', 'Subject: test'];
  return [...usual, ...fields, '', body].join('\r\n');
}

export interface HeaderField {
  readonly name: string;
  /** Unfolded, without space around. */
  readonly value: string;
}

/** The header of a message from the top down, and its body. */
export function parsed(content: Buffer): { header: HeaderField[]; body: string } {
  const text = content.toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  const header = (end < 0 ? text : text.slice(0, end))
    .replace(/\r\n(?=[ \t])/g, '')
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line) => {
      const colon = line.indexOf(':');
      return { name: line.slice(0, colon), value: line.slice(colon + 1).trim() };
    });
  return { header, body: end < 0 ? '' : text.slice(end + 4) };
}

/** Every value of a field, the topmost first. */
export function values(content: Buffer, name: string): string[] {
  return parsed(content)
    .header.filter((field) => field.name.toLowerCase() === name.toLowerCase())
    .map(({ value }) => value);
}
