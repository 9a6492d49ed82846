/**
 * A token introspection endpoint (RFC 7662) on loopback for tests: it knows the tokens it is given, all others are not
 * active.
 */
import { createServer, type Server } from 'node:http';

/** What is answered about a token besides `active`, e.g. `username`, `scope`, `exp` (RFC 7662 section 2.2). */
export type TokenFacts = Readonly<Record<string, string | number>>;

export class IntrospectionServer {
  /** Tokens asked about, in order. */
  readonly asked: string[] = [];
  private readonly server: Server;

  constructor(tokens: ReadonlyMap<string, TokenFacts>) {
    this.server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      request.on('end', () => {
        const token = new URLSearchParams(body).get('token') ?? '';
        this.asked.push(token);
        const facts = tokens.get(token);
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(facts === undefined ? { active: false } : { active: true, ...facts }));
      });
    });
  }

  get url(): string {
    const address = this.server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/introspect`;
  }

  static async start(tokens: ReadonlyMap<string, TokenFacts>): Promise<IntrospectionServer> {
    const started = new IntrospectionServer(tokens);
    await new Promise<void>((resolve) => started.server.listen(0, '127.0.0.1', resolve));
    return started;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
