/**
 * Files that are read anew when they change.
 *
 * By looking at the file's state each second (fs.watchFile): that works on every file system, with files that are
 * replaced, and with links that are turned elsewhere, where events do not. A change is acted on when the file has stood
 * still for a moment, so that one in the middle of being written is not read.
 */
import { type Stats, statSync, unwatchFile, watchFile } from 'node:fs';

/** Between two looks, and how long a file must have stood still, ms. */
const INTERVAL = 1000;
const SETTLE = 300;

/** Calls `onChange` after each change of the file at `path`, until the function it returns is called. */
export function watchedFile(path: string, onChange: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const settle = (): void => {
    clearTimeout(timer);
    const before = stateOf(path);
    timer = setTimeout(() => (stateOf(path) === before ? onChange() : settle()), SETTLE);
    timer.unref();
  };
  const listener = (now: Stats, old: Stats): void => {
    if (now.mtimeMs !== old.mtimeMs || now.size !== old.size || now.ino !== old.ino) settle();
  };
  watchFile(path, { interval: INTERVAL, persistent: false }, listener);
  return () => {
    clearTimeout(timer);
    unwatchFile(path, listener);
  };
}

function stateOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? '' : `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
}
