/**
 * How accepted messages are prepared, as the settings say: rules, Received, signatures, on which threads.
 */
import type { Settings } from './config/schema.js';
import { messageOf } from './core/errors.js';
import type { PrepareInline } from './intake/intake.js';
import { PreparePool } from './intake/prepare-pool.js';
import type { SegmentPool } from './memory/segment-pool.js';
import { ContentMemory } from './message/content-memory.js';
import type { Canonicalization } from './message/dkim/body-hash.js';
import { loadSigningKeys } from './message/dkim/key-store.js';
import type { HeaderRules } from './message/header-rules.js';
import { createPreparer } from './message/prepare.js';
import type { Log } from './telemetry/log.js';

/** One of the two is there. */
export interface Preparation {
  readonly inline: PrepareInline | null;
  readonly pool: PreparePool | null;
}

/** What is changed in every message. */
export function headerRules(settings: Settings): HeaderRules {
  return {
    remove: settings.headerRemove,
    replace: settings.headerReplace,
    add: settings.headerAdd,
    rewriteFields: settings.rewriteFields,
    rewriteDomains: settings.rewriteDomains,
  };
}

/**
 * Keys and rules as they are now. `captured`: header fields whose values are wanted, lower case. Without keys there is nothing to hash, and a hop to a worker costs more than the work.
 * @throws SluiceError `bad-dkim-key`.
 */
export function preparation(
  settings: Settings,
  segments: SegmentPool,
  log: Log,
  captured: readonly string[] = [],
): Preparation {
  const [header, body] = settings.dkimCanonicalization.split('/') as [Canonicalization, Canonicalization];
  const keys =
    settings.dkimDir === ''
      ? []
      : loadSigningKeys(settings.dkimDir, {
          headerCanonicalization: header,
          bodyCanonicalization: body,
          warn: (line) => log.warn({}, line),
        });
  const config = {
    hostname: settings.hostname,
    rules: headerRules(settings),
    keys,
    maxHeaderSize: settings.maxHeaderSize,
    maxHops: settings.maxHops,
    captured,
  };
  if (keys.length === 0) {
    const preparer = createPreparer(config);
    const memory = new ContentMemory(segments.shared, segments.segmentSize);
    return { inline: (request) => preparer.prepare(request, memory), pool: null };
  }
  const pool = new PreparePool({
    threads: settings.workers,
    shared: segments.shared,
    segmentSize: segments.segmentSize,
    config,
    onThreadLost: (reason) => log.error({ reason }, 'a worker thread was lost and replaced'),
  });
  return { inline: null, pool };
}

/** Keys and rules as they are now, ready to work; what was before where they have a mistake, which is logged. */
export async function renewed(before: Preparation, ...parts: Parameters<typeof preparation>): Promise<Preparation> {
  try {
    const next = preparation(...parts);
    // The old threads go on until the new ones are there.
    await next.pool?.ready();
    return next;
  } catch (error) {
    const [, , log] = parts;
    log.error({ reason: messageOf(error) }, 'reload failed, the old signing keys stay in use');
    return before;
  }
}
