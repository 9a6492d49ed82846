/**
 * URLs of next hops, taken apart: scheme, user and password, host part, port, parameters.
 *
 * Everything in it is percent-encoded, `+` is itself. A user or password that holds one of `/ ? # @ , :` and a blank must
 * encode it. Problems never quote the text: it may hold a password.
 */
import type { Parsed } from './value-type.js';

export interface UpstreamUrl {
  /** Lower case. */
  readonly scheme: string;
  readonly user: string;
  readonly password: string;
  /** As given, without brackets; '' where there is none. */
  readonly host: string;
  /** 0 where none is given. */
  readonly port: number;
  readonly parameters: ReadonlyMap<string, readonly string[]>;
}

const ENCODE = 'in a user or password, / ? # @ , and : are written %2F %3F %23 %40 %2C and %3A';

/** Takes a URL apart; parameters not in `known` are a problem, as is one twice that is not in `repeatable`. */
export function parseUpstreamUrl(
  text: string,
  known: readonly string[],
  repeatable: readonly string[],
): Parsed<UpstreamUrl> {
  const match =
    /^([a-z][a-z0-9-]*):\/\/(?:([^@/?#\s]*)@)?(?:\[([^\]@]*)\]|([^:/?#@[\]\s]*))(?::(\d{1,5}))?\/?(?:\?([^#\s]*))?$/i.exec(
      text,
    );
  if (match === null) {
    const scheme = /^[a-z][a-z0-9-]*:\/\//i.test(text);
    if (!scheme) return { problem: 'it does not begin with smtp:// or another known scheme' };
    return { problem: text.includes('@') ? `it is not a URL; ${ENCODE}` : 'it is not scheme://host:port?parameters' };
  }
  const [, scheme, login = '', v6, name = '', port, query = ''] = match;
  const colon = login.indexOf(':');
  const user = decode(colon < 0 ? login : login.slice(0, colon));
  const password = decode(colon < 0 ? '' : login.slice(colon + 1));
  if (user === undefined || password === undefined)
    return { problem: 'the user or password is not rightly percent-encoded; % itself is written %25' };
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))
    return { problem: 'the port is not 1 to 65535' };
  const parameters = new Map<string, string[]>();
  for (const part of query.split('&')) {
    if (part === '') continue;
    const at = part.indexOf('=');
    const key = at < 0 ? part : part.slice(0, at);
    if (!known.includes(key))
      return { problem: `?${/^[a-z_]{1,30}$/.test(key) ? key : '...'}= is unknown (known: ${known.join(', ')})` };
    const value = decode(at < 0 ? '' : part.slice(at + 1));
    if (value === undefined || value === '')
      return { problem: `${key} has no value, or one that is not rightly percent-encoded` };
    const values = parameters.get(key);
    if (values === undefined) parameters.set(key, [value]);
    else if (repeatable.includes(key)) values.push(value);
    else return { problem: `${key} is given twice` };
  }
  return {
    value: { scheme: scheme!.toLowerCase(), user, password, host: v6 ?? name, port: Number(port ?? 0), parameters },
  };
}

/** Undefined: a broken escape, or control characters, which no command may hold. */
function decode(text: string): string | undefined {
  try {
    const decoded = decodeURIComponent(text);
    return /[\u0000-\u001f\u007f]/.test(decoded) ? undefined : decoded;
  } catch {
    return undefined;
  }
}
