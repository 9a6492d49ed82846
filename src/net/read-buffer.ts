/**
 * One buffer for all reads of this thread.
 *
 * Node allocates 64 KiB for every read of a socket; with `onread` it reads into a buffer of ours instead. One is enough
 * for all sockets: bytes are consumed, or copied, before the callback returns.
 */

/** Bytes taken from the kernel in one read. */
const READ_SIZE = 128 * 1024;

export const readBuffer: Buffer = Buffer.allocUnsafeSlow(READ_SIZE);
