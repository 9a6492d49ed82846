/**
 * One source at one site: what it has open, what was learnt of the site as it sees it, and the scopes it counts in.
 */
import type { Wait } from '../../queue/wait.js';
import { Learner, type Lesson } from './learner.js';
import { Pause } from './pause.js';
import { placeInWords, type ShapingRule } from './rule.js';
import type { Scope } from './scope.js';
import type { Scopes } from './scopes.js';
import type { SiteRules } from './site-rules.js';

/** What holds for the messages of one tenant, by one source at one site. */
export interface Flow {
  readonly scopes: readonly Scope[];
  readonly rules: readonly ShapingRule[];
}

/** Flows of tenants kept; they are only looked up, so that too many are simply made anew. */
const MAX_FLOWS = 4096;

export class SiteSource {
  readonly name: string;
  /** `site google.com, source ip1`. */
  readonly words: string;
  /** Connections being made and made. */
  open = 0;
  readonly pause = new Pause();
  /** null: nothing is to be learnt. */
  learner: Learner | null = null;
  private rules: SiteRules;
  private readonly scopes: Scopes;
  private plain: Flow = { scopes: [], rules: [] };
  private readonly flows = new Map<string, Flow>();
  private generation = -1;

  private readonly onLesson: (lesson: Lesson) => void;

  constructor(name: string, rules: SiteRules, scopes: Scopes, onLesson: (lesson: Lesson) => void) {
    this.name = name;
    this.rules = rules;
    this.scopes = scopes;
    this.words = placeInWords(rules.facts.site, name);
    this.onLesson = onLesson;
    this.heed(rules);
  }

  /** Other rules hold from now on. */
  heed(rules: SiteRules): void {
    this.rules = rules;
    this.generation = -1;
    const { adaptive, facts } = rules;
    // Without a word of the operator, only the pace of mail to MX hosts is judged by latency.
    const latency = adaptive === true || facts.host !== '';
    if (adaptive === false) this.learner = null;
    else this.learner ??= new Learner(latency, this.onLesson);
  }

  /** What holds for a tenant's messages. */
  flow(tenant: string): Flow {
    if (this.generation !== this.scopes.generation) this.askAnew();
    if (tenant === '' || !this.rules.asksTenant) return this.plain;
    let flow = this.flows.get(tenant);
    if (flow === undefined) {
      if (this.flows.size >= MAX_FLOWS) this.flows.clear();
      flow = this.makeFlow(tenant);
      this.flows.set(tenant, flow);
    }
    return flow;
  }

  /** The scopes of all tenants that sent something of late, and those that do not ask for one. */
  allScopes(): Scope[] {
    const { scopes } = this.flow('');
    return [...scopes, ...[...this.flows.values()].flatMap((flow) => flow.scopes)];
  }

  /** Why no connection may be begun, null when one may. */
  blocksConnection(scopes: readonly Scope[], now: number): Wait | null {
    const paused = this.pause.blocks(now);
    if (paused !== null) return paused;
    for (const scope of scopes) {
      const wait = scope.blocksConnection(now);
      if (wait !== null) return wait;
    }
    return this.learner?.blocksConnection(this.words, this.open, now) ?? null;
  }

  /** Something is remembered that must not be forgotten. */
  isBusy(now: number): boolean {
    return this.open > 0 || this.pause.blocks(now) !== null || this.learner?.isSet === true;
  }

  private askAnew(): void {
    const before = this.plain.scopes;
    this.flows.clear();
    this.generation = this.scopes.generation;
    this.plain = this.makeFlow('');
    // A limit that is new counts the connections that were there before it, too.
    for (const scope of this.plain.scopes) if (!before.some(({ key }) => key === scope.key)) scope.open += this.open;
  }

  private makeFlow(tenant: string): Flow {
    return {
      scopes: this.rules.scopesFor(this.name, tenant, this.scopes.of),
      rules: this.rules.rulesFor(this.name, tenant).filter(({ replies }) => replies.length > 0),
    };
  }
}
