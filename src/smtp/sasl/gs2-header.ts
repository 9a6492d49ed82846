/**
 * The GS2 header that SCRAM and OAUTHBEARER messages begin with (RFC 5801 section 4, RFC 5802 section 7):
 * `n,` `y,` or `p=name,`, then `a=identity` or nothing, then `,`.
 */

export interface Gs2Header {
  /** The whole header with its last comma. */
  readonly text: string;
  /** `n`: the client binds to no channel; `y`: it could, but thinks the server cannot; `p`: it does. */
  readonly flag: 'n' | 'y' | 'p';
  /** Name of the binding with `p`, otherwise ''. */
  readonly binding: string;
  /** The authorization identity, '' when absent. */
  readonly identity: string;
}

/** Parses the beginning of `message`; null when it is none. */
export function parseGs2Header(message: string): Gs2Header | null {
  const match = /^(?:([ny])|p=([A-Za-z0-9.-]+)),(?:a=([^,]+))?,/.exec(message);
  if (match === null) return null;
  const identity = match[3] === undefined ? '' : decodeSaslName(match[3]);
  if (identity === null) return null;
  return { text: match[0], flag: (match[1] ?? 'p') as Gs2Header['flag'], binding: match[2] ?? '', identity };
}

/** A saslname: `=2C` is a comma, `=3D` an equals sign, any other `=` an error (null). */
export function decodeSaslName(name: string): string | null {
  if (/=(?!2C|3D)/.test(name)) return null;
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=');
}
