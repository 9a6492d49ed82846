/**
 * How lanes share ([lanes] of SLUICE_CONFIG), and which lane a message is of where nothing else says it.
 */
import type { Lane } from './envelope.js';

export interface LaneSettings {
  /** Mail about which nothing is said. */
  readonly default: Lane;
  /** Shares of what is sent, while all of them have mail; 1 to 1000. */
  readonly immediate: number;
  readonly bulk: number;
  readonly deferred: number;
  /** Share of the connections of a destination that only immediate mail may take, 0 to 0.5. */
  readonly reserve: number;
  /** MT-PRIORITY (RFC 6710) at or above which mail is immediate, and at or below which it is bulk. */
  readonly immediatePriority: number;
  readonly bulkPriority: number;
}

/** Without the table. */
export const DEFAULT_LANES: LaneSettings = {
  default: 'bulk',
  immediate: 100,
  bulk: 20,
  deferred: 4,
  reserve: 0.1,
  immediatePriority: 1,
  bulkPriority: -1,
};
