/**
 * The audit log, tied to the engine: what operators change, how the configuration changes, starts, stops, failed logins.
 *
 * Contract: an action that changes something is written down before it is done, and is refused where it cannot be
 * written; how it ended is a second entry. Mail does not wait for any of it. `CHANGES` says of every command whether it
 * changes something: a new one does not compile until it does.
 */
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

/** `reads`, or the action's name and what of its arguments is written down. */
type Change<A extends readonly unknown[]> = 'reads' | readonly [action: string, details: (...args: A) => Details];

const onMessage = (action: string) => [action, (id: string): Details => ({ id })] as const;

const CHANGES: { readonly [K in keyof EngineControl]: Change<Parameters<EngineControl[K]>> } = {
  status: 'reads',
  list: 'reads',
  show: 'reads',
  why: 'reads',
  route: 'reads',
  destinations: 'reads',
  orders: 'reads',
  suppressions: 'reads',
  retry: onMessage('queue.retry'),
  hold: onMessage('queue.hold'),
  release: onMessage('queue.release'),
  remove: onMessage('queue.delete'),
  suspend: ['orders.suspend', (selector, reason, forMs) => ({ ...given(selector), reason, forMs })],
  reroute: ['orders.reroute', (selector, to, reason, forMs) => ({ ...given(selector), to, reason, forMs })],
  resume: ['orders.resume', (order, selector) => ({ ...(order === '' ? {} : { order }), ...given(selector) })],
  bounce: ['orders.bounce', (selector, reason) => ({ ...given(selector), reason })],
  suppress: ['suppression.add', (tenant, address, reason, forMs) => ({ tenant, address, reason, forMs })],
  unsuppress: ['suppression.remove', (tenant, address) => ({ tenant, address })],
};

/** The same commands; those that change something are written down first. `actor`: as in AuditEvent. */
export function audited(control: EngineControl, actor: string, log: Pick<AuditLog, 'append'>): EngineControl {
  const commands = Object.entries(CHANGES).map(([name, change]) => {
    const command = (control[name as keyof EngineControl] as (...args: unknown[]) => unknown).bind(control);
    if (change === 'reads') return [name, command];
    const [action, details] = change as readonly [string, (...args: unknown[]) => Details];
    return [
      name,
      (...args: unknown[]) => recorded(log, { actor, action, details: details(...args) }, () => command(...args)),
    ];
  });
  return Object.fromEntries(commands) as EngineControl;
}

async function recorded(log: Pick<AuditLog, 'append'>, event: AuditEvent, act: () => unknown): Promise<unknown> {
  const { seq } = await log.append(event);
  const { actor, action } = event;
  const ended = (how: string, details: Details): void => {
    // Whether it was done is known to who asked; that it was asked for is on disk.
    log.append({ actor, action: `${action}.${how}`, details: { of: seq, ...details } }).catch(() => undefined);
  };
  try {
    const result = await act();
    ended('done', summary(result));
    return result;
  } catch (error) {
    ended('failed', { reason: messageOf(error) });
    throw error;
  }
}

/** What came of it, in short. */
function summary(result: unknown): Details {
  if (typeof result === 'number') return { affected: result };
  if (Array.isArray(result)) return { affected: result.length };
  const { id } = (result ?? {}) as { readonly id?: unknown };
  return typeof id === 'string' ? { id } : {};
}

/** What of a selector is given. */
function given(selector: object): Details {
  return Object.fromEntries(Object.entries(selector).filter(([, value]) => value !== ''));
}

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
