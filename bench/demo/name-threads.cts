/**
 * Preloaded into the engine of the demo (`node --require`): writes down which thread is what, because from outside all
 * threads of Node 20 have the same name. One JSON line each to threads-<pid> in the working directory.
 *
 * At this moment only the main thread and those of V8 and the inspector exist; the pool of libuv comes with the first
 * asynchronous file operation, all of it at once; a worker thread runs this file too and names itself. Does nothing
 * where /proc is absent.
 */
import fs = require('node:fs');
import threads = require('node:worker_threads');

const file = `threads-${process.pid}`;

function tasks(): string[] {
  return fs.readdirSync('/proc/self/task');
}

function write(name: string, ids: readonly string[]): void {
  fs.appendFileSync(file, `${JSON.stringify({ name, ids })}\n`);
}

try {
  if (threads.isMainThread) {
    const before = tasks();
    write(
      'V8 helpers',
      before.filter((id) => id !== String(process.pid)),
    );
    fs.stat('.', () =>
      write(
        'libuv pool, LMDB',
        tasks().filter((id) => !before.includes(id)),
      ),
    );
  } else {
    const id = fs.readlinkSync('/proc/thread-self').split('/').pop();
    if (id !== undefined) write(`worker ${threads.threadId}`, [id]);
  }
} catch {
  // No /proc: the threads stay without names.
}
