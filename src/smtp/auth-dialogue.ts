/**
 * The dialogue behind AUTH (RFC 4954 section 4): lines of base64 in, `*` to cancel, steps of the mechanism out. The
 * session sends the challenges, asks the questions and says the end.
 */
import type { AuthAnswer } from './authentication.js';
import type { ClientStanding } from './client-standing.js';
import { LINE_TOO_LONG } from './command-receiver.js';
import { isReply } from './parameters.js';
import { type Reply, replies } from './replies.js';
import { decodeBase64 } from './sasl/base64.js';
import type { FailureReply, SaslMechanism, SaslStep } from './sasl/mechanism.js';

/** `mechanism [initial response]`; names by RFC 4422 section 3.1. */
const ARGUMENT = /^([A-Za-z0-9_-]{1,20})(?: +([^ ]+))?$/;

/** Stands for an initial response of no bytes. */
const EMPTY = '=';

export class AuthDialogue {
  private readonly mechanism: SaslMechanism;
  private readonly maxLine: number;
  private initial: string | undefined;

  private constructor(mechanism: SaslMechanism, initial: string | undefined, maxLine: number) {
    this.mechanism = mechanism;
    this.initial = initial;
    this.maxLine = maxLine;
  }

  /** `argument`: what follows `AUTH `. The reply to give when there is no such dialogue. */
  static open(argument: string, standing: ClientStanding): AuthDialogue | Reply {
    const match = ARGUMENT.exec(argument);
    if (match === null) return replies.badAuthSyntax;
    const mechanism = standing.mechanism(match[1]!);
    return isReply(mechanism) ? mechanism : new AuthDialogue(mechanism, match[2], standing.maxAuthLine);
  }

  /** The first step. */
  begin(): SaslStep {
    const { initial } = this;
    if (initial === undefined) return this.mechanism.begin(null);
    this.initial = undefined;
    const message = decodeBase64(initial === EMPTY ? '' : initial);
    return message === null ? this.failed('authNotBase64') : this.mechanism.begin(message);
  }

  /** The client's answer to a challenge is the line `bytes[start, end)`; `length` with its CRLF, `flaws`: LINE_* bits. */
  respond(bytes: Buffer, start: number, end: number, length: number, flaws: number): SaslStep {
    if ((flaws & LINE_TOO_LONG) !== 0 || length > this.maxLine) return this.failed('authLineTooLong');
    if (flaws !== 0) return this.failed('authNotBase64');
    const text = bytes.toString('latin1', start, end);
    if (text === '*') return this.failed('authCancelled');
    const message = decodeBase64(text);
    return message === null ? this.failed('authNotBase64') : this.mechanism.respond(message);
  }

  answered(answer: AuthAnswer): SaslStep {
    return this.mechanism.answered(answer);
  }

  /** However a dialogue ends in which the accounts have refused, it counts. */
  private failed(reply: FailureReply): SaslStep {
    return { kind: 'failed', reply, counted: this.mechanism.refused === true };
  }
}
