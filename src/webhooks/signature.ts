/**
 * Signatures of webhooks as the Standard Webhooks specification 1.0 has them, so that its libraries verify them:
 * HMAC-SHA256 over `id.timestamp.body`, keyed with what is behind `whsec_` in base64.
 */
import { createHmac } from 'node:crypto';

const PREFIX = 'whsec_';
/** Bytes of a key (specification, "Signature scheme"). */
const MIN_KEY = 24;
const MAX_KEY = 64;

/** What a secret must be. */
export const SECRET_FORM = `whsec_ and ${MIN_KEY} to ${MAX_KEY} random bytes in base64, such as of: openssl rand -base64 32`;

/** The key of a secret; undefined: it is none. */
export function keyOfSecret(secret: string): Buffer | undefined {
  const text = secret.trim();
  if (!text.startsWith(PREFIX)) return undefined;
  const base64 = text.slice(PREFIX.length);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  const key = Buffer.from(base64, 'base64');
  return key.length >= MIN_KEY && key.length <= MAX_KEY ? key : undefined;
}

/** Header fields of a request. `id` is the same at each try, `at` (wall clock, ms) that of this one. */
export function signedHeaders(keys: readonly Buffer[], id: string, at: number, body: Uint8Array) {
  const timestamp = String(Math.floor(at / 1000));
  const signatures = keys.map((key) => {
    const signature = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64');
    return `v1,${signature}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}
