/**
 * LOGIN (draft-murchison-sasl-login, [MS-XLOGIN]): the server asks for the user and then for the password. The prompts
 * are compared byte by byte by some clients. The user may come with the command.
 */
import type { AuthAnswer } from '../authentication.js';
import { askPassword, conclude, MALFORMED, type SaslMechanism, type SaslStep, textOf } from './mechanism.js';

const USER_PROMPT: SaslStep = { kind: 'challenge', data: 'Username:' };
const PASSWORD_PROMPT: SaslStep = { kind: 'challenge', data: 'Password:' };

export class Login implements SaslMechanism {
  private user = '';

  begin(initial: Buffer | null): SaslStep {
    return initial === null ? USER_PROMPT : this.respond(initial);
  }

  respond(message: Buffer): SaslStep {
    const text = textOf(message);
    if (text === null || text === '') return MALFORMED;
    if (this.user !== '') return askPassword('LOGIN', this.user, text);
    this.user = text;
    return PASSWORD_PROMPT;
  }

  answered(answer: AuthAnswer): SaslStep {
    return conclude(answer);
  }
}
