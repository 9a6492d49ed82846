/**
 * The ledger of every message that was tried, and its reconciliation with what the sink wrote down.
 *
 * A message is `tried` from before its final dot is sent, `acknowledged` when its 250 came, `refused` when another reply
 * came. What was tried and never answered may arrive or not.
 */
import { existsSync, readFileSync } from 'node:fs';

export interface LedgerEntry {
  readonly recipients: readonly string[];
  state: 'tried' | 'acknowledged' | 'refused';
  /** Reply code, 0 while there is none. */
  code: number;
}

/** One line of the sink. */
export interface Arrival {
  /** The sink's clock, ms since the epoch. */
  readonly at: number;
  /** Reverse-path. */
  readonly from: string;
  readonly to: readonly string[];
  /** The X-Fault-Id field, '' when there is none. */
  readonly id: string;
  /** The body is the one that its X-Fault-Sha256 field says. */
  readonly whole: boolean;
  /** The relay's id for it, '' where it wrote none. */
  readonly queueId?: string;
}

export class Ledger {
  readonly entries = new Map<string, LedgerEntry>();
  /** Moments at which something was killed or cut, ms since the epoch. */
  readonly faults: number[] = [];
  acknowledged = 0;
  refused = 0;

  tried(id: string, recipients: readonly string[]): void {
    this.entries.set(id, { recipients, state: 'tried', code: 0 });
  }

  answered(id: string, code: number): void {
    const entry = this.entries.get(id)!;
    entry.code = code;
    if (code >= 200 && code < 300) {
      entry.state = 'acknowledged';
      this.acknowledged++;
    } else {
      entry.state = 'refused';
      this.refused++;
    }
  }

  /** Notes that something is killed now. */
  fault(): void {
    this.faults.push(Date.now());
  }
}

export interface Reconciliation {
  /** Acknowledged for a recipient that it never reached. */
  readonly lost: string[];
  /** Arrived with another body. */
  readonly damaged: string[];
  /** Arrived and was never sent, or for a recipient it was not sent to. */
  readonly invented: string[];
  /** Refused for good (5xx) and arrived all the same. */
  readonly refusedArrived: string[];
  /** Second copies whose first came just before a fault: allowed. */
  readonly duplicates: number;
  /** Second copies that no fault explains. */
  readonly needless: string[];
  /** Notifications that came to the sink. */
  readonly notices: number;
  readonly delivered: number;
}

/** Reverse-path of the bad clients. */
const BAD_SENDER = 'bad@client.example';
/** A copy that came at most this long before a fault may come again: its removal may not have been durable. ms. */
const IN_FLIGHT = 2_000;
/** What the sink wrote after the fault may have been in its socket before it. ms. */
const IN_SOCKET = 1_500;

/** Reads what the sink wrote down; a last line that is not whole is left out. */
export function readArrivals(path: string): Arrival[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  lines.pop();
  return lines.map((line) => JSON.parse(line) as Arrival);
}

/** Compares ledger and sink. */
export function reconcile(ledger: Ledger, arrivals: readonly Arrival[]): Reconciliation {
  const copies = new Map<string, number[]>();
  const damaged: string[] = [];
  const invented: string[] = [];
  const refusedArrived: string[] = [];
  let notices = 0;
  for (const arrival of arrivals) {
    if (arrival.from === '') {
      notices++;
      continue;
    }
    // What bad clients happened to send rightly is mail like any other, but nobody keeps account of it.
    if (arrival.from === BAD_SENDER) continue;
    const entry = ledger.entries.get(arrival.id);
    if (entry === undefined) invented.push(arrival.id || '(no id)');
    else if (entry.state === 'refused' && entry.code >= 500) refusedArrived.push(arrival.id);
    if (!arrival.whole) damaged.push(arrival.id);
    for (const recipient of arrival.to) {
      if (entry !== undefined && !entry.recipients.includes(recipient)) invented.push(`${arrival.id} ${recipient}`);
      const key = `${arrival.id} ${recipient}`;
      const times = copies.get(key);
      if (times === undefined) copies.set(key, [arrival.at]);
      else times.push(arrival.at);
    }
  }
  const lost: string[] = [];
  for (const [id, { state, recipients }] of ledger.entries) {
    if (state !== 'acknowledged') continue;
    for (const recipient of recipients) if (!copies.has(`${id} ${recipient}`)) lost.push(`${id} ${recipient}`);
  }
  let duplicates = 0;
  const needless: string[] = [];
  for (const [key, times] of copies) {
    for (let n = 1; n < times.length; n++) {
      const first = times[n - 1]!;
      const explained = ledger.faults.some((at) => at >= first - IN_SOCKET && at <= first + IN_FLIGHT);
      if (explained) duplicates++;
      else needless.push(`${key} at ${first} and ${times[n]}`);
    }
  }
  return { lost, damaged, invented, refusedArrived, duplicates, needless, notices, delivered: copies.size };
}

/** Facts and problems of a reconciliation, for a report. `dropUnexplained`: how many may be missing (in quarantine). */
export function judge(ledger: Ledger, found: Reconciliation): { facts: Record<string, number>; problems: string[] } {
  const problems: string[] = [];
  const check = (what: string, list: readonly string[]): void => {
    if (list.length > 0) problems.push(`${list.length} ${what}, such as ${list.slice(0, 3).join('; ')}`);
  };
  check('lost', found.lost);
  check('arrived damaged', found.damaged);
  check('invented', found.invented);
  check('arrived although refused', found.refusedArrived);
  check('duplicates that no fault explains', found.needless);
  const facts = {
    tried: ledger.entries.size,
    acknowledged: ledger.acknowledged,
    refused: ledger.refused,
    delivered: found.delivered,
    lost: found.lost.length,
    duplicates: found.duplicates + found.needless.length,
  };
  return { facts, problems };
}
