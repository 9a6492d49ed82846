/**
 * Reading a password: a line of a pipe, or from a terminal without showing it.
 */
import type { Readable } from 'node:stream';

/** No more than this is read, characters. */
const MAX_READ = 4096;
const BACKSPACE = /[\u0008\u007f]/;
const INTERRUPT = '\u0003';
const END = '\u0004';
const EX_INTERRUPTED = 130;

/** The first line of a stream, without its end; what is longer than 4 KiB is cut somewhere past that. */
export async function readLine(input: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of input) {
    const bytes = Buffer.from(chunk as Uint8Array);
    chunks.push(bytes);
    length += bytes.length;
    if (bytes.includes(0x0a) || length > MAX_READ) break;
  }
  const [line = ''] = Buffer.concat(chunks).toString('utf8').split('\n', 1);
  return line.replace(/\r$/, '');
}

/** A line from the terminal at standard input; nothing of it is shown. Ctrl-C ends the process. */
export function readHidden(prompt: string): Promise<string> {
  const { stdin, stderr } = process;
  // Before anybody is asked: what is typed until then would show.
  stdin.setRawMode(true);
  stderr.write(prompt);
  stdin.setEncoding('utf8');
  stdin.resume();
  let line = '';
  return new Promise((resolve) => {
    const done = (): void => {
      stdin.off('data', onData);
      stdin.pause();
      stdin.setRawMode(false);
      stderr.write('\n');
    };
    const onData = (text: string): void => {
      for (const [index, character] of [...text].entries()) {
        if (character === INTERRUPT) {
          done();
          process.exit(EX_INTERRUPTED);
        }
        if (character === '\r' || character === '\n' || character === END) {
          done();
          // What was typed or pasted ahead is for the next question.
          const rest = [...text].slice(index + 1).join('');
          if (rest !== '') stdin.unshift(rest);
          resolve(line);
          return;
        }
        if (BACKSPACE.test(character)) line = [...line].slice(0, -1).join('');
        else if (line.length < MAX_READ) line += character;
      }
    };
    stdin.on('data', onData);
  });
}
