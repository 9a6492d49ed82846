/**
 * Ways to find the end of data and the facts about the content in one 10 KiB message: the scanner as it is, and what it
 * was chosen over.
 */
import type { Bench } from 'tinybench';
import { ContentScanner, type ScannerSettings } from '../src/smtp/data-scanner.js';

const settings: ScannerSettings = { wire: true, convert: false, maxTextLine: 0, maxHeaderSize: 0 };
const sink = { span: () => undefined };

/** A message of 10 KiB in lines of `width` characters, in wire form, at an odd place in a larger buffer. */
function message(width: number): Buffer {
  const line = `${'Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor '.repeat(13).slice(0, width)}\r\n`;
  const content = `Subject: bench\r\n\r\n${line.repeat(Math.floor(10_240 / line.length))}.\r\n`;
  const buffer = Buffer.alloc(65_536);
  const length = buffer.write(content, 17, 'latin1');
  return buffer.subarray(17, 17 + length);
}

/** Native search for every LF, the bytes around it looked at; native test for eight bits. Misses NUL and bare CR. */
function byIndexOf(chunk: Buffer): number {
  let at = -1;
  let flaws = 0;
  for (;;) {
    const next = chunk.indexOf(10, at + 1);
    if (next < 0) return -1;
    if (chunk[next - 1] !== 13) flaws++;
    if (next - at === 3 && chunk[next - 2] === 46) return flaws === 0 ? next : -next;
    at = next;
  }
}

const INTERESTING = /[\r\n\0\x80-\xff]/g;

/** A latin1 string and a regular expression that stops at everything of interest. */
function byRegex(chunk: Buffer): number {
  const text = chunk.toString('latin1');
  INTERESTING.lastIndex = 0;
  let stops = 0;
  while (INTERESTING.test(text)) stops++;
  return stops;
}

/** Byte by byte. */
function byByte(chunk: Buffer): number {
  let bits = 0;
  let last = 0;
  let bare = 0;
  for (let i = 0; i < chunk.length; i++) {
    const b = chunk[i]!;
    bits |= b;
    if (b === 10 && last !== 13) bare++;
    if (last === 13 && b !== 10) bare++;
    last = b;
  }
  return bits + bare;
}

export function addDataScannerTasks(bench: Bench): void {
  for (const width of [76, 30, 998]) {
    const chunk = message(width);
    bench.add(`scanner: lines of ${width}`, () => {
      const scanner = new ContentScanner(settings, sink);
      if (scanner.scan(chunk, 0, chunk.length) !== chunk.length || !scanner.ended) throw new Error('no end of data');
    });
    bench.add(`scanner: indexOf per line instead, lines of ${width}`, () => {
      byIndexOf(chunk);
    });
    bench.add(`scanner: native search for CRLF.CRLF alone, lines of ${width}`, () => {
      chunk.indexOf('\r\n.\r\n', 0, 'latin1');
    });
  }
  const ordinary = message(76);
  bench.add('scanner: byte by byte instead, lines of 76', () => {
    byByte(ordinary);
  });
  bench.add('scanner: latin1 and regex instead, lines of 76', () => {
    byRegex(ordinary);
  });
}
