/**
 * Where clients connect: the values of SLUICE_LISTEN.
 *
 * Contract: as value-type.ts.
 */
import { formatHostPort } from './address-type.js';
import { parseSmtpUrl } from './smtp-url.js';
import type { ValueType } from './value-type.js';

/** Where to listen. `host`: address or name without brackets; port 0 is any free port. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** A `smtp://host:port` to listen on. */
export function listenAddress(): ValueType<ListenAddress> {
  return {
    allowed: 'smtp://address:port',
    unit: '',
    parse: (text) => {
      const parsed = parseSmtpUrl(text, []);
      return 'problem' in parsed ? parsed : { value: { host: parsed.value.host, port: parsed.value.port } };
    },
    format: (value) => `smtp://${formatHostPort(value.host, value.port)}`,
  };
}
