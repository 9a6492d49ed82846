/**
 * What a session counts, and the 421 that ends it when a count reaches its limit. The counts belong to the connection:
 * TLS makes the client forget and be forgotten, but not what it has done.
 */
import { type Reply, replies } from './replies.js';
import type { ServerSessionOptions } from './server-options.js';

/** Counts that go along when a session goes on in another thread; plain data. */
export interface CarriedCounts {
  readonly errors: number;
  readonly messages: number;
  readonly authFailures: number;
  readonly idleCommands: number;
}

export class SessionCounts {
  private readonly options: ServerSessionOptions;
  private errors: number;
  private messages: number;
  private authFailures: number;
  /** Commands since the last accepted recipient or message. */
  private idleCommands: number;

  constructor(options: ServerSessionOptions, carried?: CarriedCounts) {
    this.options = options;
    this.errors = carried?.errors ?? 0;
    this.messages = carried?.messages ?? 0;
    this.authFailures = carried?.authFailures ?? 0;
    this.idleCommands = carried?.idleCommands ?? 0;
  }

  get carried(): CarriedCounts {
    const { errors, messages, authFailures, idleCommands } = this;
    return { errors, messages, authFailures, idleCommands };
  }

  /** A command came. */
  command(): Reply | null {
    const { maxIdleCommands } = this.options;
    return ++this.idleCommands > maxIdleCommands && maxIdleCommands !== 0 ? replies.tooManyIdleCommands : null;
  }

  /** A recipient or a message was accepted. */
  progress(): void {
    this.idleCommands = 0;
  }

  mistake(): Reply | null {
    const { maxErrors } = this.options;
    return ++this.errors >= maxErrors && maxErrors !== 0 ? replies.tooManyErrors : null;
  }

  authFailure(): Reply | null {
    const { maxAuthFailures } = this.options;
    return ++this.authFailures >= maxAuthFailures && maxAuthFailures !== 0 ? replies.tooManyAuthFailures : null;
  }

  /** The content of a message has ended. */
  message(): void {
    this.messages++;
  }

  /** Why there may be no further message. */
  get exhausted(): Reply | null {
    const { maxMessagesPerConnection } = this.options;
    return maxMessagesPerConnection !== 0 && this.messages >= maxMessagesPerConnection ? replies.tooManyMessages : null;
  }
}
