/**
 * Accounts by client certificate (EXTERNAL, RFC 4422 appendix A). The certificate was verified before.
 *
 * It is that of an account when the account's `certificates` have its fingerprint or one of its names, or, where the
 * settings allow it, when the account has the name that the certificate has as e-mail address or common name. The client
 * may say which account it wants; it must say so where the certificate is that of several.
 */
import type { AuthQuestion, ClientCertificate, Mechanism } from '../smtp/authentication.js';
import type { AccountSettings } from './account-settings.js';
import type { AccountSource, SourceAnswer } from './account-source.js';
import { canonicalName } from './canonical-text.js';

/** Names of a certificate that may be the name of an account without being listed. */
export type CertificateNames = 'email' | 'common-name';

export class CertificateSource implements AccountSource {
  readonly name = 'certificate';
  private readonly names: readonly CertificateNames[];
  private readonly exists: (name: string) => boolean;
  /** Accounts by fingerprint and name. */
  private listed = new Map<string, string[]>();

  /** `exists`: whether there is an account of a canonical name. */
  constructor(names: readonly CertificateNames[], exists: (name: string) => boolean) {
    this.names = names;
    this.exists = exists;
  }

  get mechanisms(): readonly Mechanism[] {
    return this.listed.size > 0 || this.names.length > 0 ? ['EXTERNAL'] : [];
  }

  configure(accounts: Iterable<AccountSettings>): void {
    const listed = new Map<string, string[]>();
    for (const { name, certificates } of accounts)
      for (const right of certificates) listed.set(right, [...(listed.get(right) ?? []), name]);
    this.listed = listed;
  }

  async answer(question: AuthQuestion): Promise<SourceAnswer> {
    if (question.kind !== 'certificate') return { kind: 'unknown', reason: 'unknown user' };
    const accounts = this.accountsOf(question.certificate);
    if (accounts.length === 0) return { kind: 'refused', reason: 'the certificate is that of no account' };
    if (question.user !== '') {
      const wanted = canonicalName(question.user);
      return accounts.includes(wanted)
        ? { kind: 'accepted', name: wanted }
        : { kind: 'refused', reason: 'the certificate is not that of the account asked for' };
    }
    if (accounts.length > 1)
      return { kind: 'refused', reason: 'the certificate is that of several accounts: the client must name one' };
    return { kind: 'accepted', name: accounts[0]! };
  }

  private accountsOf({ commonName, names, fingerprint }: ClientCertificate): string[] {
    const all = [commonName, ...names].filter((name) => name !== '').map(canonicalName);
    const found = new Set<string>();
    for (const right of [`sha256:${fingerprint}`, ...all]) {
      for (const account of this.listed.get(right) ?? []) found.add(account);
    }
    const own = [
      ...(this.names.includes('common-name') ? [commonName] : []),
      ...(this.names.includes('email') ? names.filter((name) => name.includes('@')) : []),
    ];
    for (const name of own.map(canonicalName)) if (name !== '' && this.exists(name)) found.add(name);
    return [...found];
  }
}
