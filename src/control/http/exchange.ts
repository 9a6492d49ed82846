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
  /** Bytes of a body with mail. */
  readonly maxMailBody: number;
  /** For a body to come, ms. */
  readonly bodyTime: number;
}

/** Memory for bodies with mail, of all requests together. */
export class BodyMemory {
  private free: number;

  /** Bytes. */
  constructor(total: number) {
    this.free = total;
  }

  /** False: there is not that much now. */
  take(bytes: number): boolean {
    if (bytes > this.free) return false;
    this.free -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.free += bytes;
  }
}

const FULL = new Problem(503, 'no-memory', 'there is no memory for more bodies now, try again later', {
  close: true,
  headers: { 'Retry-After': '1' },
});
const GONE = new Problem(400, 'gone', 'the client went away');

/** A body, and what is to be called when it is no longer needed. */
export interface Booked {
  readonly bytes: Buffer;
  done(): void;
}

export class Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly accept: string;
  readonly contentType: string;
  readonly authorization: string;
  readonly host: string;
  readonly origin: string;
  readonly idempotencyKey: string;
  readonly traceparent: string;
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
    this.idempotencyKey = request.getHeader('idempotency-key');
    this.traceparent = request.getHeader('traceparent');
    this.client = clientOf(response);
    const length = request.getHeader('content-length');
    this.declared = length === '' ? 0 : Number(length);
    response.onAborted(() => {
      this.done = true;
      this.abandon();
    });
  }

  /** A body with mail. Its memory is booked until `done` is called. To be called in the handler itself. */
  async mailBody({ maxMailBody: maxBody, bodyTime }: Limits, memory: BodyMemory): Promise<Booked> {
    let booked = 0;
    const book = (bytes: number): boolean => {
      if (!memory.take(bytes)) return false;
      booked += bytes;
      return true;
    };
    const done = (): void => {
      memory.give(booked);
      booked = 0;
    };
    try {
      return { bytes: await this.body({ maxBody, bodyTime }, book), done };
    } catch (error) {
      done();
      throw error;
    }
  }

  /** The whole body. To be called in the handler itself. `book`: false refuses that many bytes. */
  body(
    { maxBody, bodyTime }: Pick<Limits, 'maxBody' | 'bodyTime'>,
    book: (bytes: number) => boolean = () => true,
  ): Promise<Buffer> {
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
        if (held > maxBody || !book(chunk.byteLength)) {
          end(() => reject(held > maxBody ? tooLong : FULL));
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

  /**
   * Answers 200 with pieces as they come, each when the client has taken those before. Where a piece cannot be had the
   * connection is cut, so that nobody takes a part for the whole; then it rejects with the reason.
   */
  async stream(type: string, pieces: AsyncIterable<Buffer>): Promise<void> {
    const { response } = this;
    try {
      let begun = false;
      for await (const piece of pieces) {
        if (this.done) return;
        if (piece.length === 0) continue;
        let taken = true;
        response.cork(() => {
          if (!begun) {
            response.writeHeader('Content-Type', type);
            response.writeHeader('Cache-Control', 'no-store');
            response.writeHeader('X-Content-Type-Options', 'nosniff');
          }
          begun = true;
          if (this.method !== 'HEAD') taken = response.write(piece);
        });
        if (this.method === 'HEAD') break;
        if (!taken)
          await drained(response, (over) => {
            this.abandon = over;
          });
      }
      this.abandon = () => {};
      if (this.done) return;
      this.done = true;
      response.cork(() => (this.method === 'HEAD' ? response.endWithoutBody() : response.end()));
    } catch (error) {
      if (!this.done) response.close();
      this.done = true;
      throw error;
    }
  }
}

/** The next time that a client has taken what was written, or went away. */
function drained(response: HttpResponse, gone: (over: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    response.onWritable(() => {
      resolve();
      return true;
    });
    gone(resolve);
  });
}

/** Behind TLS the peer is a Unix socket without an address, and the PROXY header says who the client is. */
function clientOf(response: HttpResponse): string {
  const peer = response.getRemoteAddressAsText();
  return Buffer.from(peer.byteLength > 0 ? peer : response.getProxiedRemoteAddressAsText()).toString('latin1');
}
