/**
 * What the configuration was when it was last looked at, so that the audit log can name what differs and never a value.
 *
 * Kept beside the log: a random key of this installation and an HMAC-SHA-256 of each part under it. Without the key a
 * fingerprint in the log says nothing of a short secret.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const OWNER_ONLY = 0o600;
/** Bytes. */
const KEY = 32;

interface State {
  readonly key: string;
  readonly parts: Readonly<Record<string, string>>;
}

export type Changes = {
  /** Of all parts together. */
  readonly configuration: string;
  /** Names of parts that differ, are new or are gone; null: nothing is known of before. */
  readonly changed: readonly string[] | null;
};

export class Fingerprints {
  private readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Compares parts, by name, with those of the last time and keeps them. A state that cannot be kept is as none. */
  take(parts: Readonly<Record<string, string>>): Changes {
    const before = this.read();
    const key = before?.key ?? randomBytes(KEY).toString('hex');
    const now: Record<string, string> = {};
    for (const [name, text] of Object.entries(parts)) now[name] = hmac(key, `${name}\0${text}`);
    const names = new Set([...Object.keys(now), ...Object.keys(before?.parts ?? {})]);
    const changed = before === null ? null : [...names].filter((name) => before.parts[name] !== now[name]).sort();
    this.keep({ key, parts: now });
    return { configuration: hmac(key, JSON.stringify(now)), changed };
  }

  private read(): State | null {
    try {
      const state = JSON.parse(readFileSync(this.path, 'utf8')) as State;
      return typeof state.key === 'string' && typeof state.parts === 'object' && state.parts !== null ? state : null;
    } catch {
      return null;
    }
  }

  private keep(state: State): void {
    try {
      mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
      const fresh = `${this.path}.new`;
      writeFileSync(fresh, `${JSON.stringify(state)}\n`, { mode: OWNER_ONLY, flush: true });
      renameSync(fresh, this.path);
    } catch {
      // The log itself cannot be written then either, which is told of; the next start knows of nothing before.
    }
  }
}

function hmac(key: string, text: string): string {
  return createHmac('sha256', Buffer.from(key, 'hex')).update(text).digest('hex');
}
