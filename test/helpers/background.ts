/**
 * Programs that run beside a test and must end with it.
 */
import type { ChildProcess } from 'node:child_process';

/** Ends a child: SIGTERM, after five seconds SIGKILL; resolves when it is gone. */
export function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    child.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });
}
