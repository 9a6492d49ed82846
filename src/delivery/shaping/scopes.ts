/**
 * All scopes by their key, shared by the sites.
 *
 * Limits: scopes in which nothing is counted are swept when they have become many. Who holds on to scopes asks for them
 * anew when `generation` has changed.
 */
import type { Rate } from './rule.js';
import { Scope } from './scope.js';

/** Looked for what can go when there are this many, then at twice what is left. */
const SWEEP_FROM = 1024;

export class Scopes {
  generation = 0;
  private readonly scopes = new Map<string, Scope>();
  private readonly now: () => number;
  private sweepAt = SWEEP_FROM;

  constructor(now: () => number) {
    this.now = now;
  }

  get size(): number {
    return this.scopes.size;
  }

  /** The scope of that key, made with these limits if there is none. */
  readonly of = (key: string, name: string, most: number, rates: readonly Rate[]): Scope => {
    let scope = this.scopes.get(key);
    if (scope === undefined) {
      scope = new Scope(name, most, rates);
      this.scopes.set(key, scope);
    }
    return scope;
  };

  /** Sweeps when it is time to; not while somebody holds on to scopes it has just asked for. */
  tidy(): void {
    if (this.scopes.size < this.sweepAt) return;
    const now = this.now();
    for (const [key, scope] of this.scopes) if (scope.isIdle(now)) this.scopes.delete(key);
    this.sweepAt = Math.max(SWEEP_FROM, this.scopes.size * 2);
    this.generation++;
  }
}
