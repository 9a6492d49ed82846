/**
 * `qshape` as Postfix has it: what waits for which domain, and how long. Queue names as arguments; with none those that
 * qshape takes, incoming and active. Of its options -s (sender domains) is there.
 */
import { listed, queuedMail, withQueue } from './cli-queue-mail.js';
import { EX_OK, EX_USAGE, Fatal } from './compat/fatal.js';
import { getopt } from './compat/getopt.js';
import type { Place } from './compat/place.js';
import { KNOWN_QUEUES } from './compat/queue/queue-names.js';
import { QueueShape } from './compat/queue/shape.js';

/** Runs it; the exit code. @throws Fatal. */
export function qshape(place: Place, args: readonly string[]): Promise<number> {
  const { options, words, problem } = getopt(args, 'sc:');
  if (problem !== '' || words.some((word) => !KNOWN_QUEUES.includes(word)))
    throw new Fatal(EX_USAGE, 'usage: qshape [-s (sender domains)] [queue...]');
  const queues = words.length === 0 ? ['incoming', 'active'] : words;
  const bySender = options.some(({ letter }) => letter === 's');
  return withQueue(place, 'mail system is down', async (client) => {
    const shape = new QueueShape();
    const now = Date.now() / 1000;
    for await (const message of queuedMail(client)) {
      const { queue, arrival, sender, recipients } = listed(message);
      if (!queues.includes(queue)) continue;
      for (const address of bySender ? [sender] : recipients.map((one) => one.address)) {
        const domain = address.slice(address.lastIndexOf('@') + 1).toLowerCase();
        shape.add(domain === '' ? 'MAILER-DAEMON' : domain, now - arrival);
      }
    }
    for (const line of shape.lines()) process.stdout.write(`${line}\n`);
    return EX_OK;
  });
}
