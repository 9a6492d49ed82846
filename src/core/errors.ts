/**
 * Errors of the engine.
 *
 * Every error that crosses a room boundary carries a stable code, whether it is temporary (the same action may succeed
 * later, so mail is deferred and clients get 4xx) and, where there is one, the cause.
 */

/** An error with a stable `code` (kebab-case) and a verdict on whether trying again later can help. */
export class SluiceError extends Error {
  override readonly name = 'SluiceError';
  readonly code: string;
  readonly temporary: boolean;

  constructor(code: string, message: string, options: { temporary: boolean; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.temporary = options.temporary;
  }
}

/** The message of anything that was thrown, for a log line or a reply. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
