/**
 * What programs write to sendmail's standard input, as lines of mail: CRLF at the end of each, nothing else of a CR.
 *
 * Contract: what Postfix's sendmail does (enqueue() in sendmail.c): `From ` lines of a mailbox at the top go, the message
 * ends at a line of one dot where asked, CRs at line ends go. A CR within a line, which no server takes, ends a line.
 */

const LF = 10;
const CR = 13;
const DOT = 46;
const GREATER = 0x3e;
const FROM = Buffer.from('From ');

/** The message in lines that end with CRLF. `dotEnds`: a line of one dot ends it. */
export function textLines(input: Buffer, dotEnds: boolean): Buffer {
  // A last line may have no end of its own.
  let breaks = 2;
  for (const byte of input) if (byte === LF || byte === CR) breaks++;
  const out = Buffer.allocUnsafe(input.length + breaks);
  let at = 0;
  let atTop = true;
  for (let start = 0; start < input.length; ) {
    const found = input.indexOf(LF, start);
    const next = found < 0 ? input.length : found + 1;
    let end = found < 0 ? input.length : found;
    while (end > start && input[end - 1] === CR) end--;
    atTop &&= isMailboxLine(input, start, end);
    if (!atTop) {
      if (dotEnds && end - start === 1 && input[start] === DOT) break;
      for (let i = start; i < end; i++) {
        const byte = input[i]!;
        out[at++] = byte;
        if (byte === CR) out[at++] = LF;
      }
      out[at++] = CR;
      out[at++] = LF;
    }
    start = next;
  }
  return out.subarray(0, at);
}

/** `From ann Tue ...`, also quoted with `>`. */
function isMailboxLine(input: Buffer, start: number, end: number): boolean {
  let at = start;
  while (at < end && input[at] === GREATER) at++;
  return end - at >= FROM.length && input.compare(FROM, 0, FROM.length, at, at + FROM.length) === 0;
}
