/**
 * Limits of transports (qmgr(8)): <transport>_destination_rate_delay, _concurrency_limit and _recipient_limit, and the
 * processes that master.cf allows, as [[shaping]].
 *
 * A delay is between deliveries to one destination, over one connection: so many messages in a span, one connection.
 */
import type { Ledger } from './ledger.js';
import type { MainCf } from './main-cf.js';
import type { Service } from './master-cf.js';
import type { Fields } from './output.js';

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const SPANS = [
  ['second', 1],
  ['minute', 60],
  ['hour', 3600],
  ['day', 86_400],
] as const;

/** Seconds of a Postfix time; 0 for none. */
export function secondsOf(text: string): number {
  const match = /^(\d+)([smhdw]?)$/.exec(text.trim());
  return match === null ? 0 : Number(match[1]) * UNITS[match[2] || 's']!;
}

/** Keys of a [[shaping]] for a delay between deliveries, s: the shortest span that one message fits in. */
export function delayFields(seconds: number): Fields {
  const [span, length] = SPANS.find(([, one]) => one >= seconds) ?? SPANS[3]!;
  return { [`messages_per_${span}`]: Math.max(1, Math.floor(length / seconds)), connections: 1 };
}

/** What is said of this transport alone, as keys of a [[shaping]]; {} for nothing. Tells the ledger. */
export function limitsOf(cf: MainCf, service: Service, ledger: Ledger): Fields {
  const { name, processes, where } = service;
  const found: Record<string, unknown> = {};
  const parameter = (kind: string): string => `${name}_destination_${kind}`;
  const told = (key: string): void =>
    ledger.add('carried', cf.place(key), key, `[[shaping]] of what goes by the transport ${name}`);
  const whole = (text: string): number => (/^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0);
  if (name !== 'smtp') {
    const [concurrency, recipients] = [parameter('concurrency_limit'), parameter('recipient_limit')];
    if (cf.has(concurrency) && whole(cf.value(concurrency)) > 0) {
      found['connections'] = whole(cf.value(concurrency));
      told(concurrency);
    }
    if (cf.has(recipients) && whole(cf.value(recipients)) > 0) {
      found['recipients_per_message'] = whole(cf.value(recipients));
      told(recipients);
    }
    const delay = parameter('rate_delay');
    const seconds = cf.has(delay) ? secondsOf(cf.value(delay)) : 0;
    if (seconds > 0) {
      Object.assign(found, delayFields(seconds));
      told(delay);
    }
  }
  if (processes > 0 && !['smtp', 'relay'].includes(name)) {
    found['connections'] = Math.min(processes, Number(found['connections'] ?? processes));
    ledger.add('differs', where, `processes of ${name}`, `at most ${processes} connections to each of its next hops`);
  }
  return found;
}
