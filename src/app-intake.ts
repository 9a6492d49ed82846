/**
 * The intake of mail and the notifications of our own, tied to spool, queue and edge.
 */
import type { Accounts } from './accounts/accounts.js';
import type { MailEdge } from './app-edge.js';
import { headerRules, type Preparation } from './app-preparation.js';
import type { Settings } from './config/schema.js';
import type { Clock } from './core/clock.js';
import type { QueueIdSource } from './core/queue-id.js';
import { DsnNotifier } from './intake/dsn-notifier.js';
import { Intake } from './intake/intake.js';
import { rewriteEnvelope } from './message/header-rules.js';
import { QueuedMessage } from './queue/queued-message.js';
import type { Spool } from './spool/spool.js';
import type { EngineEvents } from './telemetry/engine-events.js';

interface TakingParts {
  readonly settings: Settings;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly ids: QueueIdSource;
  readonly events: EngineEvents;
  /** A message that has become durable goes into the queue. */
  add(message: QueuedMessage): void;
}

/** Tells senders what became of their mail. */
export function mailNotifier({ settings, spool, clock, ids, events, add }: TakingParts): DsnNotifier {
  return new DsnNotifier({
    ...{ spool, clock, ids, hostname: settings.hostname },
    enqueue: (envelope, content) => {
      events.notice(envelope);
      add(new QueuedMessage(envelope, content, null));
    },
  });
}

/** Takes mail of sessions and of others. `preparation`: what signs now. */
export function mailIntake(
  parts: TakingParts & { readonly edge: MailEdge; readonly accounts: Accounts; preparation(): Preparation },
): Intake {
  const { settings, spool, clock, ids, events, edge, accounts } = parts;
  const rules = headerRules(settings);
  return new Intake({
    ...{ spool, clock, ids, events },
    admit: (submitter, transaction) => edge.admit(submitter, transaction),
    rules: () => edge.rules,
    tracer: events.tracer,
    dkimKeyOf: (account) => (account === '' ? '' : accounts.settingsOf(account).dkim),
    rewriteSender: (sender) => rewriteEnvelope(sender, rules),
    preparation: () => {
      const { inline, pool } = parts.preparation();
      return { inline, batch: (requests) => pool!.prepare(requests) };
    },
    enqueue: (envelope, content) => {
      const message = new QueuedMessage(envelope, content, null);
      message.acknowledgedAt = clock.now();
      parts.add(message);
    },
  });
}
