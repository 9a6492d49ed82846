/**
 * What became of each line of a Postfix configuration: the account that the importer gives of itself.
 *
 * Contract: every parameter that was given ends in here at least once, so nothing is left away in silence.
 */

/**
 * `carried`: holds as it was. `differs`: holds, but not to the letter. `left-out`: does not hold any more.
 * `not-needed`: of Postfix's own files and processes, there is nothing to hold.
 */
export type Fate = 'carried' | 'differs' | 'left-out' | 'not-needed';

/** One entry. Values are never quoted where they may be secret. */
export interface Entry {
  readonly fate: Fate;
  /** `main.cf:12`, `transport:3`, `master.cf:20`. */
  readonly where: string;
  /** The parameter, or the key of a map. */
  readonly what: string;
  /** Why, and what to do instead; what it became for `carried`. */
  readonly why: string;
}

export class Ledger {
  readonly entries: Entry[] = [];
  private readonly told = new Set<string>();
  private readonly spoken = new Set<string>();

  add(fate: Fate, where: string, what: string, why: string): void {
    const key = JSON.stringify([where, what, why]);
    if (this.told.has(key)) return;
    this.told.add(key);
    this.spoken.add(`${where} ${what.split(' ')[0]}`);
    this.entries.push({ fate, where, what, why });
  }

  /** Whether anything is said of a parameter given there. */
  tells(name: string, where: string): boolean {
    return this.spoken.has(`${where} ${name}`);
  }

  of(...fates: readonly Fate[]): Entry[] {
    return this.entries.filter(({ fate }) => fates.includes(fate));
  }
}
