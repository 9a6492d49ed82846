/**
 * Log lines as Postfix writes them, for the programs that read those: pflogsumm, logwatch, fail2ban, exporters.
 *
 * An accepted message is a line of smtpd (`client=`) and one of qmgr (`from=, size=, nrcpt=`), each outcome a line of smtp
 * (`to=, relay=, delay=, delays=, dsn=, status=`), an expiry one of qmgr besides, the end of a message `removed`. There is no
 * line of cleanup: the Message-ID is not known where lines are written. A client is `unknown[address]`, as where Postfix
 * finds no name. What has no form of Postfix's is a line of `sluice[pid]`.
 *
 * Contract: as of log-line.ts: whole lines whatever the strings hold, no control character of the data. Lines of
 * messages are built by hand; `general` parses the JSON of a line and is not for hot use.
 */
import type { AcceptedEvent, OutcomeEvent } from './log-line.js';
import type { AttemptFacts } from './mail-event.js';
import { harmless } from './pretty-line.js';

/** What a line of an outcome tells besides; built only for a log that is `detailed`. */
export interface OutcomeDetail {
  /** The envelope's sender, '' for the null sender. */
  readonly from: string;
  /** From the first octet to our 250, ms. */
  readonly ahead: number;
  /** null: no next hop was reached. */
  readonly attempt: AttemptFacts | null;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const PLAIN = /^[ -~]*$/;
const REPLY = /^[2-5]\d\d[ -]/;
const STATUS = { delivered: 'sent', deferred: 'deferred', failed: 'bounced', expired: 'deferred' } as const;
/** Enhanced codes where an outcome names none (RFC 3463 section 2: other or undefined). */
const UNDEFINED_CODE = { delivered: '2.0.0', deferred: '4.0.0', failed: '5.0.0', expired: '4.0.0' } as const;
const SEVERITY: ReadonlyMap<unknown, string> = new Map([
  [40, 'warning: '],
  [50, 'error: '],
  [60, 'fatal: '],
]);

export class PostfixLines {
  private readonly host: string;
  private readonly pid: number;
  /** The second that `stamp` is of. */
  private second = Number.NaN;
  private stamp = '';

  /** `host`: as syslog shows it, without blanks. */
  constructor(host: string, pid: number) {
    this.host = host.replace(/[^!-~]+/g, '-') || 'localhost';
    this.pid = pid;
  }

  /** Lines of an accepted message. `time`: wall clock, ms since the epoch. */
  accepted(time: number, event: AcceptedEvent): string {
    const queued = `${this.head(time, 'postfix/qmgr')}${event.id}: from=<${clean(event.from)}>, size=${event.size}, nrcpt=${
      event.recipients
    } (queue active)\n`;
    // No session brought it: a notification of our own.
    if (event.client === '') return queued;
    const login = event.account === undefined || event.account === '' ? '' : `, sasl_username=${clean(event.account)}`;
    return `${this.head(time, 'postfix/smtpd')}${event.id}: client=unknown[${clean(event.client)}]${login}\n${queued}`;
  }

  /** Lines of what became of a recipient. */
  outcome(time: number, event: OutcomeEvent, { from, ahead, attempt }: OutcomeDetail): string {
    const { id, status } = event;
    // Never more than the whole: the clock of an attempt begins before its first command.
    const sending = attempt === null ? 0 : Math.min(attempt.ms, event.delay);
    const before = Math.min(Math.max(0, ahead), event.delay - sending);
    const queued = event.delay - sending - before;
    const dsn = event.dsn === '' ? UNDEFINED_CODE[status] : event.dsn;
    const line = `${this.head(time, 'postfix/smtp')}${id}: to=<${clean(event.to)}>, relay=${relayOf(
      attempt,
    )}, delay=${seconds(event.delay)}, delays=${seconds(before)}/${seconds(queued)}/0/${seconds(
      sending,
    )}, dsn=${dsn}, status=${STATUS[status]} (${said(event, attempt)})\n`;
    if (status !== 'expired') return line;
    return `${line}${this.head(time, 'postfix/qmgr')}${id}: from=<${clean(from)}>, status=expired, returned to sender\n`;
  }

  /** Line of a message that left the queue. */
  removed(time: number, id: string): string {
    return `${this.head(time, 'postfix/qmgr')}${id}: removed\n`;
  }

  /** A JSON log line as one of Postfix's where it has such a line, as one of `sluice` otherwise. */
  general(line: string): string {
    let record: Record<string, unknown>;
    try {
      record = JSON.parse(line) as Record<string, unknown>;
    } catch {
      return `${this.head(Date.now(), 'sluice')}${harmless(line.trimEnd())}\n`;
    }
    const { level, time, msg, err, ...fields } = record;
    const at = typeof time === 'number' ? time : Date.now();
    const known = KNOWN.get(String(msg))?.(fields);
    if (known !== undefined) return `${this.head(at, known[0])}${harmless(known[1])}\n`;
    let text = `${this.head(at, 'sluice')}${SEVERITY.get(level) ?? ''}${String(msg ?? '')}`;
    for (const [key, value] of Object.entries(fields))
      text += ` ${key}=${typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)}`;
    if (typeof err === 'object' && err !== null) text += ` error=${JSON.stringify((err as Error).message ?? '')}`;
    return `${harmless(text)}\n`;
  }

  /** `Nov 24 17:00:00 host program[pid]: `, in the zone of the machine as syslog has it. */
  private head(time: number, program: string): string {
    const second = Math.floor(time / 1000);
    if (second !== this.second) {
      this.second = second;
      const date = new Date(time);
      const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) => String(n).padStart(2, '0'));
      this.stamp = `${MONTHS[date.getMonth()]} ${String(date.getDate()).padStart(2)} ${clock.join(':')} ${this.host} `;
    }
    return `${this.stamp}${program}[${this.pid}]: `;
  }
}

function clean(text: string): string {
  return PLAIN.test(text) ? text : harmless(text);
}

/** `host[address]:port`. */
function relayOf(attempt: AttemptFacts | null): string {
  if (attempt === null) return 'none';
  const { host, address } = attempt;
  const colon = address.lastIndexOf(':');
  return `${host}[${address.slice(0, colon)}]${address.slice(colon)}`;
}

function said({ status, reply }: OutcomeEvent, attempt: AttemptFacts | null): string {
  const text = clean(reply);
  if (status === 'delivered' || attempt === null || !REPLY.test(reply)) return text;
  return `host ${attempt.host}[${attempt.address.slice(0, attempt.address.lastIndexOf(':'))}] said: ${text}`;
}

/** Seconds in as few digits as Postfix takes: two, or all before the point. */
function seconds(ms: number): string {
  if (ms >= 10_000) return `${Math.round(ms / 1000)}`;
  return ms >= 1000 ? `${Math.round(ms / 100) / 10}` : `${Math.round(ms / 10) / 100}`;
}

type Fields = Readonly<Record<string, unknown>>;
type Known = (fields: Fields) => readonly [program: string, text: string];

/** Lines of Postfix's by the text of ours. */
const KNOWN: ReadonlyMap<string, Known> = new Map<string, Known>([
  [
    'authentication failed',
    ({ address, mechanism, reason, user }) => [
      'postfix/smtpd',
      `warning: unknown[${address}]: SASL ${mechanism} authentication failed: ${reason}, sasl_username=${user}`,
    ],
  ],
  [
    'refused',
    ({ client, code, reason, from }) => [
      'postfix/smtpd',
      `NOQUEUE: reject: END-OF-MESSAGE from unknown[${client}]: ${code} ${reason}; from=<${from}>`,
    ],
  ],
  [
    'next hop could not be used',
    ({ host, address, reason }) => {
      const [to, colon] = [String(address), String(address).lastIndexOf(':')];
      return ['postfix/smtp', `connect to ${host}[${to.slice(0, colon)}]${to.slice(colon)}: ${reason}`];
    },
  ],
]);
