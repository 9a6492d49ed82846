/**
 * The three hot log lines, built as JSON text by hand: at thousands of messages a second a general serializer costs
 * several microseconds a line, these cost well under one. Fields and their names are the same in every line.
 *
 * Contract: each function gives one line of valid JSON with its line end, whatever the strings hold.
 */

/** A message was accepted and is durable: the client has its 250. */
export interface AcceptedEvent {
  readonly id: string;
  /** '' is the null sender. */
  readonly from: string;
  /** First recipient. */
  readonly to: string;
  /** Recipients in all. */
  readonly recipients: number;
  /** Bytes of content as stored. */
  readonly size: number;
  readonly client: string;
  readonly helo: string;
  readonly protocol: string;
  /** Who submitted it, '' or absent for nobody known; not in the JSON line, which others rely on. */
  readonly account?: string;
}

/** One recipient was tried at one next hop. */
export interface AttemptEvent {
  readonly id: string;
  readonly to: string;
  /** Name of the next hop. */
  readonly host: string;
  readonly address: string;
  readonly status: 'delivered' | 'deferred' | 'failed';
  /** Code of the reply, 0 when there was none. */
  readonly code: number;
  /** The reply, or the reason when there was none. */
  readonly reply: string;
  /** How long the attempt took, ms. */
  readonly ms: number;
}

/** What became of one recipient. */
export interface OutcomeEvent {
  readonly id: string;
  readonly to: string;
  readonly status: 'delivered' | 'deferred' | 'failed' | 'expired';
  /** Enhanced status code. */
  readonly dsn: string;
  readonly reply: string;
  /** Since acceptance, ms. */
  readonly delay: number;
  readonly attempts: number;
  /** Why it was refused, in the words of the field; '' when it was not. */
  readonly category: string;
}

// 30 in the lines below is pino's number of the level info.
const PLAIN = /^[ !#-[\]-~]*$/;

/** JSON text of a string. Anything but plain printable ASCII takes the slow way, which also escapes lone surrogates. */
function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** Numbers of up to three decimals; JSON has no NaN or infinity. */
function numeral(value: number): string {
  if (Number.isInteger(value)) return `${value}`;
  return Number.isFinite(value) ? `${Math.round(value * 1000) / 1000}` : 'null';
}

/** Line of an accepted message. `time`: wall clock, ms since the epoch. */
export function acceptedLine(time: number, event: AcceptedEvent): string {
  return `{"level":30,"time":${time},"id":${quoted(event.id)},"from":${quoted(event.from)},"to":${quoted(
    event.to,
  )},"recipients":${numeral(event.recipients)},"size":${numeral(event.size)},"client":${quoted(
    event.client,
  )},"helo":${quoted(event.helo)},"protocol":${quoted(event.protocol)},"msg":"accepted"}\n`;
}

/** Line of a delivery attempt. */
export function attemptLine(time: number, event: AttemptEvent): string {
  return `{"level":30,"time":${time},"id":${quoted(event.id)},"to":${quoted(event.to)},"host":${quoted(
    event.host,
  )},"address":${quoted(event.address)},"status":${quoted(event.status)},"code":${numeral(event.code)},"reply":${quoted(
    event.reply,
  )},"ms":${numeral(event.ms)},"msg":"attempt"}\n`;
}

/** Line of an outcome. */
export function outcomeLine(time: number, event: OutcomeEvent): string {
  const category = event.category === '' ? '' : `,"category":${quoted(event.category)}`;
  return `{"level":30,"time":${time},"id":${quoted(event.id)},"to":${quoted(event.to)},"status":${quoted(
    event.status,
  )},"dsn":${quoted(event.dsn)},"reply":${quoted(event.reply)},"delay":${numeral(event.delay)},"attempts":${numeral(
    event.attempts,
  )}${category},"msg":"outcome"}\n`;
}
