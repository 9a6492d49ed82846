/**
 * How the spool is opened, as the settings say.
 */
import type { Settings } from './config/schema.js';
import type { Clock } from './core/clock.js';
import { acquireInstanceLock } from './net/instance-lock.js';
import type { SpoolOptions } from './spool/open-spool.js';
import type { EngineEvents } from './telemetry/engine-events.js';

/** `failed`: the spool can no longer be written. */
export function spoolOptions(
  settings: Settings,
  clock: Clock,
  events: Pick<EngineEvents, 'damaged'>,
  failed: NonNullable<SpoolOptions['onFailure']>,
): SpoolOptions {
  return {
    directory: settings.spoolDir,
    durability: settings.durability,
    mapSize: settings.spoolMapSize,
    minFreeBytes: settings.spoolMinFree,
    refuseMemory: !settings.spoolAllowTmpfs,
    clock,
    acquireLock: acquireInstanceLock,
    onFailure: failed,
    onDamage: (id, reason) => events.damaged(id, reason),
  };
}
