/**
 * Raw HTTP over a socket, so that a test says byte by byte what a client sends and when.
 */
import net from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
  /** As JSON; throws where it is none. */
  json(): unknown;
}

/** Sends the parts, `gap` ms between them; resolves to the answer, or to what there is when the server closes. */
export function exchange(
  port: number,
  parts: readonly string[],
  options: { readonly gap?: number } = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    let text = '';
    const finish = (): void => {
      clearInterval(timer);
      socket.destroy();
      const [head = '', ...rest] = text.split('\r\n\r\n');
      const body = rest.join('\r\n\r\n');
      resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0), head, body, json: () => JSON.parse(body) });
    };
    let sent = 0;
    let timer: NodeJS.Timeout | undefined;
    socket.setEncoding('utf8');
    socket.on('error', () => undefined);
    socket.on('connect', () => {
      const send = (): void => {
        if (sent < parts.length) socket.write(parts[sent++]!);
      };
      send();
      timer = setInterval(send, options.gap ?? 20);
    });
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (complete(text, parts[0]!.startsWith('HEAD '))) finish();
    });
    socket.on('close', finish);
    setTimeout(() => {
      clearInterval(timer);
      socket.destroy();
      reject(new Error(`no answer: ${text}`));
    }, 15_000).unref();
  });
}

function complete(text: string, headOnly: boolean): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (headOnly) return end >= 0;
  const length = /^content-length: (\d+)/im.exec(text.slice(0, end))?.[1];
  return end >= 0 && length !== undefined && Buffer.byteLength(text.slice(end + 4)) >= Number(length);
}

/** One request as text. */
export function request(
  method: string,
  path: string,
  body?: string,
  headers: Readonly<Record<string, string>> = {},
): string {
  const fields: Record<string, string> = { Host: '127.0.0.1', ...headers };
  if (body !== undefined) {
    fields['Content-Type'] ??= 'application/json';
    fields['Content-Length'] ??= String(Buffer.byteLength(body));
  }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body ?? ''}`;
}
