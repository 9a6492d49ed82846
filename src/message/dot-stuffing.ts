/**
 * Dot-stuffing of content that comes in pieces (RFC 5321 section 4.5.2). Only CRLF ends a line. Each function carries
 * its place in a line from one piece to the next; make a new one for each message.
 */

const CR = 13;
const LF = 10;
const DOT = 46;

/** Doubles the dot at the start of a line, over any split into pieces. */
export function stuffer(): (piece: Buffer) => Buffer {
  return lineStartDots((target, at) => {
    target[at] = DOT;
    target[at + 1] = DOT;
    return at + 2;
  });
}

/** Takes one dot off the start of a line, over any split into pieces. */
export function unstuffer(): (piece: Buffer) => Buffer {
  return lineStartDots((_target, at) => at);
}

function lineStartDots(put: (target: Buffer, at: number) => number): (piece: Buffer) => Buffer {
  // Where we are in a line: 2 at its start, 1 after CR, 0 elsewhere. Only CRLF ends a line.
  let state = 2;
  return (piece) => {
    const target = Buffer.allocUnsafe(piece.length * 2);
    let at = 0;
    for (let i = 0; i < piece.length; i++) {
      const byte = piece[i]!;
      if (byte === DOT && state === 2) at = put(target, at);
      else target[at++] = byte;
      state = byte === CR ? 1 : byte === LF && state === 1 ? 2 : 0;
    }
    return target.subarray(0, at);
  };
}
