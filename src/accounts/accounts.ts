/**
 * Who may submit mail, and how much: account sources, settings of accounts, limits and blocks behind one door.
 *
 * Contract: `answer` never rejects and always ends. Sources are asked in order until one knows the user. A failed attempt
 * is answered with the same words at the same time whether the user is unknown or the secret is wrong, later each time,
 * and with a block after too many; each is one line in the log (`authentication failed`). One instance, on one thread.
 */
import type { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import {
  type AuthAnswer,
  type Authenticator,
  type AuthQuestion,
  type AuthRefusal,
  MECHANISMS,
  type Mechanism,
} from '../smtp/authentication.js';
import type { AccountLog } from './account-log.js';
import type { AccountQuotas, QuotaRefusal } from './account-quotas.js';
import { type AccountSettings, accountSettings, mergeSettings } from './account-settings.js';
import type { AccountSource, AuthAttempt, SourceAnswer } from './account-source.js';
import { canonicalName, MAX_NAME } from './canonical-text.js';
import type { CertificateSource } from './certificate-source.js';
import type { FailureGuard } from './failure-guard.js';
import type { QuotaFile } from './quota-file.js';

export interface AccountsOptions {
  /** In the order in which they are asked. */
  readonly sources: readonly AccountSource[];
  /** The one among them that goes by the settings of accounts. */
  readonly certificates: CertificateSource;
  /** No other mechanisms are answered. */
  readonly mechanisms: readonly Mechanism[];
  readonly guard: FailureGuard;
  readonly quotas: AccountQuotas;
  /** Where used quotas are kept; null: nowhere. */
  readonly quotaFile: QuotaFile | null;
  readonly clock: Clock;
  readonly log: AccountLog;
  /** Hears of each attempt that failed; `user` is cut to what a name may be. */
  refused?(address: string, user: string, reason: string): void;
}

/** Accounts whose settings came with their login and are remembered. */
const MAX_SUPPLIED = 100_000;

type Accepted = Extract<SourceAnswer, { kind: 'accepted' }>;

export class Accounts implements Authenticator {
  private readonly options: AccountsOptions;
  private configured = new Map<string, AccountSettings>();
  private readonly supplied = new Map<string, AccountSettings>();
  private readonly down = new Set<AccountSource>();
  /** Ends the wait of each answer that is held back. */
  private readonly held = new Set<() => void>();
  private closed = false;

  /** `settings`: those of the configuration file. */
  constructor(options: AccountsOptions, settings: readonly AccountSettings[]) {
    this.options = options;
    this.configure(settings);
  }

  /** What the sources can answer now, in the order in which mechanisms are offered. */
  get mechanisms(): readonly Mechanism[] {
    const able = new Set(this.options.sources.flatMap((source) => source.mechanisms));
    return MECHANISMS.filter((mechanism) => able.has(mechanism) && this.options.mechanisms.includes(mechanism));
  }

  /** Replaces the settings of all accounts. */
  configure(settings: readonly AccountSettings[]): void {
    this.configured = new Map(settings.map((one) => [one.name, one]));
    this.options.certificates.configure(settings);
  }

  /** The configuration file has settings for this account. `name`: canonical. */
  isConfigured(name: string): boolean {
    return this.configured.has(name);
  }

  /** What an account may do: what the configuration file says, and for the rest what came with its login. */
  settingsOf(name: string): AccountSettings {
    const ours = this.configured.get(name);
    const theirs = this.supplied.get(name);
    if (ours !== undefined) return theirs === undefined ? ours : mergeSettings(ours, theirs);
    return theirs ?? accountSettings(name, {});
  }

  /** Counts a message of an account, at its end; a refusal when it is over a limit. `now`: ms since the epoch. */
  admit(account: string, recipients: number, now: number): QuotaRefusal | null {
    return this.options.quotas.admit(account, this.settingsOf(account).limits, recipients, now);
  }

  /** Why an account cannot send anything now, so that MAIL can be refused before the message comes; null: it can. */
  blockedUntil(account: string, now: number): QuotaRefusal | null {
    return this.options.quotas.refusal(account, this.settingsOf(account).limits, 1, now);
  }

  /** Reads accounts and keys anew. A source with a mistake keeps what it had; the log says why. Never rejects. */
  async reload(): Promise<void> {
    for (const source of this.options.sources) {
      try {
        await source.reload?.();
      } catch (error) {
        const fields = { source: source.name, reason: messageOf(error) };
        this.options.log.error(fields, 'accounts cannot be read again, the old ones stay in use');
      }
    }
  }

  /** Answers everything that is held back and writes down what was used of the limits. */
  async close(): Promise<void> {
    this.closed = true;
    for (const source of this.options.sources) source.close?.();
    for (const release of [...this.held]) release();
    await this.options.quotaFile?.close();
  }

  async answer(question: AuthQuestion, address: string): Promise<AuthAnswer> {
    const { clock, guard } = this.options;
    const start = clock.now();
    // Longer than any account's name: counted by its address alone, and not remembered.
    const user = question.user.length > MAX_NAME ? '' : canonicalName(question.user);
    const blocked = (): string | null => guard.blocked(address, user, clock.now());
    const before = blocked();
    if (before !== null) return this.refuse(question, address, `the ${before} is blocked`, 'authBlocked');
    const said = await this.ask(question, { address, mayGoOn: () => !this.closed && blocked() === null });
    if (said.kind === 'unavailable') return { kind: 'refused', reply: 'authUnavailable' };
    // Attempts at the same time: those whose address or account was blocked meanwhile learn nothing any more.
    const meanwhile = blocked();
    if (meanwhile !== null) return this.refuse(question, address, `the ${meanwhile} is blocked`, 'authBlocked');
    if (said.kind === 'salt') return said;
    const mistake = said.kind === 'accepted' ? this.mistakeOf(said, question) : said.reason;
    if (said.kind === 'accepted' && mistake === null) return this.accept(question, address, said);
    const delay = guard.failed(address, user, clock.now());
    const answer = this.refuse(question, address, mistake ?? '', 'badCredentials');
    await this.hold(start + delay - clock.now());
    return answer;
  }

  private async ask(question: AuthQuestion, attempt: AuthAttempt): Promise<SourceAnswer> {
    const mechanism = mechanismOf(question);
    let last: SourceAnswer = { kind: 'unknown', reason: 'unknown user' };
    for (const source of this.options.sources) {
      if (!source.mechanisms.includes(mechanism)) continue;
      last = await this.askOne(source, question, attempt);
      if (last.kind !== 'unknown') return last;
    }
    return last;
  }

  private async askOne(source: AccountSource, question: AuthQuestion, attempt: AuthAttempt): Promise<SourceAnswer> {
    let said: SourceAnswer;
    try {
      said = await source.answer(question, attempt);
    } catch (error) {
      said = { kind: 'unavailable', reason: messageOf(error) };
    }
    const { log } = this.options;
    if (said.kind !== 'unavailable') {
      if (this.down.delete(source)) log.info({ source: source.name }, 'accounts can be asked again');
    } else if (!this.down.has(source)) {
      // Once an outage, not once a login.
      this.down.add(source);
      log.error(
        { source: source.name, reason: said.reason },
        'accounts cannot be asked, clients are told to try later',
      );
    }
    return said;
  }

  /** Why a good secret is no login all the same, null when it is one. */
  private mistakeOf(said: Accepted, question: AuthQuestion): string | null {
    const { mechanisms } = this.settingsOf(said.name);
    // The salt of SCRAM was asked for before it is known whether the exchange is bound to the channel.
    if (!this.options.mechanisms.includes(mechanismOf(question))) return 'the mechanism is not offered';
    if (mechanisms === null || mechanisms.includes(mechanismOf(question))) return null;
    return 'the account may not log in by this mechanism';
  }

  private accept(question: AuthQuestion, address: string, said: Accepted): AuthAnswer {
    const { guard, log } = this.options;
    const { name, supplied, serverSignature } = said;
    if (supplied !== undefined) {
      this.supplied.delete(name);
      this.supplied.set(name, supplied);
      if (this.supplied.size > MAX_SUPPLIED) this.supplied.delete(this.supplied.keys().next().value!);
    }
    guard.succeeded(canonicalName(question.user));
    const fields = { address, user: shown(question.user), mechanism: mechanismOf(question), account: name };
    log.info(fields, 'authenticated');
    const account = { name, senders: this.settingsOf(name).senders };
    return serverSignature === undefined
      ? { kind: 'accepted', account }
      : { kind: 'accepted', account, serverSignature };
  }

  private refuse(question: AuthQuestion, address: string, reason: string, reply: AuthRefusal): AuthAnswer {
    const fields = { address, user: shown(question.user), mechanism: mechanismOf(question), reason };
    this.options.log.warn(fields, 'authentication failed');
    this.options.refused?.(address, fields.user, reason);
    return { kind: 'refused', reply };
  }

  /** Holds an answer back, ms. */
  private hold(ms: number): Promise<void> {
    if (this.closed || ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const release = (): void => {
        clearTimeout(timer);
        this.held.delete(release);
        resolve();
      };
      const timer = setTimeout(release, ms);
      this.held.add(release);
    });
  }
}

function mechanismOf(question: AuthQuestion): Mechanism {
  switch (question.kind) {
    case 'cram':
      return 'CRAM-MD5';
    case 'scram-salt':
      return 'SCRAM-SHA-256';
    case 'certificate':
      return 'EXTERNAL';
    default:
      return question.mechanism;
  }
}

function shown(user: string): string {
  return user.length > MAX_NAME ? `${user.slice(0, MAX_NAME)}...` : user;
}
