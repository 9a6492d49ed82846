/**
 * The certificates of this host's listeners, on the main thread: read, checked, watched, handed on as TlsMaterial.
 *
 * At start any mistake is an error. Later the files are read again when they change (certbot replaces symlinks) and when
 * asked to: a pair with a mistake keeps its old certificate and the log says why, others go on to their new ones.
 * Watching is by notification where the system gives it and by looking every few seconds always; both end in one
 * reading after a moment of quiet, as several files are replaced one after the other. Ticket keys are made anew once a
 * day and when the authorities for client certificates change.
 */
import { randomBytes } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import tls from 'node:tls';
import type { Clock } from '../../core/clock.js';
import { messageOf, SluiceError } from '../../core/errors.js';
import type { Log } from '../../telemetry/log.js';
import {
  badCertificate,
  type CheckedPair,
  loadPair,
  type PairFiles,
  parseCertificates,
  readPem,
} from './certificate-pair.js';
import { type CertificateSources, isConfigured, pairFilesOf, watchedPaths } from './certificate-sources.js';
import { type DevelopmentCertificate, developmentCertificate } from './development-certificate.js';
import { createContext } from './secure-contexts.js';
import type { TlsMaterial } from './tls-material.js';

const DAY = 86_400_000;
/** An end nearer than this is warned of once a day. */
const WARN_BEFORE = 14 * DAY;
/** How often files are looked at, ms. */
const POLL = 5000;
/** Quiet before changed files are read, ms. */
const SETTLE = 300;
/** Octets of Node's ticket keys: name, HMAC key and AES key of 16 each. */
const TICKET_KEYS = 48;
/** Folders watched by notification, which the system has few of; all are looked at. */
const MAX_WATCHED = 256;
/** The suites of TLS 1.3 (RFC 8446 appendix B.4), for lists that name none: Node would turn TLS 1.3 off. */
const TLS13_SUITES = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';

export type MaterialListener = (material: TlsMaterial) => void;

/** What the store writes: never a key. */
export type CertificateLog = Pick<Log, 'info' | 'warn' | 'error'>;

export class CertificateStore {
  private readonly sources: CertificateSources;
  private readonly log: CertificateLog;
  private readonly clock: Clock;
  private readonly listeners = new Set<MaterialListener>();
  private readonly watchers = new Map<string, FSWatcher>();
  private readonly timers: NodeJS.Timeout[] = [];
  /** By the path of the certificate; the first is the default. */
  private pairs: ReadonlyMap<string, CheckedPair> = new Map();
  private selfSigned: ReadonlyMap<'', DevelopmentCertificate> = new Map();
  private current: TlsMaterial;
  private seen = '';
  private settling: NodeJS.Timeout | null = null;
  private closed = false;

  private constructor(sources: CertificateSources, log: CertificateLog, clock: Clock) {
    this.sources = sources;
    this.log = log;
    this.clock = clock;
    this.current = {
      version: 0,
      pairs: [],
      minVersion: sources.minVersion,
      ciphers: /(?:^|:)TLS_/.test(sources.ciphers) ? sources.ciphers : `${TLS13_SUITES}:${sources.ciphers}`,
      ticketKeys: newTicketKeys(),
      clientCa: '',
      relayClients: sources.relayClients,
    };
  }

  /**
   * Reads everything and begins to watch. Without a certificate configured a self-signed one is used.
   * @throws SluiceError `bad-certificate` or `bad-tls-ciphers`, naming the file or setting and what to do.
   */
  static async open(sources: CertificateSources, log: CertificateLog, clock: Clock): Promise<CertificateStore> {
    const store = new CertificateStore(sources, log, clock);
    checkCiphers(store.current);
    store.seen = await store.signature();
    const mistakes = await store.read();
    if (mistakes.length > 0) throw mistakes[0]!;
    store.warnOfExpiry();
    store.watch();
    store.timers.push(setInterval(() => void store.poll(), POLL).unref());
    store.timers.push(setInterval(() => void store.daily(), DAY).unref());
    return store;
  }

  get material(): TlsMaterial {
    return this.current;
  }

  /** The end of the validity of the certificate that ends first, ms since the epoch. */
  get nextExpiry(): number {
    return Math.min(...[...this.pairs.values()].map(({ notAfter }) => notAfter));
  }

  /** `listener` gets every later material; call what is returned to end that. */
  subscribe(listener: MaterialListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Reads everything again (SIGHUP). Mistakes are logged and leave what there was; false: there was one. */
  async reload(): Promise<boolean> {
    const { version } = this.current;
    this.seen = await this.signature();
    if (this.closed) return true;
    const mistakes = await this.read();
    for (const { message } of mistakes)
      this.log.error({ reason: message }, 'a certificate was not taken; what was in use before stays in use');
    if (this.current.version > version) {
      const first = new Date(this.nextExpiry).toISOString();
      this.log.info({ certificates: this.pairs.size, expires: first }, 'certificates read again');
      this.warnOfExpiry();
    }
    this.watch();
    return mistakes.length === 0;
  }

  /** What is due once a day: new ticket keys, a warning of certificates near their end, a new self-signed one in time. */
  async daily(): Promise<void> {
    if (!isConfigured(this.sources)) await this.read();
    this.warnOfExpiry();
    this.publish({ ticketKeys: newTicketKeys() });
  }

  close(): void {
    this.closed = true;
    for (const timer of this.timers) clearInterval(timer);
    if (this.settling !== null) clearTimeout(this.settling);
    for (const watcher of this.watchers.values()) watcher.close();
    this.watchers.clear();
    this.listeners.clear();
  }

  /** Takes all that is sound; gives the mistakes in the rest. Never rejects. */
  private async read(): Promise<SluiceError[]> {
    const mistakes: SluiceError[] = [];
    const take = <T>(work: () => T, otherwise: T): T => {
      try {
        return work();
      } catch (error) {
        mistakes.push(mistakeOf(error));
        return otherwise;
      }
    };
    const clientCa = take(() => readAuthorities(this.sources.clientCa), this.current.clientCa);
    const configured = isConfigured(this.sources);
    if (!configured) await this.selfSign().catch((error: unknown) => mistakes.push(mistakeOf(error)));
    const pairs = configured ? take(() => this.readPairs(take), this.pairs) : this.selfSigned;
    if (pairs.size === 0) return mistakes;
    this.pairs = pairs;
    const list = [...pairs.values()].map(({ pair }) => pair);
    const { current } = this;
    const otherCa = clientCa !== current.clientCa;
    if (otherCa || list.length !== current.pairs.length || list.some((pair, i) => pair !== current.pairs[i])) {
      this.publish({ pairs: list, clientCa, ...(otherCa && { ticketKeys: newTicketKeys() }) });
    }
    return mistakes;
  }

  private readPairs(take: <T>(work: () => T, otherwise: T) => T): ReadonlyMap<string, CheckedPair> {
    const pairs = new Map<string, CheckedPair>();
    for (const files of pairFilesOf(this.sources)) {
      const known = this.pairs.get(files.cert);
      const checked = take<CheckedPair | undefined>(() => this.readPair(files, known), known);
      if (checked !== undefined) pairs.set(files.cert, checked);
    }
    return pairs;
  }

  private readPair(files: PairFiles, known: CheckedPair | undefined): CheckedPair {
    const checked = loadPair(files, this.clock.wall(), known);
    if (checked === known) return known;
    try {
      createContext(this.current, checked.pair);
    } catch (error) {
      const mend = 'use RSA of 2048 bits or more, or ECDSA';
      throw badCertificate(files.cert, `OpenSSL refuses it (${messageOf(error)})`, mend, error);
    }
    for (const warning of checked.warnings) this.log.warn({}, warning);
    return checked;
  }

  private async selfSign(): Promise<void> {
    const { developmentDir, hostname } = this.sources;
    const known = this.selfSigned.get('');
    const pair = await developmentCertificate(developmentDir, hostname, this.clock.wall(), known);
    if (pair === known) return;
    this.selfSigned = new Map([['', pair]]);
    this.log.warn({}, pair.note);
  }

  private publish(change: Partial<TlsMaterial>): void {
    this.current = { ...this.current, ...change, version: this.current.version + 1 };
    for (const listener of this.listeners) listener(this.current);
  }

  private warnOfExpiry(): void {
    const now = this.clock.wall();
    for (const [file, { notAfter }] of this.pairs) {
      if (notAfter - now >= WARN_BEFORE) continue;
      const days = Math.floor((notAfter - now) / DAY);
      const fields = { file, expires: new Date(notAfter).toISOString(), days };
      this.log.warn(
        fields,
        now < notAfter ? 'a certificate expires soon; renew it' : 'a certificate has expired; renew it',
      );
    }
  }

  /** Watches folders not watched yet. Where the system has no more notifications to give, looking is all there is. */
  private watch(): void {
    for (const folder of watchedPaths(this.sources).folders) {
      if (this.closed || this.watchers.size >= MAX_WATCHED) return;
      if (this.watchers.has(folder)) continue;
      try {
        const watcher = watch(folder, { persistent: false }, () => this.settle());
        this.watchers.set(folder, watcher);
        watcher.on('error', () => {
          watcher.close();
          this.watchers.delete(folder);
        });
      } catch {
        // See above.
      }
    }
  }

  private async poll(): Promise<void> {
    if ((await this.signature()) !== this.seen) this.settle();
  }

  /** Something may have changed: looks after a moment of quiet. */
  private settle(): void {
    if (this.closed) return;
    if (this.settling !== null) clearTimeout(this.settling);
    this.settling = setTimeout(() => void this.look(), SETTLE).unref();
  }

  /** Reads again if a file is another one than before. */
  private async look(): Promise<void> {
    if ((await this.signature()) !== this.seen) await this.reload();
  }

  /** Tells one state of all files from another. */
  private async signature(): Promise<string> {
    const parts: string[] = [];
    // One after the other: thousands at once would keep the threads that write the spool busy.
    for (const path of watchedPaths(this.sources).files) {
      const facts = await stat(path).catch(() => null);
      parts.push(`${path} ${facts === null ? '' : `${facts.ino} ${facts.size} ${facts.mtimeMs}`}`);
    }
    return parts.join('\n');
  }
}

function mistakeOf(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  return new SluiceError('bad-certificate', messageOf(error), { temporary: false, cause: error });
}

function newTicketKeys(): Uint8Array {
  return Uint8Array.from(randomBytes(TICKET_KEYS));
}

function readAuthorities(path: string): string {
  if (path === '') return '';
  return parseCertificates(path, readPem(path)).map(String).join('');
}

/** @throws SluiceError `bad-tls-ciphers`. */
function checkCiphers({ ciphers, minVersion }: TlsMaterial): void {
  try {
    tls.createSecureContext({ ca: [], ciphers, minVersion });
  } catch (error) {
    const why = `OpenSSL takes none of it (${messageOf(error)}); give names as \`openssl ciphers\` prints them`;
    throw new SluiceError('bad-tls-ciphers', `SLUICE_TLS_CIPHERS: ${why}`, { temporary: false, cause: error });
  }
}
