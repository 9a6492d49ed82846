/**
 * How the command line shows the queue and the state of the engine. Addresses and replies come from the network: no
 * control character of theirs reaches the terminal.
 */
import type { EngineStatus, MessageDetail, QueueEntry } from './control/engine-control.js';
import { harmless } from './telemetry/pretty-line.js';

const SENDER_WIDTH = 30;
const KIB = 1024;

/** A span of time in its largest unit, e.g. `4h`. `ms`: milliseconds. */
export function shortTime(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 100) return `${seconds}s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)}h` : `${Math.round(seconds / 86_400)}d`;
}

function shortSize(bytes: number): string {
  if (bytes < KIB) return `${bytes}`;
  return bytes < KIB * KIB ? `${Math.round(bytes / KIB)}k` : `${(bytes / KIB / KIB).toFixed(1)}m`;
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 3)}...`;
}

function due(entry: QueueEntry, now: number): string {
  if (entry.state === 'held') return 'never';
  return entry.due <= now ? 'now' : `in ${shortTime(entry.due - now)}`;
}

function row(cells: readonly string[]): string {
  const [id = '', state = '', age = '', size = '', recipients = '', tries = '', next = '', sender = '', reason = ''] =
    cells;
  const numbers = `${age.padStart(5)} ${size.padStart(6)} ${recipients.padStart(5)} ${tries.padStart(5)}`;
  return `${id.padEnd(11)} ${state.padEnd(8)} ${numbers} ${next.padEnd(7)} ${sender.padEnd(SENDER_WIDTH)} ${reason}`.trimEnd();
}

/** The heading of the lines of `queueLine`. */
export const QUEUE_HEADING = row(['ID', 'STATE', 'AGE', 'SIZE', 'RCPTS', 'TRIES', 'NEXT', 'SENDER', 'REASON']);

/** One message of the queue. `now`: wall clock, ms. */
export function queueLine(entry: QueueEntry, now: number): string {
  return row([
    entry.id,
    entry.state,
    shortTime(now - entry.receivedAt),
    shortSize(entry.size),
    String(entry.recipients),
    String(entry.attempts),
    due(entry, now),
    cut(harmless(entry.sender === '' ? '<>' : entry.sender), SENDER_WIDTH),
    harmless(entry.reason),
  ]);
}

/** One message with its recipients. `now`: wall clock, ms. */
export function messageLines(message: MessageDetail, now: number): string[] {
  const lines = [
    `id          ${message.id}`,
    `state       ${message.state}, next attempt ${due(message, now)}, ${message.attempts} so far`,
    `sender      <${harmless(message.sender)}>`,
    `received    ${new Date(message.receivedAt).toISOString()} (${shortTime(now - message.receivedAt)} ago)`,
    `from        ${harmless(message.clientAddress)} (${harmless(message.helo)})`,
    `size        ${message.size} bytes`,
  ];
  if (message.reason !== '') lines.push(`reason      ${harmless(message.reason)}`);
  lines.push(`recipients  ${message.recipientDetails.length}`);
  for (const one of message.recipientDetails) {
    const when = one.lastAttempt === 0 ? 'not tried' : `tried ${shortTime(now - one.lastAttempt)} ago`;
    const where = one.host === '' ? '' : ` at ${harmless(one.host)}`;
    const reply = one.reply === '' ? '' : `: ${harmless(one.reply)}`;
    lines.push(`  <${harmless(one.address)}> ${one.status}, ${when}${where}${reply}`);
  }
  return lines;
}

/** The state of the engine. `now`: wall clock, ms. */
export function statusLines(status: EngineStatus, now: number): string[] {
  const { secured, clear, failed, policyFailures, clientsFailed, certificateExpires } = status.tls;
  return [
    `sluice ${status.version}, process ${status.pid}, up ${shortTime(now - status.startedAt)}`,
    `queued ${status.queued}`,
    `since the start: accepted ${status.accepted}, delivered ${status.delivered}, deferred ${status.deferred}, failed ${status.failed}`,
    `flushes ${status.flushes}`,
    `connections: ${status.serverConnections} from clients, ${status.upstreamConnections} to next hops`,
    `TLS to next hops: ${secured} secured, ${clear} in the clear, ${failed} failed, ${policyFailures} policies not met`,
    `TLS of clients: ${clientsFailed} handshakes failed${
      certificateExpires === 0 ? '' : `, the first certificate ends in ${shortTime(certificateExpires - now)}`
    }`,
  ];
}
