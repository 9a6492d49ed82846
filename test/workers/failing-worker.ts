/**
 * A prepare worker that fails as the message tells it to, for tests of the pool: by the HELO name, or by its own start.
 */
import type { PackedAnswer, PrepareRequest } from '../../workers/contract.js';
import prepareMessages from '../../workers/prepare-message.js';

export default function failingWorker(batch: readonly PrepareRequest[]): PackedAnswer {
  for (const { origin } of batch) {
    // The thread ends as a native fault or a lack of memory ends it: without an answer.
    if (origin.helo === 'crash.example') process.exit(7);
    if (origin.helo === 'throw.example') throw new Error('thrown as asked');
    if (origin.helo === 'hang.example') for (;;);
  }
  return prepareMessages(batch);
}
