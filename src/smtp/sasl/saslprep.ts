/**
 * SASLprep (RFC 4013, a profile of RFC 3454): user names and passwords in the form that is compared.
 *
 * Blanks of all kinds become a space, what is invisible goes, the rest is normalised by NFKC, and control, private,
 * tagging and similar characters are prohibited. Of RFC 3454 two things are left out: the tables of characters that
 * Unicode 3.2 did not know (a newer Unicode is not wrong), and the rule on mixed writing directions, which protects
 * readers, not comparisons (RFC 8265 section 4.2 drops it for passwords).
 */

/** RFC 3454 table C.1.2: blanks other than the space. */
const BLANKS = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g;
/** Table B.1: commonly mapped to nothing. U+200B is a blank above. */
const NOTHING = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/g;
/** Tables C.2 to C.9: control, private use, non-characters, surrogates, and what has no place in plain text. */
const PROHIBITED = new RegExp(
  [
    '\\p{Cc}|\\p{Co}|\\p{Cs}|\\p{Noncharacter_Code_Point}',
    '[\\u0340\\u0341]|\\u06dd|\\u070f|\\u180e|[\\u200c-\\u200f\\u2028-\\u202e\\u2060-\\u2063\\u206a-\\u206f]',
    '[\\u2ff0-\\u2ffb]|\\ufeff|[\\ufff9-\\ufffd]|[\\u{1d173}-\\u{1d17a}]|\\u{e0001}|[\\u{e0020}-\\u{e007f}]',
  ].join('|'),
  'u',
);
/** Nothing to do for printable ASCII. */
const PLAIN = /^[ -~]+$/;

/** The prepared text; null where something in it is prohibited or nothing is left. */
export function saslPrep(text: string): string | null {
  if (PLAIN.test(text)) return text;
  const prepared = text.replace(BLANKS, ' ').replace(NOTHING, '').normalize('NFKC');
  return prepared === '' || PROHIBITED.test(prepared) ? null : prepared;
}
