/**
 * The opening of a client session: greeting, EHLO (HELO where EHLO is not known), STARTTLS and EHLO again, AUTH.
 *
 * Nothing said before TLS counts after it (RFC 3207 section 4.2), and whoever is asked to be secure is never spoken to in
 * the clear beyond STARTTLS. Credentials that a host refuses end the session: they are wrong for every message.
 */
import { type Capabilities, NO_CAPABILITIES, parseCapabilities } from './capabilities.js';
import type { ClientHost, SessionFault, SessionSecurity } from './client-host.js';
import { beginDialogue, chooseMechanism, type SaslDialogue } from './client-sasl.js';
import { enhancedCode, type PeerReply } from './reply-parser.js';

type Step = 'greeting' | 'ehlo' | 'helo' | 'starttls' | 'handshake' | 'token' | 'auth';

/** What the session does when the opening is over. Both tell whether the session reads on. */
export interface OpeningEnd {
  opened(): boolean;
  end(reason: string, reply: PeerReply | null, fault?: SessionFault): boolean;
}

/** RFC 5321 section 4.5.3.1.4: a command line without CRLF; RFC 4954 section 4 holds AUTH to it. */
const MAX_COMMAND = 510;

/** RFC 3463: X.7.4 security features not supported, X.7.5 cryptographic failure; RFC 4954: X.7.8 credentials invalid. */
const NO_TLS: SessionFault = { kind: 'tls', enhanced: '4.7.4' };
const BAD_TLS: SessionFault = { kind: 'tls', enhanced: '4.7.5' };
const BAD_CREDENTIALS: SessionFault = { kind: 'credentials', enhanced: '4.7.8' };

const NAMES: Record<Step, string> = {
  greeting: 'the greeting',
  ehlo: 'the reply to EHLO',
  helo: 'the reply to HELO',
  starttls: 'the reply to STARTTLS',
  handshake: 'the TLS handshake',
  token: 'an access token',
  auth: 'the reply to AUTH',
};

export class SessionOpening {
  capabilities: Capabilities = NO_CAPABILITIES;
  step: Step = 'greeting';
  private readonly host: ClientHost;
  private readonly hostname: string;
  private readonly security: SessionSecurity;
  private readonly over: OpeningEnd;
  private secure = false;
  private binding: Buffer | null = null;
  private dialogue: SaslDialogue | null = null;
  /** The dialogue's first words, where the AUTH command could not carry them. */
  private first: Buffer | null = null;

  constructor(host: ClientHost, hostname: string, security: SessionSecurity, over: OpeningEnd) {
    this.host = host;
    this.hostname = hostname;
    this.security = security;
    this.over = over;
  }

  /** What is waited for, for reasons. */
  get waitingFor(): string {
    return NAMES[this.step];
  }

  /** The next reply. False: read no further, the session is over or TLS begins. */
  onReply(reply: PeerReply): boolean {
    switch (this.step) {
      case 'greeting':
        if (reply.code !== 220) return this.over.end('greeting refuses', reply);
        return this.sayEhlo();
      case 'ehlo':
        return this.onEhlo(reply);
      case 'helo':
        if (reply.code !== 250) return this.over.end('HELO refused', reply);
        return this.secureOrGoOn();
      case 'starttls':
        return this.onStartTls(reply);
      case 'auth':
        return this.onAuth(reply);
      default:
        return this.over.end(reply.code === 421 ? 'the host closes' : 'a reply without a command', reply);
    }
  }

  /** The rest of what came with the go-ahead for STARTTLS is known. `dropped`: bytes of it. */
  beginTls(dropped: number): void {
    if (dropped > 0) {
      // CVE-2011-0411 on the client's side: what was said in the clear would be taken as said under TLS.
      const reason = `${dropped} bytes behind the reply to STARTTLS, in the clear`;
      this.host.tlsMissing('validation-failure', reason);
      this.over.end(reason, null, BAD_TLS);
    } else this.host.startTls();
  }

  /** TLS stands. `binding`: data of `tls-exporter` (RFC 9266), null where there is none. */
  secured(binding: Buffer | null): void {
    this.secure = true;
    this.binding = binding;
    if (this.step === 'handshake') this.sayEhlo();
  }

  /** The token that `fetchToken` asked for. */
  tokenReady(token: string): void {
    if (this.step === 'token') this.authenticate(token);
  }

  private sayEhlo(): boolean {
    this.capabilities = NO_CAPABILITIES;
    this.step = 'ehlo';
    this.host.send(`EHLO ${this.hostname}\r\n`, false);
    return true;
  }

  private onEhlo(reply: PeerReply): boolean {
    if (reply.code === 250) {
      this.capabilities = parseCapabilities(reply.lines);
      return this.secureOrGoOn();
    }
    // RFC 5321 section 3.2: a server without extensions answers EHLO with 500 or 502; some with other codes of class 5.
    if (reply.code < 500) return this.over.end('EHLO refused', reply);
    this.step = 'helo';
    this.host.send(`HELO ${this.hostname}\r\n`, false);
    return true;
  }

  private secureOrGoOn(): boolean {
    const { tls } = this.security;
    if (this.secure) return this.identify();
    if (tls === 'none') return this.goOnInClear('TLS is switched off');
    if (this.capabilities.startTls) {
      this.step = 'starttls';
      this.host.send('STARTTLS\r\n', false);
      return true;
    }
    const reason = 'the host does not offer STARTTLS';
    if (tls === 'opportunistic') return this.goOnInClear(reason);
    this.host.tlsMissing('starttls-not-supported', reason);
    return this.over.end(reason, null, NO_TLS);
  }

  private onStartTls(reply: PeerReply): boolean {
    if (reply.code === 220) {
      this.step = 'handshake';
      return false;
    }
    const reason = `STARTTLS refused: ${reply.code} ${reply.text}`;
    this.host.tlsMissing('starttls-not-supported', reason);
    if (this.security.tls !== 'opportunistic') return this.over.end('STARTTLS refused', reply, NO_TLS);
    if (reply.code === 421) return this.over.end('the host closes', reply);
    return this.goOnInClear(reason);
  }

  private goOnInClear(reason: string): boolean {
    this.host.clear(reason);
    return this.identify();
  }

  private identify(): boolean {
    const { credentials } = this.security;
    if (credentials === null) return this.over.opened();
    if (!credentials.token) return this.authenticate('');
    this.step = 'token';
    this.host.fetchToken();
    return true;
  }

  private authenticate(token: string): boolean {
    const credentials = this.security.credentials!;
    const { mechanisms } = this.capabilities;
    const choice = chooseMechanism(credentials, mechanisms, this.secure, this.binding !== null);
    if ('problem' in choice) return this.over.end(`cannot authenticate: ${choice.problem}`, null, BAD_CREDENTIALS);
    const dialogue = beginDialogue(choice.mechanism, credentials, token, this.binding, mechanisms);
    this.dialogue = dialogue;
    this.step = 'auth';
    const command = `AUTH ${choice.mechanism}`;
    const first = dialogue.first === null ? '' : dialogue.first.toString('base64') || '=';
    const whole = first === '' ? command : `${command} ${first}`;
    this.first = whole.length > MAX_COMMAND ? dialogue.first : null;
    this.host.send(`${this.first === null ? whole : command}\r\n`, false);
    return true;
  }

  private onAuth(reply: PeerReply): boolean {
    const dialogue = this.dialogue!;
    if (reply.code === 334) {
      const challenge = decode(reply.lines.join(''), dialogue.mechanism === 'LOGIN');
      const answer = this.first ?? (challenge === null ? null : dialogue.respond(challenge));
      this.first = null;
      if (answer === null) return this.broken(dialogue);
      this.host.send(`${answer.toString('base64')}\r\n`, false);
      return true;
    }
    if (reply.code >= 200 && reply.code < 300) return dialogue.complete ? this.over.opened() : this.broken(dialogue);
    const words = `AUTH ${dialogue.mechanism} refused`;
    if (reply.code >= 500) return this.over.end(words, reply, BAD_CREDENTIALS);
    const enhanced = enhancedCode(reply);
    return this.over.end(words, reply, { kind: 'temporary', enhanced: enhanced === '4.0.0' ? '4.7.0' : enhanced });
  }

  private broken(dialogue: SaslDialogue): boolean {
    const why = dialogue.mechanism.startsWith('SCRAM')
      ? 'the host did not prove that it knows the password'
      : 'the host broke the dialogue';
    return this.over.end(`AUTH ${dialogue.mechanism}: ${why}`, null, BAD_CREDENTIALS);
  }
}

/** A challenge, null when it is not base64; `lenient`: then it is empty, since some hosts send LOGIN's prompts bare. */
function decode(text: string, lenient: boolean): Buffer | null {
  if (/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return Buffer.from(text, 'base64');
  return lenient ? Buffer.alloc(0) : null;
}
