/**
 * The audit log, tied to the engine: what operators change, how the configuration changes, starts, stops, failed logins.
 *
 * Contract: an action that changes something is written down before it is done, and is refused where it cannot be
 * written; how it ended is a second entry (app-audit-commands.ts). Mail does not wait for any of it.
 */
import { audited } from './app-audit-commands.js';
import type { AuditEntry, AuditEvent, Position } from './audit/audit-entry.js';
import { AuditLog } from './audit/audit-log.js';
import { type FailedLogin, FailedLogins } from './audit/failed-logins.js';
import { Fingerprints } from './audit/fingerprints.js';
import { readEntries, type Wanted } from './audit/read-log.js';
import { readConfigFile } from './config/config-file.js';
import { type Settings, schema } from './config/schema.js';
import type { EngineControl } from './control/engine-control.js';
import { systemClock } from './core/clock.js';
import { messageOf } from './core/errors.js';
import { acquireInstanceLock } from './net/instance-lock.js';
import type { Log } from './telemetry/log.js';
import { VERSION } from './version.js';

type Details = AuditEvent['details'];

/** Lives with the process; nothing is written before the first entry, which comes after the spool is locked. */
export class EngineAudit {
  private readonly settings: Settings;
  private readonly log: Log;
  private readonly trail: AuditLog | null;
  private readonly logins: FailedLogins;
  private readonly fingerprints: Fingerprints;

  constructor(settings: Settings, log: Log) {
    this.settings = settings;
    this.log = log;
    const { auditFile: path, auditFileSize: maxSize } = settings;
    const clock = systemClock;
    this.trail = path === '' ? null : new AuditLog({ path, maxSize, clock, acquireLock: acquireInstanceLock });
    this.logins = new FailedLogins((event) => void this.write(event));
    this.fingerprints = new Fingerprints(`${path}.state`);
  }

  /** The commands as that operator may use them. */
  control(control: EngineControl, actor: string): EngineControl {
    return this.trail === null ? control : audited(control, actor, this.trail);
  }

  loginFailed(login: FailedLogin): void {
    if (this.trail !== null) this.logins.failed(login);
  }

  async started(): Promise<void> {
    if (this.trail === null) return;
    const at = await this.write(ofEngine('engine.start', { version: VERSION, pid: process.pid, ...this.changes() }));
    if (at !== null) this.log.info({ seq: at.seq, head: at.hash, file: this.settings.auditFile }, 'audit log goes on');
  }

  /** The configuration was read anew at a signal. `taken`: all of it. */
  async reloaded(taken: boolean): Promise<void> {
    if (this.trail === null) return;
    const reason = taken ? {} : { reason: this.mistake() };
    await this.write(ofEngine(taken ? 'config.reload' : 'config.refused', { ...this.changes(), ...reason }));
  }

  /** Something about the engine that operators must be able to find later. */
  async note(action: string, details: Details): Promise<void> {
    if (this.trail !== null) await this.write(ofEngine(action, details));
  }

  /** A page, oldest first. */
  async page(wanted: Wanted): Promise<AuditEntry[]> {
    return this.trail === null ? [] : readEntries(this.settings.auditFile, wanted);
  }

  /** Writes what is left, and `engine.stop`. */
  async close(reason: string): Promise<void> {
    if (this.trail === null) return;
    this.logins.flush();
    await this.write(ofEngine('engine.stop', { reason }));
    await this.trail.close();
  }

  /** Which settings and tables are not as they were when this was last asked. */
  private changes(): Details {
    const values: Readonly<Record<string, unknown>> = this.settings;
    const parts: Record<string, string> = {};
    for (const [key, row] of Object.entries(schema)) parts[row.name] = row.type.format(values[key] as never);
    try {
      const tables = Object.entries(readConfigFile(this.settings.configFile));
      for (const [name, table] of tables) parts[`SLUICE_CONFIG [[${name}]]`] = JSON.stringify(table);
    } catch {
      // What is in effect is what it was; the entry says that it could not be read.
    }
    return this.fingerprints.take(parts);
  }

  private mistake(): string {
    try {
      readConfigFile(this.settings.configFile);
      return 'keys, certificates, accounts or routes: the log of the engine says which';
    } catch (error) {
      return messageOf(error);
    }
  }

  private async write(event: AuditEvent): Promise<Position | null> {
    try {
      return await this.trail!.append(event);
    } catch (error) {
      this.log.error(
        { action: event.action, reason: messageOf(error) },
        'the audit log cannot be written: mail flows, administrative actions are refused',
      );
      return null;
    }
  }
}

function ofEngine(action: string, details: Details): AuditEvent {
  return { actor: 'engine', action, details };
}
