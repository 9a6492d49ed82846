/**
 * Shims: the text of the small shell scripts that stand in for the commands of Postfix.
 */
import type { Place } from './place.js';

/** Second line of each: by it a shim is known as ours. */
export const MARK = '# Sluice stands in for Postfix here. Made by `sluice install-compat`.';

/** How the engine's commands are run. */
export interface Program {
  /** Absolute paths. */
  readonly node: string;
  readonly script: string;
}

/** The script of one command. */
export function shimText(command: string, place: Place, { node, script }: Program): string {
  return `#!/bin/sh\n${MARK}\nexec ${quoted(node)} ${quoted(script)} ${quoted(JSON.stringify(place))} ${command} "$@"\n`;
}

/** Whether a file's text is that of a shim. */
export function isShim(text: string): boolean {
  return text.split('\n', 2)[1] === MARK;
}

/** As one word of sh. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
