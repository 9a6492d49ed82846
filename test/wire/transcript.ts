/**
 * Conversations as text files: `C:` what the client sends (CRLF is added, unless the line ends with a backslash), `S:`
 * how the reply begins, line by line, `=` one conversation from the next with its title, `#` a remark, `@` options as JSON.
 * Escapes in client lines: \r \n \0 \t \\ and \xNN; `{x*1000}` repeats.
 */
import { readFileSync } from 'node:fs';

export interface Step {
  readonly client: string;
  /** Beginnings of the reply lines that follow. */
  readonly server: string[];
}

export interface Conversation {
  readonly title: string;
  readonly options: object;
  readonly steps: Step[];
}

function clientBytes(line: string): string {
  const repeated = line.replace(/\{(.+?)\*(\d+)\}/g, (_, text: string, times: string) => text.repeat(Number(times)));
  const bare = repeated.endsWith('\\') && !repeated.endsWith('\\\\');
  const text = (bare ? repeated.slice(0, -1) : repeated).replace(/\\(x[0-9a-f]{2}|.)/g, (_, code: string) => {
    if (code.startsWith('x')) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return { r: '\r', n: '\n', 0: '\0', t: '\t' }[code] ?? code;
  });
  return bare ? text : `${text}\r\n`;
}

/** Reads a file of conversations. */
export function readConversations(path: URL): Conversation[] {
  const conversations: Conversation[] = [];
  let steps: Step[] = [];
  let options: Record<string, unknown> = {};
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const text = line.slice(3);
    if (line.startsWith('= ')) {
      steps = [{ client: '', server: [] }];
      options = {};
      conversations.push({ title: line.slice(2), options, steps });
    } else if (line.startsWith('@ ')) Object.assign(options, JSON.parse(line.slice(2)));
    else if (line.startsWith('C:')) {
      const last = steps.at(-1)!;
      const client = clientBytes(text);
      if (last.server.length === 0 && steps.length > 1)
        steps[steps.length - 1] = { ...last, client: last.client + client };
      else steps.push({ client, server: [] });
    } else if (line.startsWith('S:')) steps.at(-1)!.server.push(text);
    else if (line.trim() !== '' && !line.startsWith('#')) throw new Error(`not a line of a transcript: ${line}`);
  }
  return conversations;
}
