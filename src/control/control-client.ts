/**
 * The command line's side of the control socket.
 *
 * Contract: one request at a time; `request` gives the result or rejects with what the engine said, or that it went
 * away or was silent. Answers longer than MAX_ANSWER end the talk.
 */
import type { Duplex } from 'node:stream';
import type { ControlRequest, ControlResponse } from './control-protocol.js';
import type {
  ContentPiece,
  DestinationReport,
  EngineStatus,
  MessageDetail,
  OrderReport,
  QueueEntry,
  RouteReport,
  SuppressionReport,
  WebhookReport,
  WebhookTest,
  WhyReport,
} from './engine-control.js';
import type { FiguresReport, TenantReport, UpstreamReport } from './live-reports.js';
import type { ErasureReport, MessageHistory, MessagePageReport } from './message-reports.js';

const MAX_ANSWER = 64 * 1024 * 1024;
/** How long the engine may take for an answer, ms: the whole queue may be on disk. */
const PATIENCE = 60_000;

/** What is answered to each command; numbers are of messages or entries concerned. */
interface Answers {
  status: EngineStatus;
  list: QueueEntry[];
  details: MessageDetail[];
  content: ContentPiece | null;
  change: string[];
  show: MessageDetail | null;
  why: WhyReport | null;
  retry: number;
  hold: number;
  release: number;
  delete: number;
  route: RouteReport;
  messages: MessagePageReport;
  message: MessageHistory | null;
  erase: ErasureReport;
  erasures: ErasureReport[];
  destinations: DestinationReport[];
  figures: FiguresReport;
  upstreams: UpstreamReport[];
  tenants: TenantReport[];
  orders: OrderReport[];
  suspend: OrderReport;
  reroute: OrderReport;
  resume: OrderReport[];
  bounce: number;
  suppressions: SuppressionReport[];
  suppress: number;
  unsuppress: number;
  webhooks: WebhookReport[];
  'test-webhook': WebhookTest;
  'resume-webhook': WebhookReport;
  /** Not to be asked with `ask`: it is answered by events. */
  events: never;
}

export class ControlClient {
  private readonly stream: Duplex;
  private readonly parts: Buffer[] = [];
  private held = 0;
  private settle: ((answer: ControlResponse) => void) | null = null;

  /** Takes over a connected stream. */
  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on('data', (chunk: Buffer) => this.take(chunk));
    stream.on('error', (error) => this.fail(`the engine closed the connection (${error.message})`));
    stream.on('close', () => this.fail('the engine closed the connection'));
  }

  /**
   * Asks, and gives what was answered: for each command what EngineControl gives, null where that is undefined. Rejects
   * with what the engine said.
   */
  ask<C extends ControlRequest['command']>(request: ControlRequest & { readonly command: C }): Promise<Answers[C]> {
    return this.request(request) as Promise<Answers[C]>;
  }

  close(): void {
    this.settle = null;
    this.stream.destroy();
  }

  private request(request: ControlRequest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.fail('the engine did not answer in time'), PATIENCE);
      this.settle = (answer) => {
        clearTimeout(timer);
        if (answer.ok) resolve(answer.result);
        else reject(new Error(answer.error));
      };
      if (this.stream.destroyed) this.fail('the connection to the engine is closed');
      else this.stream.write(`${JSON.stringify(request)}\n`);
    });
  }

  private finish(answer: ControlResponse): void {
    const { settle } = this;
    this.settle = null;
    settle?.(answer);
  }

  private fail(error: string): void {
    this.finish({ ok: false, error });
  }

  private take(chunk: Buffer): void {
    const end = chunk.indexOf(10);
    this.parts.push(end < 0 ? chunk : chunk.subarray(0, end));
    this.held += chunk.length;
    if (end < 0) {
      if (this.held <= MAX_ANSWER) return;
      this.fail('the answer of the engine is too long');
      this.stream.destroy();
      return;
    }
    const text = Buffer.concat(this.parts).toString();
    this.parts.length = 0;
    this.held = 0;
    try {
      this.finish(JSON.parse(text) as ControlResponse);
    } catch {
      this.fail('the answer of the engine is not JSON');
    }
  }
}
