/**
 * Names and passwords in the one form in which they are compared.
 */
import { saslPrep } from '../smtp/sasl/saslprep.js';

/** Longest name of an account, characters. */
export const MAX_NAME = 255;

/**
 * An account's name as it is looked up: prepared as sessions prepare what they are given, in lower case. Names are mostly
 * mail addresses, which people type in any case.
 */
export function canonicalName(name: string): string {
  return (saslPrep(name) ?? name).toLowerCase();
}

/** What is wrong with an account's name, '' when it may be one. */
export function nameProblem(name: string): string {
  if (name === '') return 'it is empty';
  if (name.length > MAX_NAME) return `it is longer than ${MAX_NAME} characters`;
  if (/[\s\u0000-\u001f\u007f-\u009f\ufffd]/u.test(name)) return 'it has a space or a control character';
  if (saslPrep(name) === null) return 'it has a character that SASLprep (RFC 4013) prohibits';
  return /^[#$]/.test(name) ? 'it begins with # or $' : '';
}

/** A password as it is hashed, so that one typed on another system is the same. */
export function canonicalPassword(password: string): string {
  return saslPrep(password) ?? password;
}
