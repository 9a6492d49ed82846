/**
 * What security asks of the web: one request over HTTPS with a certificate that passed. net implements it, app binds it.
 */

export interface WebRequest {
  readonly method: 'GET' | 'POST';
  /** https only. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** Most bytes of the answer's body that are taken. */
  readonly maxBytes: number;
  /** For all of it, ms. */
  readonly timeout: number;
}

export type WebResult =
  | {
      readonly kind: 'response';
      readonly status: number;
      /** Media type in lower case without parameters, '' when there is none. */
      readonly mediaType: string;
      readonly body: Buffer;
    }
  | {
      readonly kind: 'failed';
      /** `certificate`: not one for that name from an authority we trust; `unreachable`: no address, connection or answer. */
      readonly failure: 'certificate' | 'unreachable' | 'timeout' | 'too-large' | 'bad-request';
      readonly reason: string;
    };

/** Never rejects; redirects are not followed. */
export type Web = (request: WebRequest) => Promise<WebResult>;
