/**
 * master.cf (master(5)): which services Postfix runs, with their `-o name=value`.
 */
import { logicalLines } from './main-cf.js';

export interface Service {
  /** `smtp`, `587`, `127.0.0.1:10025`. */
  readonly name: string;
  /** inet, unix, fifo, pass. */
  readonly type: string;
  /** The program, without its path: `smtpd`. */
  readonly program: string;
  readonly options: ReadonlyMap<string, string>;
  /** Most processes of it; 0 where it says none. */
  readonly processes: number;
  /** `master.cf:20`. */
  readonly where: string;
}

/** All services in their order. Lines that are none are left away: Postfix would not have started with them. */
export function readMasterCf(text: string): Service[] {
  return logicalLines(text).flatMap(({ text: line, line: number }) => {
    const [name = '', type = '', , , , , most = '', program = '', ...args] = words(line);
    if (program === '') return [];
    const options = new Map<string, string>();
    args.forEach((word, index) => {
      const pair = word === '-o' ? (args[index + 1] ?? '') : /^-o\S/.test(word) ? word.slice(2) : '';
      const equals = pair.indexOf('=');
      if (equals > 0) options.set(pair.slice(0, equals).trim(), pair.slice(equals + 1).trim());
    });
    return [
      {
        ...{ name, type, options, where: `master.cf:${number}` },
        program: program.slice(program.lastIndexOf('/') + 1),
        processes: /^\d+$/.test(most) ? Number(most) : 0,
      },
    ];
  });
}

/** Blanks stand between words; `{ ... }` is one, without its braces. */
function words(line: string): string[] {
  return [...line.matchAll(/\{([^}]*)\}|(\S+)/g)].map(([, braced, plain]) => braced?.trim() ?? plain!);
}
