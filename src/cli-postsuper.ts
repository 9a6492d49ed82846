/**
 * `postsuper` as Postfix has it, as far as it acts on mail: -d, -h, -H, -r and -R with ids, ALL or - (ids on standard
 * input), in the queues named. Messages one by one are told of on standard error, and so are the counts.
 */
import { queuedMail, withQueue } from './cli-queue-mail.js';
import { EX_OK } from './compat/fatal.js';
import type { Place } from './compat/place.js';
import { type SuperAction, type SuperStep, superRequest } from './compat/queue/options.js';
import { type QueueName, queueOf } from './compat/queue/queue-names.js';
import type { ControlClient } from './control/control-client.js';
import { MAX_IDS } from './control/control-protocol.js';

const EACH: Readonly<Record<SuperAction, string>> = {
  retry: 'requeued',
  delete: 'removed',
  hold: 'placed on hold',
  release: 'released from hold',
};
/** In the order in which Postfix tells of them. */
const COUNTED: readonly (readonly [SuperAction, string])[] = [
  ['retry', 'Requeued'],
  ['delete', 'Deleted'],
  ['hold', 'Placed on hold'],
  ['release', 'Released from hold'],
];
/** Where an action finds mail: what is held is not held again, and only that is released. */
const APPLIES: Readonly<Record<SuperAction, readonly QueueName[]>> = {
  retry: ['hold', 'active', 'deferred'],
  delete: ['hold', 'active', 'deferred'],
  hold: ['active', 'deferred'],
  release: ['hold'],
};

/** Runs it; the exit code. @throws Fatal. */
export async function postsuper(place: Place, args: readonly string[]): Promise<number> {
  const { steps, queues } = superRequest(args);
  if (steps.length === 0) return EX_OK;
  return withQueue(place, 'mail system is down', async (client) => {
    const counts = new Map<SuperAction, number>();
    for (const step of steps) {
      const where = APPLIES[step.action].filter((name) => queues.includes(name));
      const done = step.what === 'ALL' ? await onAll(client, step, where) : await onSome(client, step, where);
      counts.set(step.action, (counts.get(step.action) ?? 0) + done);
    }
    for (const [action, word] of COUNTED) {
      const count = counts.get(action);
      if (count !== undefined) tell(`${word}: ${count} message${count === 1 ? '' : 's'}`);
    }
    return EX_OK;
  });
}

async function onAll(client: ControlClient, { action }: SuperStep, where: readonly QueueName[]): Promise<number> {
  let count = 0;
  let ids: string[] = [];
  const apply = async (): Promise<void> => {
    if (ids.length > 0) count += (await client.ask({ command: 'change', action, ids })).length;
    ids = [];
  };
  for await (const { id, state } of queuedMail(client)) {
    if (where.includes(queueOf(state)) && ids.push(id) === MAX_IDS) await apply();
  }
  await apply();
  return count;
}

async function onSome(client: ControlClient, step: SuperStep, where: readonly QueueName[]): Promise<number> {
  let count = 0;
  for await (const given of step.what === '-' ? standardInput() : [step.what]) {
    if (!/^[0-9A-Za-z]{1,64}$/.test(given)) {
      tell(`warning: invalid mail queue id: ${JSON.stringify(given).slice(1, -1).slice(0, 100)}`);
      continue;
    }
    const message = await client.ask({ command: 'show', id: given });
    if (message === null || !where.includes(queueOf(message.state))) continue;
    const changed = await client.ask({ command: 'change', action: step.action, ids: [message.id] });
    for (const id of changed) tell(`${id}: ${EACH[step.action]}`);
    count += changed.length;
  }
  return count;
}

/** Ids on standard input, one a line. */
async function* standardInput(): AsyncGenerator<string> {
  const { createInterface } = await import('node:readline');
  for await (const line of createInterface({ input: process.stdin })) if (line.trim() !== '') yield line.trim();
}

function tell(line: string): void {
  process.stderr.write(`postsuper: ${line}\n`);
}
