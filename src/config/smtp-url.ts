/**
 * URLs of SMTP hosts: the part that listeners and upstreams have in common.
 */
import { canonicalAddress, canonicalDomain } from './address-type.js';
import type { Parsed } from './value-type.js';

const SMTP_PORT = 25;

export interface HostUrl {
  readonly host: string;
  readonly port: number;
  readonly query: URLSearchParams;
}

/** Parses `smtp://host:port?name=value`; only `parameters` may be given. */
export function parseSmtpUrl(text: string, parameters: readonly string[]): Parsed<HostUrl> {
  if (!/^smtp:\/\//i.test(text)) return { problem: 'it does not begin with smtp://' };
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
  return { value: { host, port: url.port === '' ? SMTP_PORT : Number(url.port), query: url.searchParams } };
}
