/**
 * All webhooks: which of them is told what, from the event to its outbox.
 *
 * Contract: `tell` and `storing` cost nothing where no webhook wants the event, wait for nothing and never throw. Mail
 * that is accepted is written down in the transaction that makes it durable, all else with or before what is settled
 * next. A webhook that is no longer configured loses what waits for it.
 */
import { SluiceError } from '../core/errors.js';
import type { OutboxTable, StoreCompanion } from '../spool/outbox-table.js';
import type { NewMessage } from '../spool/spool.js';
import { type EventFilter, fits } from '../telemetry/event-filter.js';
import type { AcceptedMail, MailEvent } from '../telemetry/mail-event.js';
import { EventOutbox } from './event-outbox.js';
import { addEvent, noEvents, type WaitingEvents } from './event-rows.js';
import { type SenderHost, type WebhookAnswer, WebhookSender } from './webhook-sender.js';
import type { ReadyWebhook } from './webhook-settings.js';

export interface WebhookReport {
  readonly name: string;
  /** Without a query, which may hold secrets. */
  readonly url: string;
  readonly queued: number;
  readonly bytes: number;
  /** When the first event that waits happened, wall clock; 0: none waits. */
  readonly oldest: number;
  readonly sent: number;
  readonly failures: number;
  /** Events that were given up, too old or too many. */
  readonly dropped: number;
  /** '': it was not asked yet. */
  readonly lastAnswer: string;
  readonly lastAnswerAt: number;
  /** Wall clock of the next try after a failure, 0: none. */
  readonly retryAt: number;
  /** Why it is told nothing until it is resumed, '': it is. */
  readonly disabled: string;
}

export interface WebhooksHost extends SenderHost {
  readonly table: OutboxTable;
  /** The event of a message that is being stored. */
  acceptedOf(message: NewMessage): AcceptedMail;
  dropped(webhook: string, events: number, why: 'full' | 'old'): void;
  /** It is told no more, by a mistake of ours. */
  broken(webhook: string, error: unknown): void;
  /** A webhook is not configured any more, and what waited for it is gone. */
  forgotten(webhook: string): void;
}

/** One webhook at work. */
interface Webhook {
  filter: EventFilter;
  readonly outbox: EventOutbox;
  readonly sender: WebhookSender;
  dropped: number;
}

/** Names looked for that are not configured any more. */
const MOST_NAMES = 1000;

export class Webhooks implements StoreCompanion {
  private readonly host: WebhooksHost;
  private readonly all = new Map<string, Webhook>();
  private wantsAccepted = false;

  constructor(host: WebhooksHost) {
    this.host = host;
  }

  get size(): number {
    return this.all.size;
  }

  /** Webhooks as they are from now on. */
  configure(list: readonly ReadyWebhook[]): void {
    const { table } = this.host;
    for (const settings of list) {
      const known = this.all.get(settings.name);
      if (known === undefined) this.all.set(settings.name, this.open(settings));
      else {
        known.filter = settings.filter;
        known.outbox.configure(settings);
        known.sender.settings = settings;
        known.sender.look();
      }
    }
    const names = new Set(list.map(({ name }) => name));
    for (const [name, webhook] of this.all) {
      if (names.has(name)) continue;
      webhook.sender.close();
      webhook.outbox.close();
      this.all.delete(name);
    }
    for (const name of table.names(MOST_NAMES)) if (!names.has(name)) this.forget(name);
    this.wantsAccepted = list.some(({ filter: { kinds } }) => kinds.length === 0 || kinds.includes('accepted'));
    table.companion = this.wantsAccepted ? this : null;
  }

  /** Something happened; of accepted mail `storing` knows. */
  tell(event: MailEvent): void {
    if (event.kind === 'accepted') return;
    let text = '';
    for (const { filter, outbox } of this.all.values()) {
      if (!fits(filter, event)) continue;
      if (text === '') text = JSON.stringify(event);
      outbox.add(text, event.at);
    }
  }

  storing(batch: readonly NewMessage[], now: Pick<OutboxTable, 'putNow'>): (() => void) | null {
    if (!this.wantsAccepted) return null;
    const wanted = new Map<EventOutbox, WaitingEvents>();
    for (const message of batch) {
      const event = this.host.acceptedOf(message);
      let text = '';
      for (const { filter, outbox } of this.all.values()) {
        if (!fits(filter, event)) continue;
        if (text === '') text = JSON.stringify(event);
        const events = wanted.get(outbox) ?? noEvents();
        wanted.set(outbox, events);
        addEvent(events, text, event.at);
      }
    }
    const done = [...wanted].map(([outbox, events]) => outbox.addNow(events, now));
    return () => {
      for (const each of done) each();
    };
  }

  reports(): WebhookReport[] {
    return [...this.all].map(([name, { outbox, sender, dropped }]) => {
      const { origin, pathname } = new URL(sender.settings.url);
      return {
        ...{ name, url: `${origin}${pathname}`, queued: outbox.events, bytes: outbox.bytes, oldest: outbox.oldest() },
        ...{ sent: sender.sent, failures: sender.failures, dropped },
        ...{ lastAnswer: sender.last.words, lastAnswerAt: sender.lastAt, retryAt: sender.retryAt },
        disabled: outbox.disabled,
      };
    });
  }

  /** Sends one request with an event of no mail, beside what waits. @throws SluiceError `no-such-webhook` */
  test(name: string): Promise<WebhookAnswer> {
    const { clock } = this.host;
    const timestamp = new Date(clock.wall()).toISOString();
    const body = Buffer.from(JSON.stringify({ type: 'sluice.test', timestamp, data: [] }));
    return this.find(name).sender.request(`test-${clock.wall()}`, body);
  }

  /** Tries again now, also when it was disabled. @throws SluiceError `no-such-webhook` */
  resume(name: string): Promise<void> {
    return this.find(name).sender.resume();
  }

  /** Before the store is closed. */
  close(): void {
    this.host.table.companion = null;
    for (const { sender, outbox } of this.all.values()) {
      sender.close();
      outbox.close();
    }
  }

  private open(settings: ReadyWebhook): Webhook {
    const { host } = this;
    const { name } = settings;
    const outbox: EventOutbox = new EventOutbox(
      name,
      host.table,
      {
        wall: () => host.clock.wall(),
        changed: () => sender.look(),
        dropped: (events, why) => {
          webhook.dropped += events;
          host.dropped(name, events, why);
        },
      },
      settings,
    );
    const sender = new WebhookSender(settings, outbox, host);
    const webhook: Webhook = { filter: settings.filter, outbox, sender, dropped: 0 };
    sender.run().catch((error: unknown) => host.broken(name, error));
    return webhook;
  }

  private forget(name: string): void {
    const erase = (): void => {
      const rows = this.host.table.read(name, 0, ERASED_AT_ONCE);
      const numbers = rows.map(({ number }) => number);
      this.host.table.remove(name, numbers, '', rows.length < ERASED_AT_ONCE ? () => this.host.forgotten(name) : erase);
    };
    erase();
  }

  private find(name: string): Webhook {
    const webhook = this.all.get(name);
    if (webhook !== undefined) return webhook;
    throw new SluiceError('no-such-webhook', `there is no webhook ${JSON.stringify(name.slice(0, 100))}`, {
      temporary: false,
    });
  }
}

const ERASED_AT_ONCE = 100;
