/**
 * What systemd says of sockets that this process inherits (sd_listen_fds(3)), and where it wants to hear how the process
 * is (sd_notify(3), sd_watchdog_enabled(3)).
 */

/** LISTEN_FDS, LISTEN_FDNAMES and LISTEN_PID as they stand in the environment, '' for what is not set. */
export interface InheritedText {
  readonly fds: string;
  readonly names: string;
  readonly pid: string;
}

/** Reads and removes them, so that processes started by this one do not take them for theirs. For one call, at start. */
export function takeInheritedEnvironment(env: NodeJS.ProcessEnv = process.env): InheritedText {
  const taken = { fds: env['LISTEN_FDS'] ?? '', names: env['LISTEN_FDNAMES'] ?? '', pid: env['LISTEN_PID'] ?? '' };
  for (const name of ['LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PID']) delete env[name];
  return taken;
}

/** NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID as they stand in the environment, '' for what is not set. */
export interface NotifyText {
  readonly socket: string;
  readonly watchdogUsec: string;
  readonly watchdogPid: string;
}

/** Reads and removes them, for the same reason. For one call, at start. */
export function takeNotifyEnvironment(env: NodeJS.ProcessEnv = process.env): NotifyText {
  const taken = {
    socket: env['NOTIFY_SOCKET'] ?? '',
    watchdogUsec: env['WATCHDOG_USEC'] ?? '',
    watchdogPid: env['WATCHDOG_PID'] ?? '',
  };
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
  return taken;
}
