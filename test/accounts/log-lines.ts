/** A log that keeps its lines. */
import type { AccountLog } from '../../src/accounts/account-log.js';

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function logLines(): AccountLog & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const add = (level: LogLine['level']) => (fields: Readonly<Record<string, unknown>>, text: string) => {
    lines.push({ level, text, fields });
  };
  return { lines, info: add('info'), warn: add('warn'), error: add('error') };
}
