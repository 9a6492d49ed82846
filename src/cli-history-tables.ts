/**
 * How the command line shows what became of messages. Addresses and replies come from the network: no control character
 * of theirs reaches the terminal.
 */
import { shortTime } from './cli-tables.js';
import type { MessageHistory, MessageSummary, RecipientState, TimelineEntry } from './control/message-reports.js';
import { harmless } from './telemetry/pretty-line.js';

/** One message of a list, with a line for each recipient. */
export function summaryLines(message: MessageSummary): string[] {
  const { id, acceptedAt, sender, recipients, recipientCount } = message;
  const lines = [`${id}  ${iso(acceptedAt)}  from <${harmless(sender)}>${about(message)}`];
  for (const one of recipients) lines.push(`  <${harmless(one.address)}> ${state(one)}`);
  const more = recipientCount - recipients.length;
  if (more > 0) lines.push(`  and ${more} more`);
  return lines;
}

/** One message with everything that happened to it. `now`: wall clock, ms. */
export function timelineLines(message: MessageHistory, now: number): string[] {
  const { id, acceptedAt, sender, size, client, account, protocol, tls, lane, timeline } = message;
  const by = [protocol, tls === '' ? '' : `(${tls})`, account === '' ? '' : `as ${account}`].filter(
    (one) => one !== '',
  );
  const lines = [
    `id          ${id}, ${message.queued ? 'in the queue' : 'no longer in the queue'}`,
    `sender      <${harmless(sender)}>`,
    `accepted    ${iso(acceptedAt)} (${shortTime(now - acceptedAt)} ago)`,
    `from        ${harmless([client === '' ? 'this engine' : client, ...by].join(' '))}`,
    `size        ${size} bytes`,
  ];
  const what = about(message).trim();
  if (what !== '') lines.push(`is          ${what}`);
  if (lane !== '') lines.push(`lane        ${harmless(lane)}`);
  lines.push(`recipients  ${message.recipientCount}`);
  for (const one of message.recipients) lines.push(`  <${harmless(one.address)}> ${state(one)}`);
  lines.push('timeline');
  for (const entry of timeline) lines.push(`  ${iso(entry.at)}  ${happened(entry)}`);
  if (!message.complete) lines.push('  this is not all: the history does not reach so far, or was not read to its end');
  return lines;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function about({ tenant, tags }: MessageSummary): string {
  const parts = [tenant === '' ? '' : `tenant ${tenant}`, tags.length === 0 ? '' : `tags ${tags.join(' ')}`];
  const text = parts.filter((one) => one !== '').join(', ');
  return text === '' ? '' : `  ${harmless(text)}`;
}

function state({ status, at, reply, host, due }: RecipientState): string {
  const where = host === '' ? '' : ` by ${harmless(host)}`;
  const again = due === 0 ? '' : `, next attempt ${iso(due)}`;
  return `${status} ${iso(at)}${where}${again}${reply === '' ? '' : `: ${harmless(reply)}`}`;
}

function happened({ kind, recipient, reply, attempt, attempts, due }: TimelineEntry): string {
  if (kind === 'accepted') return kind;
  if (kind === 'signed') return `signed with ${harmless(reply)}`;
  const parts = [`${kind} <${harmless(recipient)}>`];
  if (attempt !== null) {
    const address = attempt.address === '' ? '' : ` [${attempt.address}]`;
    const tls = attempt.tls === '' ? 'in the clear' : attempt.tls;
    parts.push(`at ${harmless(`${attempt.host}${address}`)}, ${harmless(tls)}, ${Math.round(attempt.ms)} ms`);
  }
  if (attempts > 1) parts.push(`attempt ${attempts}`);
  if (due > 0) parts.push(`next ${iso(due)}`);
  return `${parts.join(', ')}${reply === '' ? '' : `: ${harmless(reply)}`}`;
}
