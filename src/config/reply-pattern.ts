/**
 * Patterns of replies: regular expressions of an operator, kept from taking long over a text that a stranger wrote.
 *
 * JavaScript's matcher tries all ways through a pattern. So a pattern is short, repeats no group that repeats or chooses
 * within, and has few open repetitions; it sees the first 512 characters of a reply only (delivery/shaping/reaction.ts).
 */

const MAX_PATTERN = 256;
/** Open repetitions in a pattern: of any character, and of all kinds. */
const MAX_WILD = 2;
const MAX_REPEATS = 6;

/** A pattern without regard to case, or what is wrong with it in a phrase. */
export function replyPattern(text: string): RegExp | string {
  if (text === '') return 'it is empty and would fit every reply';
  if (text.length > MAX_PATTERN) return `it is longer than ${MAX_PATTERN} characters`;
  const bare = withoutEscapes(text);
  if (/\\[1-9k]/.test(text.replace(/\\\\/g, ''))) return 'it refers back to a group';
  if (/\(\?(?!:)/.test(bare)) return 'it looks ahead or behind; only (...) and (?:...) are taken';
  const repeats = bare.match(/[*+]|\{\d+,\d*\}/g)?.length ?? 0;
  const wild = bare.match(/\.(?:[*+]|\{\d+,\d*\})/g)?.length ?? 0;
  if (wild > MAX_WILD) return `it has .* or .+ more than ${MAX_WILD} times`;
  if (repeats > MAX_REPEATS) return `it repeats something more than ${MAX_REPEATS} times`;
  if (repeatsNested(bare)) return 'it repeats a group that itself repeats or chooses, which can take very long';
  try {
    return new RegExp(text, 'i');
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^Invalid regular expression: /, '') : String(error);
  }
}

/** The pattern with every escaped character and class replaced by one letter: what is left is structure. */
function withoutEscapes(text: string): string {
  return text.replace(/\\./g, 'x').replace(/\[\^?\]?[^\]]*\]/g, 'x');
}

/** A group with a repetition or a choice in it is followed by a repetition. */
function repeatsNested(bare: string): boolean {
  const open: boolean[] = [];
  for (let i = 0; i < bare.length; i++) {
    const at = bare[i]!;
    if (at === '(') open.push(false);
    else if (at === ')') {
      const complex = open.pop() ?? false;
      const repeated = /^(?:[*+?]|\{\d)/.test(bare.slice(i + 1, i + 3));
      if (complex && repeated && bare[i + 1] !== '?') return true;
      if ((complex || repeated) && open.length > 0) open[open.length - 1] = true;
    } else if ((at === '*' || at === '+' || at === '|' || /^\{\d/.test(bare.slice(i, i + 2))) && open.length > 0)
      open[open.length - 1] = true;
  }
  return false;
}
