/**
 * The Received field that a relay puts on top (RFC 5321 section 4.4, with the protocol keywords of RFC 3848 and 6531).
 *
 * Nothing the client said can end the line or start another field: what is not plainly a name or an address is replaced.
 * The field is ASCII only, so that adding it never makes a 7-bit message an 8-bit one.
 */
import type { Origin } from './envelope.js';
import { mailDate } from './mail-date.js';

/** RFC 5321 section 4.5.3.1.2. */
const MAX_DOMAIN = 255;
/** Local part, @, domain and brackets by RFC 5321 section 4.5.3.1: longer ones do not go into a header line. */
const MAX_MAILBOX = 320;

/** Longer than any name of a cipher. */
const MAX_TLS_TOKEN = 64;
/** Of a line of text, the field's name and the tab that begins a folded line taken off. */
const MAX_LINE = 78 - 'Received: '.length;

const PLAIN_NAME = /^[A-Za-z0-9.\-_]{1,255}$/;
const NOT_NAME = /[^A-Za-z0-9.\-_:[\]]/g;
const PRINTABLE = /^[\x20-\x7e]+$/;
const NOT_TOKEN = /[^A-Za-z0-9.\-_]/g;
const PLAIN_ADDRESS = /^[0-9A-Fa-f:.]+$/;

/** A name as it may stand in a Received field: characters no host name or address literal has become `?`. */
export function headerSafeName(name: string): string {
  if (PLAIN_NAME.test(name)) return name;
  return name === '' ? 'unknown' : name.slice(0, MAX_DOMAIN).replace(NOT_NAME, '?');
}

/** An address as a literal of RFC 5321 section 4.1.3: `[192.0.2.1]` or `[IPv6:2001:db8::1]`. */
export function addressLiteral(address: string): string {
  const zone = address.indexOf('%');
  let bare = zone < 0 ? address : address.slice(0, zone);
  // An IPv4 client on a socket that takes both.
  if (bare.length > 7 && bare.slice(0, 7).toLowerCase() === '::ffff:' && bare.includes('.')) bare = bare.slice(7);
  if (!PLAIN_ADDRESS.test(bare)) return '[unknown]';
  return bare.includes(':') ? `[IPv6:${bare}]` : `[${bare}]`;
}

/** `(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)`, as Postfix writes it and readers look for it; '' without TLS. */
function tlsComment(tls: string): string {
  if (tls === '') return '';
  const blank = tls.indexOf(' ');
  const [version, cipher] = blank < 0 ? [tls, ''] : [tls.slice(0, blank), tls.slice(blank + 1)];
  return `(using ${tlsToken(version)} with cipher ${tlsToken(cipher)})`;
}

function tlsToken(name: string): string {
  return name === '' ? 'unknown' : name.slice(0, MAX_TLS_TOKEN).replace(NOT_TOKEN, '?');
}

/** A line of the field: in one where it fits into 78 characters (RFC 5322 section 2.1.1), otherwise folded between. */
function line(first: string, second: string): string {
  return first.length + second.length < MAX_LINE ? `${first} ${second}` : `${first}\r\n\t${second}`;
}

/**
 * The whole field with its CRLF. `hostname` must be safe already (headerSafeName); `forRecipient` is '' unless there is
 * exactly one; `wall` is in milliseconds since the epoch.
 */
export function receivedField(
  hostname: string,
  id: string,
  origin: Origin,
  forRecipient: string,
  wall: number,
): string {
  const { clientAddress, helo } = origin;
  const lines: string[] = [];
  if (clientAddress !== '' || helo !== '') {
    lines.push(line(`from ${headerSafeName(helo)}`, `(${addressLiteral(clientAddress)})`));
  }
  const tls = tlsComment(origin.tls);
  if (tls !== '') lines.push(tls);
  const protocol = origin.protocol.replace(NOT_TOKEN, '') || 'SMTP';
  const by = line(`by ${hostname}`, `with ${protocol} id ${id.replace(NOT_TOKEN, '?')}`);
  const named = forRecipient !== '' && forRecipient.length <= MAX_MAILBOX && PRINTABLE.test(forRecipient);
  lines.push(named ? by : `${by};`, named ? line(`for <${forRecipient}>;`, mailDate(wall)) : mailDate(wall));
  return `Received: ${lines.join('\r\n\t')}\r\n`;
}
