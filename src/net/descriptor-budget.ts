/**
 * How many client connections the limit of open files leaves room for.
 *
 * Descriptors that clients take are missing for deliveries, so a share is kept for those: a crowd of clients must not
 * stop the queue. The limit can be changed while the process runs (prlimit), so it is read again now and then.
 * Linux only (/proc/self): elsewhere there is no bound but the settings.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** Age at which the limit is read again, ms. */
const READ_AGAIN = 1000;
/** Kept for what comes and goes: DNS sockets, the control socket, files being read. */
const HEADROOM = 8;

export class DescriptorBudget {
  /** Descriptors the engine holds without any connection. */
  private readonly base: number;
  private readonly upstream: number;
  private readonly now: () => number;
  private readAt = Number.NEGATIVE_INFINITY;
  private allowed = Number.POSITIVE_INFINITY;
  private limit = Number.POSITIVE_INFINITY;

  /** To be made when everything but connections is open. `upstream`: connections that deliveries want at most. */
  constructor(upstream: number, now: () => number) {
    this.base = countOpen();
    this.upstream = upstream;
    this.now = now;
  }

  /** The limit of open files, Infinity where it cannot be known. */
  get openFiles(): number {
    this.refresh();
    return this.limit;
  }

  /** Client connections there is room for; at least 1. */
  get clients(): number {
    this.refresh();
    return this.allowed;
  }

  private refresh(): void {
    const now = this.now();
    if (now - this.readAt < READ_AGAIN) return;
    this.readAt = now;
    this.limit = readLimit();
    const rest = this.limit - this.base - HEADROOM;
    this.allowed = Math.max(1, rest - Math.min(this.upstream, Math.floor(rest / 2)));
  }
}

function countOpen(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}

/** The soft limit by proc(5), /proc/PID/limits. */
function readLimit(): number {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    return found === null ? Number.POSITIVE_INFINITY : Number(found[1]);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
