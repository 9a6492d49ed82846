/**
 * URLs of addresses to listen on, taken apart; those of next hops, which hold passwords, are in upstream-url.ts.
 */
import { canonicalAddress, canonicalDomain } from './address-type.js';
import type { Parsed } from './value-type.js';

/** Schemes and the port of each. */
export type SchemePorts = Readonly<Record<string, number>>;

const SMTP_ONLY: SchemePorts = { smtp: 25 };

export interface HostUrl {
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly query: URLSearchParams;
}

/** Parses `scheme://host:port?name=value`; only the schemes of `ports` and only `parameters` may be given. */
export function parseSmtpUrl(
  text: string,
  parameters: readonly string[],
  ports: SchemePorts = SMTP_ONLY,
): Parsed<HostUrl> {
  const schemes = Object.keys(ports);
  const scheme = schemes.find((one) => text.toLowerCase().startsWith(`${one}://`));
  if (scheme === undefined)
    return { problem: `it does not begin with ${schemes.map((one) => `${one}://`).join(' or ')}` };
  if (!URL.canParse(text)) return { problem: 'it is not a URL with a host and a port up to 65535' };
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return { problem: 'a user or password cannot be given here' };
  if ((url.pathname !== '' && url.pathname !== '/') || url.hash !== '')
    return { problem: 'nothing may follow the port' };
  const bare = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  const host = canonicalAddress(bare) ?? canonicalDomain(bare);
  if (host === undefined) return { problem: 'the host is neither an address nor a name' };
  for (const name of url.searchParams.keys()) {
    if (!parameters.includes(name)) {
      return { problem: `?${name}= is unknown${parameters.length === 0 ? '' : ` (known: ${parameters.join(', ')})`}` };
    }
  }
  return {
    value: { scheme, host, port: url.port === '' ? ports[scheme]! : Number(url.port), query: url.searchParams },
  };
}
