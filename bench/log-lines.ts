/**
 * Benchmarks of the hot log lines, beside JSON.stringify of the same fields.
 */
import type { Bench } from 'tinybench';
import {
  type AcceptedEvent,
  type AttemptEvent,
  acceptedLine,
  attemptLine,
  type OutcomeEvent,
  outcomeLine,
} from '../src/telemetry/log-line.js';
import { PostfixLines } from '../src/telemetry/postfix-line.js';

const TIME = 1_764_000_000_000;

export function addLogLineTasks(bench: Bench): void {
  const accepted: AcceptedEvent = {
    id: 'FQZ3K1B2C4',
    from: 'bounce+1234567@news.example',
    to: 'jane.doe@mail.example.org',
    recipients: 1,
    size: 10_422,
    client: '192.0.2.7',
    helo: 'client.example',
    protocol: 'ESMTP',
  };
  const attempt: AttemptEvent = {
    id: 'FQZ3K1B2C4',
    to: 'jane.doe@mail.example.org',
    host: 'mx1.mail.example.org',
    address: '198.51.100.9:25',
    status: 'delivered',
    code: 250,
    reply: '250 2.0.0 Ok: queued as 4FQZ3K1B2C',
    ms: 12.345,
  };
  const outcome: OutcomeEvent = {
    category: '',
    id: 'FQZ3K1B2C4',
    to: 'jane.doe@mail.example.org',
    status: 'delivered',
    dsn: '2.0.0',
    reply: '250 2.0.0 Ok: queued as 4FQZ3K1B2C',
    delay: 15.678,
    attempts: 1,
  };
  const foreign = { ...attempt, reply: '550 5.1.1 Empfänger "jane" unbekannt' };
  const postfix = new PostfixLines('relay', 4711);
  const detail = {
    from: accepted.from,
    ahead: 1.5,
    attempt: { host: attempt.host, address: attempt.address, tls: '', ms: 12.3 },
  };
  let length = 0;
  bench
    .add('log: accepted', () => {
      length += acceptedLine(TIME, accepted).length;
    })
    .add('log: attempt', () => {
      length += attemptLine(TIME, attempt).length;
    })
    .add('log: attempt with a reply to be escaped', () => {
      length += attemptLine(TIME, foreign).length;
    })
    .add('log: outcome', () => {
      length += outcomeLine(TIME, outcome).length;
    })
    .add('log: accepted, as Postfix', () => {
      length += postfix.accepted(TIME, accepted).length;
    })
    .add('log: outcome, as Postfix', () => {
      length += postfix.outcome(TIME, outcome, detail).length;
    })
    .add('log: accepted by JSON.stringify, for comparison', () => {
      length += JSON.stringify({ level: 30, time: TIME, ...accepted, msg: 'accepted' }).length;
      // Never true; it keeps the sum from being optimized away.
      if (length < 0) throw new Error('no lines');
    });
}
