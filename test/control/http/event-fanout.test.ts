/** The fan-out of events with connections and a clock of the test's. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EventFanout, type EventReceiver, type FanoutOptions } from '../../../src/control/http/event-fanout.js';
import { ALL_EVENTS } from '../../../src/telemetry/event-filter.js';
import { MailEvents } from '../../../src/telemetry/mail-event.js';
import { outcomeEvent } from '../../helpers/mail-events.js';

const KIB = 1024;
let mail: MailEvents;
let fanout: EventFanout;

/** A connection that takes `room` bytes, and no more until it is read. */
class Connection implements EventReceiver {
  readonly frames: string[] = [];
  closed: number | 'aborted' | null = null;
  private waiting = 0;
  private readonly reads: boolean;

  constructor(reads: boolean) {
    this.reads = reads;
    fanout.add(this, ALL_EVENTS);
  }

  get events(): { readonly kind: string; readonly id?: string; readonly count?: number }[] {
    return this.frames.flatMap((frame) => JSON.parse(frame));
  }

  held(): number {
    return this.waiting;
  }

  send(frame: Uint8Array): void {
    expect(this.closed).toBe(null);
    this.frames.push(Buffer.from(frame).toString());
    if (!this.reads) this.waiting += frame.length;
  }

  end(code: number): void {
    this.closed = code;
  }

  abort(): void {
    this.closed = 'aborted';
  }

  /** Reads all that is held. */
  read(): void {
    this.waiting = 0;
    fanout.drained(this);
  }
}

function open(options: Partial<FanoutOptions> = {}): void {
  mail = new MailEvents();
  fanout = new EventFanout({
    now: () => Date.now(),
    subscribe: (listener) => mail.subscribe(listener),
    ...options,
  });
}

async function tell(count: number, size = KIB): Promise<void> {
  for (let i = 0; i < count; i++) mail.tell(outcomeEvent('delivered', { id: `A${i}`, reply: 'x'.repeat(size) }));
  await vi.advanceTimersByTimeAsync(1000);
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the fan-out', () => {
  it('listens to the engine only while somebody listens to it', async () => {
    open();
    expect(mail.wanted).toBe(false);
    const one = new Connection(true);
    await tell(3);
    expect(one.events.map(({ id }) => id)).toEqual(['A0', 'A1', 'A2']);
    fanout.remove(one);
    expect(mail.wanted).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('makes one frame for all that listen alike', async () => {
    open();
    const sent: Uint8Array[] = [];
    for (let i = 0; i < 3; i++) new Connection(true).send = (frame) => void sent.push(frame);
    await tell(2);
    expect(sent).toHaveLength(3);
    expect(sent[1]).toBe(sent[0]);
    expect(sent[2]).toBe(sent[0]);
  });

  it('drops what a listener does not take, tells it once it reads, and closes it with 1013 when that took long', async () => {
    open({ backlog: 4 * KIB });
    const [slow, fast] = [new Connection(false), new Connection(true)];
    await tell(2);
    await tell(4);
    expect(slow.events).toHaveLength(2);
    expect(fast.events).toHaveLength(6);
    slow.read();
    expect(slow.events.at(-1)).toEqual({ kind: 'dropped-events', count: 4 });
    expect(slow.closed).toBe(null);
    await tell(2);
    await tell(4);
    await vi.advanceTimersByTimeAsync(11_000);
    slow.read();
    expect(slow.events.at(-1)).toEqual({ kind: 'dropped-events', count: 4 });
    expect(slow.closed).toBe(1013);
    expect(fanout.counts).toEqual({ listeners: 1, dropped: 8, closed: 1 });
    await tell(1);
    expect(fast.events).toHaveLength(13);
  });

  it('cuts off one that reads nothing at all', async () => {
    open({ backlog: 4 * KIB });
    const dead = new Connection(false);
    await tell(3);
    for (let i = 0; i < 30; i++) await tell(3);
    expect(dead.closed).toBe('aborted');
    expect(fanout.counts.listeners).toBe(0);
    expect(fanout.held).toBe(0);
    expect(mail.wanted).toBe(false);
  });

  it('holds no more for all together than it may', async () => {
    open({ backlog: 100 * KIB, backlogs: 50 * KIB });
    const dead = Array.from({ length: 20 }, () => new Connection(false));
    const fast = new Connection(true);
    await tell(10);
    await tell(10);
    expect(fanout.held).toBeLessThan(65 * KIB);
    expect(dead.filter(({ closed }) => closed === 'aborted').length).toBeGreaterThan(10);
    expect(fast.events).toHaveLength(20);
  });

  it('tells of events that there was no room to gather', async () => {
    open();
    const one = new Connection(true);
    await tell(20_500, 1);
    await vi.advanceTimersByTimeAsync(5000);
    const got = one.events.filter(({ kind }) => kind === 'delivered').length;
    const dropped = one.events.filter(({ kind }) => kind === 'dropped-events');
    expect(dropped.length).toBeGreaterThan(0);
    expect(got + dropped.reduce((sum, { count }) => sum + count!, 0)).toBe(20_500);
  });

  it('says goodbye to all', () => {
    open();
    const all = [new Connection(true), new Connection(false)];
    fanout.close();
    expect(all.map(({ closed }) => closed)).toEqual([1001, 1001]);
    expect(mail.wanted).toBe(false);
  });
});
