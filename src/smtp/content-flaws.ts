/**
 * What the scanner of message content may find to be a reason to refuse it.
 */

/** What may be wrong with content, as bits of `flaws`. */
export const FLAW_BARE_CR = 1;
export const FLAW_BARE_LF = 2;
export const FLAW_FALSE_END = 4;
export const FLAW_LONG_LINE = 8;
export const FLAW_LONG_HEADER = 16;
