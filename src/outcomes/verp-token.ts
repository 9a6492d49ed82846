/**
 * The token of a reverse-path that tells which message, recipient and tenant a bounce is about (VERP), and proves that we
 * made it.
 *
 * 24 bytes as 39 characters of base32 in lower case (RFC 4648 section 6, without padding; read in either case): queue id
 * 7, recipient's index 2, hash of the recipient's address 4, hash of the tenant 3, tag 8. Hashes and tag are the first
 * bytes of HMAC-SHA256 with a key that only this engine has. The tag covers everything before it and the tenant's name.
 * What is in a report about the recipient can be checked against the hash: nobody can have another address suppressed.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { QueueId } from '../core/queue-id.js';
import { canonicalAddress } from './canonical-address.js';

/** Characters of a token. */
export const TOKEN_LENGTH = 39;

const ID_BYTES = 7;
const HASHED_FROM = 9;
const TENANT_FROM = 13;
const TAG_FROM = 16;
const BYTES = 24;
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const MAX_INDEX = 0xffff;
/** Hashes of tenants remembered. */
const MAX_TENANTS = 20_000;

/** What a token says. */
export interface VerpToken {
  readonly id: QueueId;
  /** Index of the recipient in the envelope. */
  readonly recipient: number;
  readonly tenant: string;
  /** Whether an address is that of the recipient. */
  isAbout(address: string): boolean;
}

export class VerpTokens {
  private readonly key: Buffer;
  private readonly hashes = new Map<string, Buffer>();
  private readonly tenants = new Map<string, string[]>();

  /** `key`: 32 secret bytes. `tenants`: names whose tokens are read; '' is nobody's mail. */
  constructor(key: Buffer, tenants: readonly string[]) {
    this.key = key;
    for (const name of new Set(['', ...tenants])) {
      const hash = this.tenantHash(name).toString('hex');
      this.tenants.set(hash, [...(this.tenants.get(hash) ?? []), name]);
    }
  }

  /** The token for one recipient. An index that does not fit (65,535) stands for the last that does. */
  make(id: QueueId, recipient: number, address: string, tenant: string): string {
    const bytes = Buffer.alloc(BYTES);
    bytes.writeUInt32BE(Math.floor(id / 2 ** 24), 0);
    bytes.writeUIntBE(id % 2 ** 24, 4, 3);
    bytes.writeUInt16BE(Math.min(recipient, MAX_INDEX), ID_BYTES);
    this.addressHash(address).copy(bytes, HASHED_FROM, 0, TENANT_FROM - HASHED_FROM);
    this.tenantHash(tenant).copy(bytes, TENANT_FROM, 0, TAG_FROM - TENANT_FROM);
    this.tag(bytes, tenant).copy(bytes, TAG_FROM, 0, BYTES - TAG_FROM);
    return base32(bytes);
  }

  /** What a token says; null when it is none of ours. */
  read(text: string): VerpToken | null {
    const bytes = fromBase32(text);
    if (bytes === null) return null;
    const hash = bytes.toString('hex', TENANT_FROM, TAG_FROM);
    const tag = bytes.subarray(TAG_FROM);
    const tenant = this.tenants
      .get(hash)
      ?.find((name) => timingSafeEqual(tag, this.tag(bytes, name).subarray(0, tag.length)));
    if (tenant === undefined) return null;
    const hashed = bytes.subarray(HASHED_FROM, TENANT_FROM);
    return {
      id: bytes.readUInt32BE(0) * 2 ** 24 + bytes.readUIntBE(4, 3),
      recipient: bytes.readUInt16BE(ID_BYTES),
      tenant,
      isAbout: (address) => hashed.equals(this.addressHash(address).subarray(0, hashed.length)),
    };
  }

  private addressHash(address: string): Buffer {
    return createHmac('sha256', this.key)
      .update(`address\n${canonicalAddress(address)}`)
      .digest();
  }

  private tenantHash(tenant: string): Buffer {
    let hash = this.hashes.get(tenant);
    if (hash === undefined) {
      hash = createHmac('sha256', this.key)
        .update(`tenant\n${tenant}`)
        .digest()
        .subarray(0, TAG_FROM - TENANT_FROM);
      if (this.hashes.size >= MAX_TENANTS) this.hashes.clear();
      this.hashes.set(tenant, hash);
    }
    return hash;
  }

  private tag(bytes: Buffer, tenant: string): Buffer {
    return createHmac('sha256', this.key).update('tag\n').update(bytes.subarray(0, TAG_FROM)).update(tenant).digest();
  }
}

function base32(bytes: Buffer): string {
  let text = '';
  let [bits, value] = [0, 0];
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(value >> bits) & 31]!;
    }
    value &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + ALPHABET[(value << (5 - bits)) & 31]!;
}

function fromBase32(text: string): Buffer | null {
  if (text.length !== TOKEN_LENGTH) return null;
  const bytes = Buffer.alloc(BYTES);
  let [bits, value, at] = [0, 0, 0];
  for (const character of text.toLowerCase()) {
    const digit = ALPHABET.indexOf(character);
    if (digit < 0) return null;
    value = (value << 5) | digit;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (value >> bits) & 255;
      value &= (1 << bits) - 1;
    }
  }
  // The bits behind the last byte are none of a token's.
  return value === 0 ? bytes : null;
}
