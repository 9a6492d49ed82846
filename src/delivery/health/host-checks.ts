/**
 * Looks whether hosts answer, without mail: a connection with everything up to where mail could begin (TLS, EHLO, login),
 * then QUIT. A host is looked at when it had no mail for its `check` time or cannot be reached; so one that is back is
 * found by a look and not by mail, one that went away while idle is known before mail comes, and distances stay measured.
 *
 * A host that refused our credentials is not looked at while it rests: that could lock the account.
 * Limits: one connection a host, for at most as long as a connection to it may take; from no egress source, as the system
 * chooses.
 */
import type { Deadlined, DeadlineWheel } from '../../core/deadline-wheel.js';
import type { SessionFault } from '../../smtp/client-host.js';
import type { PeerReply } from '../../smtp/reply-parser.js';
import type { DeliveryOptions } from '../delivery.js';
import type { HostState } from '../host-state.js';
import { ProbeConnection } from '../routes/probe-connection.js';

/** Not the host's fault. */
const STOPPED = 'no longer looked at';

export type CheckOptions = Pick<DeliveryOptions, 'clock' | 'dial' | 'connection' | 'hostRest'> & {
  readonly wheel: DeadlineWheel;
  readonly events: Pick<DeliveryOptions['events'], 'hostFailed' | 'credentialsRefused'>;
};

export class HostChecks {
  private readonly options: CheckOptions;
  private readonly changed: () => void;
  private checks = new Map<HostState, HostCheck>();

  /** `changed`: called when a host that could not be reached answers again. */
  constructor(options: CheckOptions, changed: () => void) {
    this.options = options;
    this.changed = changed;
  }

  /** Hosts that are looked at. */
  get size(): number {
    return this.checks.size;
  }

  /** These are looked at from now on, as far as they have a `check` time, and no others. */
  watch(hosts: readonly HostState[]): void {
    const before = this.checks;
    this.checks = new Map();
    for (const host of hosts) {
      if (!host.site.check) continue;
      this.checks.set(host, before.get(host) ?? new HostCheck(host, this.options, this.changed));
      before.delete(host);
    }
    for (const check of before.values()) check.stop();
  }

  stop(): void {
    this.watch([]);
  }
}

class HostCheck implements Deadlined {
  deadline: number;
  private readonly host: HostState;
  private readonly options: CheckOptions;
  private readonly changed: () => void;
  private look: Look | null = null;

  constructor(host: HostState, options: CheckOptions, changed: () => void) {
    this.host = host;
    this.options = options;
    this.changed = changed;
    this.deadline = options.clock.now() + (host.site.check ?? 0);
    options.wheel.add(this);
  }

  expire(now: number): void {
    const { host, options } = this;
    const every = host.site.check || Number.POSITIVE_INFINITY;
    const unused = host.outstanding === 0 && now - host.usedAt >= every;
    const worthALook = host.reach.failures > 0 ? !host.reach.refusesUs : unused;
    this.deadline = now + every;
    if (worthALook && this.look === null) this.look = new Look(host, options, (wasDown) => this.looked(wasDown));
    options.wheel.add(this);
  }

  stop(): void {
    this.options.wheel.delete(this);
    this.look?.over(STOPPED, null);
  }

  private looked(wasDown: boolean): void {
    this.look = null;
    if (wasDown && this.host.reach.failures === 0) this.changed();
  }
}

/** One connection that asks nothing. */
class Look extends ProbeConnection {
  private readonly state: HostState;
  private readonly checks: CheckOptions;
  private readonly begunAt: number;
  private done = false;

  constructor(state: HostState, options: CheckOptions, ended: (wasDown: boolean) => void) {
    const now = options.clock.now();
    const wasDown = state.reach.failures > 0;
    super(state.target, options, undefined, state.clearBecause(now) !== '', () => ended(wasDown));
    this.state = state;
    this.checks = options;
    this.begunAt = now;
  }

  override greeted(): void {
    this.done = true;
    const now = this.checks.clock.now();
    this.state.succeeded(now - this.begunAt, now);
    this.quit();
  }

  override over(reason: string, reply: PeerReply | null, fault?: SessionFault): void {
    const first = !this.done;
    this.done = true;
    super.over(reason, reply, fault);
    if (!first || reason === STOPPED) return;
    const { checks } = this;
    const host = this.state.site;
    const words = reply === null ? reason : `${reason}: ${reply.code} ${reply.text}`;
    const now = checks.clock.now();
    if (this.fallsBack) this.state.handshakeFailed(words, now);
    else {
      this.state.failed(words, now, checks.hostRest, this.begunAt, fault);
      if (fault?.kind === 'credentials') checks.events.credentialsRefused(host, words);
      else checks.events.hostFailed(host, words);
    }
  }
}
