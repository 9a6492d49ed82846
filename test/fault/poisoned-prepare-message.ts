/**
 * Stands in for workers/prepare-message.js in the build of the `worker` case (poisoned-build.ts): does what the HELO name of a message says
 * (`throw.fault`, `exit.fault`, `heap.fault`, `hang.fault`), and hands everything else to the real one beside it.
 */
import type { PackedAnswer, PrepareRequest } from '../../workers/contract.js';

// By a name that only exists in that build.
const real = (await import(new URL('./prepare-message-real.js', import.meta.url).href)) as {
  default(batch: readonly PrepareRequest[]): PackedAnswer;
};

export default function prepareMessages(batch: readonly PrepareRequest[]): PackedAnswer {
  for (const { origin } of batch) {
    if (origin.helo === 'throw.fault') throw new Error('poison');
    if (origin.helo === 'exit.fault') process.exit(3);
    if (origin.helo === 'heap.fault') {
      const hoard: object[] = [];
      for (;;) hoard.push({ hoard: [...hoard.slice(-1000)] });
    }
    while (origin.helo === 'hang.fault');
  }
  return real.default(batch);
}
