/**
 * A first-in first-out queue over a ring, with room to put something back in front. Grows by doubling; never shrinks
 * below its start, so a queue that was long once costs a few bytes per slot until it is dropped.
 */
export class Deque<T> {
  private ring: (T | undefined)[] = new Array<T | undefined>(4).fill(undefined);
  private head = 0;
  private count = 0;

  get length(): number {
    return this.count;
  }

  /** What `shift` would give. */
  get first(): T | undefined {
    return this.count === 0 ? undefined : this.ring[this.head];
  }

  push(item: T): void {
    if (this.count === this.ring.length) this.grow();
    this.ring[(this.head + this.count++) & (this.ring.length - 1)] = item;
  }

  /** Puts an item before all others. */
  unshift(item: T): void {
    if (this.count === this.ring.length) this.grow();
    this.head = (this.head - 1) & (this.ring.length - 1);
    this.ring[this.head] = item;
    this.count++;
  }

  shift(): T | undefined {
    if (this.count === 0) return undefined;
    const item = this.ring[this.head];
    this.ring[this.head] = undefined;
    this.head = (this.head + 1) & (this.ring.length - 1);
    this.count--;
    return item;
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (let i = 0; i < this.count; i++) yield this.ring[(this.head + i) & (this.ring.length - 1)]!;
  }

  private grow(): void {
    const { ring, head } = this;
    const larger = new Array<T | undefined>(ring.length * 2).fill(undefined);
    for (let i = 0; i < this.count; i++) larger[i] = ring[(head + i) & (ring.length - 1)];
    this.ring = larger;
    this.head = 0;
  }
}
