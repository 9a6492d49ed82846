/**
 * Failed logins, counted: those of one client within WINDOW are one entry, so that who guesses does not fill the log.
 *
 * Limits: MAX_CLIENTS in a window, all further ones count together; MAX_NAMES of the names that were tried are kept. What
 * was counted is told at the end of the window and by `flush`; a crash loses a window at most.
 */
import type { AuditEvent } from './audit-entry.js';

/** ms. */
const WINDOW = 60_000;
const MAX_CLIENTS = 100;
const MAX_NAMES = 5;
const MAX_NAME = 100;

export interface FailedLogin {
  readonly over: 'smtp' | 'http';
  /** Address of the client. */
  readonly client: string;
  /** Name that was tried, '' for none. */
  readonly user: string;
  /** In words, without a secret. */
  readonly reason: string;
}

interface Count {
  readonly first: FailedLogin;
  readonly users: Set<string>;
  failures: number;
}

export class FailedLogins {
  private readonly counts = new Map<string, Count>();
  private others = 0;
  private timer: NodeJS.Timeout | null = null;
  private readonly tell: (event: AuditEvent) => void;

  constructor(tell: (event: AuditEvent) => void) {
    this.tell = tell;
  }

  failed(login: FailedLogin): void {
    this.timer ??= setTimeout(() => this.flush(), WINDOW).unref();
    const key = `${login.over} ${login.client}`;
    let count = this.counts.get(key);
    if (count === undefined) {
      if (this.counts.size >= MAX_CLIENTS) {
        this.others++;
        return;
      }
      count = { first: login, users: new Set(), failures: 0 };
      this.counts.set(key, count);
    }
    count.failures++;
    if (login.user !== '' && count.users.size < MAX_NAMES) count.users.add(login.user.slice(0, MAX_NAME));
  }

  /** Tells what was counted until now. */
  flush(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    for (const { first, users, failures } of this.counts.values()) {
      const details = { failures, reason: first.reason, ...(users.size > 0 ? { users: [...users] } : {}) };
      this.tell({ actor: `${first.over} ${first.client}`, action: 'login.failed', details });
    }
    if (this.others > 0)
      this.tell({
        actor: 'smtp and http',
        action: 'login.failed',
        details: { failures: this.others, clients: 'more' },
      });
    this.counts.clear();
    this.others = 0;
  }
}
