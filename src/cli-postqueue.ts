/**
 * `postqueue` and `mailq` as Postfix has them.
 *
 * Who may: the user of the engine and root, for the control socket is theirs; Postfix shows its queue to everybody.
 */
import { once } from 'node:events';
import { listed, queuedMail, withQueue } from './cli-queue-mail.js';
import { EX_OK, EX_TEMPFAIL, Fatal } from './compat/fatal.js';
import type { Place } from './compat/place.js';
import { EMPTY, HEADING, listingJson, listingLines, summary } from './compat/queue/listing.js';
import { queueRequest } from './compat/queue/options.js';
import type { ControlClient } from './control/control-client.js';

const NO_REPORT = 'Queue report unavailable - mail system is down';
const NO_FLUSH = 'Cannot flush mail queue - mail system is down';
const IDS = 500;

/** Runs it; the exit code. @throws Fatal. */
export async function postqueue(place: Place, args: readonly string[]): Promise<number> {
  const request = queueRequest(args);
  switch (request.mode) {
    case 'list':
      return withQueue(place, NO_REPORT, list);
    case 'json':
      return withQueue(place, NO_REPORT, async (client) => {
        for await (const message of queuedMail(client)) await write(`${listingJson(listed(message))}\n`);
        return EX_OK;
      });
    case 'flush':
      return withQueue(place, NO_FLUSH, async (client) => {
        await client.ask({ command: 'retry', id: 'all' });
        return EX_OK;
      });
    case 'message':
      return withQueue(place, NO_FLUSH, async (client) => {
        // What is held stays so.
        const message = await client.ask({ command: 'show', id: request.what });
        if (message?.state === 'deferred') await client.ask({ command: 'change', action: 'retry', ids: [message.id] });
        return EX_OK;
      });
    case 'site':
      return withQueue(place, NO_FLUSH, (client) => flushSite(client, request.what));
  }
}

/** `mailq`: options of sendmail may follow; only a recipient may not. @throws Fatal. */
export async function mailq(place: Place, args: readonly string[]): Promise<number> {
  if (args.some((word) => !word.startsWith('-')))
    throw new Fatal(EX_TEMPFAIL, 'display queue mode requires no recipient');
  return postqueue(place, ['-p']);
}

async function list(client: ControlClient): Promise<number> {
  let [bytes, messages] = [0, 0];
  for await (const message of queuedMail(client)) {
    const mail = listed(message);
    await write(`${messages === 0 ? HEADING : ''}\n${listingLines(mail).join('\n')}\n`);
    bytes += mail.size;
    messages++;
  }
  await write(messages === 0 ? `${EMPTY}\n` : `\n${summary(bytes, messages)}\n`);
  return EX_OK;
}

/** Tries what waits for recipients of a domain now. */
async function flushSite(client: ControlClient, site: string): Promise<number> {
  let ids: string[] = [];
  const retry = async (): Promise<void> => {
    if (ids.length > 0) await client.ask({ command: 'change', action: 'retry', ids });
    ids = [];
  };
  for await (const message of queuedMail(client)) {
    const { recipients, queue } = listed(message);
    if (queue !== 'deferred' || !recipients.some(({ address }) => address.toLowerCase().endsWith(`@${site}`))) continue;
    if (ids.push(message.id) === IDS) await retry();
  }
  await retry();
  return EX_OK;
}

/** Waits where a pipe is slow; ends where it is closed. */
async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}
