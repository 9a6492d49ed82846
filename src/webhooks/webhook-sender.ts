/**
 * Tells one webhook what waits for it, a batch at a time.
 *
 * Contract: at least once and in order: the next batch is sent when the one before it was answered with 2xx. What is
 * answered otherwise, or not, is sent again with growing pauses, or after Retry-After; 410 disables the webhook until an
 * operator resumes it. Redirects are not followed. Nothing here is waited for by mail or by another webhook.
 */
import type { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import type { HttpClient } from '../core/http.js';
import type { EventBatch, EventOutbox } from './event-outbox.js';
import { signedHeaders } from './signature.js';
import type { ReadyWebhook } from './webhook-settings.js';

export interface SenderHost {
  readonly http: HttpClient;
  readonly clock: Clock;
  /** From 0 to 1. */
  random(): number;
  /** Not told; tried again in so many ms. */
  failed(webhook: string, reason: string, retryIn: number): void;
  /** Told again after failures. */
  recovered(webhook: string, failures: number): void;
  disabled(webhook: string, reason: string): void;
}

/** What came of a request. */
export interface WebhookAnswer {
  /** 0: there was none. */
  readonly status: number;
  /** In words; never what the answer says. */
  readonly words: string;
  /** That the answer asks for, ms; 0: it does not. */
  readonly retryAfter: number;
}

const SECOND = 1000;
const FIRST_RETRY = SECOND;
const LONGEST_RETRY = 600 * SECOND;
const LONGEST_ASKED = 86_400 * SECOND;
/** Of an answer, which is not looked at; bytes. */
const MAX_ANSWER = 1024 * 1024;
const GONE = 410;

export class WebhookSender {
  settings: ReadyWebhook;
  /** Events that were told, requests that failed, and how many of those since the last success. */
  sent = 0;
  failures = 0;
  failuresInRow = 0;
  last: WebhookAnswer = { status: 0, words: '', retryAfter: 0 };
  lastAt = 0;
  /** Wall clock of the next try, 0: none is waited for. */
  retryAt = 0;
  private readonly outbox: EventOutbox;
  private readonly host: SenderHost;
  private closed = false;
  private wakeNow: (() => void) | null = null;
  private enough: () => boolean = () => true;

  constructor(settings: ReadyWebhook, outbox: EventOutbox, host: SenderHost) {
    this.settings = settings;
    this.outbox = outbox;
    this.host = host;
  }

  /** Sends from now on until it is closed. Never rejects. */
  async run(): Promise<void> {
    while (!this.closed) {
      const { outbox, host } = this;
      const { batch, delay } = this.settings;
      if (outbox.disabled !== '' || outbox.events === 0) {
        await this.sleep(0, () => outbox.events > 0 && outbox.disabled === '');
        continue;
      }
      // A time that was set back must not keep events waiting.
      const wait = Math.min(delay, outbox.oldest() + delay - host.clock.wall());
      if (wait > 0 && outbox.events < batch && this.failuresInRow === 0)
        await this.sleep(wait, () => outbox.events >= batch);
      if (this.closed) return;
      const next = await outbox.begin();
      if (next !== null) await this.deliver(next);
    }
  }

  /** There may be more to send. */
  look(): void {
    if (this.enough()) this.wakeNow?.();
  }

  /** Tries again now, whatever it waits for. */
  async resume(): Promise<void> {
    if (this.outbox.disabled !== '') await this.outbox.disable('');
    this.wakeNow?.();
  }

  close(): void {
    this.closed = true;
    this.wakeNow?.();
  }

  /** One request. Never rejects. */
  async request(id: string, body: Buffer): Promise<WebhookAnswer> {
    const { url, keys, timeout } = this.settings;
    const { http, clock } = this.host;
    try {
      const { status, headers } = await http.request({
        ...{ method: 'POST', url, timeout, maxBytes: MAX_ANSWER, body },
        headers: { 'content-type': 'application/json', ...signedHeaders(keys, id, clock.wall(), body) },
      });
      return { status, words: wordsOf(status), retryAfter: retryAfter(headers['retry-after'], clock.wall()) };
    } catch (error) {
      return { status: 0, words: messageOf(error), retryAfter: 0 };
    }
  }

  private async deliver(batch: EventBatch): Promise<void> {
    const { outbox, host } = this;
    for (let pause = FIRST_RETRY; !this.closed && outbox.disabled === ''; pause = Math.min(LONGEST_RETRY, pause * 2)) {
      const answer = await this.request(batch.id, batch.body);
      if (this.closed) return;
      const { name } = this.settings;
      this.last = answer;
      this.lastAt = host.clock.wall();
      if (answer.status >= 200 && answer.status < 300) {
        outbox.finish(batch);
        this.sent += batch.events;
        if (this.failuresInRow > 0) host.recovered(name, this.failuresInRow);
        this.failuresInRow = 0;
        return;
      }
      this.failures++;
      this.failuresInRow++;
      if (answer.status === GONE) {
        await outbox.disable(answer.words);
        host.disabled(name, answer.words);
        return;
      }
      // Many that failed together are not to come back together.
      const wait = Math.max(answer.retryAfter, Math.round(pause * (0.5 + host.random() / 2)));
      host.failed(name, answer.words, wait);
      this.retryAt = this.lastAt + wait;
      await this.sleep(wait, () => false);
      this.retryAt = 0;
      if (this.closed || (await outbox.expire(batch))) return;
    }
  }

  /** For `ms` (0: without an end), or until it is woken with `enough`. */
  private sleep(ms: number, enough: () => boolean): Promise<void> {
    if (this.closed || enough()) return Promise.resolve();
    this.enough = enough;
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.wakeNow = null;
        resolve();
      };
      const timer = ms === 0 ? undefined : setTimeout(wake, ms);
      this.wakeNow = wake;
    });
  }
}

function wordsOf(status: number): string {
  if (status >= 300 && status < 400) return `HTTP ${status}: redirects are not followed`;
  return `HTTP ${status}`;
}

/** RFC 9110 section 10.2.3: seconds or a date. ms, 0: nothing is asked for. */
function retryAfter(field: string | undefined, wall: number): number {
  if (field === undefined) return 0;
  const asked = /^\d{1,9}$/.test(field) ? Number(field) * SECOND : Date.parse(field) - wall;
  return Number.isFinite(asked) ? Math.min(LONGEST_ASKED, Math.max(0, asked)) : 0;
}
