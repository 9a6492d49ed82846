/**
 * The history of messages, tied to the engine. It lives with the process, as those do who listen to mail: an engine that
 * starts anew goes on with it.
 */
import { type ErasureActions, Erasures } from './app-erasure.js';
import type { Settings } from './config/schema.js';
import type { EngineControl, MessageDetail } from './control/engine-control.js';
import type { MessageHistory, MessageSummary, TimelineEntry } from './control/message-reports.js';
import { messageOf, SluiceError } from './core/errors.js';
import { diskFiles } from './history/files.js';
import { History, type HistoryCounts } from './history/history.js';
import { HistoryDesk, type MessageTimeline } from './history/history-desk.js';
import type { KeptEvent } from './history/kept-event.js';
import { Retention, SWEEP_EVERY } from './history/retention.js';
import type { TenantSettings } from './message/tenant.js';
import type { Log } from './telemetry/log.js';
import type { AcceptedMail, MailEvents } from './telemetry/mail-event.js';

/** What operators may ask about messages. */
type MessageControl = Pick<EngineControl, 'messages' | 'message' | 'erase' | 'erasures'>;

/** What is asked of the engine that runs. */
export interface EngineParts extends Omit<ErasureActions, 'tenants'> {
  show: EngineControl['show'];
}

/** After the start, so that it is not in the way of it, ms. */
const FIRST_SWEEP = 60_000;

export class MailHistory {
  private readonly history: History | null;
  private readonly desk: HistoryDesk | null;
  private readonly why: string;
  private readonly age: number;
  private ages: ReadonlyMap<string, number> = new Map();
  private tenants: readonly string[] = [];
  private unsubscribe: () => void = () => {};
  private readonly erasures: Erasures;
  private readonly log: Log;
  /** Sweeps and erasures, one after another. */
  private upkeep: Promise<unknown> = Promise.resolve();
  private timer: NodeJS.Timeout | null = null;
  private resumed = false;

  private constructor(
    { historyDir: folder, historyAge: age }: Settings,
    log: Log,
    history: History | null,
    why: string,
  ) {
    this.history = history;
    this.why = why;
    this.age = age;
    this.log = log;
    this.erasures = new Erasures({
      ...{ files: diskFiles, folder, history, eraseFromLogs: (address) => log.eraseFromLogs(address) },
      alone: (work) => this.alone(work),
      ended: ({ address: _forgotten, ...report }) => {
        if (report.state === 'done') log.info(report, 'an address was erased');
        else log.error(report, 'an address could not be erased: it is begun anew with the next start');
      },
    });
    this.desk =
      history && new HistoryDesk({ files: diskFiles, history, ageOf: (tenant) => this.ageOf(tenant), now: Date.now });
  }

  /** Opens it and begins to listen. Where it is off or cannot be had, mail flows and what is asked is told why. */
  static async open(settings: Settings, mail: MailEvents, log: Log): Promise<MailHistory> {
    const { historyDir: folder, historySize: size } = settings;
    if (settings.history === 'off') return new MailHistory(settings, log, null, 'it is off; set SLUICE_HISTORY=on');
    const failed = (reason: string): void => {
      log.error({ folder, reason }, 'the history cannot be written: mail flows, and what happens to it is not kept');
    };
    try {
      const history = await History.open({ files: diskFiles, folder, size, failed });
      const { cut } = history.segments;
      if (cut > 0) log.warn({ folder, bytes: cut }, 'the history had a torn end, which was cut off');
      const opened = new MailHistory(settings, log, history, '');
      opened.keep(new Retention(diskFiles, history), FIRST_SWEEP);
      opened.unsubscribe = mail.subscribe((event) => history.record(event));
      return opened;
    } catch (error) {
      failed(messageOf(error));
      return new MailHistory(settings, log, null, `${folder} cannot be used: ${messageOf(error)}`);
    }
  }

  /** Tenants as they are from now on. */
  configure(tenants: readonly TenantSettings[]): void {
    this.tenants = tenants.map(({ name }) => name);
    this.ages = new Map(tenants.filter(({ history }) => history > 0).map(({ name, history }) => [name, history]));
  }

  /** null: there is none. */
  counts(): HistoryCounts | null {
    return this.history?.counts() ?? null;
  }

  /** Goes on with what the last process left undone. */
  async resume(engine: EngineParts): Promise<void> {
    if (this.resumed) return;
    this.resumed = true;
    await this.erasures.resume(this.actions(engine)).catch((error: unknown) => {
      this.log.error({ reason: messageOf(error) }, 'erasures that were under way are not gone on with');
    });
  }

  control(engine: EngineParts): MessageControl {
    const { show } = engine;
    return {
      erase: (order) => this.erasures.begin(order, this.actions(engine)),
      erasures: () => this.erasures.list(),
      messages: (question) => this.there().find(question),
      message: async (id) => {
        const [queued, known] = await Promise.all([show(id), this.desk?.message(id)]);
        if (known !== null && known !== undefined) return told(known, queued !== undefined);
        if (queued !== undefined) return ofQueue(queued);
        if (this.desk === null) this.there();
        return undefined;
      },
    };
  }

  /** Writes down what is in memory, and ends. */
  async close(): Promise<void> {
    this.unsubscribe();
    if (this.timer !== null) clearTimeout(this.timer);
    await this.history?.close();
  }

  private actions({ removeQueued, unsuppress }: EngineParts): ErasureActions {
    return { removeQueued, unsuppress, tenants: () => this.tenants };
  }

  private alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.upkeep.then(work);
    this.upkeep = done.catch(() => undefined);
    return done;
  }

  private keep(retention: Retention, after: number): void {
    this.timer = setTimeout(() => {
      this.alone(() => retention.sweep({ usual: this.age, tenants: this.ages }, Date.now()))
        .catch((error: unknown) => {
          this.log.error({ reason: messageOf(error) }, 'what is past its time could not be taken out of the history');
        })
        .finally(() => this.keep(retention, SWEEP_EVERY));
    }, after);
    this.timer.unref();
  }

  private ageOf(tenant: string): number {
    return this.ages.get(tenant) ?? this.age;
  }

  private there(): HistoryDesk {
    if (this.desk === null)
      throw new SluiceError('no-history', `there is no history: ${this.why}`, { temporary: false });
    return this.desk;
  }
}

function told({ timeline, ...summary }: MessageTimeline, queued: boolean): MessageHistory {
  const accepted = timeline.find((event): event is AcceptedMail => event.kind === 'accepted');
  const { account = '', client = '', protocol = '', tls = '', signed = [] } = accepted ?? {};
  return { ...summary, queued, account, client, protocol, tls, signed, timeline: timeline.flatMap(entriesOf) };
}

const NOTHING = { recipient: '', reply: '', dsn: '', category: '', attempts: 0, delay: 0, due: 0, attempt: null };

function entriesOf(event: KeptEvent): TimelineEntry[] {
  const { at } = event;
  if (event.kind === 'accepted') {
    const accepted: TimelineEntry = { ...NOTHING, at, kind: 'accepted' };
    const signed = event.signed.join(', ');
    return signed === '' ? [accepted] : [accepted, { ...NOTHING, at, kind: 'signed', reply: signed }];
  }
  if ('verified' in event) {
    const { kind, recipient, reply, category } = event;
    return [{ ...NOTHING, at, kind, recipient, reply, category }];
  }
  const { kind, recipient, reply, dsn, category, attempts, delay, due, attempt } = event;
  return [{ at, kind, recipient, reply, dsn, category, attempts, delay, due, attempt }];
}

/** A message that is older than the history, or not in it: what the queue knows. */
function ofQueue(message: MessageDetail): MessageHistory {
  const { id, sender, size, receivedAt, recipients: recipientCount, attempts, due } = message;
  const recipients = message.recipientDetails.map(({ address, status, reply, host, lastAttempt: at }) => {
    const state = status === 'delivered' ? status : status === 'failed' ? 'bounced' : at === 0 ? 'queued' : 'deferred';
    const next = state === 'deferred' ? due : 0;
    return {
      address,
      status: state,
      at: at || receivedAt,
      reply,
      dsn: '',
      category: '',
      host,
      attempts,
      due: next,
    } as const;
  });
  const summary: MessageSummary = {
    ...{ id, sender, size, recipientCount, recipients },
    ...{ tenant: '', tags: [], lane: '', acceptedAt: receivedAt, complete: false },
  };
  const timeline = recipients
    .filter(({ status }) => status !== 'queued')
    .map(({ status, address: recipient, ...rest }): TimelineEntry => {
      const { at, reply } = rest;
      const attempt = rest.host === '' ? null : { host: rest.host, address: '', tls: '', ms: 0 };
      return {
        ...NOTHING,
        at,
        kind: status as TimelineEntry['kind'],
        recipient,
        reply,
        attempts,
        due: rest.due,
        attempt,
      };
    });
  timeline.unshift({ ...NOTHING, at: receivedAt, kind: 'accepted' });
  return {
    ...{ ...summary, timeline, queued: true, client: message.clientAddress },
    ...{ account: '', protocol: '', tls: '', signed: [] },
  };
}
