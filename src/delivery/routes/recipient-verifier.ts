/**
 * Recipient verification: whether the target of a route takes a recipient, asked before we do.
 *
 * Contract: `verify` never rejects and ends within `timeout`. What the target said is remembered, a yes for longer than a
 * no; questions about the same recipient are one; a target is asked over few connections, which are kept for a while. VRFY
 * is not used (RFC 5321 section 7.3: it may say 252 to everything).
 * Bounds: MAX_ANSWERS answers, MAX_OPEN questions (past that the answer is `unknown`), MAX_CONNECTIONS per target.
 */
import { messageOf } from '../../core/errors.js';
import { asciiDomain } from '../../smtp/address.js';
import type { Verdict } from '../../smtp/client-host.js';
import { enhancedCode } from '../../smtp/reply-parser.js';
import { dialFrom, type EgressPool } from '../egress.js';
import type { Site, SiteHost } from '../site.js';
import { foldedAddress } from './address-match.js';
import { ProbeConnection, type ProbeOptions } from './probe-connection.js';
import type { RouteRefusal } from './route-settings.js';

/** What the target says. `unknown`: nothing that counts, and why. */
export type Verification =
  | { readonly kind: 'accepted' }
  | ({ readonly kind: 'refused' } & RouteRefusal)
  | { readonly kind: 'unknown'; readonly reason: string };

export interface VerifierOptions extends ProbeOptions {
  siteOf(destination: string): Site;
  /** How long answers count, ms. */
  readonly positive: number;
  readonly negative: number;
  /** Longest wait for an answer, ms. */
  readonly timeout: number;
}

const MAX_ANSWERS = 50_000;
const MAX_OPEN = 1000;
const MAX_CONNECTIONS = 4;
/** Addresses of a target that are tried for one question. */
const MAX_HOSTS = 3;
/** A target that gives no answer is left alone for so long, ms: it may be down. */
const UNKNOWN_TIME = 5000;

interface Question {
  readonly address: string;
  /** Nobody waits for the answer any more. */
  late: boolean;
}

interface Remembered {
  readonly answer: Verification;
  /** Engine clock ms. */
  readonly until: number;
}

export class RecipientVerifier {
  private readonly options: VerifierOptions;
  /** In the order in which they were given. */
  private readonly answers = new Map<string, Remembered>();
  private readonly open = new Map<string, Promise<Verification>>();
  private readonly targets = new Map<string, Target>();

  constructor(options: VerifierOptions) {
    this.options = options;
  }

  /** `destination`: the key of where mail for `address` goes. */
  verify(destination: string, address: string): Verification | Promise<Verification> {
    const asked = wireAddress(address);
    const key = `${destination} ${foldedAddress(asked, asked.slice(asked.lastIndexOf('@') + 1))}`;
    const known = this.remembered(key);
    if (known !== undefined) return known;
    const same = this.open.get(key);
    if (same !== undefined) return same;
    if (this.open.size >= MAX_OPEN) return { kind: 'unknown', reason: 'too many recipients are being asked about' };
    const answer = this.answerInTime(destination, asked, key);
    this.open.set(key, answer);
    return answer;
  }

  /** Closes connections; questions end as unknown. */
  close(): void {
    for (const target of this.targets.values()) target.close();
  }

  private remembered(key: string): Verification | undefined {
    const found = this.answers.get(key);
    if (found === undefined) return undefined;
    if (found.until > this.options.clock.now()) return found.answer;
    this.answers.delete(key);
    return undefined;
  }

  private async answerInTime(destination: string, address: string, key: string): Promise<Verification> {
    const { clock, timeout, wheel } = this.options;
    let late!: (answer: Verification) => void;
    const lateness = new Promise<Verification>((resolve) => {
      late = resolve;
    });
    const deadline = clock.now() + timeout;
    const question: Question = { address, late: false };
    const entry = {
      deadline,
      expire: () => {
        question.late = true;
        late({ kind: 'unknown', reason: `the target gave no answer within ${timeout} ms` });
      },
    };
    wheel.add(entry);
    const asked = this.targetOf(destination).ask(question);
    const answer = await Promise.race([asked, lateness]);
    wheel.delete(entry);
    this.open.delete(key);
    this.remember(key, answer);
    // What comes late still counts for the next time.
    if (answer.kind === 'unknown') void asked.then((better) => better.kind !== 'unknown' && this.remember(key, better));
    return answer;
  }

  private remember(key: string, answer: Verification): void {
    const { clock, positive, negative } = this.options;
    const time = answer.kind === 'accepted' ? positive : answer.kind === 'refused' ? negative : UNKNOWN_TIME;
    this.answers.delete(key);
    if (this.answers.size >= MAX_ANSWERS) this.answers.delete(this.answers.keys().next().value!);
    this.answers.set(key, { answer, until: clock.now() + time });
  }

  private targetOf(destination: string): Target {
    let target = this.targets.get(destination);
    if (target === undefined) {
      target = new Target(this.options.siteOf(destination), this.options, () => this.targets.delete(destination));
      this.targets.set(destination, target);
    }
    return target;
  }
}

/** One destination that is asked. It goes when it has no questions and no connections. */
class Target {
  private readonly site: Site;
  private readonly options: VerifierOptions;
  private readonly unused: () => void;
  private readonly idle = new Map<string, ProbeConnection[]>();
  private readonly connections = new Set<ProbeConnection>();
  private readonly waiting: (() => void)[] = [];
  /** Questions that have a connection or are about to. */
  private asking = 0;
  /** Hosts where TLS failed and mail may go without. */
  private readonly inClear = new Set<string>();

  constructor(site: Site, options: VerifierOptions, unused: () => void) {
    this.site = site;
    this.options = options;
    this.unused = unused;
  }

  async ask(question: Question): Promise<Verification> {
    if (this.asking < MAX_CONNECTIONS) this.asking++;
    else if (this.waiting.length < MAX_OPEN) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else return { kind: 'unknown', reason: 'too many recipients are being asked about' };
    try {
      if (question.late) return { kind: 'unknown', reason: 'nobody waits for the answer any more' };
      return await this.askHosts(question.address);
    } catch (error) {
      return { kind: 'unknown', reason: messageOf(error) };
    } finally {
      // The next one has the place of this one.
      const next = this.waiting.shift();
      if (next === undefined) this.asking--;
      else next();
      this.check();
    }
  }

  close(): void {
    for (const connection of [...this.connections]) connection.quit();
  }

  private async askHosts(address: string): Promise<Verification> {
    const found = await this.site.resolve();
    if (found.kind === 'local') return { kind: 'accepted' };
    if (found.kind === 'failed') return { kind: 'unknown', reason: found.reason };
    let reason = 'the target has no hosts';
    for (const host of ordered(found.hosts, found.order === 'preference')) {
      try {
        return verificationOf(await this.askHost(host, found.egress, address));
      } catch (error) {
        reason = `${host.name}: ${messageOf(error)}`;
      }
    }
    return { kind: 'unknown', reason };
  }

  private async askHost(host: SiteHost, egress: EgressPool | undefined, address: string): Promise<Verdict> {
    const key = `${host.name} ${host.address} ${host.port}`;
    const kept = this.idle.get(key)?.pop();
    if (kept?.free === true) {
      try {
        return await this.askOver(kept, key, address);
      } catch {
        // It had gone meanwhile: a new one tells.
      }
    }
    for (;;) {
      const wasInClear = this.inClear.has(key);
      const connection = this.connect(host, egress, wasInClear);
      try {
        return await this.askOver(connection, key, address);
      } catch (error) {
        if (!connection.fallsBack || wasInClear) throw error;
        this.inClear.add(key);
      }
    }
  }

  private async askOver(connection: ProbeConnection, key: string, address: string): Promise<Verdict> {
    const verdict = await connection.ask(address);
    if (connection.free) {
      const idle = this.idle.get(key);
      if (idle === undefined) this.idle.set(key, [connection]);
      else idle.push(connection);
    }
    return verdict;
  }

  private connect(host: SiteHost, egress: EgressPool | undefined, inClear: boolean): ProbeConnection {
    const source = egress?.pick(host, host.name, this.options.clock.now());
    if (source !== undefined && 'kind' in source) throw new Error(source.reason);
    const from = source === undefined ? undefined : dialFrom(source, host.address);
    const options = source === undefined || source.helo === '' ? this.options : named(this.options, source.helo);
    const connection = new ProbeConnection(host, options, from, inClear, () => {
      this.connections.delete(connection);
      for (const idle of this.idle.values()) {
        const at = idle.indexOf(connection);
        if (at >= 0) idle.splice(at, 1);
      }
      this.check();
    });
    this.connections.add(connection);
    return connection;
  }

  private check(): void {
    if (this.asking === 0 && this.connections.size === 0 && this.waiting.length === 0) this.unused();
  }
}

/** Those to try: by preference as they are, else beginning with any of them. */
function ordered(hosts: readonly SiteHost[], byPreference: boolean): readonly SiteHost[] {
  const first = byPreference ? 0 : Math.floor(Math.random() * hosts.length);
  return [...hosts.slice(first), ...hosts.slice(0, first)]
    .flatMap((host) => [host, ...(host.alternatives ?? []).map((address) => ({ ...host, address }))])
    .slice(0, MAX_HOSTS);
}

/** With the name that an egress source has in EHLO. */
function named(options: ProbeOptions, hostname: string): ProbeOptions {
  return { ...options, connection: { ...options.connection, hostname } };
}

function verificationOf({ stage, reply }: Verdict): Verification {
  const words = `${reply.code} ${reply.text}`;
  // What is said about the null sender is not about the recipient.
  if (stage !== 'rcpt') return { kind: 'unknown', reason: `MAIL FROM:<> was answered ${words}` };
  if (reply.code < 300) return { kind: 'accepted' };
  if (reply.code < 500) return { kind: 'unknown', reason: words };
  const enhanced = enhancedCode(reply);
  const text = reply.text.startsWith(`${enhanced} `) ? reply.text.slice(enhanced.length + 1) : reply.text;
  // RFC 3463: X.1.1, bad destination mailbox address.
  return { kind: 'refused', code: 550, enhanced: enhanced === '5.0.0' ? '5.1.1' : enhanced, text };
}

/** With the domain as it is written into commands. */
function wireAddress(address: string): string {
  const at = address.lastIndexOf('@');
  return at < 0 ? address : `${address.slice(0, at)}@${asciiDomain(address.slice(at + 1))}`;
}
