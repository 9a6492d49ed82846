/**
 * What the history does with files, all of it asynchronous; a test gives it a disk that fails.
 */
import { mkdir, open, readdir, rename, unlink } from 'node:fs/promises';

export interface OpenFile {
  /** Bytes from a place; fewer at the end of the file. */
  read(position: number, length: number): Promise<Buffer>;
  /** Writes all of them there. */
  write(bytes: Buffer, position: number): Promise<void>;
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface Files {
  /** Makes a folder for its owner only, and those above it. */
  makeFolder(path: string): Promise<void>;
  list(folder: string): Promise<string[]>;
  /** `create`: makes it, empty, for its owner only; else it must be there. */
  open(path: string, how: 'read' | 'write' | 'create'): Promise<OpenFile>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes what was renamed or removed in a folder durable. */
  syncFolder(path: string): Promise<void>;
}

const FLAGS = { read: 'r', write: 'r+', create: 'w+' } as const;

/** The disk of this machine. */
export const diskFiles: Files = {
  makeFolder: async (path) => {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },
  list: (folder) => readdir(folder),
  open: async (path, how) => {
    const handle = await open(path, FLAGS[how], 0o600);
    return {
      read: async (position, length) => {
        const bytes = Buffer.allocUnsafe(length);
        let held = 0;
        while (held < length) {
          const { bytesRead } = await handle.read(bytes, held, length - held, position + held);
          if (bytesRead === 0) break;
          held += bytesRead;
        }
        return held === length ? bytes : bytes.subarray(0, held);
      },
      write: async (bytes, position) => {
        for (let done = 0; done < bytes.length; ) {
          const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
          done += bytesWritten;
        }
      },
      truncate: (length) => handle.truncate(length),
      size: async () => (await handle.stat()).size,
      sync: () => handle.sync(),
      close: () => handle.close(),
    };
  },
  rename,
  remove: unlink,
  syncFolder: async (path) => {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};
