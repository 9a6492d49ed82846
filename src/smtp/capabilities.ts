/**
 * What a next hop said it can do in its EHLO reply (RFC 5321 section 4.1.1.1). Unknown keywords are ignored.
 */

export interface Capabilities {
  readonly pipelining: boolean;
  readonly eightBitMime: boolean;
  readonly binaryMime: boolean;
  readonly chunking: boolean;
  readonly smtpUtf8: boolean;
  readonly dsn: boolean;
  readonly enhancedStatusCodes: boolean;
  /** SIZE was offered; `maxSize` 0: no limit named. */
  readonly size: boolean;
  readonly maxSize: number;
  readonly mtPriority: boolean;
  /** RCPTMAX and MAILMAX of RFC 9422, 0 when not named. */
  readonly maxRecipients: number;
  readonly maxMessages: number;
  readonly startTls: boolean;
  /** Names of SASL mechanisms as AUTH lists them (RFC 4954 section 3), upper case. */
  readonly mechanisms: readonly string[];
  /** REQUIRETLS (RFC 8689); only what is said under TLS counts. */
  readonly requireTls: boolean;
  /** DELIVERBY (RFC 2852) was offered; `minDeliverBy`: least time it takes with mode R, s, 0 when not named. */
  readonly deliverBy: boolean;
  readonly minDeliverBy: number;
}

/** A host that knows only HELO. */
export const NO_CAPABILITIES: Capabilities = parseCapabilities([]);

/** Reads the lines of a positive EHLO reply; the first, the greeting, is passed as well and ignored. */
export function parseCapabilities(lines: readonly string[]): Capabilities {
  const keywords = new Map<string, string[]>();
  const mechanisms = new Set<string>();
  for (const line of lines.slice(1)) {
    const [keyword, ...parameters] = line.trim().split(/ +/);
    if (!keyword) continue;
    const name = keyword.toUpperCase();
    keywords.set(name, parameters);
    // `AUTH=LOGIN PLAIN` is how hosts of before RFC 2554 say it, often besides the right form.
    if (name.startsWith('AUTH=')) parameters.push(name.slice(5));
    if (/^AUTH(?:=|$)/.test(name)) for (const mechanism of parameters) mechanisms.add(mechanism.toUpperCase());
  }
  const size = keywords.get('SIZE');
  const limits = new Map(
    (keywords.get('LIMITS') ?? []).map((limit) => limit.toUpperCase().split('=') as [string, string]),
  );
  return {
    pipelining: keywords.has('PIPELINING'),
    eightBitMime: keywords.has('8BITMIME'),
    binaryMime: keywords.has('BINARYMIME'),
    chunking: keywords.has('CHUNKING'),
    smtpUtf8: keywords.has('SMTPUTF8'),
    dsn: keywords.has('DSN'),
    enhancedStatusCodes: keywords.has('ENHANCEDSTATUSCODES'),
    size: size !== undefined,
    maxSize: count(size?.[0]),
    mtPriority: keywords.has('MT-PRIORITY'),
    maxRecipients: count(limits.get('RCPTMAX')),
    maxMessages: count(limits.get('MAILMAX')),
    startTls: keywords.has('STARTTLS'),
    mechanisms: [...mechanisms],
    requireTls: keywords.has('REQUIRETLS'),
    deliverBy: keywords.has('DELIVERBY'),
    minDeliverBy: count(keywords.get('DELIVERBY')?.[0]),
  };
}

function count(text: string | undefined): number {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : 0;
}
