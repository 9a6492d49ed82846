/**
 * Process entry: environment, configuration, app, signals, exit codes.
 *
 * SIGTERM and SIGINT drain and exit 0; a second one exits at once and loses nothing that was acknowledged. SIGHUP reads
 * the signing keys anew. A spool that fails is closed and opened again, with growing waits, in the same process.
 * Exit codes are those of sysexits: 78 configuration, 74 spool, 70 anything else.
 */
import { join } from 'node:path';
import { App } from './app.js';
import { MailHistory } from './app-history.js';
import { type Http, openHttp } from './app-http.js';
import { openLogFile } from './app-log.js';
import { Service, type ServiceState } from './app-service.js';
import { takeInheritedEnvironment } from './config/inherited-environment.js';
import { loadProcessSettings, type Source } from './config/load-settings.js';
import type { Settings } from './config/schema.js';
import { serveControl } from './control/control-socket.js';
import { messageOf, SluiceError } from './core/errors.js';
import { InheritedSockets } from './net/inherited-sockets.js';
import { listenUnix, type UnixListener } from './net/unix-socket.js';
import { createLog, type Log } from './telemetry/log.js';
import { MailEvents } from './telemetry/mail-event.js';
import { VERSION } from './version.js';

const EX_SOFTWARE = 70;
const EX_IOERR = 74;
const EX_CONFIG = 78;
/** Waits before a failed spool is opened again, ms: doubles from the first to the last. */
const REOPEN_FIRST = 500;
const REOPEN_LAST = 30_000;

/** Runs the engine until a signal ends it; resolves to the exit code. */
async function main(): Promise<number> {
  const { settings, sources, problems, warnings } = loadProcessSettings();
  if (problems.length > 0) {
    for (const problem of problems) process.stderr.write(`sluice: ${problem}\n`);
    return EX_CONFIG;
  }
  let log: Log;
  try {
    const { logLevel: level, logFormat: format } = settings;
    log = createLog({ level, format, file: openLogFile(settings) });
  } catch (error) {
    process.stderr.write(`sluice: ${messageOf(error)}\n`);
    return EX_CONFIG;
  }
  for (const warning of warnings) log.warn({}, warning);
  const code = await new Engine(settings, sources, log).run();
  await log.close();
  return code;
}

class Engine {
  private readonly settings: Settings;
  private readonly sources: ReadonlyMap<string, Source>;
  private readonly log: Log;
  private readonly inherited = new InheritedSockets(takeInheritedEnvironment(), process.pid);
  private readonly mail = new MailEvents();
  private readonly service: Service;
  private app: App | null = null;
  private http: Http | null = null;
  /** Asked for since none was under way. */
  private reloads = 0;
  private stopping = false;
  private wake: () => void = () => {};

  constructor(settings: Settings, sources: ReadonlyMap<string, Source>, log: Log) {
    this.settings = settings;
    this.sources = sources;
    this.log = log;
    this.service = new Service(log, () => this.state());
  }

  async run(): Promise<number> {
    const { settings, log } = this;
    const stop = new Promise<void>((resolve) => {
      const onSignal = (signal: string): void => {
        if (this.stopping) process.exit(0);
        this.stopping = true;
        this.service.stopping();
        log.info({ signal }, 'shutting down');
        this.wake();
        resolve();
      };
      process.on('SIGTERM', onSignal);
      process.on('SIGINT', onSignal);
    });
    process.on('SIGHUP', () => {
      log.reopen();
      void this.reload();
    });
    let control: UnixListener | null = null;
    const { sources, mail } = this;
    // Before the engine: a long recovery is seen as alive and not ready.
    this.http = await openHttp({ settings, sources, log, mail, engine: () => this.app });
    const history = await MailHistory.open(settings, mail, log);
    let wait = REOPEN_FIRST;
    for (let first = true; !this.stopping; first = false) {
      let app: App;
      try {
        app = await App.start({ settings, log, inherited: this.inherited, mail, history });
      } catch (error) {
        if (first || !isTemporary(error)) return this.explain(error);
        log.error({ reason: messageOf(error), retryInMs: wait }, 'the engine cannot start again yet');
        await this.sleep(wait);
        wait = Math.min(REOPEN_LAST, wait * 2);
        continue;
      }
      this.app = app;
      wait = REOPEN_FIRST;
      control ??= await this.openControl();
      this.announce(app);
      this.service.ready();
      const failure = await Promise.race([app.failure, stop.then(() => null)]);
      if (failure === null) {
        await app.drain(settings.shutdownTimeout);
        break;
      }
      log.error({ reason: failure.message }, 'the spool failed: closing it and opening it again');
      this.app = null;
      await app.close();
      await this.sleep(wait);
    }
    await control?.close();
    this.http?.close();
    await history.close();
    this.service.close();
    log.info({}, 'stopped');
    return 0;
  }

  private announce(app: App): void {
    const { settings, log } = this;
    const fields = { version: VERSION, pid: process.pid, listen: app.addresses, durability: settings.durability };
    // People and scripts wait for this line: it comes whatever the log level.
    const logged = settings.logLevel === 'trace' || settings.logLevel === 'debug' || settings.logLevel === 'info';
    if (logged) log.info(fields, 'sluice ready');
    if (!logged || settings.logFile !== '')
      process.stdout.write(`${JSON.stringify({ level: 30, time: Date.now(), ...fields, msg: 'sluice ready' })}\n`);
  }

  private async openControl(): Promise<UnixListener | null> {
    const { settings, log } = this;
    const path = settings.controlSocket === '' ? join(settings.spoolDir, 'control.sock') : settings.controlSocket;
    try {
      return await listenUnix(path, (socket) => {
        const control = this.app?.control();
        if (control === undefined) socket.destroy();
        else void serveControl(socket, control);
      });
    } catch (error) {
      log.warn({ path, reason: messageOf(error) }, 'no control socket: `sluice queue` will not work');
      return null;
    }
  }

  /** One at a time; what is asked for meanwhile is one more. */
  private async reload(): Promise<void> {
    this.reloads++;
    if (this.reloads > 1) return;
    this.service.reloading();
    for (let done = 0; done < this.reloads; ) {
      done = this.reloads;
      await this.reloadOnce();
    }
    this.reloads = 0;
    // A spool that failed meanwhile says it is ready itself.
    if (this.app !== null && !this.stopping) this.service.ready();
  }

  private state(): ServiceState {
    const status = this.app?.control().status();
    if (status === undefined) return { healthy: false, status: 'the spool failed and is opened again' };
    const { queued, accepted, delivered, deferred, failed } = status;
    const counts = `accepted ${accepted}, delivered ${delivered}, deferred ${deferred}, failed ${failed}`;
    return { healthy: true, status: `queued ${queued}; ${counts}` };
  }

  private async reloadOnce(): Promise<void> {
    await this.http?.reload();
    if ((await this.app?.reload()) === true) this.log.info({}, 'signing keys, certificates and accounts read again');
  }

  private explain(error: unknown): number {
    process.stderr.write(`sluice: ${messageOf(error)}\n`);
    this.log.error({ err: error }, 'the engine cannot start');
    if (!(error instanceof SluiceError)) return EX_SOFTWARE;
    if (error.code.startsWith('spool')) return EX_IOERR;
    return error.temporary ? EX_SOFTWARE : EX_CONFIG;
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function isTemporary(error: unknown): boolean {
  return error instanceof SluiceError && error.temporary;
}

process.exitCode = await main();
// Nothing is left to wait for; handles that libraries keep must not hold the process.
process.exit();
