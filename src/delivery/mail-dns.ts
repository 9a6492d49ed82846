/**
 * What finding mail hosts asks of DNS. Declared here, implemented in net (DnsClient), bound by app.
 */

/** One MX record; `exchange` in lower case without a final dot, '.' for a null MX. */
export interface MailExchange {
  readonly preference: number;
  readonly exchange: string;
}

/**
 * Records, or why there are none. `expires`: engine clock, ms. `authenticated`: validated by DNSSEC, as far as we can
 * trust whoever says so.
 */
export type MailDnsResult<D> =
  | {
      readonly kind: 'records';
      readonly records: readonly D[];
      readonly expires: number;
      readonly authenticated: boolean;
      /** The name that has the records, at the end of any aliases. */
      readonly canonical: string;
    }
  | {
      readonly kind: 'failed';
      /** `nxdomain`: no such name; `nodata`: the name exists without records of the type; others as the resolver names them. */
      readonly reason: string;
      readonly temporary: boolean;
      readonly detail: string;
      readonly expires: number;
      readonly authenticated: boolean;
    };

/** Never rejects. Names in A-labels; aliases are followed. */
export interface MailDns {
  query(name: string, type: 'MX'): Promise<MailDnsResult<MailExchange>>;
  query(name: string, type: 'A' | 'AAAA'): Promise<MailDnsResult<string>>;
}
