/**
 * One request and its answer on uWebSockets.js.
 *
 * Contract: what of the request is needed is read at once, for it is gone after the handler. `body` settles: with the
 * bytes, or with a Problem when it is too long or too slow, or with one when the client went away. One answer at most;
 * none to a client that is gone.
 */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { Problem, STATUS_TEXT } from './problem.js';

export interface Limits {
  /** Bytes of a body. */
  readonly maxBody: number;
  /** For a body to come, ms. */
  readonly bodyTime: number;
}

const GONE = new Problem(400, 'gone', 'the client went away');

export class Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly accept: string;
  readonly contentType: string;
  readonly authorization: string;
  readonly host: string;
  readonly origin: string;
  readonly client: string;
  /** The client went away, or was answered. */
  done = false;
  private readonly response: HttpResponse;
  private readonly declared: number;
  private abandon: () => void = () => {};

  constructor(response: HttpResponse, request: HttpRequest) {
    this.response = response;
    this.method = request.getCaseSensitiveMethod();
    this.path = request.getUrl();
    this.query = request.getQuery() ?? '';
    this.accept = request.getHeader('accept');
    this.contentType = request.getHeader('content-type');
    this.authorization = request.getHeader('authorization');
    this.host = request.getHeader('host');
    this.origin = request.getHeader('origin');
    this.client = clientOf(response);
    const length = request.getHeader('content-length');
    this.declared = length === '' ? 0 : Number(length);
    response.onAborted(() => {
      this.done = true;
      this.abandon();
    });
  }

  /** The whole body. To be called in the handler itself. */
  body({ maxBody, bodyTime }: Limits): Promise<Buffer> {
    const tooLong = new Problem(413, 'too-long', `the body is longer than ${maxBody} bytes`, { close: true });
    if (this.declared > maxBody) return Promise.reject(tooLong);
    return new Promise((resolve, reject) => {
      let parts: Buffer[] = [];
      let held = 0;
      let over = false;
      const end = (settle: () => void): void => {
        over = true;
        clearTimeout(timer);
        this.abandon = () => {};
        settle();
        parts = [];
      };
      const timer = setTimeout(() => {
        const why = `the body did not come within ${bodyTime} ms`;
        end(() => reject(new Problem(408, 'too-slow', why, { close: true })));
      }, bodyTime);
      this.abandon = () => end(() => reject(GONE));
      this.response.onData((chunk, last) => {
        if (over) return;
        held += chunk.byteLength;
        if (held > maxBody) {
          end(() => reject(tooLong));
          return;
        }
        // The chunk is gone after this call.
        if (chunk.byteLength > 0) parts.push(Buffer.from(new Uint8Array(chunk)));
        if (last) end(() => resolve(parts.length === 1 ? parts[0]! : Buffer.concat(parts, held)));
      });
    });
  }

  /** Answers. To HEAD without the text. */
  answer(
    status: number,
    type: string,
    text: string,
    headers: Readonly<Record<string, string>> = {},
    close = false,
  ): void {
    if (this.done) return;
    this.done = true;
    const { response } = this;
    response.cork(() => {
      response.writeStatus(`${status} ${STATUS_TEXT[status] ?? ''}`);
      response.writeHeader('Content-Type', type);
      response.writeHeader('Cache-Control', 'no-store');
      response.writeHeader('X-Content-Type-Options', 'nosniff');
      for (const [name, value] of Object.entries(headers)) response.writeHeader(name, value);
      if (this.method !== 'HEAD') {
        response.end(text, close);
        return;
      }
      // Given the length, the library would wait for so many bytes and take no other request on the connection.
      response.writeHeader('Content-Length', String(Buffer.byteLength(text)));
      response.endWithoutBody();
    });
  }
}

/** Behind TLS the peer is a Unix socket without an address, and the PROXY header says who the client is. */
function clientOf(response: HttpResponse): string {
  const peer = response.getRemoteAddressAsText();
  return Buffer.from(peer.byteLength > 0 ? peer : response.getProxiedRemoteAddressAsText()).toString('latin1');
}
