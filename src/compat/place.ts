/**
 * Where the drop-in commands find the engine, and what the engine tells those who may not read its settings.
 *
 * A shim carries a Place. The engine writes an Announcement into the maildrop at each start, for everybody to read: cron
 * runs as anybody, and neither the settings nor the control socket are for everybody.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface Announcement {
  /** What a user without a domain gets. */
  readonly hostname: string;
  /** A listener on loopback that asks for neither TLS nor authentication; port 0: there is none. */
  readonly host: string;
  readonly port: number;
  /** Bytes. */
  readonly maxMessageSize: number;
}

/** With what counts before the engine first ran, and where there is no maildrop. */
export interface Place extends Announcement {
  /** '': none. */
  readonly maildrop: string;
  readonly controlSocket: string;
}

/** In the maildrop; no name of a drop. */
export const ANNOUNCEMENT = 'engine.json';
const MAX_ANNOUNCEMENT = 16 * 1024;

/** The text of the file. */
export function announcementText(announcement: Announcement): string {
  return `${JSON.stringify(announcement)}\n`;
}

/** A Place as a shim carries it. @throws Error where it is none. */
export function placeOf(text: string): Place {
  const given = JSON.parse(text) as Readonly<Record<string, unknown>>;
  const { maildrop, controlSocket } = given;
  const announcement = announcementIn(given);
  if (announcement === null || typeof maildrop !== 'string' || typeof controlSocket !== 'string')
    throw new Error('the shim is damaged; run `sluice install-compat` again');
  return { ...announcement, maildrop, controlSocket };
}

/** What the engine said at its last start; null: it never ran, or what is there is not from it. */
export function readAnnouncement(maildrop: string): Announcement | null {
  if (maildrop === '') return null;
  const path = join(maildrop, ANNOUNCEMENT);
  try {
    const file = statSync(path);
    // Anybody may put files there: only that of the folder's owner counts.
    if (!file.isFile() || file.uid !== statSync(maildrop).uid || file.size > MAX_ANNOUNCEMENT) return null;
    return announcementIn(JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>);
  } catch {
    return null;
  }
}

function announcementIn(given: Readonly<Record<string, unknown>>): Announcement | null {
  const { hostname, host, port, maxMessageSize } = given;
  if (typeof hostname !== 'string' || typeof host !== 'string') return null;
  if (typeof port !== 'number' || typeof maxMessageSize !== 'number') return null;
  return { hostname, host, port, maxMessageSize };
}
