/**
 * An HTTP exchange as the parts that need one see it: accounts, token refresh, policies and reports ask through this;
 * net/http-request.ts answers.
 */

/** One request. Nothing is retried but a kept connection that turned out to be closed; redirects are not followed. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** http: or https:; a user and password in it are sent as Basic credentials. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** For the whole exchange, ms. */
  readonly timeout: number;
  /** Largest body of the response, bytes. */
  readonly maxBytes: number;
}

export interface HttpResponse {
  /** Any final status, also 3xx to 5xx. */
  readonly status: number;
  /** By lower-case name; a field given several times is joined with `, `. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface HttpClient {
  /**
   * @throws SluiceError `http-url` (not a URL that can be asked), `http-timeout`, `http-too-large`, `http-certificate`
   * (the server's certificate was not accepted), `http-failed` (anything else between here and there).
   */
  request(request: HttpRequest): Promise<HttpResponse>;
}
