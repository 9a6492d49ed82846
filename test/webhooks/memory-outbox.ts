/**
 * An outbox table in memory for tests: commits come when the test says so, in order, and a crash forgets what was not
 * committed.
 */
import type { OutboxRow, OutboxTable, StoreCompanion } from '../../src/spool/outbox-table.js';
import type { NewMessage } from '../../src/spool/spool.js';

interface Work {
  write(): void;
  done(): void;
}

/** What is on disk; outlives a crash. */
export class MemoryDisk {
  readonly rows = new Map<string, Map<number, Buffer>>();
  readonly remembered = new Map<string, string>();
}

export class MemoryOutbox implements OutboxTable {
  companion: StoreCompanion | null = null;
  readonly disk: MemoryDisk;
  private work: Work[] = [];
  private crashed = false;

  constructor(disk: MemoryDisk) {
    this.disk = disk;
  }

  /** One commit of all that was submitted; what is called back may submit more. */
  commit(): void {
    if (this.crashed) return;
    const { work } = this;
    this.work = [];
    for (const { write } of work) write();
    for (const { done } of work) done();
  }

  crash(): void {
    this.crashed = true;
    this.work = [];
  }

  /** A message is made durable with the next commit. */
  store(batch: readonly NewMessage[], stored: () => void): void {
    let told: (() => void) | null = null;
    this.submit({
      write: () => {
        told = this.companion?.storing(batch, this) ?? null;
      },
      done: () => {
        told?.();
        stored();
      },
    });
  }

  submit(work: Work): void {
    if (!this.crashed) this.work.push(work);
  }

  putNow(name: string, { number, value }: OutboxRow): void {
    const rows = this.disk.rows.get(name) ?? new Map<number, Buffer>();
    this.disk.rows.set(name, rows);
    rows.set(number, value);
  }

  append(name: string, rows: () => readonly OutboxRow[], done: () => void): void {
    this.submit({
      write: () => {
        for (const row of rows()) this.putNow(name, row);
      },
      done,
    });
  }

  remove(name: string, numbers: readonly number[], remembered: string, done: () => void): void {
    this.submit({
      write: () => {
        for (const number of numbers) this.disk.rows.get(name)?.delete(number);
        if (remembered === '') this.disk.remembered.delete(name);
        else this.disk.remembered.set(name, remembered);
      },
      done,
    });
  }

  read(name: string, after: number, limit: number): OutboxRow[] {
    return [...(this.disk.rows.get(name) ?? [])]
      .map(([number, value]) => ({ number, value }))
      .filter(({ number }) => number > after)
      .sort((a, b) => a.number - b.number)
      .slice(0, limit);
  }

  last(name: string): number {
    return Math.max(0, ...(this.disk.rows.get(name)?.keys() ?? []));
  }

  remembered(name: string): string {
    return this.disk.remembered.get(name) ?? '';
  }

  names(limit: number): string[] {
    const names = [...this.disk.rows].filter(([, rows]) => rows.size > 0).map(([name]) => name);
    return [...new Set([...names, ...this.disk.remembered.keys()])].sort().slice(0, limit);
  }
}
