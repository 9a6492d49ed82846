/**
 * What operators may read of queued mail at length, and change in lists: for commands that work through the whole queue.
 */
import type { ContentPiece, EngineControl } from './control/engine-control.js';
import { formatQueueId, parseQueueId } from './core/queue-id.js';
import { unstuffer } from './message/dot-stuffing.js';
import type { QueueCommands } from './queue/queue-commands.js';
import type { Spool, StoredContent } from './spool/spool.js';

export type QueueReads = Pick<EngineControl, 'details' | 'content' | 'change'>;

/** Stored bytes of one piece at most. */
const PIECE = 256 * 1024;

/** Builds them. */
export function queueReads(spool: Pick<Spool, 'load'>, commands: QueueCommands): QueueReads {
  const one = {
    retry: (id: string) => commands.retry(id),
    hold: (id: string) => commands.hold(id),
    release: (id: string) => commands.release(id),
    delete: (id: string) => commands.remove(id),
  };
  return {
    details: (after, limit) => commands.details(after, limit),
    async content(shown, offset) {
      const id = parseQueueId(shown);
      const stored = id === undefined ? undefined : await spool.load(id);
      if (stored === undefined) return undefined;
      const { form, dotLines } = stored.envelope.content;
      return pieceOf(stored.content, offset, form === 'wire' && dotLines > 0);
    },
    async change(action, ids) {
      const changed: string[] = [];
      for (const shown of new Set(ids)) {
        const id = parseQueueId(shown);
        if (id === undefined) continue;
        const name = formatQueueId(id);
        if ((await one[action](name)) > 0) changed.push(name);
      }
      return changed;
    },
  };
}

async function pieceOf(content: StoredContent, offset: number, isStuffed: boolean): Promise<ContentPiece> {
  if (offset >= content.size) return { data: '', next: 0 };
  const piece = (await content.read(offset)).subarray(0, PIECE);
  const end = offset + piece.length;
  let data = piece;
  if (isStuffed) {
    const unstuff = unstuffer();
    // Whether the piece begins at the start of a line shows in what is before it; that may lie across two chunks.
    for (let at = Math.max(0, offset - 2); at < offset; ) {
      const before = (await content.read(at)).subarray(0, offset - at);
      unstuff(before);
      at += before.length;
    }
    data = unstuff(piece);
  }
  return { data: data.toString('base64'), next: end < content.size ? end : 0 };
}
