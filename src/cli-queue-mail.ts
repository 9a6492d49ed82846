/**
 * Queued mail of the running engine, for the commands of Postfix: the connection, and a walk through the whole queue.
 */
import { EX_UNAVAILABLE, Fatal } from './compat/fatal.js';
import type { Place } from './compat/place.js';
import type { ListedMail } from './compat/queue/listing.js';
import { queueOf } from './compat/queue/queue-names.js';
import { ControlClient } from './control/control-client.js';
import type { MessageDetail } from './control/engine-control.js';
import { messageOf } from './core/errors.js';
import { connectUnix } from './net/unix-socket.js';

const PAGE = 500;

/** Runs `use` with the engine. @throws Fatal `down` where there is none, or it is not for this user. */
export async function withQueue(
  { controlSocket }: Place,
  down: string,
  use: (client: ControlClient) => Promise<number>,
): Promise<number> {
  let client: ControlClient;
  try {
    client = new ControlClient(await connectUnix(controlSocket));
  } catch (thrown) {
    throw new Fatal(EX_UNAVAILABLE, `${down} (no engine: ${messageOf(thrown)})`);
  }
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** Every queued message, oldest first. */
export async function* queuedMail(client: ControlClient): AsyncGenerator<MessageDetail> {
  for (let after = ''; ; ) {
    const page = await client.ask({ command: 'details', after, limit: PAGE });
    if (page.length === 0) return;
    yield* page;
    after = page[page.length - 1]!.id;
  }
}

/** A message as lists show it: recipients that are done are not in it. */
export function listed(message: MessageDetail): ListedMail {
  const { id, sender, size, state, receivedAt } = message;
  return {
    ...{ id, sender, size, queue: queueOf(state), arrival: Math.floor(receivedAt / 1000) },
    recipients: message.recipientDetails
      .filter(({ status }) => status === 'pending')
      .map(({ address, host, reply }) => ({ address, reason: reasonOf(host, reply) })),
  };
}

function reasonOf(host: string, reply: string): string {
  return host !== '' && /^[245]\d\d/.test(reply) ? `host ${host} said: ${reply}` : reply;
}
