/**
 * A receiver of webhooks for tests: checks every signature by the Standard Webhooks specification, remembers what it was
 * told, and answers, waits, hangs or hangs up as the test says.
 */
import { createHmac } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export const SECRET = `whsec_${Buffer.from('a secret of thirty-two bytes ...').toString('base64')}`;

export type Answer =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly after?: number }
  | 'hang'
  | 'close';

export interface ToldRequest {
  readonly id: string;
  readonly timestamp: number;
  readonly type: string;
  readonly events: readonly Readonly<Record<string, unknown>>[];
  readonly answer: Answer;
}

export class WebhookReceiver {
  readonly requests: ToldRequest[] = [];
  /** Signatures that were wrong. */
  forged = 0;
  answer: (request: Omit<ToldRequest, 'answer'>) => Answer = () => ({ status: 204 });
  private readonly server = http.createServer((request, response) => void this.take(request, response));

  static async open(port = 0): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver();
    await new Promise<void>((resolve) => receiver.server.listen(port, '127.0.0.1', resolve));
    return receiver;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook?key=of-the-query`;
  }

  /** Events of requests that were answered with 2xx, each batch once. */
  get told(): Readonly<Record<string, unknown>>[] {
    const seen = new Set<string>();
    return this.requests
      .filter(({ answer }) => typeof answer === 'object' && answer.status < 300)
      .filter(({ id }) => !seen.has(id) && seen.add(id))
      .flatMap(({ events }) => events);
  }

  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private async take(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    try {
      for await (const part of request) parts.push(part as Buffer);
    } catch {
      return;
    }
    const body = Buffer.concat(parts).toString();
    const {
      'webhook-id': id = '',
      'webhook-timestamp': timestamp = '',
      'webhook-signature': signature = '',
    } = request.headers as Record<string, string>;
    const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
    const wanted = `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
    if (!signature.split(' ').includes(wanted)) this.forged++;
    const { type, data } = JSON.parse(body) as { type: string; data: Record<string, unknown>[] };
    const told = { id, timestamp: Number(timestamp), type, events: data };
    const answer = this.answer(told);
    this.requests.push({ ...told, answer });
    if (answer === 'hang') return;
    if (answer === 'close') {
      request.socket.destroy();
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, answer.after ?? 0));
    response.writeHead(answer.status, { ...answer.headers });
    response.end();
  }
}
