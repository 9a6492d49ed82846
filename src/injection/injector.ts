/**
 * Takes in what applications hand over: judges it, composes it, and gives it to the intake like mail of a session.
 *
 * Contract: that of MailInjector. An item is judged by itself: what is wrong with one is no matter to the others. It is
 * taken when the intake says so, which is when it is durable. The order of steps is that of a session: admission, sender,
 * recipients, content.
 * Limits: the loop is left to others after SLICE items. What is composed by MIME goes one at a time (mime-composer.ts).
 * Whoever calls bounds what is under way by the bytes it lets in.
 */
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../core/clock.js';
import { formatQueueId } from '../core/queue-id.js';
import type { Wishes } from '../intake/handling.js';
import type { Intake } from '../intake/intake.js';
import { UNSAID } from '../intake/unsaid.js';
import { BodyBuffer } from '../memory/body-buffer.js';
import type { SegmentPool } from '../memory/segment-pool.js';
import { ContentReceiver } from '../smtp/content-receiver.js';
import type { Reply } from '../smtp/replies.js';
import { preparedReplies, type ServerSessionOptions } from '../smtp/server-options.js';
import { parseHoldFor, parseHoldUntil } from '../smtp/time-parameters.js';
import { type AnsweredRequests, sameRequest } from './answered-requests.js';
import { decodeBase64 } from './base64.js';
import { composeDirectly } from './direct-composer.js';
import { envelopeOfHeader } from './header-envelope.js';
import { InjectedMail, type ItemKey, Outcomes } from './injected-mail.js';
import { type Letter, letterOf, mailboxes } from './letter.js';
import type { ItemClient, ItemOptions, ItemOutcome, MailInjector, MailItem, RawItem, Refusal } from './mail-item.js';
import { type Mailbox, parseMailbox, parseReversePath } from './mailbox.js';
import { composeMime } from './mime-composer.js';
import { BadItem, refusalFor, textOf } from './refusals.js';

/** An item's client as admission and recipients' policies know clients. */
export interface Client {
  readonly address: string;
  readonly relays: true;
  readonly account: '';
  readonly listener: '';
  readonly sender: string;
}

export interface InjectorOptions {
  /** As for sessions of clients that may relay. */
  readonly session: ServerSessionOptions;
  readonly segments: SegmentPool;
  readonly intake: Pick<Intake, 'accept'>;
  readonly clock: Clock;
  readonly answered: AnsweredRequests;
  /** Whether mail can be taken now; null: it can. */
  admitMail(client: Client, size: number): Reply | null;
  /** As in ServerHost, but that what is decided later is a promise. */
  admitRecipient(client: Client, address: string): Reply | null | Promise<Reply | null>;
  /** Whether a client may name this tenant. */
  knowsTenant(client: Client, tenant: string, senderDomain: string): boolean;
}

/** Items begun in one turn of the event loop. */
const SLICE = 200;
/** Longest line of RFC 5322 section 2.1.1 with its CRLF. */
const LINE = 1000;
/** Bytes scanned in one turn; more than the direct composer gives, whose bytes are looked at before they are accepted. */
const PIECE = 512 * 1024;
const NO_TAGS: readonly string[] = [];

/** A message that may go on: its bytes, or how to get them. */
type Content = { readonly letter: Letter; readonly raw: null } | { readonly letter: null; readonly raw: Buffer };

export class Injector implements MailInjector {
  private readonly options: InjectorOptions;
  /** For what is composed here: line ends are the composer's, lines are short or encoded. */
  private readonly composed: ServerSessionOptions;
  /** Items under way that have a key. */
  private readonly claims = new Map<string, { readonly digest: Buffer; readonly over: Promise<void> }>();
  private open = 0;
  private idle: (() => void) | null = null;

  constructor(options: InjectorOptions) {
    this.options = options;
    const { maxTextLine } = options.session;
    const line = maxTextLine === 0 ? LINE : Math.min(LINE, maxTextLine);
    this.composed = { ...options.session, bareNewline: 'convert', maxTextLine: line };
  }

  async submit(client: ItemClient, items: readonly (MailItem | Refusal)[]): Promise<ItemOutcome[]> {
    this.open++;
    try {
      const outcomes = new Outcomes(items.length);
      for (let at = 0; at < items.length; at++) {
        if (at > 0 && at % SLICE === 0) await nextTurn();
        const item = items[at]!;
        const mail = new InjectedMail(client, outcomes, at);
        if ('status' in item) mail.settle(item);
        else this.begin(mail, client, item, at);
      }
      return await outcomes.settled;
    } finally {
      this.open--;
      if (this.open === 0) this.idle?.();
    }
  }

  /** Resolves when no request is under way. */
  settled(): Promise<void> {
    if (this.open === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.idle = resolve;
    });
  }

  private begin(mail: InjectedMail, client: ItemClient, item: MailItem, at: number): void {
    try {
      const content = this.address(mail, item);
      this.ask(mail, item);
      if (client.idempotencyKey === '' && item.idempotencyKey === undefined) this.admit(mail, client, content);
      else {
        mail.key = this.keyOf(client, item, at);
        this.claim(mail, mail.key, () => this.admit(mail, client, content));
      }
    } catch (error) {
      mail.settle(refusalFor(error));
    }
  }

  /** Reads the envelope, and the letter where there is one. */
  private address(mail: InjectedMail, item: MailItem): Content {
    if ('raw' in item) return this.addressRaw(mail, item);
    const letter = letterOf(item);
    mail.sender = item.mailFrom === undefined ? letter.from : parseReversePath(item.mailFrom, 'mailFrom');
    const { to, cc, bcc } = letter;
    mail.recipients = this.recipients(cc.length + bcc.length === 0 ? to : [...to, ...cc, ...bcc]);
    return { letter, raw: null };
  }

  private addressRaw(mail: InjectedMail, item: RawItem): Content {
    const raw = typeof item.raw === 'string' ? decodeBase64(item.raw) : item.raw;
    if (raw === null) throw new BadItem('not-allowed', 'raw: allowed: base64');
    const found =
      item.mailFrom === undefined || item.rcptTo === undefined
        ? envelopeOfHeader(raw, item.mailFrom === undefined)
        : null;
    mail.sender =
      item.mailFrom === undefined ? parseMailbox(found!.sender, 'From') : parseReversePath(item.mailFrom, 'mailFrom');
    mail.recipients = this.recipients(mailboxes(item.rcptTo ?? found!.recipients, 'rcptTo'));
    return { letter: null, raw };
  }

  private recipients(given: readonly Mailbox[]): readonly Mailbox[] {
    const { maxRecipients } = this.options.session;
    if (given.length === 0) throw new BadItem('no-recipients', 'no recipients: give at least one');
    if (given.length > maxRecipients)
      throw new BadItem('too-many-recipients', `${given.length} recipients: at most ${maxRecipients} are allowed`);
    if (given.length === 1) return given;
    return [...new Map(given.map((one) => [one.address, one])).values()];
  }

  /** Lane, tenant, tags and times. */
  private ask(mail: InjectedMail, item: ItemOptions): void {
    const { lane, tenant = '', tags, campaign, holdFor, holdUntil } = item;
    if (lane !== undefined || tenant !== '' || tags !== undefined || campaign !== undefined) {
      const own = tags ?? NO_TAGS;
      mail.wishes = {
        lane: lane ?? null,
        tenant,
        tags: campaign === undefined ? own : [...own, campaign],
      } satisfies Wishes;
      if (tenant !== '' && !this.options.knowsTenant(clientOf(mail), tenant, mail.sender.domain))
        throw new BadItem('unknown-tenant', 'tenant: this client may not name it, or there is none of that name');
    }
    if (holdFor === undefined && holdUntil === undefined) return;
    if (holdFor !== undefined && holdUntil !== undefined)
      throw new BadItem('not-allowed', 'holdUntil: give it or holdFor, not both');
    const now = this.options.clock.now();
    const limits = { maxHold: this.options.session.maxHold, minDeliverBy: 0 };
    const at =
      holdFor !== undefined ? parseHoldFor(String(holdFor), limits, now) : parseHoldUntil(holdUntil!, limits, now);
    if (at === null) throw new BadItem('not-allowed', 'holdFor: seconds from 1; holdUntil: a date-time of RFC 3339');
    if (typeof at !== 'number') throw new BadItem('not-allowed', `holdFor, holdUntil: ${at.text}`);
    mail.holdFor = at - now;
  }

  private keyOf(client: ItemClient, item: MailItem, at: number): ItemKey {
    const { answered } = this.options;
    const tenant = item.tenant ?? '';
    const own = item.idempotencyKey;
    // A blank is in no key: those of items and of requests are not mixed up.
    const key = own ?? `${client.idempotencyKey} ${at}`;
    const digest = own === undefined ? client.digest() : createHash('sha256').update(JSON.stringify(item)).digest();
    return { tenant, key, digest, row: (id) => answered.row(tenant, key, digest, id) };
  }

  /** Goes on with `go` unless the item was taken before; waits where it is just being taken. */
  private claim(mail: InjectedMail, wanted: ItemKey, go: () => void): void {
    const { answered } = this.options;
    const { tenant, key, digest } = wanted;
    const name = `${tenant}\n${key}`;
    const claim = this.claims.get(name);
    const found = claim === undefined ? answered.find(tenant, key) : null;
    const known = claim?.digest ?? found?.digest;
    if (known !== undefined && !sameRequest(known, digest))
      throw new BadItem('key-reused', 'the idempotency key was used before, for something else');
    if (claim !== undefined) {
      const again = (): void => {
        try {
          this.claim(mail, wanted, go);
        } catch (error) {
          mail.settle(refusalFor(error));
        }
      };
      void claim.over.then(again);
      return;
    }
    if (found !== null) {
      mail.settle({ id: formatQueueId(found.id), refused: [], repeated: true });
      return;
    }
    if (answered.full) {
      const detail = 'too many idempotency keys are kept (SLUICE_IDEMPOTENCY_MAX), try again later';
      mail.settle({ status: 503, code: 'keys-full', detail, reply: '' });
      return;
    }
    const over = new Promise<void>((resolve) => {
      mail.whenSettled(() => {
        this.claims.delete(name);
        resolve();
      });
    });
    this.claims.set(name, { digest, over });
    try {
      go();
    } catch (error) {
      mail.settle(refusalFor(error));
    }
  }

  private admit(mail: InjectedMail, client: ItemClient, content: Content): void {
    const size = content.raw === null ? (content.letter.text?.length ?? 0) : content.raw.length;
    const from = clientOf(mail);
    const refusal = this.options.admitMail(from, size);
    if (refusal !== null) {
      mail.finish(refusal);
      return;
    }
    const replies = mail.recipients.map(({ address }) => this.options.admitRecipient(from, address));
    const goOn = (decided: readonly (Reply | null)[]): void => {
      if (this.keepAdmitted(mail, decided)) this.compose(mail, client, content);
    };
    if (!replies.some((reply) => reply instanceof Promise)) goOn(replies as (Reply | null)[]);
    else this.later(mail, Promise.all(replies).then(goOn));
  }

  /** False: there is nobody left, and the item is settled. */
  private keepAdmitted(mail: InjectedMail, replies: readonly (Reply | null)[]): boolean {
    if (replies.every((reply) => reply === null)) return true;
    const { recipients } = mail;
    mail.recipients = recipients.filter((_, i) => replies[i] === null);
    if (mail.recipients.length === 0) {
      // What may pass is said before what lasts: the client is to try again.
      mail.finish(replies.find((reply) => reply!.code < 500) ?? replies[0]!);
      return false;
    }
    mail.refused = recipients.flatMap(({ address }, i) => {
      const reply = replies[i]!;
      return reply === null ? [] : [{ recipient: address, reply: textOf(reply) }];
    });
    return true;
  }

  private compose(mail: InjectedMail, client: ItemClient, { letter, raw }: Content): void {
    if (raw !== null) {
      this.hand(mail, client, raw, this.options.session, false, false);
      return;
    }
    const { from, to, cc, replyTo } = letter;
    const isUtf8 = (one: Mailbox): boolean => one.nonAscii;
    const utf8 = from.nonAscii || to.some(isUtf8) || cc.some(isUtf8) || replyTo.some(isUtf8);
    const direct = utf8 ? null : composeDirectly(letter);
    if (direct !== null && this.hand(mail, client, direct, this.composed, false, true)) return;
    const encoded = composeMime(letter);
    this.later(
      mail,
      encoded.then((bytes) => void this.hand(mail, client, bytes, this.composed, utf8, false)),
    );
  }

  /** Hands the message to the intake; false: it has to be encoded, where that is possible. */
  private hand(
    mail: InjectedMail,
    client: ItemClient,
    bytes: Buffer,
    options: ServerSessionOptions,
    utf8: boolean,
    encodable: boolean,
  ): boolean {
    const receiver = new ContentReceiver(options, 'plain', '8BITMIME', new BodyBuffer(this.options.segments));
    if (bytes.length > PIECE) {
      this.later(
        mail,
        receiveInPieces(receiver, bytes).then(() => this.accept(mail, client, receiver, utf8)),
      );
      return true;
    }
    receiver.receive(bytes, 0, bytes.length);
    receiver.finish();
    const isLong = receiver.refusal() === preparedReplies(options).textLineTooLong;
    if (encodable && (isLong || receiver.facts().eightBit)) {
      receiver.release();
      return false;
    }
    this.accept(mail, client, receiver, utf8);
    return true;
  }

  private accept(mail: InjectedMail, client: ItemClient, receiver: ContentReceiver, utf8: boolean): void {
    const refusal = receiver.refusal();
    if (refusal !== null) {
      receiver.release();
      mail.finish(refusal);
      return;
    }
    const content = receiver.facts();
    const { sender, recipients, holdFor } = mail;
    this.options.intake.accept(mail, {
      ...UNSAID,
      sender: sender.address,
      recipients: recipients.map(({ address }) => ({ address, notify: 0, originalRecipient: '' })),
      bodyType: content.eightBit ? '8BITMIME' : '7BIT',
      smtpUtf8: utf8 || sender.nonAscii || recipients.some(({ nonAscii }) => nonAscii),
      protocol: client.protocol,
      holdFor,
      content,
      body: receiver.take(),
    });
  }

  private later(mail: InjectedMail, work: Promise<void>): void {
    work.catch((error: unknown) => mail.settle(refusalFor(error)));
  }
}

function clientOf({ address, sender }: InjectedMail): Client {
  return { address, relays: true, account: '', listener: '', sender: sender.address };
}

async function receiveInPieces(receiver: ContentReceiver, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; at += PIECE) {
    receiver.receive(bytes, at, Math.min(bytes.length, at + PIECE));
    await nextTurn();
  }
  receiver.finish();
}
