/**
 * A file of the maildrop made a submission, and where `sendmail` finds the engine.
 */
import type { FileHandle } from 'node:fs/promises';
import { type DropFate, Maildrop } from './app-maildrop.js';
import type { Announcement } from './compat/place.js';
import { type DropEnvelope, MAX_HEAD, parseDropHead } from './compat/sendmail/drop-format.js';
import { isLoopback } from './config/http-settings.js';
import type { ListenAddress } from './config/listen-type.js';
import type { Settings } from './config/schema.js';
import { systemClock } from './core/clock.js';
import { submitDropped } from './intake/dropped-mail.js';
import type { Intake } from './intake/intake.js';
import type { SegmentPool } from './memory/segment-pool.js';
import { NOTIFY_DELAY, NOTIFY_FAILURE, NOTIFY_NEVER, NOTIFY_SUCCESS } from './message/envelope.js';
import type { Log } from './telemetry/log.js';

const NOTIFY = { NEVER: NOTIFY_NEVER, SUCCESS: NOTIFY_SUCCESS, FAILURE: NOTIFY_FAILURE, DELAY: NOTIFY_DELAY };
/** Bytes read at once. */
const PIECE = 256 * 1024;
const ANY_ADDRESS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/** Opens the maildrop; null where it is off. `ports`: of the listeners, in their order. */
export function openMaildrop(
  settings: Settings,
  log: Log,
  intake: Intake,
  segments: SegmentPool,
  ports: readonly number[],
): Maildrop | null {
  const { maildropDir: folder, spoolDir } = settings;
  if (folder === '') return null;
  const announcement = announcementOf(settings, ports);
  const submit = dropSubmission(settings, intake, segments);
  return Maildrop.open({ folder, spoolDir, log, announcement, now: () => systemClock.wall(), submit });
}

/** Submits messages in files, with the limits of the settings. */
export function dropSubmission(
  settings: Settings,
  intake: Pick<Intake, 'accept'>,
  segments: SegmentPool,
): (file: FileHandle, size: number) => Promise<DropFate> {
  return async (file, size) => {
    if (size > settings.maxMessageSize + MAX_HEAD) return { kind: 'wrong', reason: `it has ${size} bytes` };
    const start = Buffer.alloc(Math.min(size, MAX_HEAD));
    const { bytesRead } = await file.read(start, 0, start.length, 0);
    const head = parseDropHead(start.subarray(0, bytesRead));
    if (typeof head === 'string') return { kind: 'wrong', reason: head };
    if (head.size > settings.maxMessageSize || head.contentAt + head.size !== size)
      return { kind: 'wrong', reason: `its content has not the ${head.size} bytes that it says, or too many` };
    const { maxTextLine, maxHeaderSize } = settings;
    const reply = await submitDropped(
      intake,
      segments,
      { maxTextLine, maxHeaderSize },
      { ...head.envelope, recipients: recipientsOf(head.envelope), content: contentOf(file, head.contentAt, size) },
    );
    if (typeof reply === 'string') return { kind: 'wrong', reason: reply };
    if (reply.code < 300) return { kind: 'taken', id: / as (\w+)/.exec(reply.text)?.[1] ?? '' };
    return { kind: reply.code < 500 ? 'later' : 'wrong', reason: `${reply.code} ${reply.text}` };
  };
}

function recipientsOf({ recipients, notify }: DropEnvelope) {
  const bits = notify.reduce((sum, word) => sum | NOTIFY[word], 0);
  return recipients.map((address) => ({ address, notify: bits, originalRecipient: '' }));
}

async function* contentOf(file: FileHandle, from: number, end: number): AsyncGenerator<Buffer> {
  for (let at = from; at < end; ) {
    const piece = Buffer.alloc(Math.min(PIECE, end - at));
    const { bytesRead } = await file.read(piece, 0, piece.length, at);
    if (bytesRead === 0) throw new Error('the file became shorter while it was read');
    yield piece.subarray(0, bytesRead);
    at += bytesRead;
  }
}

/** What `sendmail` is told. `ports`: of the listeners, in their order. */
export function announcementOf(settings: Settings, ports: readonly number[]): Announcement {
  const { hostname, maxMessageSize } = settings;
  const plain = settings.listen.findIndex(isPlainLocal);
  if (plain < 0) return { hostname, host: '', port: 0, maxMessageSize };
  const { host } = settings.listen[plain]!;
  return { hostname, host: ANY_ADDRESS[host] ?? host, port: ports[plain] ?? 0, maxMessageSize };
}

function isPlainLocal({ scheme, host, tls, auth, proxy, transparent, inherited }: ListenAddress): boolean {
  return (
    scheme === 'smtp' &&
    inherited === '' &&
    (isLoopback(host) || ANY_ADDRESS[host] !== undefined) &&
    tls !== 'required' &&
    auth !== 'required' &&
    proxy === 'none' &&
    transparent === 'none'
  );
}
