/**
 * Patterns of texts: globs of header values, and regular expressions of addresses as far as they cannot take long.
 */

/** Longest regular expression, characters. */
const MAX_EXPRESSION = 200;
/** Each repeat without an end multiplies the time by the length of the text, each other one doubles it at worst. */
const MAX_UNBOUNDED = 3;
const MAX_REPEATS = 10;

/** Whether all of `text` is like `glob`. In time of the product of both lengths at worst; case does not matter. */
export function matchesGlob(glob: string, text: string): boolean {
  const pattern = glob.toLowerCase();
  const subject = text.toLowerCase();
  let p = 0;
  let s = 0;
  let star = -1;
  let retry = 0;
  while (s < subject.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p++;
      retry = s;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === subject[s])) {
      p++;
      s++;
    } else if (star >= 0) {
      p = star + 1;
      s = ++retry;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** What keeps a regular expression from being used, '' when nothing does. `source`: without slashes. */
export function expressionProblem(source: string): string {
  if (source === '') return 'it is empty';
  if (source.length > MAX_EXPRESSION) return `it is longer than ${MAX_EXPRESSION} characters`;
  try {
    new RegExp(source, 'i');
  } catch {
    return 'it is no regular expression';
  }
  return slowness(source);
}

/** Shapes that can take exponential time on a text that does not fit. */
function slowness(source: string): string {
  // Escapes and classes count as one character each.
  const plain = source.replace(/\\./g, 'x').replace(/\[[^\]]*\]/g, 'x');
  if (/\\[1-9]|\\k</.test(source)) return 'it refers back to a group';
  if (/\(\?(?!:)/.test(plain)) return 'it looks ahead or behind, or names a group';
  const repeats = plain.match(/(?<!\()[*+?]|\{\d+(?:,\d*)?\}/g) ?? [];
  if (repeats.filter((repeat) => /^[*+]|,\}$/.test(repeat)).length > MAX_UNBOUNDED)
    return `it has more than ${MAX_UNBOUNDED} of *, + and {n,}`;
  if (repeats.length > MAX_REPEATS) return `it has more than ${MAX_REPEATS} repeats`;
  return repeatsGroup(plain) ? 'it repeats a group that has repeats or alternatives in it' : '';
}

function repeatsGroup(plain: string): boolean {
  const open: number[] = [];
  for (let i = 0; i < plain.length; i++) {
    if (plain[i] === '(') open.push(i);
    if (plain[i] !== ')') continue;
    const inside = plain.slice((open.pop() ?? 0) + 1, i).replace(/^\?:/, '');
    if (/^(?:[*+]|\{)/.test(plain.slice(i + 1)) && /[*+?{|]/.test(inside)) return true;
  }
  return false;
}
