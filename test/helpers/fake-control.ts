/**
 * The part of an engine's control plane that a test is not about: it remembers what it was asked and knows nothing.
 */
import type {
  ContentPiece,
  DestinationReport,
  EngineControl,
  MailSelector,
  MessageDetail,
  OrderReport,
  QueueChange,
  RouteQuestion,
  RouteReport,
  SuppressionReport,
  WebhookReport,
  WebhookTest,
  WhyReport,
} from '../../src/control/engine-control.js';
import type {
  ErasureOrder,
  ErasureReport,
  MessageHistory,
  MessagePageReport,
  MessageQuestion,
} from '../../src/control/message-reports.js';
import { SluiceError } from '../../src/core/errors.js';

import { FakeLive } from './fake-live.js';

type Brain = Omit<EngineControl, 'status' | 'list' | 'show' | 'retry' | 'hold' | 'release' | 'remove'>;

/** Fakes of the commands about routes, orders and suppression. `note` gets a line for each call. */
export class FakeBrain extends FakeLive implements Brain {
  waiting: WhyReport | undefined;
  places: DestinationReport[] = [];
  standing: OrderReport[] = [];
  suppressed: SuppressionReport[] = [];
  past: MessageHistory[] = [];
  erased: ErasureReport[] = [];
  told: WebhookReport[] = [
    {
      ...{ name: 'crm', url: 'https://crm.example/hook', queued: 3, bytes: 900, oldest: 1000, sent: 7, failures: 2 },
      ...{ dropped: 1, lastAnswer: 'HTTP 410', lastAnswerAt: 2000, retryAt: 0, disabled: 'HTTP 410' },
    },
  ];
  readonly asked: unknown[] = [];

  /** Queued mail, and its content. */
  mail: MessageDetail[] = [];
  text = 'Subject: s\r\n\r\ntext\r\n';

  async details(after: string, limit: number): Promise<MessageDetail[]> {
    return this.mail.filter(({ id }) => id > after).slice(0, limit);
  }

  async content(id: string, offset: number): Promise<ContentPiece | undefined> {
    this.asked.push(['content', id, offset]);
    if (!this.mail.some((one) => one.id === id)) return undefined;
    const end = Math.min(offset + 10, this.text.length);
    return {
      data: Buffer.from(this.text.slice(offset, end)).toString('base64'),
      next: end < this.text.length ? end : 0,
    };
  }

  async change(action: QueueChange, ids: readonly string[]): Promise<string[]> {
    this.asked.push(['change', action, ids]);
    return this.mail.map(({ id }) => id).filter((id) => ids.includes(id));
  }

  async why(id: string): Promise<WhyReport | undefined> {
    this.asked.push(['why', id]);
    return this.waiting;
  }

  async route(question: RouteQuestion): Promise<RouteReport> {
    this.asked.push(['route', question]);
    const { sender, recipient, tenant, lane } = question;
    return {
      sender,
      recipient,
      route: 'newsletters',
      destination: 'upstream/ses',
      egress: 'warm',
      tenant,
      lane: lane === '' ? 'bulk' : lane,
      site: 'upstream ses',
      hosts: [{ name: 'ses.example', address: '192.0.2.1', port: 587, tls: 'required' }],
      limits: { messages: '100 a minute' },
      waits: [{ kind: 'rate', reason: 'site\u001b[31m: 100 messages a minute', until: Date.now() + 5000 }],
      problem: '',
    };
  }

  destinations(after: string, limit: number): DestinationReport[] {
    return this.places.filter(({ destination }) => destination > after).slice(0, limit);
  }

  orders(): OrderReport[] {
    return this.standing;
  }

  async suspend(selector: MailSelector, reason: string, forMs: number): Promise<OrderReport> {
    return this.order(selector, '', reason, forMs);
  }

  async reroute(selector: MailSelector, to: string, reason: string, forMs: number): Promise<OrderReport> {
    return this.order(selector, to, reason, forMs);
  }

  async resume(order: string, selector: MailSelector): Promise<OrderReport[]> {
    this.asked.push(['resume', order, selector]);
    const gone = this.standing.filter(({ id }) => order === 'all' || id === order);
    this.standing = this.standing.filter((one) => !gone.includes(one));
    return gone;
  }

  async bounce(selector: MailSelector, reason: string): Promise<number> {
    this.asked.push(['bounce', selector, reason]);
    return 3;
  }

  async suppressions(_tenant: string, after: string, limit: number): Promise<SuppressionReport[]> {
    return this.suppressed.filter(({ address }) => address > after).slice(0, limit);
  }

  async suppress(tenant: string, address: string, reason: string, forMs: number): Promise<number> {
    this.asked.push(['suppress', tenant, address, reason, forMs]);
    return 1;
  }

  async messages(question: MessageQuestion): Promise<MessagePageReport> {
    this.asked.push(['messages', question]);
    return { items: this.past.slice(0, question.limit), next: this.past.length > question.limit ? '2-1' : null };
  }

  async message(id: string): Promise<MessageHistory | undefined> {
    this.asked.push(['message', id]);
    return this.past.find((one) => one.id === id);
  }

  async erase(order: ErasureOrder): Promise<ErasureReport> {
    this.asked.push(['erase', order]);
    const report: ErasureReport = {
      ...{ ...order, id: `e${this.erased.length + 1}`, state: 'running', problem: '', startedAt: 1, endedAt: 0 },
      ...{ partsDone: 0, parts: 3, messages: 0, events: 0, suppressions: 0, logLines: 0 },
    };
    this.erased.unshift(report);
    return report;
  }

  erasures(): ErasureReport[] {
    // The next look finds it done.
    const told = this.erased;
    this.erased = told.map((one) => ({ ...one, state: 'done', endedAt: 2, events: 5 }));
    return told;
  }

  async unsuppress(tenant: string, address: string): Promise<number> {
    this.asked.push(['unsuppress', tenant, address]);
    return address === 'nobody@example.org' ? 0 : 1;
  }

  webhooks(): WebhookReport[] {
    return this.told;
  }

  async testWebhook(name: string): Promise<WebhookTest> {
    this.asked.push(['testWebhook', name]);
    this.webhook(name);
    return { status: 204, answer: 'HTTP 204' };
  }

  async resumeWebhook(name: string): Promise<WebhookReport> {
    this.asked.push(['resumeWebhook', name]);
    return { ...this.webhook(name), disabled: '' };
  }

  private webhook(name: string): WebhookReport {
    const found = this.told.find((one) => one.name === name);
    if (found === undefined)
      throw new SluiceError('no-such-webhook', `there is no webhook ${name}`, { temporary: false });
    return found;
  }

  private order(selector: MailSelector, to: string, reason: string, forMs: number): OrderReport {
    const since = Date.now();
    const order: OrderReport = {
      id: `o${this.standing.length + 1}`,
      to,
      selector,
      reason,
      since,
      until: forMs === 0 ? 0 : since + forMs,
      by: 'operator',
    };
    this.standing.push(order);
    return order;
  }
}

/** A message of the history that was given up. */
export function pastMessage(id: string): MessageHistory {
  const facts = { at: 5, reply: '550 5.1.1 no', dsn: '5.1.1', category: 'bad-mailbox', attempts: 1, due: 0 };
  return {
    ...{ id, sender: 'a@x.example', tenant: '', tags: ['t'], lane: 'bulk', size: 10, acceptedAt: 1, recipientCount: 1 },
    recipients: [{ address: 'b@y.example', status: 'bounced', host: 'mx', ...facts }],
    ...{ complete: true, queued: false, account: '', client: '192.0.2.1', protocol: 'ESMTP', tls: '' },
    signed: ['x.example/s'],
    timeline: [
      {
        ...{ kind: 'bounced', recipient: 'b\u001b[31m@y.example', delay: 4, ...facts },
        attempt: { host: 'mx', address: '192.0.2.2:25', tls: '', ms: 4 },
      },
    ],
  };
}
