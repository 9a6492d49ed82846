/**
 * Options as getopt(3) reads them, which the commands of Postfix use: letters together (`-ti`), a value joined to its
 * letter or the next word, `--` ends them, and so does the first word that is none.
 */

export interface Option {
  readonly letter: string;
  /** '' where the letter takes none. */
  readonly value: string;
}

/** Options in their order and the words that follow; `problem`: what getopt says to a wrong one, '' for nothing. */
export interface Options {
  readonly options: readonly Option[];
  readonly words: readonly string[];
  readonly problem: string;
}

/**
 * Reads them. `letters` as getopt takes it: a letter followed by a colon takes a value. `whole`: words that are an option
 * by themselves although their letter takes a value (`-q`).
 */
export function getopt(args: readonly string[], letters: string, whole: readonly string[] = []): Options {
  const options: Option[] = [];
  let at = 0;
  while (at < args.length) {
    const word = args[at]!;
    if (word === '--') return { options, words: args.slice(at + 1), problem: '' };
    if (!word.startsWith('-') || word === '-') break;
    at++;
    if (whole.includes(word)) {
      options.push({ letter: word.slice(1), value: '' });
      continue;
    }
    for (let i = 1; i < word.length; i++) {
      const letter = word[i]!;
      const place = letter === ':' ? -1 : letters.indexOf(letter);
      if (place < 0) return { options, words: [], problem: `invalid option -- '${letter}'` };
      if (letters[place + 1] !== ':') {
        options.push({ letter, value: '' });
        continue;
      }
      const joined = word.slice(i + 1);
      if (joined === '' && at >= args.length)
        return { options, words: [], problem: `option requires an argument -- '${letter}'` };
      options.push({ letter, value: joined === '' ? args[at++]! : joined });
      break;
    }
  }
  return { options, words: args.slice(at), problem: '' };
}
