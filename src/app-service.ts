/**
 * The engine as a service of systemd: ready, reloading, stopping, a line of status, and the watchdog.
 *
 * The watchdog is told of every half of its time from a timer of the main thread, and only while the spool works: an engine
 * whose main loop stands still, or whose spool stays failed, is started anew by the service manager. Without a manager
 * nothing happens and no timer runs; where it cannot be told, one warning says so.
 */
import { type NotifyText, takeNotifyEnvironment } from './config/inherited-environment.js';
import { ServiceManager } from './net/service-manager.js';
import type { Log } from './telemetry/log.js';

export interface ServiceState {
  /** The spool takes mail. */
  readonly healthy: boolean;
  /** For people, one line. */
  readonly status: string;
}

/** How often the line of status is told, ms. */
const STATUS_INTERVAL = 10_000;

export class Service {
  private readonly manager: ServiceManager | null;
  private readonly state: () => ServiceState;
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly watchdog: number;
  private told = '';

  /** `state` is asked for now and then once the engine is ready. */
  constructor(log: Pick<Log, 'warn'>, state: () => ServiceState, text: NotifyText = takeNotifyEnvironment()) {
    this.state = state;
    this.watchdog = watchdogTime(text);
    const manager = text.socket === '' ? null : ServiceManager.open(text.socket);
    if (typeof manager === 'string')
      log.warn({ socket: text.socket, reason: manager }, 'the service manager cannot be told how the engine is');
    this.manager = typeof manager === 'string' ? null : manager;
  }

  /** The engine listens. Also after a spool that failed and was opened again. */
  ready(): void {
    if (this.manager === null) return;
    this.manager.tell('READY=1', this.status(this.state()));
    if (this.timers.length > 0) return;
    this.every(STATUS_INTERVAL, () => this.tellStatus());
    if (this.watchdog > 0) {
      this.pat();
      this.every(this.watchdog / 2, () => this.pat());
    }
  }

  /** Until `ready` the configuration is read anew. */
  reloading(): void {
    // CLOCK_MONOTONIC in microseconds, which tells two reloads apart (sd_notify(3)); hrtime reads that clock.
    this.manager?.tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`, 'STATUS=reloading');
    this.told = '';
  }

  stopping(): void {
    this.manager?.tell('STOPPING=1', 'STATUS=finishing what is under way');
    this.told = '';
  }

  /** The engine is over: no timer is left. */
  close(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  private every(ms: number, act: () => void): void {
    this.timers.push(setInterval(act, ms).unref());
  }

  private pat(): void {
    if (this.state().healthy) this.manager?.tell('WATCHDOG=1');
  }

  private tellStatus(): void {
    const state = this.state();
    const line = this.status(state);
    if (line === this.told) return;
    this.told = line;
    this.manager?.tell(line);
  }

  private status({ status }: ServiceState): string {
    return `STATUS=${status.replace(/[\r\n]+/g, ' ')}`;
  }
}

/** The watchdog's time in ms, 0 where there is none or it is for another process. */
function watchdogTime({ watchdogUsec, watchdogPid }: NotifyText): number {
  if (!/^\d{1,15}$/.test(watchdogUsec)) return 0;
  if (watchdogPid !== '' && watchdogPid !== String(process.pid)) return 0;
  return Number(watchdogUsec) / 1000;
}
