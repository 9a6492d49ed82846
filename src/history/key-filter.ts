/**
 * What a block of events may be about, in few bits: a Bloom filter (Bloom, Space/Time Trade-offs in Hash Coding with
 * Allowable Errors, CACM 1970) over ids, recipients, senders, tags and tenants, with the double hashing of Kirsch and
 * Mitzenmacher (Less Hashing, Same Performance, 2008).
 *
 * Contract: it never misses a key that was added; of others it takes about 3 in 1,000 for one of its own. Case does not
 * count. Hashed in JavaScript: a call into native code costs more than a short text.
 */

/** What a key is; the same text may be of several. */
export const KEY_KINDS = ['id', 'recipient', 'sender', 'tag', 'tenant'] as const;
export type KeyKind = (typeof KEY_KINDS)[number];

const BITS_A_KEY = 12;
/** Best for 12 bits a key would be 8; 6 are as good within a thousandth and cost less. */
const PROBES = 6;
const MIN_BYTES = 8;
/** A block with more keys than fit has a filter that takes more for its own, and still misses none. */
const MAX_BYTES = 64 * 1024;
/** FNV-1a (draft-eastlake-fnv), 32 bits. */
const FNV_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** One start for each kind. */
const BASES = Object.fromEntries(
  KEY_KINDS.map((kind, at) => [kind, fnv(FNV_BASIS, String.fromCharCode(at + 1))]),
) as Readonly<Record<KeyKind, number>>;

function fnv(basis: number, text: string): number {
  let hash = basis;
  for (let i = 0; i < text.length; i++) {
    let unit = text.charCodeAt(i);
    if (unit >= 65 && unit <= 90) unit |= 32;
    // Cannot come twice: what was folded stays as it is.
    else if (unit > 127 && text !== folded(text)) return fnv(basis, folded(text));
    hash = Math.imul(hash ^ unit, FNV_PRIME);
  }
  return hash;
}

/** The form in which two texts are the same key. */
export function folded(text: string): string {
  return text.toLowerCase().normalize('NFC');
}

/** A key as filters know it: 32 bits. */
export function keyHash(kind: KeyKind, text: string): number {
  return fnv(BASES[kind], text) >>> 0;
}

/** The second, independent hash: the finalizer of MurmurHash3; odd, so that probes of a power of two do not repeat. */
function second(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) | 1;
}

/** A filter of some keys; its length is a power of two. */
export function filterOf(keys: ReadonlySet<number>): Buffer {
  let bytes = MIN_BYTES;
  while (bytes * 8 < keys.size * BITS_A_KEY && bytes < MAX_BYTES) bytes *= 2;
  const filter = Buffer.alloc(bytes);
  const mask = bytes * 8 - 1;
  for (const key of keys) {
    const step = second(key);
    for (let probe = 0, at = key; probe < PROBES; probe++, at += step) {
      const bit = at & mask;
      filter[bit >>> 3]! |= 1 << (bit & 7);
    }
  }
  return filter;
}

/** Whether the key may be among those of the filter; `false` is certain. */
export function mayHave(filter: Uint8Array, key: number): boolean {
  const mask = filter.length * 8 - 1;
  const step = second(key);
  for (let probe = 0, at = key; probe < PROBES; probe++, at += step) {
    const bit = at & mask;
    if ((filter[bit >>> 3]! & (1 << (bit & 7))) === 0) return false;
  }
  return true;
}
