/**
 * Deadlines of many connections with one timer.
 *
 * An entry sits in the slot of the deadline it had when it was put there. Deadlines mostly move later (every command
 * does that), so moving one costs nothing: when the slot comes round, the entry is asked again and put where it belongs
 * now. The wheel is short, so every entry is asked at least once a round, and a deadline that moved earlier is late by at
 * most that (5 s by default) unless the entry is put in again by `add`. Else exact to one resolution step.
 */

/** Something that has to be told when its time is up. */
export interface Deadlined {
  /** Engine time in ms; Infinity for none. */
  readonly deadline: number;
  /** Its deadline has passed. It is out of the wheel until added again. */
  expire(now: number): void;
}

export class DeadlineWheel {
  private readonly slots: Set<Deadlined>[];
  private readonly slotOf = new Map<Deadlined, Set<Deadlined>>();
  private readonly now: () => number;
  private readonly resolution: number;
  private readonly timer: NodeJS.Timeout;
  private tick: number;

  /** `resolution`: ms a slot; `slots`: how many. */
  constructor(now: () => number, resolution = 250, slots = 20) {
    this.now = now;
    this.resolution = resolution;
    this.slots = Array.from({ length: slots }, () => new Set<Deadlined>());
    this.tick = Math.floor(now() / resolution);
    this.timer = setInterval(() => this.advance(), resolution);
    this.timer.unref();
  }

  get size(): number {
    return this.slotOf.size;
  }

  /** Puts an entry in, or moves it to where its deadline belongs now. */
  add(entry: Deadlined): void {
    this.delete(entry);
    const ahead = Math.ceil(entry.deadline / this.resolution) - this.tick;
    const slot = this.slots[(this.tick + Math.max(1, Math.min(ahead, this.slots.length - 1))) % this.slots.length]!;
    slot.add(entry);
    this.slotOf.set(entry, slot);
  }

  delete(entry: Deadlined): void {
    const slot = this.slotOf.get(entry);
    if (slot === undefined) return;
    slot.delete(entry);
    this.slotOf.delete(entry);
  }

  /** Runs every slot whose time has come; the timer calls it. */
  advance(): void {
    const now = this.now();
    const target = Math.floor(now / this.resolution);
    // After a long stall one round over all slots reaches every entry.
    if (target - this.tick > this.slots.length) this.tick = target - this.slots.length;
    while (this.tick < target) {
      this.tick++;
      const slot = this.slots[this.tick % this.slots.length]!;
      if (slot.size === 0) continue;
      const due = [...slot];
      slot.clear();
      for (const entry of due) {
        // One that expired before it in this round may have taken it out.
        if (this.slotOf.get(entry) !== slot) continue;
        this.slotOf.delete(entry);
        if (entry.deadline <= now) entry.expire(now);
        else this.add(entry);
      }
    }
  }

  stop(): void {
    clearInterval(this.timer);
    for (const slot of this.slots) slot.clear();
    this.slotOf.clear();
  }
}
