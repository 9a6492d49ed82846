/**
 * Progress of a demo run: on a terminal one line that is redrawn, elsewhere a plain line every second.
 */

/** Where lines go; process.stdout is one. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface ProgressFigures {
  readonly accepted: number;
  readonly delivered: number;
  /** Since the first message, ms. */
  readonly elapsed: number;
}

const PLAIN_INTERVAL = 1_000;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A bar of `width` characters, filled to `share` (0 to 1) in steps of an eighth. */
export function bar(share: number, width: number): string {
  const eighths = Math.floor(Math.max(0, Math.min(1, share)) * width * 8);
  const filled = '█'.repeat(eighths >> 3) + EIGHTHS[eighths & 7];
  return filled.padEnd(width, '░');
}

/** A whole number with commas between thousands. */
export function grouped(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',');
}

export class Progress {
  private readonly output: ProgressOutput;
  private readonly total: number;
  private spoken = 0;

  constructor(output: ProgressOutput, total: number) {
    this.output = output;
    this.total = total;
  }

  show(figures: ProgressFigures): void {
    const { output } = this;
    // A line that wraps could not be redrawn.
    if (output.isTTY === true) output.write(`\r\x1b[K${this.line(figures).slice(0, (output.columns ?? 80) - 1)}`);
    else if (figures.elapsed - this.spoken >= PLAIN_INTERVAL) {
      this.spoken = figures.elapsed;
      output.write(`${this.plain(figures)}\n`);
    }
  }

  /** Takes the line away on a terminal. */
  clear(): void {
    if (this.output.isTTY === true) this.output.write('\r\x1b[K');
  }

  private line({ accepted, delivered, elapsed }: ProgressFigures): string {
    const width = String(grouped(this.total)).length;
    const room = (this.output.columns ?? 80) - 2 * width - 46;
    const part = (count: number) => `${bar(count / this.total, Math.max(5, Math.min(20, room >> 1)))} `;
    const rate = elapsed > 0 ? (delivered / elapsed) * 1_000 : 0;
    return (
      `  accepted ${part(accepted)}${grouped(accepted).padStart(width)}` +
      `   delivered ${part(delivered)}${grouped(delivered).padStart(width)}  ${grouped(rate).padStart(6)}/s`
    );
  }

  private plain({ accepted, delivered, elapsed }: ProgressFigures): string {
    return `${(elapsed / 1_000).toFixed(0).padStart(3)} s  accepted ${grouped(accepted)}  delivered ${grouped(delivered)}  of ${grouped(this.total)}`;
  }
}
