/**
 * Names and passwords in the one form in which they are compared.
 */

/** Longest name of an account, characters. */
export const MAX_NAME = 255;

/** An account's name as it is looked up: NFC, lower case. Names are mostly mail addresses, which people type in any case. */
export function canonicalName(name: string): string {
  return name.normalize('NFC').toLowerCase();
}

/** What is wrong with an account's name, '' when it may be one. */
export function nameProblem(name: string): string {
  if (name === '') return 'it is empty';
  if (name.length > MAX_NAME) return `it is longer than ${MAX_NAME} characters`;
  if (/[\s\u0000-\u001f\u007f-\u009f\ufffd]/u.test(name)) return 'it has a space or a control character';
  return /^[#$]/.test(name) ? 'it begins with # or $' : '';
}

/**
 * A password as it is hashed: SASLprep (RFC 4013) as far as it matters here, so that a password typed on another system
 * is the same: other spaces are spaces, soft hyphens and joiners are nothing, and compatibility forms are composed.
 */
export function canonicalPassword(password: string): string {
  if (/^[\x20-\x7e]*$/.test(password)) return password;
  return password
    .replace(/\u034f|[\u180b-\u180d]|[\ufe00-\ufe0f]|\u200d|[\u00ad\u1806\u200b\u200c\u2060\ufeff]/gu, '')
    .replace(/[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/gu, ' ')
    .normalize('NFKC');
}
