/**
 * Duplicates of file descriptors, so that a connection accepted on one thread can live on another.
 *
 * Node can open a socket by its descriptor in any thread, but whoever closes first closes it for both; and it offers no
 * dup(2). It is called through koffi. Where koffi cannot load (another C library), `duplicator` is null and TLS stays on
 * the thread that accepts.
 */
import { createRequire } from 'node:module';
import { messageOf } from '../core/errors.js';

/** fcntl(2): the duplicate is closed on exec, so that no child process keeps a connection open. */
const F_DUPFD_CLOEXEC = 1030;
/** Never one of the standard descriptors. */
const LEAST = 3;

export interface Duplicator {
  /** A new descriptor of the same socket; -1 when there is none left. The caller owns it. */
  duplicate(descriptor: number): number;
  /** Closes a duplicate that nobody took. */
  close(descriptor: number): void;
}

/** Loads what is needed once; a text says why it cannot be had. Linux only. */
export function loadDuplicator(): Duplicator | string {
  if (process.platform !== 'linux') return `descriptors cannot be duplicated on ${process.platform}`;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const library = koffi.load(null as unknown as string);
    const fcntl = library.func('int fcntl(int descriptor, int command, int argument)');
    const close = library.func('int close(int descriptor)');
    return {
      duplicate: (descriptor) => fcntl(descriptor, F_DUPFD_CLOEXEC, LEAST) as number,
      close: (descriptor) => void close(descriptor),
    };
  } catch (error) {
    return messageOf(error);
  }
}
