/**
 * The AUTH command of a session (RFC 4954): one dialogue at a time, its steps as replies, and what a failure counts.
 *
 * The session has the stream and is told what comes next: a line of the dialogue, the answer to a question, or commands.
 */
import { AuthDialogue } from './auth-dialogue.js';
import type { AuthAnswer, AuthQuestion } from './authentication.js';
import type { ClientStanding } from './client-standing.js';
import { isReply } from './parameters.js';
import { challengeReply, type Reply, replies } from './replies.js';
import type { SaslStep } from './sasl/mechanism.js';
import type { SessionCounts } from './session-counts.js';

/** The session, as its dialogues need it. */
export interface AuthOwner {
  /** Sends a reply. */
  onSimple(reply: Reply): null;
  /** Sends a reply that may be the host's: 421 ends the connection. */
  answer(reply: Reply): null;
  /** Sends the last reply. */
  end(reply: Reply): null;
  /** The next line is the dialogue's: it goes to `respond`. */
  dialogueGoesOn(): void;
  /** Nothing is consumed until `answered`. */
  ask(question: AuthQuestion): void;
  /** Commands follow. `accepted`: the client has an account now. */
  dialogueEnds(accepted: boolean): void;
}

export class AuthExchange {
  private readonly owner: AuthOwner;
  private readonly standing: ClientStanding;
  private readonly counts: SessionCounts;
  private dialogue: AuthDialogue | null = null;

  constructor(owner: AuthOwner, standing: ClientStanding, counts: SessionCounts) {
    this.owner = owner;
    this.standing = standing;
    this.counts = counts;
  }

  // What is returned answers a mistake of the client

  /** The argument of AUTH, `state` a STATE_* bit. */
  begin(text: string, state: number): Reply | null {
    const refusal = this.standing.authRefusal(state);
    if (refusal !== null) return refusal;
    const dialogue = AuthDialogue.open(text, this.standing);
    if (isReply(dialogue)) return dialogue;
    this.dialogue = dialogue;
    return this.takeStep(dialogue.begin());
  }

  /** A line of the dialogue; `flaws`: LINE_* bits. */
  respond(bytes: Buffer, start: number, end: number, length: number, flaws: number): Reply | null {
    return this.takeStep(this.dialogue!.respond(bytes, start, end, length, flaws));
  }

  answered(answer: AuthAnswer): Reply | null {
    return this.takeStep(this.dialogue!.answered(answer));
  }

  abort(): void {
    this.dialogue = null;
  }

  private takeStep(step: SaslStep): Reply | null {
    const { owner } = this;
    if (step.kind === 'challenge') {
      owner.dialogueGoesOn();
      return owner.onSimple(challengeReply(step.data));
    }
    if (step.kind === 'question') {
      owner.ask(step.question);
      return null;
    }
    this.dialogue = null;
    if (step.kind === 'accepted') {
      this.standing.authenticated(step.account);
      owner.dialogueEnds(true);
      return owner.onSimple(replies.authenticated);
    }
    owner.dialogueEnds(false);
    const reply = replies[step.reply];
    const enough = step.counted ? this.counts.authFailure() : null;
    if (enough !== null) {
      owner.onSimple(reply);
      return owner.end(enough);
    }
    // Wrong credentials have their own count; what is malformed is a mistake like others.
    return reply.code === 500 || reply.code === 501 ? reply : owner.answer(reply);
  }
}
