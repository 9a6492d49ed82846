/**
 * The end of a command the way Postfix's commands end: `name: fatal: words` on standard error and an exit code.
 */

/** Exit codes of sysexits(3) that these commands end with. */
export const EX_OK = 0;
export const EX_FAILED = 1;
export const EX_USAGE = 64;
export const EX_UNAVAILABLE = 69;
export const EX_TEMPFAIL = 75;

export class Fatal extends Error {
  readonly code: number;

  constructor(code: number, words: string) {
    super(words);
    this.code = code;
  }
}
