/**
 * What systemd says of sockets that this process inherits (sd_listen_fds(3)).
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
