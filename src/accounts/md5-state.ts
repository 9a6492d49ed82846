/**
 * MD5 (RFC 1321) from and to the state after one whole block, which node:crypto does not show and HMAC-MD5 without the
 * password needs. For nothing else: MD5 is broken as a hash. Everything works on a few hundred bytes.
 */

const BLOCK = 64;
/** RFC 1321 section 3.4: floor(2^32 * |sin(i + 1)|). */
const SINES = Uint32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32));
const SHIFTS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
] as const;
const START = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);

/** The state, 16 bytes, after one block of 64 bytes from the start. */
export function md5Start(block: Uint8Array): Buffer {
  const state = START.slice();
  addBlock(state, Buffer.from(block));
  return bytesOf(state);
}

/** The digest of a message whose first block left `state`, and whose rest is `rest`. */
export function finishMd5(state: Buffer, rest: Uint8Array): Buffer {
  const words = Uint32Array.from({ length: 4 }, (_, i) => state.readUInt32LE(4 * i));
  // Padding (section 3.1 and 3.2): a bit, zeros, and the length in bits of all, the first block included.
  const padded = Buffer.alloc(Math.ceil((rest.length + 9) / BLOCK) * BLOCK);
  padded.set(rest);
  padded[rest.length] = 0x80;
  padded.writeUInt32LE(8 * (BLOCK + rest.length), padded.length - 8);
  for (let offset = 0; offset < padded.length; offset += BLOCK)
    addBlock(words, padded.subarray(offset, offset + BLOCK));
  return bytesOf(words);
}

function addBlock(state: Uint32Array, block: Buffer): void {
  let [a, b, c, d] = state as unknown as [number, number, number, number];
  for (let i = 0; i < 64; i++) {
    const round = i >> 4;
    let mixed: number;
    let word: number;
    if (round === 0) [mixed, word] = [(b & c) | (~b & d), i];
    else if (round === 1) [mixed, word] = [(d & b) | (~d & c), (5 * i + 1) % 16];
    else if (round === 2) [mixed, word] = [b ^ c ^ d, (3 * i + 5) % 16];
    else [mixed, word] = [c ^ (b | ~d), (7 * i) % 16];
    const sum = (a + mixed + SINES[i]! + block.readUInt32LE(4 * word)) | 0;
    const shift = SHIFTS[round]![i % 4]!;
    [a, d, c, b] = [d, c, b, (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0];
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
}

function bytesOf(state: Uint32Array): Buffer {
  const bytes = Buffer.alloc(16);
  for (let i = 0; i < 4; i++) bytes.writeUInt32LE(state[i]!, 4 * i);
  return bytes;
}
