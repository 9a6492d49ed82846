/**
 * Who the client is, as far as it said or proved: name, TLS, account; and what that lets it do.
 *
 * Protocol rules only (RFC 3207, RFC 4954): which commands are in order, what is offered, whether a reverse-path is the
 * account's. TLS makes everything else unknown again (RFC 3207 section 4.2), RSET and EHLO keep the account.
 */
import type { AccountGrant } from './authentication.js';
import { needsTls, type Offer, offersStartTls, situationOf } from './offer.js';
import { type Reply, replies, senderNotAllowedReply } from './replies.js';
import { createMechanism } from './sasl/create-mechanism.js';
import type { SaslMechanism } from './sasl/mechanism.js';
import { maySendAs } from './sender-rights.js';
import type { TlsFacts } from './server-host.js';
import { preparedReplies, type ServerSessionOptions } from './server-options.js';
import { STATE_AUTH_FIRST, STATE_NEW, STATE_READY, STATE_TLS_FIRST, transactionOpen } from './verbs.js';

/** What a HELO name may be made of: it goes into Received, so nothing that has a meaning there. */
const HELLO_NAME = /^[A-Za-z0-9_.:[\]+/=@~#%^{}|!$&'*`?-]{1,255}$/;

export function isHelloName(name: string): boolean {
  return HELLO_NAME.test(name);
}

export class ClientStanding {
  /** Argument of EHLO or HELO, '' before. */
  helo = '';
  /** It was EHLO. */
  extended = false;
  account: AccountGrant | null = null;
  offer: Offer;
  /** The session's STATE_* bit while no transaction is open. */
  restState: number;
  private readonly options: ServerSessionOptions;
  private tls: TlsFacts | null;

  constructor(options: ServerSessionOptions, tls: TlsFacts | null) {
    this.options = options;
    this.tls = tls;
    this.offer = preparedReplies(options).offers[situationOf(options, tls)]!;
    this.restState = this.atRest();
  }

  /** EHLO or HELO; the answer to it. `now`: engine time, ms. */
  hello(name: string, extended: boolean, now: number): Reply {
    this.helo = name;
    this.extended = extended;
    this.restState = this.atRest();
    return extended ? this.offer.ehlo(now) : preparedReplies(this.options).helo;
  }

  /** TLS has begun. */
  secured(tls: TlsFacts): void {
    this.tls = tls;
    this.offer = preparedReplies(this.options).offers[situationOf(this.options, tls)]!;
    this.helo = '';
    this.extended = false;
    this.account = null;
    this.restState = this.atRest();
  }

  authenticated(account: AccountGrant): void {
    this.account = account;
    this.restState = this.atRest();
  }

  /** By its account or its certificate it may relay, wherever it comes from. */
  get trusted(): boolean {
    return this.account !== null || this.tls?.mayRelay === true;
  }

  /** `with` keyword of Received: RFC 3848, RFC 6531 section 4.3. HELO has one only. */
  protocol(smtpUtf8: boolean): string {
    if (!this.extended) return 'SMTP';
    const secured = this.tls !== null;
    if (this.account !== null) {
      if (smtpUtf8) return secured ? 'UTF8SMTPSA' : 'UTF8SMTPA';
      return secured ? 'ESMTPSA' : 'ESMTPA';
    }
    if (smtpUtf8) return secured ? 'UTF8SMTPS' : 'UTF8SMTP';
    return secured ? 'ESMTPS' : 'ESMTP';
  }

  /** Longest line of an AUTH dialogue with its CRLF. */
  get maxAuthLine(): number {
    return this.options.maxAuthLine;
  }

  /** As in Transaction. */
  get tlsText(): string {
    return this.tls === null ? '' : `${this.tls.version} ${this.tls.cipher}`;
  }

  /** Why STARTTLS is not in order. `state`: a STATE_* bit. */
  startTlsRefusal(state: number, argument: boolean): Reply | null {
    if (this.tls !== null) return replies.tlsActive;
    if (!offersStartTls(this.options)) return replies.notImplemented;
    return transactionOpen(state) ?? (argument ? replies.noArgument : null);
  }

  /** Why AUTH is not in order. `state`: a STATE_* bit. */
  authRefusal(state: number): Reply | null {
    if (this.options.auth === 'none' || this.options.mechanisms.length === 0) return replies.notImplemented;
    if (state === STATE_TLS_FIRST) return replies.tlsFirst;
    if (this.account !== null) return replies.alreadyAuthenticated;
    return state === STATE_NEW ? replies.helloFirst : transactionOpen(state);
  }

  /** A new dialogue of the mechanism of this name, or why there is none. */
  mechanism(name: string): SaslMechanism | Reply {
    const wanted = name.toUpperCase();
    const { mechanisms } = this.offer;
    const found = mechanisms.find((mechanism) => mechanism === wanted);
    if (found !== undefined) {
      return createMechanism(found, {
        hostname: this.options.hostname,
        offered: mechanisms,
        channelBinding: () => this.tls?.channelBinding() ?? null,
        clientCertificate: this.tls?.clientCertificate ?? null,
      });
    }
    const hidden = this.tls === null && this.options.mechanisms.find((mechanism) => mechanism === wanted);
    return hidden && needsTls(this.options, hidden) ? replies.authNeedsTls : replies.unknownMechanism;
  }

  /** Why the client may not have mail held: RFC 4865 is for submission. */
  holdRefusal(holdUntil: number): Reply | null {
    return holdUntil === 0 || this.options.relayClient || this.trusted ? null : replies.authFirst;
  }

  /** Why the account may not send as `sender`. */
  senderRefusal(sender: string): Reply | null {
    const { account } = this;
    if (account === null || account.senders === null || maySendAs(account.senders, sender)) return null;
    return senderNotAllowedReply(account.name, account.senders);
  }

  private atRest(): number {
    if (this.offer.tlsFirst) return STATE_TLS_FIRST;
    if (this.helo === '') return STATE_NEW;
    return this.options.auth === 'required' && this.account === null ? STATE_AUTH_FIRST : STATE_READY;
  }
}
