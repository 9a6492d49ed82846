/**
 * Rows of an outbox: some events each, as they are sent.
 *
 * A row is the number of events (4 bytes), the time of the first (8 bytes), and the events as JSON with commas between.
 */

/** Bytes in front of the events. */
const HEAD = 12;
/** Of one row, unless one event alone is larger: what is dropped or read at once. */
const MAX_BYTES = 64 * 1024;

export interface WaitingEvents {
  readonly texts: string[];
  /** Wall clock of the first, ms. */
  at: number;
  bytes: number;
}

export interface RowFacts {
  readonly events: number;
  readonly at: number;
  readonly bytes: number;
}

export function noEvents(): WaitingEvents {
  return { texts: [], at: 0, bytes: 0 };
}

export function addEvent(waiting: WaitingEvents, text: string, at: number): void {
  if (waiting.texts.length === 0) waiting.at = at;
  waiting.texts.push(text);
  waiting.bytes += text.length;
}

/** As few rows as `most` events and a size allow. */
export function encodeRows({ texts, at }: WaitingEvents, most: number): Buffer[] {
  const rows: Buffer[] = [];
  let [begin, length] = [0, 0];
  for (let i = 0; i <= texts.length; i++) {
    const more = texts[i]?.length ?? MAX_BYTES;
    if (i > begin && (i === texts.length || i - begin >= most || length + more > MAX_BYTES)) {
      rows.push(encodeRow(texts.slice(begin, i), at));
      [begin, length] = [i, 0];
    }
    length += more;
  }
  return rows;
}

function encodeRow(texts: readonly string[], at: number): Buffer {
  const text = texts.join(',');
  const row = Buffer.allocUnsafe(HEAD + Buffer.byteLength(text));
  row.writeUInt32LE(texts.length, 0);
  row.writeDoubleLE(at, 4);
  row.write(text, HEAD);
  return row;
}

export function rowFacts(row: Buffer): RowFacts {
  return { events: row.readUInt32LE(0), at: row.readDoubleLE(4), bytes: row.length };
}

/** The body of a request with the events of these rows. */
export function bodyOf(rows: readonly Buffer[]): Buffer {
  const at = new Date(rowFacts(rows[0]!).at).toISOString();
  const parts: Buffer[] = [Buffer.from(`{"type":"sluice.events","timestamp":"${at}","data":[`)];
  rows.forEach((row, i) => {
    if (i > 0) parts.push(Buffer.from(','));
    parts.push(row.subarray(HEAD));
  });
  parts.push(Buffer.from(']}'));
  return Buffer.concat(parts);
}
