/**
 * Notifications of our own: made, stored like any accepted message, and queued for the original sender.
 *
 * Contract (Notifier): resolves when the notification is durable, rejects when it cannot be stored now. Of the original
 * only as much is read as the notice can give back; where it can no longer be read, what came before that.
 */
import type { Clock } from '../core/clock.js';
import { formatQueueId, type QueueIdSource } from '../core/queue-id.js';
import { buildDeliveryStatus, DEFAULT_MAX_RETURNED, shouldNotify } from '../message/delivery-status.js';
import { unstuffer } from '../message/dot-stuffing.js';
import { type Envelope, PLAIN_HANDLING } from '../message/envelope.js';
import type { QueuedMessage } from '../queue/queued-message.js';
import type { Notice, Notifier } from '../queue/settlement.js';
import type { Spool, StoredContent } from '../spool/spool.js';

export interface DsnNotifierOptions {
  readonly spool: Spool;
  readonly clock: Clock;
  readonly ids: QueueIdSource;
  readonly hostname: string;
  /** The notice is durable: to be delivered. */
  enqueue(envelope: Envelope, content: StoredContent): void;
}

const NOTHING = new Uint8Array(0);

export class DsnNotifier implements Notifier {
  private readonly options: DsnNotifierOptions;

  constructor(options: DsnNotifierOptions) {
    this.options = options;
  }

  async notify(message: QueuedMessage, notices: readonly Notice[], retryUntil: number): Promise<void> {
    const { envelope } = message;
    const { deliverBy } = envelope.handling;
    const wanted = notices.filter(({ recipient, kind }) =>
      shouldNotify(envelope.recipients[recipient]!, kind, deliverBy),
    );
    if (wanted.length === 0 || envelope.sender === '') return;
    const { clock, ids, hostname, spool } = this.options;
    const wall = clock.wall();
    // Times in the notice are for people: the engine's steady time is shifted to the wall clock.
    const shift = wall - clock.now();
    const status = buildDeliveryStatus({
      hostname,
      sender: envelope.sender,
      envelopeId: envelope.envelopeId,
      // What had to be kept from others' eyes does not come back in full (RFC 8689 section 5).
      ret: envelope.requireTls ? 'HDRS' : envelope.ret,
      smtpUtf8: envelope.smtpUtf8,
      queueId: formatQueueId(message.id),
      arrivedAt: envelope.receivedAt + shift,
      now: wall,
      deliverBy: deliverBy === null ? 0 : deliverBy.at + shift,
      retryUntil: retryUntil + shift,
      recipients: wanted.map(({ recipient, kind, outcome }) => ({
        address: envelope.recipients[recipient]!.address,
        originalRecipient: envelope.recipients[recipient]!.originalRecipient,
        kind,
        reply: outcome.reply,
        enhanced: outcome.enhanced,
        host: outcome.host,
        attemptedAt: wall,
      })),
      original: await this.beginningOf(message),
    });
    const notice: Envelope = {
      id: ids.next(wall),
      sender: status.sender,
      recipients: [status.recipient],
      bodyType: status.bodyType,
      smtpUtf8: status.smtpUtf8,
      ret: '',
      envelopeId: '',
      priority: 0,
      requireTls: envelope.requireTls,
      account: '',
      handling:
        envelope.handling.tenant === '' ? PLAIN_HANDLING : { ...PLAIN_HANDLING, tenant: envelope.handling.tenant },
      receivedAt: clock.now(),
      origin: { clientAddress: '', clientPort: 0, helo: hostname, protocol: 'LOCAL', tls: '' },
      content: status.facts,
    };
    const { content } = status;
    const [stored] = await spool.store([
      {
        envelope: notice,
        header: NOTHING,
        body: { copyOut: (from, to, target, offset) => target.set(content.subarray(from, to), offset) },
        bodyFrom: 0,
        bodyTo: content.length,
      },
    ]);
    this.options.enqueue(notice, stored!);
  }

  /** The original in plain form, whole or its beginning. */
  private async beginningOf(message: QueuedMessage): Promise<{ content: Buffer; complete: boolean }> {
    const { content, envelope } = message;
    const convert = envelope.content.form === 'wire' && envelope.content.dotLines > 0 ? unstuffer() : null;
    const pieces: Buffer[] = [];
    let offset = 0;
    while (offset < content.size && offset <= DEFAULT_MAX_RETURNED) {
      const piece = await content.read(offset).catch(() => null);
      if (piece === null) return { content: Buffer.concat(pieces), complete: false };
      offset += piece.length;
      pieces.push(convert === null ? piece : convert(piece));
    }
    return { content: Buffer.concat(pieces), complete: offset >= content.size };
  }
}
