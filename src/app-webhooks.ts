/**
 * Webhooks, tied to the engine: events of mail come from the hub and from the spool, requests go out over a client of
 * their own, and what happens is logged.
 */
import { readFileSync } from 'node:fs';
import { formatHostPort } from './config/address-type.js';
import type { Settings } from './config/schema.js';
import type { EngineControl } from './control/engine-control.js';
import type { Clock } from './core/clock.js';
import { messageOf, SluiceError } from './core/errors.js';
import { DnsClient } from './net/dns-client.js';
import { configuredLookup } from './net/dns-lookup.js';
import { HostLookup, readSearchList } from './net/host-lookup.js';
import { HttpRequester } from './net/http-request.js';
import type { OutboxTable } from './spool/outbox-table.js';
import { counter, gauge, type Metric } from './telemetry/exposition.js';
import type { Log } from './telemetry/log.js';
import type { MailEvents } from './telemetry/mail-event.js';
import { acceptedMail } from './telemetry/mail-facts.js';
import { ToldLately } from './telemetry/told-lately.js';
import { keyOfSecret, SECRET_FORM } from './webhooks/signature.js';
import type { ReadyWebhook, WebhookSettings } from './webhooks/webhook-settings.js';
import { Webhooks } from './webhooks/webhooks.js';

export interface OpenWebhooks {
  readonly control: Pick<EngineControl, 'webhooks' | 'testWebhook' | 'resumeWebhook'>;
  /** Webhooks as they are from now on. False: a secret cannot be read, which is logged, and nothing changes. */
  configure(table: readonly WebhookSettings[]): boolean;
  metrics(): Metric[];
  /** Before the spool is closed. */
  close(): void;
}

export interface WebhookParts {
  readonly settings: Settings;
  readonly table: readonly WebhookSettings[];
  readonly outbox: OutboxTable;
  readonly log: Log;
  readonly mail: MailEvents;
  readonly clock: Clock;
}

/** Failures and drops of a webhook are told of once in this time, ms. */
const SILENCE = 60_000;
const MAX_SECRETS = 4;
const NOTHING: readonly string[] = [];

/** Opens them. @throws SluiceError `bad-webhook` where a secret cannot be read. */
export function openWebhooks({ settings, table, outbox, log, mail, clock }: WebhookParts): OpenWebhooks {
  const dns = new DnsClient({
    clock,
    servers: settings.dnsServers.map(({ address, port }) => formatHostPort(address, port)),
    trusted: settings.dnssecServers.map(({ address }) => address),
  });
  // Not the look-up of the system: its threads are those that write the spool.
  const hosts = new HostLookup({ clock, dns, hostsFile: '/etc/hosts', ...readSearchList() });
  const http = new HttpRequester({ lookup: configuredLookup(hosts) });
  const told = new ToldLately(SILENCE);
  const due = (what: string): boolean => told.due(what, clock.now());
  const webhooks = new Webhooks({
    ...{ http, clock, table: outbox, random: Math.random },
    acceptedOf: ({ envelope }) => acceptedMail(envelope, NOTHING, clock.wall()),
    failed: (webhook, reason, retryIn) => {
      if (due(`failed ${webhook}`))
        log.warn({ webhook, reason, retryInMs: retryIn }, 'a webhook could not be told, it is tried again');
    },
    recovered: (webhook, failures) => log.info({ webhook, failures }, 'a webhook is told again'),
    disabled: (webhook, reason) =>
      log.error({ webhook, reason }, 'a webhook wants to be told no more: disabled until `sluice webhooks resume`'),
    dropped: (webhook, events, why) => {
      if (due(`dropped ${webhook}`)) log.error({ webhook, events, why }, 'events for a webhook were dropped');
    },
    forgotten: (webhook) => log.warn({ webhook }, 'a webhook is not configured any more: what waited for it is gone'),
    broken: (webhook, error) => log.error({ webhook, err: error }, 'a webhook is told no more: a mistake of ours'),
  });
  let unsubscribe: (() => void) | null = null;
  const take = (ready: readonly ReadyWebhook[]): void => {
    webhooks.configure(ready);
    if (webhooks.size > 0) unsubscribe ??= mail.subscribe((event) => webhooks.tell(event));
    else {
      unsubscribe?.();
      unsubscribe = null;
    }
  };
  take(readyWebhooks(table));
  return {
    control: {
      webhooks: () => webhooks.reports(),
      testWebhook: async (name) => {
        const { status, words } = await webhooks.test(name);
        return { status, answer: words };
      },
      resumeWebhook: async (name) => {
        await webhooks.resume(name);
        log.warn({ webhook: name }, 'a webhook is resumed by the operator');
        return webhooks.reports().find((one) => one.name === name)!;
      },
    },
    configure: (next) => {
      try {
        take(readyWebhooks(next));
        return true;
      } catch (error) {
        log.error({ reason: messageOf(error) }, 'reload failed, the old webhooks stay in use');
        return false;
      }
    },
    metrics: () => metricsOf(webhooks),
    close: () => {
      unsubscribe?.();
      webhooks.close();
      http.close();
      dns.close();
    },
  };
}

/** Reads the secrets. @throws SluiceError `bad-webhook` that names the file. */
export function readyWebhooks(table: readonly WebhookSettings[]): ReadyWebhook[] {
  return table.map(({ secrets, secretFile, ...rest }) => {
    const given = secretFile === '' ? secrets : secretsOf(secretFile, rest.name);
    return { ...rest, keys: given.map((secret) => keyOfSecret(secret)!) };
  });
}

function secretsOf(path: string, name: string): string[] {
  const refuse = (why: string): SluiceError =>
    new SluiceError('bad-webhook', `webhook ${name}: secret_file ${path}: ${why}`, { temporary: false });
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw refuse(`it cannot be read (${messageOf(error)})`);
  }
  const secrets = text.split('\n').filter((line) => line.trim() !== '');
  if (secrets.length === 0 || secrets.length > MAX_SECRETS || secrets.some((one) => keyOfSecret(one) === undefined))
    throw refuse(`allowed: a line, or up to ${MAX_SECRETS}, each ${SECRET_FORM}`);
  return secrets;
}

function metricsOf(webhooks: Webhooks): Metric[] {
  const reports = webhooks.reports();
  if (reports.length === 0) return [];
  const of = (value: (report: (typeof reports)[number]) => number) =>
    reports.map((report) => ({ labels: { webhook: report.name }, value: value(report) }));
  return [
    gauge(
      'sluice_webhook_queued_events',
      'Events that wait.',
      of((one) => one.queued),
    ),
    gauge(
      'sluice_webhook_queued_bytes',
      'Their size.',
      of((one) => one.bytes),
    ),
    gauge(
      'sluice_webhook_oldest_seconds',
      'When the first event that waits happened, 0: none waits.',
      of((one) => one.oldest / 1000),
    ),
    counter(
      'sluice_webhook_sent_total',
      'Events told.',
      of((one) => one.sent),
    ),
    counter(
      'sluice_webhook_failures_total',
      'Requests that failed.',
      of((one) => one.failures),
    ),
    counter(
      'sluice_webhook_dropped_total',
      'Events given up: too old, or too many.',
      of((one) => one.dropped),
    ),
    gauge(
      'sluice_webhook_disabled',
      '1: told nothing until it is resumed.',
      of((one) => (one.disabled === '' ? 0 : 1)),
    ),
  ];
}
