/**
 * SCRAM-SHA-256 from the client's side (RFC 5802, RFC 7677), with or without the channel binding `tls-exporter`
 * (RFC 9266).
 *
 * Both sides prove that they know the password; `verified` is true once the server has. A server may not ask for so many
 * iterations that it stops this thread: the hash is computed here, in one go.
 * Limits: of SASLprep (RFC 4013) only the mapping of spaces and the normalization are done, which is all that passwords
 * without forbidden characters need.
 */
import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto';

/** RFC 7677 section 4 asks for 4096 at least; fewer would give the password to whoever stands in for the server. */
const MIN_ITERATIONS = 4096;
/** About 0.2 s of this thread. */
const MAX_ITERATIONS = 600_000;
const KEY_BYTES = 32;

/** How the channel is named in the first message (RFC 5802 section 6). */
export type ChannelBinding =
  /** The mechanism is the -PLUS one: the data of `tls-exporter`. */
  | { readonly kind: 'bound'; readonly data: Buffer }
  /** We could bind and the server does not offer it: it finds out when an attacker has removed the offer. */
  | { readonly kind: 'not-offered' }
  | { readonly kind: 'none' };

export class ScramClient {
  /** The server has proved that it knows the password. */
  verified = false;
  readonly first: Buffer;
  private readonly header: string;
  private readonly bare: string;
  private readonly nonce: string;
  private readonly password: string;
  private readonly binding: ChannelBinding;
  private expected: Buffer | null = null;
  private readonly derived: DerivedKeys | null;

  /** `nonce`: printable, without commas, new for each dialogue. `derived`: keys kept from an earlier one. */
  constructor(
    user: string,
    password: string,
    binding: ChannelBinding,
    nonce: string,
    derived: DerivedKeys | null = null,
  ) {
    this.header = binding.kind === 'bound' ? 'p=tls-exporter,,' : binding.kind === 'not-offered' ? 'y,,' : 'n,,';
    this.nonce = nonce;
    this.password = prepare(password);
    this.binding = binding;
    this.derived = derived;
    this.bare = `n=${prepare(user).replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`;
    this.first = Buffer.from(this.header + this.bare);
  }

  /** The answer to the server's next message; null when it is not what the mechanism says. */
  respond(message: Buffer): Buffer | null {
    const text = message.toString('utf8');
    return this.expected === null ? this.final(text) : this.conclude(text, this.expected);
  }

  private final(serverFirst: string): Buffer | null {
    const match = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/]+={0,2}),i=(\d{1,7})(?:,|$)/.exec(serverFirst);
    if (match === null) return null;
    const [, nonce, saltText, count] = match as unknown as [string, string, string, string];
    const iterations = Number(count);
    if (!nonce.startsWith(this.nonce) || nonce.length === this.nonce.length) return null;
    if (iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS) return null;
    const channel = Buffer.concat([
      Buffer.from(this.header),
      this.binding.kind === 'bound' ? this.binding.data : Buffer.alloc(0),
    ]);
    const withoutProof = `c=${channel.toString('base64')},r=${nonce}`;
    const signed = `${this.bare},${serverFirst},${withoutProof}`;
    const keys = this.keys(saltText, iterations);
    const signature = hmac(createHash('sha256').update(keys.client).digest(), signed);
    const proof = Buffer.from(keys.client.map((byte, i) => byte ^ signature[i]!));
    this.expected = hmac(keys.server, signed);
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`);
  }

  private conclude(serverFinal: string, expected: Buffer): Buffer | null {
    const match = /^v=([A-Za-z0-9+/]+={0,2})(?:,|$)/.exec(serverFinal);
    const signature = Buffer.from(match?.[1] ?? '', 'base64');
    if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) return null;
    this.verified = true;
    return Buffer.alloc(0);
  }

  private keys(salt: string, iterations: number): { client: Buffer; server: Buffer } {
    const known = this.derived?.get(salt, iterations, this.password);
    if (known !== undefined) return known;
    const salted = pbkdf2Sync(this.password, Buffer.from(salt, 'base64'), iterations, KEY_BYTES, 'sha256');
    const keys = { client: hmac(salted, 'Client Key'), server: hmac(salted, 'Server Key') };
    this.derived?.set(salt, iterations, this.password, keys);
    return keys;
  }
}

/**
 * The keys of the last dialogue with one host (RFC 5802 section 5.1 allows to keep them): the salt seldom changes, and a
 * new connection then costs no thousands of hashes.
 */
export class DerivedKeys {
  private id = '';
  private keys: { client: Buffer; server: Buffer } | undefined;

  get(salt: string, iterations: number, password: string): { client: Buffer; server: Buffer } | undefined {
    return this.id === idOf(salt, iterations, password) ? this.keys : undefined;
  }

  set(salt: string, iterations: number, password: string, keys: { client: Buffer; server: Buffer }): void {
    this.id = idOf(salt, iterations, password);
    this.keys = keys;
  }
}

function idOf(salt: string, iterations: number, password: string): string {
  return `${iterations} ${salt} ${password}`;
}

function prepare(text: string): string {
  return /[^\x20-\x7e]/.test(text)
    ? text.replace(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g, ' ').normalize('NFKC')
    : text;
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
