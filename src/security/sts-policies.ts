/**
 * Which policy of MTA-STS holds for a domain now (RFC 8461 sections 3.3 and 5.1).
 *
 * Contract: never rejects. A known policy holds until it expires, whatever becomes of DNS and the web meanwhile; another
 * id in the TXT record has it fetched anew, and so does time, in the background, as long as mail goes there. A fetch that
 * failed is not tried again for a while that doubles; a new id ends that. Without a known policy and without one to be
 * had, the domain is as one that has none (section 5.1), and the problem is told, for reports.
 * Limits: policies known, failures remembered, fetches in the background at once. One domain is looked at once at a time.
 */
import type { Clock } from '../core/clock.js';
import type { HttpClient } from '../core/http.js';
import type { MailDnsResult } from '../delivery/mail-dns.js';
import type { StateFile } from './state-file.js';
import { type KnownPolicy, StsCache } from './sts-cache.js';
import { fetchStsPolicy, type StsProblem } from './sts-fetch.js';
import { announcedId, type StsPolicy } from './sts-policy.js';

/** TXT records, never rejecting. */
export interface TextDns {
  query(name: string, type: 'TXT'): Promise<MailDnsResult<string>>;
}

/** `expires`: when to ask again, engine clock ms. */
export interface StsAnswer {
  /** Null: none holds. */
  readonly policy: StsPolicy | null;
  /** Why an announced policy, or a newer one, could not be had. */
  readonly problem: StsProblem | null;
  readonly expires: number;
}

export interface StsPoliciesOptions {
  readonly dns: TextDns;
  readonly http: HttpClient;
  /** Of policy hosts; 443 but in tests. */
  readonly port: number;
  readonly clock: Clock;
  /** Where policies outlive a restart; absent: they do not. Its snapshot is `StsPolicies.snapshot`. */
  readonly file?: StateFile;
  readonly cacheSize?: number;
  /** A fetch that failed, for the log. */
  failed(domain: string, problem: StsProblem): void;
}

interface Failure {
  readonly id: string;
  readonly problem: StsProblem;
  readonly count: number;
  readonly until: number;
}

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** A policy that holds for less is kept so long: to fetch it for every message would help nobody. */
const MIN_LIFE = MINUTE;
/** Known policies are fetched again so often, or at half of their life (section 3.3: perhaps daily). */
const REFRESH = DAY;
/** Policies of domains that no mail went to for so long are left to expire. */
const IDLE = 14 * DAY;
const MIN_BACKOFF = 5 * MINUTE;
const MAX_BACKOFF = 4 * 60 * MINUTE;
const MAX_REFRESHES = 4;
/** How long an answer stands at least, ms: a record that cannot be had is no reason to look for hosts all the time. */
const MIN_ANSWER = 1000;
const MIN_ANSWER_FAILED = MINUTE;

export class StsPolicies {
  private readonly options: StsPoliciesOptions;
  private readonly cache: StsCache;
  private readonly failures = new Map<string, Failure>();
  private readonly running = new Map<string, Promise<StsAnswer>>();
  private readonly maxFailures: number;
  private refreshing = 0;
  private timer: NodeJS.Timeout | null = null;
  private closed = false;

  constructor(options: StsPoliciesOptions) {
    this.options = options;
    this.maxFailures = options.cacheSize ?? 10_000;
    this.cache = new StsCache(this.maxFailures);
  }

  /** Policies known. */
  get known(): number {
    return this.cache.count;
  }

  /** Takes in what an earlier run knew, and begins to refresh. False: there was a file, and it is of no use. */
  async open(): Promise<boolean> {
    const kept = (await this.options.file?.read()) ?? null;
    const useful = kept === null || this.cache.restore(kept, this.options.clock.now());
    this.timer = setInterval(() => this.refresh(), MINUTE);
    this.timer.unref();
    return useful;
  }

  async close(): Promise<void> {
    this.closed = true;
    if (this.timer !== null) clearInterval(this.timer);
    await this.options.file?.close();
  }

  snapshot(): unknown {
    return this.cache.snapshot();
  }

  /** The policy of a domain in lower-case A-labels. */
  policyOf(domain: string): Promise<StsAnswer> {
    const running = this.running.get(domain);
    if (running !== undefined) return running;
    const found = this.find(domain).finally(() => this.running.delete(domain));
    this.running.set(domain, found);
    return found;
  }

  /** Fetches again what is due, in the background; by itself every minute. */
  refresh(): void {
    const { clock } = this.options;
    const now = clock.now();
    this.cache.expire(now);
    for (const [domain, failure] of this.failures) if (failure.until + MAX_BACKOFF < now) this.failures.delete(domain);
    for (const known of [...this.cache.values()]) {
      if (this.refreshing >= MAX_REFRESHES) return;
      const due = known.fetchedAt + Math.min(REFRESH, (known.expires - known.fetchedAt) / 2);
      if (due > now || known.usedAt < now - IDLE || this.running.has(known.domain)) continue;
      if ((this.failures.get(known.domain)?.until ?? 0) > now) continue;
      this.refreshing++;
      void this.renew(known).finally(() => {
        this.refreshing--;
      });
    }
  }

  private async find(domain: string): Promise<StsAnswer> {
    const { clock } = this.options;
    const record = await this.recordOf(domain);
    const known = this.cache.use(domain, clock.now());
    const { expires } = record;
    if (record.id === undefined || record.id === known?.id) return answer(known, null, expires);
    const fetched = await this.fetch(domain, record.id);
    if ('policy' in fetched) return answer(fetched, null, expires);
    // What was known may have expired while the fetch ran into its limit.
    return answer(this.cache.use(domain, clock.now()), fetched, expires);
  }

  /** The announced id, undefined when none can be read. */
  private async recordOf(domain: string): Promise<{ readonly id: string | undefined; readonly expires: number }> {
    const found = await this.options.dns.query(`_mta-sts.${domain}`, 'TXT');
    const least = found.kind === 'failed' && found.temporary ? MIN_ANSWER_FAILED : MIN_ANSWER;
    return {
      id: found.kind === 'records' ? announcedId(found.records) : undefined,
      expires: Math.max(found.expires, this.options.clock.now() + least),
    };
  }

  private async renew(known: KnownPolicy): Promise<void> {
    const { id } = await this.recordOf(known.domain);
    await this.fetch(known.domain, id ?? known.id, known.usedAt);
  }

  /** Fetches unless that failed a short while ago. */
  private async fetch(domain: string, id: string, usedAt?: number): Promise<KnownPolicy | StsProblem> {
    const { clock, http, port } = this.options;
    const last = this.failures.get(domain);
    if (last !== undefined && last.id === id && last.until > clock.now()) return last.problem;
    const fetched = await fetchStsPolicy(http, domain, port);
    const now = clock.now();
    this.failures.delete(domain);
    if ('kind' in fetched) {
      const count = last?.id === id ? last.count + 1 : 1;
      const until = now + Math.min(MAX_BACKOFF, MIN_BACKOFF * 2 ** Math.min(count - 1, 10));
      if (this.failures.size >= this.maxFailures) this.failures.delete(this.failures.keys().next().value!);
      this.failures.set(domain, { id, problem: fetched, count, until });
      if (!this.closed) this.options.failed(domain, fetched);
      return fetched;
    }
    const expires = now + Math.max(MIN_LIFE, fetched.maxAge * 1000);
    const known: KnownPolicy = { domain, id, policy: fetched, fetchedAt: now, expires, usedAt: usedAt ?? now };
    this.cache.set(known);
    this.options.file?.changed();
    return known;
  }
}

function answer(known: KnownPolicy | undefined, problem: StsProblem | null, expires: number): StsAnswer {
  if (known === undefined) return { policy: null, problem, expires };
  return { policy: known.policy, problem, expires: Math.min(expires, known.expires) };
}
