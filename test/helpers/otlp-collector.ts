/**
 * A collector of OTLP over HTTP (JSON) for tests: keeps what it is sent, answers as the test says.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: number;
  readonly start: number;
  readonly end: number;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly attributes: Readonly<Record<string, unknown>>;
}

interface Value {
  readonly stringValue?: string;
  readonly intValue?: number | string;
  readonly doubleValue?: number;
}
type Pairs = readonly { readonly key: string; readonly value: Value }[];

export class OtlpCollector {
  readonly spans: CollectedSpan[] = [];
  /** Names of metrics with their last data points. */
  readonly metrics = new Map<string, Record<string, unknown>>();
  /** Attributes of the resource of the last request. */
  resource: Record<string, unknown> = {};
  readonly headers: IncomingMessage['headers'][] = [];
  requests = 0;
  /** What is answered; `hang`: nothing. */
  answer: number | 'hang' = 200;
  private readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
  }

  static async open(port = 0): Promise<OtlpCollector> {
    const server = createServer();
    const collector = new OtlpCollector(server);
    server.on('request', (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        collector.requests++;
        collector.headers.push(request.headers);
        if (collector.answer === 'hang') return;
        if (collector.answer === 200) collector.take(request.url ?? '', JSON.parse(Buffer.concat(parts).toString()));
        response.writeHead(collector.answer, { 'Content-Type': 'application/json' }).end('{}');
      });
    });
    await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
    return collector;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  of(name: string): CollectedSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(() => done()));
  }

  private take(url: string, body: unknown): void {
    if (url === '/v1/traces') this.takeSpans(body as never);
    else if (url === '/v1/metrics') this.takeMetrics(body as never);
    else throw new Error(`nothing is sent to ${url}`);
  }

  private takeSpans({
    resourceSpans,
  }: {
    resourceSpans: {
      resource: { attributes: Pairs };
      scopeSpans: {
        spans: (Omit<CollectedSpan, 'attributes' | 'start' | 'end'> & {
          attributes: Pairs;
          startTimeUnixNano: string;
          endTimeUnixNano: string;
        })[];
      }[];
    }[];
  }): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      this.resource = valuesOf(resource.attributes);
      for (const span of scopeSpans.flatMap((scope) => scope.spans)) {
        this.spans.push({
          ...span,
          parentSpanId: span.parentSpanId ?? '',
          start: Number(span.startTimeUnixNano) / 1e6,
          end: Number(span.endTimeUnixNano) / 1e6,
          attributes: valuesOf(span.attributes),
        });
      }
    }
  }

  private takeMetrics({
    resourceMetrics,
  }: {
    resourceMetrics: {
      resource: { attributes: Pairs };
      scopeMetrics: { metrics: ({ name: string } & Record<string, unknown>)[] }[];
    }[];
  }): void {
    for (const { resource, scopeMetrics } of resourceMetrics) {
      this.resource = valuesOf(resource.attributes);
      for (const metric of scopeMetrics.flatMap((scope) => scope.metrics)) this.metrics.set(metric.name, metric);
    }
  }
}

function valuesOf(pairs: Pairs): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue ?? value.doubleValue)]),
  );
}
