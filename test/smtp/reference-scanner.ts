/**
 * What the content scanner should find, written for clearness and not for speed: the whole content as one latin1 string,
 * cut into lines with regular expressions.
 */
import {
  FLAW_BARE_CR,
  FLAW_BARE_LF,
  FLAW_FALSE_END,
  FLAW_LONG_HEADER,
  FLAW_LONG_LINE,
} from '../../src/smtp/content-flaws.js';
import type { ScannerSettings } from '../../src/smtp/data-scanner.js';

export interface ScanResult {
  /** Bytes of the stream up to and with the end of data; undefined when it has not come. */
  readonly consumed: number | undefined;
  readonly stored: string;
  readonly flaws: number;
  readonly dotLines: number;
  readonly eightBit: boolean;
  readonly nul: boolean;
  readonly atLineStart: boolean;
}

interface Line {
  readonly text: string;
  /** CRLF, CR, LF, or '' at the end of plain content. */
  readonly newline: string;
  /** It begins the content or follows CRLF. */
  readonly afterCrlf: boolean;
}

/** Cuts the content out of a stream in wire form. */
function contentOf(stream: string): { content: string; consumed: number } | undefined {
  if (stream.startsWith('.\r\n')) return { content: '', consumed: 3 };
  const at = stream.indexOf('\r\n.\r\n');
  return at < 0 ? undefined : { content: stream.slice(0, at + 2), consumed: at + 5 };
}

function linesOf(content: string): Line[] {
  const lines: Line[] = [];
  let afterCrlf = true;
  for (const match of content.matchAll(/([^\r\n]*)(\r\n|\r|\n|$)/g)) {
    const [all, text = '', newline = ''] = match;
    if (all === '') continue;
    lines.push({ text, newline, afterCrlf });
    afterCrlf = newline === '\r\n';
  }
  return lines;
}

/** `stream`: in wire form with what follows it, in plain form the content alone. */
export function referenceScan(stream: string, settings: ScannerSettings): ScanResult | undefined {
  const cut = settings.wire ? contentOf(stream) : { content: stream, consumed: stream.length };
  if (cut === undefined) return undefined;
  const { content, consumed } = cut;
  const { convert, wire } = settings;
  const lines = linesOf(content);
  let flaws = 0;
  let stored = '';
  for (const { text, newline, afterCrlf } of lines) {
    if (newline === '\r') flaws |= FLAW_BARE_CR;
    if (newline === '\n') flaws |= FLAW_BARE_LF;
    const bare = newline === '\r' || newline === '\n';
    if (text === '.') {
      if (!convert && (bare || !afterCrlf)) flaws |= FLAW_FALSE_END;
    } else if (/^\0*\.\0*$/.test(text)) flaws |= FLAW_FALSE_END;
    const stuff = convert && wire && text.startsWith('.') && (!afterCrlf || (text === '.' && bare));
    stored += (stuff ? '.' : '') + text + (convert && bare ? '\r\n' : newline);
  }
  const wide = convert ? lines.map((line) => line.text) : content.split('\r\n');
  const longest = settings.maxTextLine - 2;
  // A CR that ends the content may have been half of a CRLF.
  const last = wide.length - 1;
  wide[last] = wide[last]?.replace(/\r$/, '') ?? '';
  if (settings.maxTextLine !== 0 && wide.some((line) => line.length > longest)) {
    flaws |= FLAW_LONG_LINE;
  }
  if (settings.maxHeaderSize !== 0 && headerSize(content, lines, convert) > settings.maxHeaderSize) {
    flaws |= FLAW_LONG_HEADER;
  }
  return {
    consumed: wire ? consumed : undefined,
    stored,
    flaws,
    dotLines: stored.split('\r\n').filter((line) => line.startsWith('.')).length,
    eightBit: /[\x80-\xff]/.test(content),
    nul: content.includes('\0'),
    atLineStart: stored === '' || stored.endsWith('\r\n'),
  };
}

/** Bytes up to the first empty line; the newline that ends it counts where it is CRLF. */
function headerSize(content: string, lines: Line[], convert: boolean): number {
  if (!convert) {
    if (content.startsWith('\r\n')) return 2;
    const at = content.indexOf('\r\n\r\n');
    return at < 0 ? content.length : at + 4;
  }
  let size = 0;
  for (const { text, newline } of lines) {
    if (text === '' && newline !== '') return size + (newline === '\r\n' ? 2 : 0);
    size += text.length + newline.length;
  }
  return size;
}

/** What a careless server takes for the end of data: any line end, NULs around the dot. */
export const LENIENT_END = /(?:^|\r\n|\n|\r)\0?\.\0?(?:\r\n|\n|\r)/;
