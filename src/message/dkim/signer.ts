/**
 * Makes DKIM-Signature fields (RFC 6376 section 5; Ed25519 by RFC 8463).
 *
 * One signature for every key of the author's domain. The body is hashed once for each body canonicalization, the header
 * canonicalized once for each header canonicalization. l= and i= are never written.
 *
 * Which fields: of SIGNED_FIELDS those that are there, every instance (up to a bound, the last ones first, as verifiers
 * count them). The names in OVERSIGNED_FIELDS are listed once more than there are fields, so that adding one breaks the
 * signature; From always is.
 * One DkimSigner per thread; not reentrant.
 */
import { hash, sign } from 'node:crypto';
import { firstDomain } from '../address-domains.js';
import type { ContentLocation, ContentMemory } from '../content-memory.js';
import { FieldName, type HeaderScan } from '../header-scan.js';
import { BodyHasher, type Canonicalization } from './body-hash.js';
import { copyField, relaxField } from './header-canonicalization.js';
import type { SigningKeyPem } from './key-store.js';
import { importSigningKey, type SigningKey } from './signing-key.js';

/**
 * The list of RFC 6376 section 5.4.1 with the fields that say what the body means (MIME), identify the message, or make
 * one-click unsubscription work (RFC 8058 section 4 demands both of its fields signed).
 */
export const SIGNED_FIELDS: readonly string[] = [
  ...['From', 'Sender', 'Reply-To', 'Subject', 'Date', 'Message-ID', 'To', 'Cc', 'In-Reply-To', 'References'],
  ...['MIME-Version', 'Content-Type', 'Content-Transfer-Encoding'],
  ...['Resent-Date', 'Resent-From', 'Resent-To', 'Resent-Cc'],
  ...['List-Id', 'List-Help', 'List-Unsubscribe', 'List-Unsubscribe-Post', 'List-Subscribe', 'List-Post'],
  ...['List-Owner', 'List-Archive'],
];
/** Fields whose later addition would change what the reader sees or whom a reply reaches. */
export const OVERSIGNED_FIELDS: readonly string[] = ['From', 'Subject', 'Date', 'To', 'Cc'];

export interface SignerOptions {
  /** Fields to sign where present instead of SIGNED_FIELDS; From is signed in any case. */
  readonly signed?: readonly string[];
  /** Fields to oversign instead of OVERSIGNED_FIELDS; From is in any case. */
  readonly oversigned?: readonly string[];
}

/** Signed instances of one field at most; a message with more is odd, and h= must stay of a sane size. */
const MAX_INSTANCES = 20;
/** Where lines of the signature are folded (RFC 5322 section 2.1.1: 78 with what comes before and behind). */
const FOLD = 72;

interface KeyInUse {
  readonly key: SigningKey;
  /** The tags up to and including `t=`. */
  readonly tags: string;
}

interface SignedName {
  readonly name: FieldName;
  readonly over: boolean;
}

const FROM = new FieldName('From');

export class DkimSigner {
  /** There is a key: hashing may be needed. */
  readonly active: boolean;
  private readonly keys = new Map<string, KeyInUse[]>();
  /** Each key by `domain/selector`. */
  private readonly byName = new Map<string, readonly KeyInUse[]>();
  private readonly names: readonly SignedName[];
  private readonly bodyHasher = new BodyHasher();
  private scratch = Buffer.allocUnsafeSlow(16_384);
  private filled = 0;

  /** @throws SluiceError `bad-dkim-key`. */
  constructor(keys: readonly SigningKeyPem[], options: SignerOptions = {}) {
    for (const pem of keys) {
      const key = importSigningKey(pem);
      const { algorithm, headerCanonicalization, bodyCanonicalization, domain, selector } = key;
      const tags = `DKIM-Signature: v=1; a=${algorithm}; c=${headerCanonicalization}/${bodyCanonicalization};\r\n\td=${domain}; s=${selector}; t=`;
      const same = this.keys.get(domain);
      if (same === undefined) this.keys.set(domain, [{ key, tags }]);
      else same.push({ key, tags });
      this.byName.set(`${domain}/${selector}`, [{ key, tags }]);
    }
    this.active = this.keys.size > 0;
    const over = new Set(['from', ...(options.oversigned ?? OVERSIGNED_FIELDS).map((name) => name.toLowerCase())]);
    const signed = new Map<string, string>([['from', 'From']]);
    for (const name of [...(options.signed ?? SIGNED_FIELDS), ...(options.oversigned ?? OVERSIGNED_FIELDS)]) {
      if (!signed.has(name.toLowerCase())) signed.set(name.toLowerCase(), name);
    }
    this.names = [...signed].map(([lower, name]) => ({ name: new FieldName(name), over: over.has(lower) }));
  }

  /**
   * The DKIM-Signature fields for a message, '' when there is no key for its author. The author is the first address of
   * the one From field; a message with no, several or malformed From fields, or no address in it, is not signed. A domain without
   * keys is signed for by the nearest domain above it that has some.
   * @param keyName - `domain/selector` of the one key to sign with instead; '' or a key that is not there: as above.
   * @param headers - the header as it will be sent, in parts from top to bottom.
   * @param bodyFrom - content offset at which the body begins.
   * @param unstuff - the content is dot-stuffed and has lines that begin with a dot.
   * @param seconds - time of signing, seconds since the epoch.
   */
  sign(
    keyName: string,
    headers: readonly HeaderScan[],
    memory: ContentMemory,
    location: ContentLocation,
    bodyFrom: number,
    unstuff: boolean,
    seconds: number,
  ): string {
    const keys = this.keysFor(headers, keyName);
    if (keys === undefined) return '';
    let result = '';
    let names = '';
    let prepared: Canonicalization | undefined;
    let fieldsEnd = 0;
    const bodyHashes: { simple?: string; relaxed?: string } = {};
    for (const { key, tags } of keys) {
      if (prepared !== key.headerCanonicalization) {
        names = this.canonicalize(headers, key.headerCanonicalization);
        fieldsEnd = this.filled;
        prepared = key.headerCanonicalization;
      }
      const canonicalization = key.bodyCanonicalization;
      bodyHashes[canonicalization] ??= this.bodyHasher.digest(memory, location, bodyFrom, canonicalization, unstuff);
      const field = `${tags}${seconds};\r\n\th=${names};\r\n\tbh=${bodyHashes[canonicalization]};\r\n\tb=`;
      // This field ends the signed bytes: itself canonical, with an empty b= and without its CRLF.
      const canonical =
        prepared === 'simple'
          ? field
          : `dkim-signature:${field.slice('DKIM-Signature: '.length).replaceAll('\r\n\t', ' ')}`;
      this.ensure(fieldsEnd, canonical.length);
      const end = fieldsEnd + this.scratch.write(canonical, fieldsEnd, 'latin1');
      result += `${field}${foldBase64(signatureOf(key, this.scratch.subarray(0, end)))}\r\n`;
    }
    return result;
  }

  private keysFor(headers: readonly HeaderScan[], keyName: string): readonly KeyInUse[] | undefined {
    let value = '';
    let found = false;
    for (const scan of headers) {
      for (let i = 0; i < scan.count; i++) {
        if (!scan.beginsWith(i, FROM)) continue;
        // Also a "From" whose colon is on the next line, which some readers take for the author.
        if (found || scan.colons[i]! < 0) return undefined;
        found = true;
        value = scan.value(i);
      }
    }
    let domain = found ? firstDomain(value) : '';
    if (domain !== '' && keyName !== '') {
      const named = this.byName.get(keyName);
      if (named !== undefined) return named;
    }
    while (domain !== '') {
      const keys = this.keys.get(domain);
      if (keys !== undefined) return keys;
      const dot = domain.indexOf('.');
      domain = dot < 0 ? '' : domain.slice(dot + 1);
    }
    return undefined;
  }

  /** Fills the scratch with the canonical signed fields, in the order of h=; the value of h=. */
  private canonicalize(headers: readonly HeaderScan[], canonicalization: Canonicalization): string {
    const write = canonicalization === 'relaxed' ? relaxField : copyField;
    this.filled = 0;
    let names = '';
    let column = 0;
    for (const { name, over } of this.names) {
      let instances = 0;
      let all = true;
      for (let h = headers.length - 1; h >= 0; h--) {
        const scan = headers[h]!;
        for (let i = scan.count - 1; i >= 0; i--) {
          if (!scan.is(i, name)) continue;
          if (instances === MAX_INSTANCES) {
            all = false;
            break;
          }
          this.ensure(this.filled, scan.ends[i]! - scan.starts[i]! + 3);
          this.filled = write(scan, i, this.scratch, this.filled);
          instances++;
        }
      }
      // Where an instance is left out, one name more would mean that one.
      for (let listed = instances + (over && all ? 1 : 0); listed > 0; listed--) {
        if (column > 0 && column + name.text.length > FOLD) {
          names += ':\r\n\t';
          column = 0;
        } else if (column > 0) names += ':';
        names += name.text;
        column += name.text.length + 1;
      }
    }
    return names;
  }

  private ensure(filled: number, more: number): void {
    if (filled + more <= this.scratch.length) return;
    const bigger = Buffer.allocUnsafeSlow(2 * (filled + more));
    this.scratch.copy(bigger, 0, 0, filled);
    this.scratch = bigger;
  }
}

function signatureOf(key: SigningKey, signed: Buffer): string {
  // RFC 8463 section 3: PureEdDSA over the SHA-256 of the signed bytes.
  const signature =
    key.algorithm === 'rsa-sha256' ? sign('sha256', signed, key.key) : sign(null, digest(signed), key.key);
  return signature.toString('base64');
}

function digest(bytes: Buffer): Buffer {
  return hash('sha256', bytes, 'buffer');
}

function foldBase64(text: string): string {
  let folded = text.slice(0, FOLD);
  for (let i = FOLD; i < text.length; i += FOLD) folded += `\r\n\t${text.slice(i, i + FOLD)}`;
  return folded;
}
