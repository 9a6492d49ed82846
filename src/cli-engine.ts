/**
 * How commands of `sluice` talk to the running engine.
 */
import { complain, EX_UNAVAILABLE } from './cli-command.js';
import { settingsFor } from './cli-settings.js';
import { ControlClient } from './control/control-client.js';
import { messageOf } from './core/errors.js';
import { connectUnix } from './net/unix-socket.js';

/** Where the engine listens for commands. @throws ConfigError when the settings that name it are wrong. */
export function controlPath(socket: string | undefined): string {
  return socket ?? settingsFor('SLUICE_CONTROL_SOCKET', 'SLUICE_SPOOL_DIR').controlSocket;
}

/**
 * Runs `use` on a connection to the engine; its exit code, EX_UNAVAILABLE where there is none or it says no.
 * @throws ConfigError when the settings that name the socket are wrong.
 */
export async function withEngine(
  socket: string | undefined,
  use: (client: ControlClient) => Promise<number>,
): Promise<number> {
  const path = controlPath(socket);
  let client: ControlClient;
  try {
    client = new ControlClient(await connectUnix(path));
  } catch (thrown) {
    complain(`no engine is running here: ${messageOf(thrown)}`);
    complain('start it with `sluice start`, or name its socket with SLUICE_CONTROL_SOCKET or --socket');
    return EX_UNAVAILABLE;
  }
  try {
    return await use(client);
  } catch (thrown) {
    complain(messageOf(thrown));
    return EX_UNAVAILABLE;
  } finally {
    client.close();
  }
}
