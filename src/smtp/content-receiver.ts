/**
 * One message's content while it comes in, by DATA or by BDAT: scanner, body, limits, and what they add up to.
 *
 * Content that can no longer be accepted is still read to its end, because the bytes are not commands, but its memory
 * goes back at once. The verdict depends on the bytes alone, not on how they were cut into chunks.
 */
import type { BodyType, ContentFacts } from '../message/envelope.js';
import { FLAW_BARE_CR, FLAW_BARE_LF, FLAW_FALSE_END, FLAW_LONG_HEADER, FLAW_LONG_LINE } from './content-flaws.js';
import { ContentScanner, type ScannerSettings, type SpanSink } from './data-scanner.js';
import { type Reply, replies } from './replies.js';
import type { BodySink } from './server-host.js';
import { preparedReplies, type ServerSessionOptions } from './server-options.js';

/** A client may send this many times the size limit, and this many bytes more, before it is cut off. */
const OVERRUN_FACTOR = 4;
const OVERRUN_BYTES = 64 * 1024 * 1024;

interface ScannerVariants {
  readonly wire: ScannerSettings;
  readonly plain: ScannerSettings;
  readonly binary: ScannerSettings;
}

const variants = new WeakMap<ServerSessionOptions, ScannerVariants>();

function scannerSettings(options: ServerSessionOptions): ScannerVariants {
  let known = variants.get(options);
  if (known === undefined) {
    const { bareNewline, maxTextLine, maxHeaderSize } = options;
    const common = { convert: bareNewline === 'convert', maxTextLine, maxHeaderSize };
    known = {
      wire: { ...common, wire: true },
      plain: { ...common, wire: false },
      binary: { wire: false, convert: false, maxTextLine: 0, maxHeaderSize },
    };
    variants.set(options, known);
  }
  return known;
}

/** How many bytes may come for one message before the connection is closed; infinite without a size limit. */
export function overrunLimit(options: ServerSessionOptions): number {
  const { maxMessageSize } = options;
  return maxMessageSize === 0 ? Number.POSITIVE_INFINITY : maxMessageSize * OVERRUN_FACTOR + OVERRUN_BYTES;
}

export class ContentReceiver implements SpanSink {
  /** Bytes received, accepted or not. */
  received = 0;
  private body: BodySink | null;
  private size = 0;
  private outOfMemory = false;
  private readonly scanner: ContentScanner;
  private readonly options: ServerSessionOptions;
  private readonly wire: boolean;
  /** BINARYMIME: any octets (RFC 3030 section 3); only the size of the header matters. */
  private readonly anyOctets: boolean;

  /** `body` null: there was no memory; the content is read and refused. Otherwise this owns it until `take`. */
  constructor(options: ServerSessionOptions, form: 'wire' | 'plain', bodyType: BodyType, body: BodySink | null) {
    this.options = options;
    this.wire = form === 'wire';
    this.body = body;
    this.outOfMemory = body === null;
    this.anyOctets = bodyType === 'BINARYMIME';
    const settings = scannerSettings(options);
    this.scanner = new ContentScanner(this.anyOctets ? settings.binary : settings[form], this);
  }

  /** The end of data came (wire form). */
  get ended(): boolean {
    return this.scanner.ended;
  }

  /** More has come than anybody can send by mistake. */
  get overrun(): boolean {
    return this.received > overrunLimit(this.options);
  }

  /** Takes `chunk[start, end)`; returns the index after the last byte of content or of the end of data. */
  receive(chunk: Buffer, start: number, end: number): number {
    const stop = this.scanner.scan(chunk, start, end);
    this.received += stop - start;
    if (this.body !== null && this.refusal() !== null) this.release();
    return stop;
  }

  /** Plain form: the last chunk is complete. */
  finish(): void {
    this.scanner.finish();
    if (this.body !== null && this.refusal() !== null) this.release();
  }

  /** Takes content from the scanner. */
  span(source: Uint8Array, start: number, end: number): void {
    this.size += end - start;
    if (this.body === null || this.body.append(source, start, end)) return;
    this.outOfMemory = true;
    this.release();
  }

  /** Why the content is refused, null as long as it is not. Lasting faults come before passing ones. */
  refusal(): Reply | null {
    const { maxMessageSize } = this.options;
    const flaws = this.anyOctets ? this.scanner.flaws & FLAW_LONG_HEADER : this.scanner.flaws;
    const stuffing = this.wire ? this.scanner.dotLines : 0;
    if (maxMessageSize !== 0 && this.size - stuffing > maxMessageSize) {
      return preparedReplies(this.options).messageTooLarge;
    }
    if (flaws !== 0) {
      if ((flaws & FLAW_FALSE_END) !== 0) return replies.falseEndOfData;
      if (!this.toleratesBareNewlines) {
        if ((flaws & FLAW_BARE_LF) !== 0) return replies.bareLf;
        if ((flaws & FLAW_BARE_CR) !== 0) return replies.bareCr;
      }
      if ((flaws & FLAW_LONG_LINE) !== 0) return preparedReplies(this.options).textLineTooLong;
      if ((flaws & FLAW_LONG_HEADER) !== 0) return preparedReplies(this.options).headerTooLarge;
    }
    return this.outOfMemory ? replies.outOfMemory : null;
  }

  /** Hands over the body of content that was not refused. */
  take(): BodySink {
    const { body } = this;
    if (body === null) throw new Error('the content was refused or taken before');
    this.body = null;
    return body;
  }

  /** What is known about the content; call when it is complete. */
  facts(): ContentFacts {
    const { scanner, size, wire } = this;
    const { dotLines, eightBit, atLineStart } = scanner;
    // What DATA brought in can leave by DATA. BDAT can carry what DATA promises nobody to carry.
    const bare = scanner.flaws !== 0 && this.options.bareNewline === 'pass';
    const binary = this.anyOctets || (!wire && (scanner.nul || bare));
    return { size, form: wire ? 'wire' : 'plain', dotLines, eightBit, binary, endsWithCrlf: atLineStart };
  }

  /** Gives the memory back. What still comes is counted only. */
  release(): void {
    this.body?.release();
    this.body = null;
  }

  private get toleratesBareNewlines(): boolean {
    const { bareNewline, relayClient } = this.options;
    return bareNewline === 'convert' || (bareNewline === 'pass' && relayClient);
  }
}
