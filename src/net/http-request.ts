/**
 * HTTP requests to services: account checks, OAuth, policies, reports.
 *
 * Contract: every request ends within its timeout with a response or a SluiceError; connections are kept and reused per
 * requester. Certificates are always verified, against the authorities given or those of node. No redirects, no proxy,
 * no compression, no cookies.
 * Limits: `maxConnections` to one host at once, further requests wait within their own timeout; 16 KiB of header.
 */
import http from 'node:http';
import https from 'node:https';
import type { LookupFunction } from 'node:net';
import { SluiceError } from '../core/errors.js';
import type { HttpClient, HttpRequest, HttpResponse } from '../core/http.js';

export interface HttpRequesterOptions {
  /** Certificate authorities in PEM form instead of those of node. */
  readonly ca?: string | Buffer;
  /** To one host at once; 32 when absent. */
  readonly maxConnections?: number;
  /** Finds the addresses of hosts; that of the system when absent. */
  readonly lookup?: LookupFunction;
}

const MAX_CONNECTIONS = 32;
/** Connections kept for later, and for how long, ms. */
const MAX_IDLE = 8;
const IDLE_TIME = 15_000;
const MAX_HEADER = 16 * 1024;

function failure(code: string, request: HttpRequest, why: string, cause?: unknown): SluiceError {
  return new SluiceError(code, `${request.method} ${withoutUser(request.url)}: ${why}`, { temporary: true, cause });
}

/** A URL for messages: no user or password, no query, which may hold secrets too. */
function withoutUser(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return url;
  throw new SluiceError('http-url', 'not a URL that begins with http:// or https://', { temporary: false });
}

function headersOf(message: http.IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.headers))
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  return headers;
}

/** Makes requests over connections of its own. */
export class HttpRequester implements HttpClient {
  private readonly plain: http.Agent;
  private readonly secure: https.Agent;
  private readonly lookup: LookupFunction | undefined;

  constructor(options: HttpRequesterOptions = {}) {
    const agent = {
      keepAlive: true,
      maxSockets: options.maxConnections ?? MAX_CONNECTIONS,
      maxFreeSockets: MAX_IDLE,
      timeout: IDLE_TIME,
    };
    this.plain = new http.Agent(agent);
    this.secure = new https.Agent({
      ...agent,
      minVersion: 'TLSv1.2',
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    });
    this.lookup = options.lookup;
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    const url = parseUrl(request.url);
    const deadline = performance.now() + request.timeout;
    try {
      return await this.exchange(request, url, request.timeout);
    } catch (error) {
      // The server closed a kept connection while the request was on its way: it was not answered, so ask again.
      if (!(error instanceof StaleConnection)) throw error;
      return await this.exchange(request, url, Math.max(1, deadline - performance.now()));
    }
  }

  /** Ends all connections; requests under way fail. */
  close(): void {
    this.plain.destroy();
    this.secure.destroy();
  }

  private exchange(request: HttpRequest, url: URL, timeout: number): Promise<HttpResponse> {
    const secure = url.protocol === 'https:';
    return new Promise((resolve, reject) => {
      const outgoing = (secure ? https : http).request(url, {
        method: request.method,
        agent: secure ? this.secure : this.plain,
        headers: {
          'accept-encoding': 'identity',
          'user-agent': 'Sluice',
          ...request.headers,
          ...(request.body === undefined ? {} : { 'content-length': Buffer.byteLength(request.body) }),
        },
        maxHeaderSize: MAX_HEADER,
        ...(this.lookup === undefined ? {} : { lookup: this.lookup }),
      });
      // The first end counts; what the destroyed request reports after it is of no interest.
      const fail = (error: Error): void => {
        clearTimeout(timer);
        reject(error);
        outgoing.destroy();
      };
      const timer = setTimeout(
        () => fail(failure('http-timeout', request, `no answer within ${request.timeout} ms`)),
        timeout,
      );
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        if (outgoing.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')) {
          fail(new StaleConnection());
          return;
        }
        const { socket } = outgoing;
        const refused = socket !== null && 'authorizationError' in socket && Boolean(socket.authorizationError);
        fail(
          failure(refused ? 'http-certificate' : 'http-failed', request, error.message || String(error.code), error),
        );
      });
      outgoing.on('response', (message) => {
        const chunks: Buffer[] = [];
        let length = 0;
        message.on('data', (chunk: Buffer) => {
          length += chunk.length;
          chunks.push(chunk);
          if (length > request.maxBytes)
            fail(failure('http-too-large', request, `the response is larger than ${request.maxBytes} bytes`));
        });
        message.on('error', (error) => fail(failure('http-failed', request, error.message, error)));
        message.on('aborted', () => fail(failure('http-failed', request, 'the response was cut off')));
        message.on('end', () => {
          if (!message.complete) return;
          clearTimeout(timer);
          resolve({ status: message.statusCode ?? 0, headers: headersOf(message), body: Buffer.concat(chunks) });
        });
      });
      outgoing.end(request.body);
    });
  }
}

/** A kept connection was closed by the server before it answered. */
class StaleConnection extends Error {}
