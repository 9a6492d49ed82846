/**
 * What was told of lately and is not told of again so soon: for mistakes that come with every message or connection.
 * Bounded: past `MAX_KEYS` all is forgotten, so that a thing may be told of once more.
 */
const MAX_KEYS = 1000;

export class ToldLately {
  private readonly until = new Map<string, number>();
  private readonly silence: number;

  /** `silence`: ms. */
  constructor(silence: number) {
    this.silence = silence;
  }

  /** True once in a silence for each key: tell of it now. `now` in ms. */
  due(key: string, now: number): boolean {
    if (now < (this.until.get(key) ?? 0)) return false;
    if (this.until.size >= MAX_KEYS) this.until.clear();
    this.until.set(key, now + this.silence);
    return true;
  }
}
