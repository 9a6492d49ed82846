/**
 * `postcat -q` as Postfix has it: a queued message, its envelope, header and body as asked for.
 */
import { once } from 'node:events';
import { withQueue } from './cli-queue-mail.js';
import { EX_FAILED, EX_OK, Fatal } from './compat/fatal.js';
import type { Place } from './compat/place.js';
import { type CatRequest, catRequest } from './compat/queue/options.js';
import { queueOf } from './compat/queue/queue-names.js';
import { closingLines, contentFilter, contentMark, envelopeLines } from './compat/queue/shown-message.js';
import type { ControlClient } from './control/control-client.js';

/** Runs it; the exit code. @throws Fatal. */
export function postcat(place: Place, args: readonly string[]): Promise<number> {
  const request = catRequest(args);
  return withQueue(place, 'mail system is down', async (client) => {
    for (const id of request.ids) await showOne(client, id, request);
    return EX_OK;
  });
}

async function showOne(client: ControlClient, id: string, request: CatRequest): Promise<void> {
  const message = await client.ask({ command: 'show', id });
  if (message === null) throw new Fatal(EX_FAILED, `open queue file ${id}: No such file or directory`);
  const mail = {
    ...message,
    queue: queueOf(message.state),
    arrival: Math.floor(message.receivedAt / 1000),
    recipients: message.recipientDetails.map(({ address, status }) => ({ address, done: status !== 'pending' })),
  };
  if (request.envelope) await write(`${[...envelopeLines(mail), contentMark(mail)].join('\n')}\n`);
  if (request.header || request.body) {
    const filter = contentFilter(request.header, request.body);
    for (let offset = 0; ; ) {
      const piece = await client.ask({ command: 'content', id: message.id, offset });
      if (piece === null) throw new Fatal(EX_FAILED, `${id}: it left the queue meanwhile`);
      await write(filter(Buffer.from(piece.data, 'base64'), piece.next === 0));
      if (piece.next === 0) break;
      offset = piece.next;
    }
  }
  if (request.envelope) await write(`${closingLines(mail).join('\n')}\n`);
}

async function write(data: string | Buffer): Promise<void> {
  if (!process.stdout.write(data)) await once(process.stdout, 'drain');
}
