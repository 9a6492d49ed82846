/**
 * Answers that are kept for a while, by questions that hold secrets: neither is a question kept nor anything that could
 * be tried against a list of passwords, but an HMAC under a key of this process. Equal questions at the same time are
 * asked once.
 * Limits: `capacity` answers; the one used longest ago goes first.
 */
import { createHmac, randomBytes } from 'node:crypto';

export class AnswerCache<T> {
  private readonly capacity: number;
  private readonly key = randomBytes(32);
  private readonly kept = new Map<string, { readonly answer: T; readonly until: number }>();
  private readonly asking = new Map<string, Promise<T>>();

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /**
   * The kept answer to a question, else that of `ask`, which is kept for `lifetime(answer)` ms; 0: not at all.
   * @throws what `ask` throws; that is not kept.
   */
  async get(
    question: readonly string[],
    now: () => number,
    lifetime: (answer: T) => number,
    ask: () => Promise<T>,
  ): Promise<T> {
    const name = createHmac('sha256', this.key).update(JSON.stringify(question)).digest('base64');
    const known = this.kept.get(name);
    if (known !== undefined) {
      this.kept.delete(name);
      if (known.until > now()) {
        this.kept.set(name, known);
        return known.answer;
      }
    }
    const asked = this.asking.get(name);
    if (asked !== undefined) return asked;
    const asking = ask();
    this.asking.set(name, asking);
    try {
      const answer = await asking;
      const life = lifetime(answer);
      if (life > 0) {
        this.kept.set(name, { answer, until: now() + life });
        if (this.kept.size > this.capacity) this.kept.delete(this.kept.keys().next().value!);
      }
      return answer;
    } finally {
      this.asking.delete(name);
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.kept.clear();
  }
}
