/**
 * Sends TLS reports (RFC 8460): when a day is over, to every domain of it that asks for them.
 *
 * Contract: reports of a day leave after a random delay of up to four hours (section 4.1 asks for one, so that not all
 * reporters come at midnight), by mail and by HTTPS to every target a domain names. What fails is tried again with a
 * wait that doubles, for a day (section 5.4); then it is given up with a log line. What is counted and what is not sent
 * yet outlives a restart. Mail goes the way of all mail, with its signatures, but is not held to TLS policies (section
 * 3: reports of failures must get through).
 * Limits: days that wait, reports looked at in a minute and at once.
 */
import type { Clock } from '../core/clock.js';
import { messageOf, SluiceError } from '../core/errors.js';
import type { HttpClient } from '../core/http.js';
import type { StateFile } from './state-file.js';
import type { TextDns } from './sts-policies.js';
import { type Reporter, reportMail, type TlsReport, tlsReport } from './tls-report-document.js';
import { type ReportTarget, reportTargets } from './tls-report-record.js';
import { readReporterState, type WaitingReport, writeReporterState } from './tls-reporter-state.js';
import { DAY, TlsResults } from './tls-results.js';

export interface TlsReporterOptions {
  readonly clock: Clock;
  readonly dns: TextDns;
  readonly http: HttpClient;
  readonly reporter: Reporter;
  readonly file?: StateFile;
  /** 0 to 1; the delay's share of four hours. */
  random(): number;
  /** Makes a message durable, to be delivered like any other; rejects when that cannot be done now. */
  submit(from: string, to: string, content: Buffer): Promise<void>;
  log(level: 'info' | 'warn', fields: Record<string, unknown>, line: string): void;
}

const MINUTE = 60_000;
/** After the start, when the engine listens; for what an earlier run left. */
const FIRST = 3000;
const MAX_DELAY = 4 * 60 * MINUTE;
const MIN_BACKOFF = 5 * MINUTE;
const GIVE_UP = DAY;
/** Days of reports that wait at most; the oldest is dropped. */
const MAX_DAYS = 3;
const AT_ONCE = 10;
const IN_A_MINUTE = 200;
const TIMEOUT = MINUTE;
/** An answer to a report is not looked at. */
const MAX_ANSWER = 65_536;

export class TlsReporter {
  readonly results: TlsResults;
  private readonly options: TlsReporterOptions;
  private readonly waiting = new Set<WaitingReport>();
  private timer: NodeJS.Timeout | null = null;
  private first: NodeJS.Timeout | null = null;
  private busy: Promise<void> | null = null;
  private closed = false;

  constructor(options: TlsReporterOptions) {
    this.options = options;
    this.results = new TlsResults(options.clock, () => options.file?.changed());
  }

  /** Takes in what an earlier run left. False: there was a file, and it is of no use. */
  async open(): Promise<boolean> {
    const kept = (await this.options.file?.read()) ?? null;
    const state = kept === null ? null : readReporterState(kept);
    if (state !== null) {
      for (const report of state.waiting) this.waiting.add(report);
      this.results.today = state.today;
      this.results.over.push(...state.over);
    }
    this.timer = setInterval(() => void this.tick(), MINUTE);
    this.timer.unref();
    this.first = setTimeout(() => void this.tick(), FIRST);
    this.first.unref();
    return kept === null || state !== null;
  }

  /** Ends; what is under way is sent again by the next run. */
  async close(): Promise<void> {
    this.closed = true;
    if (this.timer !== null) clearInterval(this.timer);
    if (this.first !== null) clearTimeout(this.first);
    await this.options.file?.close();
  }

  /** Reports of days that are over and not sent yet. */
  get due(): number {
    return this.waiting.size;
  }

  snapshot(): unknown {
    const { today, over } = this.results;
    return writeReporterState({ today, over, waiting: [...this.waiting] });
  }

  /** Sends what is due; by itself every minute. Never rejects. */
  tick(): Promise<void> {
    this.busy ??= this.work().finally(() => {
      this.busy = null;
    });
    return this.busy;
  }

  private async work(): Promise<void> {
    this.schedule();
    const now = this.options.clock.wall();
    const due = [...this.waiting].filter((report) => report.next <= now).slice(0, IN_A_MINUTE);
    const one = async (): Promise<void> => {
      for (let report = due.shift(); report !== undefined && !this.closed; report = due.shift())
        await this.send(report);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
  }

  /** Days that are over become reports that wait. */
  private schedule(): void {
    this.results.turn();
    if (this.results.over.length === 0) return;
    for (const { day, domains } of this.results.over.splice(0)) {
      const next = (day + 1) * DAY + Math.floor(this.options.random() * MAX_DELAY);
      for (const [domain, results] of domains)
        this.waiting.add({ domain, day, results, begun: next, next, attempts: 0, targets: null });
    }
    const days = new Set([...this.waiting].map(({ day }) => day));
    const kept = [...days].sort((a, b) => b - a).slice(0, MAX_DAYS);
    for (const report of this.waiting) if (!kept.includes(report.day)) this.waiting.delete(report);
    this.options.file?.changed();
  }

  private async send(waiting: WaitingReport): Promise<void> {
    const { clock, reporter } = this.options;
    let problem = '';
    if (waiting.targets === null) {
      const found = await this.options.dns.query(`_smtp._tls.${waiting.domain}`, 'TXT');
      if (found.kind === 'failed' && found.temporary) problem = found.detail;
      else waiting.targets = (found.kind === 'records' && reportTargets(found.records)) || [];
    }
    const left: ReportTarget[] = [];
    if (waiting.targets !== null && waiting.targets.length > 0) {
      const report = tlsReport(reporter, waiting.domain, waiting.day, waiting.results);
      for (const target of waiting.targets) {
        const failed = await this.deliver(report, target);
        if (failed === '') continue;
        problem = failed;
        left.push(target);
      }
      waiting.targets = left;
    }
    if (problem === '') this.waiting.delete(waiting);
    else this.retry(waiting, problem, clock.wall());
    this.options.file?.changed();
  }

  private retry(waiting: WaitingReport, reason: string, now: number): void {
    const { domain } = waiting;
    waiting.next = now + MIN_BACKOFF * 2 ** Math.min(waiting.attempts++, 10);
    if (waiting.next < waiting.begun + GIVE_UP) return;
    this.waiting.delete(waiting);
    this.options.log('warn', { domain, reason }, 'a TLS report could not be sent and was given up');
  }

  /** Why a target did not get the report, '' when it did. */
  private async deliver(report: TlsReport, target: ReportTarget): Promise<string> {
    const { reporter, clock, log } = this.options;
    const to = target.kind === 'mailto' ? target.address : target.url;
    try {
      if (target.kind === 'https') await this.post(report, to);
      else await this.options.submit(reporter.from, to, reportMail(reporter, report, to, clock.wall()));
    } catch (error) {
      return messageOf(error);
    }
    log('info', { domain: report.domain, to }, 'TLS report sent');
    return '';
  }

  private async post(report: TlsReport, url: string): Promise<void> {
    const { status } = await this.options.http.request({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/tlsrpt+gzip' },
      body: report.compressed,
      maxBytes: MAX_ANSWER,
      timeout: TIMEOUT,
    });
    if (status < 200 || status > 299)
      throw new SluiceError('report-refused', `${url} answered ${status}`, { temporary: true });
  }
}
