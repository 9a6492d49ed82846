/**
 * The control of a site: its limits and those of sources and tenants at it, what was learnt, and what replies led to.
 *
 * Admission asks everything before it books anything. A message with more bytes or recipients than a limit has in all
 * counts as the whole of it (it goes alone in its window): no relay can send half a message. Recipients are kept from
 * that by maxRecipients. Of each limit in time a share is for immediate mail, so that bulk does not use up the hour of it.
 */
import type { DeliveryJob } from '../../queue/queued-message.js';
import type { Wait } from '../../queue/wait.js';
import type { Verdict } from '../../smtp/client-host.js';
import type { PeerReply } from '../../smtp/reply-parser.js';
import type { SiteHost } from '../site.js';
import type { SiteControl } from '../site-control.js';
import { Pause } from './pause.js';
import { type Reaction, reactionTo, replyIn } from './reaction.js';
import { type Action, placeInWords } from './rule.js';
import type { NamedRate } from './scope.js';
import type { Scopes } from './scopes.js';
import type { ShapingActions, ShapingEvents } from './shaping-events.js';
import type { SiteFacts, SiteRules } from './site-rules.js';
import { SiteSource } from './site-source.js';

/** What all sites share. */
export interface SiteEnvironment {
  /** Changes with the rules. */
  readonly revision: number;
  rulesFor(facts: SiteFacts): SiteRules;
  readonly scopes: Scopes;
  /** Share of each limit in time that only immediate mail may take. */
  readonly reserve: number;
  /** When there was immediate mail last, engine clock ms: where there is none, nothing is kept for it. */
  urgentAt: number;
  readonly actions: ShapingActions;
  readonly events: ShapingEvents;
}

/** Before what was learnt begins to grow again after a reply that asked for less, ms. */
const HOLD = 20_000;
/** How long a source whose quota is used up rests, ms. */
const QUOTA_PAUSE = 600_000;
/** How long after immediate mail some of each limit is kept for more of it, ms. */
const URGENT_TIME = 3_600_000;
/** Refusals kept for listings, and how long their text is at most. */
const KEPT_REPLIES = 5;
const KEPT_TEXT = 200;

export class ShapedSite implements SiteControl {
  readonly site: string;
  connections = 0;
  /** When it was last asked, engine clock ms. */
  usedAt = 0;
  private rules: SiteRules;
  private revision: number;
  private readonly environment: SiteEnvironment;
  private readonly sources = new Map<string, SiteSource>();
  private readonly pause = new Pause();
  private readonly replies: { readonly at: number; readonly source: string; readonly reply: string }[] = [];

  constructor(facts: SiteFacts, environment: SiteEnvironment) {
    this.site = facts.domain === '' ? facts.site : `${facts.site}, domain ${facts.domain}`;
    this.environment = environment;
    this.revision = environment.revision;
    this.rules = environment.rulesFor(facts);
  }

  get maxMessages(): number {
    return this.rules.maxMessages;
  }

  get maxRecipients(): number {
    return this.rules.maxRecipients;
  }

  connectionLimit(now: number): number {
    // Of several sources each has its own limit, which admitConnection knows.
    if (this.sources.size !== 1) return Number.POSITIVE_INFINITY;
    const [source] = this.sources.values();
    let limit = source!.learner?.connectionLimit(now) ?? Number.POSITIVE_INFINITY;
    for (const { most, open } of source!.flow('').scopes)
      limit = Math.min(limit, Math.max(0, most - open) + this.connections);
    return limit;
  }

  admitConnection(_host: SiteHost, source: string, now: number): Wait | null {
    this.environment.scopes.tidy();
    const at = this.sourceOf(source);
    this.usedAt = now;
    const { scopes } = at.flow('');
    const wait = this.pause.blocks(now) ?? at.blocksConnection(scopes, now);
    if (wait !== null) return wait;
    for (const scope of scopes) scope.connect(now);
    at.open++;
    return null;
  }

  admitJob(job: DeliveryJob, source: string, now: number): Wait | null {
    this.environment.scopes.tidy();
    const at = this.sourceOf(source);
    this.usedAt = now;
    const paused = this.pause.blocks(now) ?? at.pause.blocks(now) ?? at.learner?.blocks(at.words, now) ?? null;
    if (paused !== null) return paused;
    const { scopes } = at.flow(job.message.envelope.handling.tenant);
    const keep = this.toKeep(job, now);
    for (const { rates } of scopes)
      for (const rate of rates) {
        const wait = rate.blocks(this.weightOf(job, rate), now, keep);
        if (wait !== null) return wait;
      }
    for (const { rates } of scopes) for (const rate of rates) rate.book(this.weightOf(job, rate), now);
    at.learner?.book(now, 1);
    return null;
  }

  refund(job: DeliveryJob, source: string, now: number): void {
    const at = this.sourceOf(source);
    const { scopes } = at.flow(job.message.envelope.handling.tenant);
    for (const { rates } of scopes) for (const rate of rates) rate.limit.refund(this.weightOf(job, rate), now);
    at.learner?.book(now, -1);
  }

  connected(): void {}

  connectFailed(_host: SiteHost, source: string, reason: string, now: number): void {
    this.closed(_host, source);
    const reply = replyIn(reason);
    if (reply !== null) this.heed(reply, this.sourceOf(source), '', now, true);
  }

  closed(_host: SiteHost, source: string): void {
    const at = this.sourceOf(source);
    const { scopes } = at.flow('');
    for (const scope of scopes) scope.disconnect();
    if (at.open > 0) at.open--;
  }

  finished(
    job: DeliveryJob,
    _host: SiteHost,
    source: string,
    verdicts: readonly Verdict[],
    ms: number,
    now: number,
  ): void {
    const at = this.sourceOf(source);
    let taken = false;
    let heard = false;
    for (const { reply, stage } of verdicts) {
      if (reply.code < 400) taken = true;
      else if (!heard) heard = this.heed(reply, at, job.message.envelope.handling.tenant, now, stage !== 'mail');
    }
    if (taken) at.learner?.succeeded(ms, at.open, now);
  }

  waits(now: number): readonly Wait[] {
    const found = new Set<Wait>();
    const add = (wait: Wait | null | undefined): void => {
      if (wait !== null && wait !== undefined) found.add(wait);
    };
    add(this.pause.blocks(now));
    for (const source of this.sources.values()) {
      add(source.pause.blocks(now));
      add(source.learner?.blocks(source.words, now));
      add(source.learner?.blocksConnection(source.words, source.open, now));
      for (const scope of source.allScopes()) for (const wait of scope.waits(now)) found.add(wait);
    }
    return [...found];
  }

  describe(now: number): Readonly<Record<string, unknown>> {
    const scopes = new Set([...this.sources.values()].flatMap((source) => source.allScopes()));
    // Asked about before there was mail: what holds without a source.
    if (scopes.size === 0)
      for (const scope of this.rules.scopesFor('', '', this.environment.scopes.of)) scopes.add(scope);
    const learnt = [...this.sources.values()].flatMap((source) => {
      const facts = source.learner?.describe(now) ?? null;
      return facts === null ? [] : [{ source: source.name, ...facts }];
    });
    return {
      limits: [...scopes].flatMap((scope) => scope.describe(now)),
      ...(this.maxMessages > 0 ? { messagesPerConnection: this.maxMessages } : {}),
      ...(this.maxRecipients > 0 ? { recipientsPerMessage: this.maxRecipients } : {}),
      learnt,
      waits: this.waits(now).map(({ reason, until }) => ({ reason, until: Number.isFinite(until) ? until : null })),
      lastReplies: [...this.replies],
    };
  }

  /** Nothing is known here that must not be forgotten. */
  isIdle(now: number): boolean {
    if (this.connections > 0 || this.pause.blocks(now) !== null) return false;
    for (const source of this.sources.values()) if (source.isBusy(now)) return false;
    return true;
  }

  private sourceOf(name: string): SiteSource {
    if (this.revision !== this.environment.revision) this.heedRules();
    let source = this.sources.get(name);
    if (source === undefined) {
      source = new SiteSource(name, this.rules, this.environment.scopes, (lesson) =>
        this.environment.events.learnt(this.site, name, lesson),
      );
      this.sources.set(name, source);
    }
    return source;
  }

  private heedRules(): void {
    this.revision = this.environment.revision;
    this.rules = this.environment.rulesFor(this.rules.facts);
    for (const source of this.sources.values()) source.heed(this.rules);
  }

  /** Share of limits that this job may not take. */
  private toKeep({ message }: DeliveryJob, now: number): number {
    const { environment } = this;
    if (message.envelope.handling.lane !== 'immediate' || message.attempts > 0)
      return now - environment.urgentAt < URGENT_TIME ? environment.reserve : 0;
    environment.urgentAt = now;
    return 0;
  }

  private weightOf(job: DeliveryJob, { counted, limit }: NamedRate): number {
    if (counted === 'messages') return 1;
    const weight = counted === 'bytes' ? job.message.envelope.content.size : job.recipients.length;
    return Math.min(weight, limit.most);
  }

  /** Does what a refusal asks for; false when it asks for nothing. `surely`: a bare 421 is about our pace. */
  private heed(reply: PeerReply, at: SiteSource, tenant: string, now: number, surely: boolean): boolean {
    const said = `${reply.code} ${reply.text}`;
    this.keep(said, at.name, now);
    const reaction = reactionTo(reply, at.flow(tenant).rules);
    if (reaction === null || (reaction.kind === 'closing' && !surely)) return false;
    if (reaction.kind === 'rule') this.act(reaction, said, at, tenant, now);
    else if (reaction.kind === 'quota') this.pauseSource(at, QUOTA_PAUSE, said, now, 'pause_source');
    else if (reaction.kind === 'rate') at.learner?.throttled(said, now, HOLD);
    else at.learner?.crowded(at.open, said, now, HOLD);
    return true;
  }

  private act(
    { rule, reply }: Extract<Reaction, { kind: 'rule' }>,
    said: string,
    at: SiteSource,
    tenant: string,
    now: number,
  ): void {
    const reason = `${rule.name}: ${said}`;
    const { action, ms } = reply;
    if (action === 'pause_site') {
      if (this.pause.begin(`${placeInWords(this.site, '')} is paused (${reason})`, now + ms))
        this.tell(action, at, '', ms, reason);
    } else if (action === 'suspend_tenant' && tenant !== '') {
      if (this.environment.actions.suspendTenant(tenant, ms, reason)) this.tell(action, at, tenant, ms, reason);
    } else if (action === 'pause_source' || (action === 'switch_source' && this.hasOther(at, now)))
      this.pauseSource(at, ms, reason, now, action);
    else {
      // slow_down; also where there is no tenant to suspend and no source to switch to.
      at.learner?.throttled(reason, now, ms);
      at.learner?.crowded(at.open, reason, now, ms);
    }
  }

  private pauseSource(at: SiteSource, ms: number, reason: string, now: number, action: Action): void {
    if (!at.pause.begin(`${at.words} is paused (${reason})`, now + ms)) return;
    if (at.name !== '') this.environment.actions.pauseSource(at.name, this.site, ms, reason, now);
    this.tell(action, at, '', ms, reason);
  }

  private hasOther(at: SiteSource, now: number): boolean {
    for (const source of this.sources.values()) if (source !== at && source.pause.blocks(now) === null) return true;
    return false;
  }

  private tell(action: Action, at: SiteSource, tenant: string, ms: number, reason: string): void {
    this.environment.events.acted({ action, site: this.site, source: at.name, tenant, ms, reason });
  }

  private keep(said: string, source: string, now: number): void {
    const reply = said.length > KEPT_TEXT ? said.slice(0, KEPT_TEXT) : said;
    const last = this.replies.at(-1);
    if (last !== undefined && last.reply === reply && last.source === source) this.replies.pop();
    else if (this.replies.length >= KEPT_REPLIES) this.replies.shift();
    this.replies.push({ at: now, source, reply });
  }
}
