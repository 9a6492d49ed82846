/**
 * `sluice webhooks`: how it goes with those who are told of mail over HTTP, a test, and resuming one.
 */
import { EX_OK, EX_UNAVAILABLE, expectArguments, parse, print, UsageError } from './cli-command.js';
import { withEngine } from './cli-engine.js';
import { shortTime } from './cli-tables.js';
import type { WebhookReport } from './control/engine-control.js';
import { harmless } from './telemetry/pretty-line.js';

const ACTIONS = ['list', 'test', 'resume'];

/** The command with its actions. */
export async function webhooks(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args, { json: { type: 'boolean' }, socket: { type: 'string' } });
  const [action = 'list', name = ''] = positionals;
  if (!ACTIONS.includes(action)) throw new UsageError(`"${action}" is not an action; there are ${ACTIONS.join(', ')}`);
  if (positionals.length > 0) expectArguments(positionals, action === 'list' ? ['list'] : [action, 'name']);
  const json = values.json === true;
  return withEngine(values.socket, async (client) => {
    if (action === 'test') {
      const answer = await client.ask({ command: 'test-webhook', name });
      const good = answer.status >= 200 && answer.status < 300;
      print(json ? JSON.stringify(answer) : `${name} answers: ${harmless(answer.answer)}`);
      return good ? EX_OK : EX_UNAVAILABLE;
    }
    if (action === 'resume') {
      const report = await client.ask({ command: 'resume-webhook', name });
      print(json ? JSON.stringify(report) : `${name} is told again; ${report.queued} events wait`);
      return EX_OK;
    }
    const reports = await client.ask({ command: 'webhooks' });
    for (const report of reports) print(json ? JSON.stringify(report) : lineOf(report, Date.now()));
    if (reports.length === 0 && !json) print('there are no webhooks');
    return EX_OK;
  });
}

function lineOf(report: WebhookReport, now: number): string {
  const { name, url, queued, oldest, sent, dropped, lastAnswer, retryAt, disabled } = report;
  const parts = [`${sent} told`, `${queued} wait`];
  if (oldest > 0) parts.push(`the first for ${shortTime(now - oldest)}`);
  if (dropped > 0) parts.push(`${dropped} given up`);
  if (disabled !== '') parts.push(`disabled: ${harmless(disabled)}`);
  else if (retryAt > 0) parts.push(`${harmless(lastAnswer)}, again in ${shortTime(Math.max(0, retryAt - now))}`);
  return `${name}  ${harmless(url)}  ${parts.join(', ')}`;
}
