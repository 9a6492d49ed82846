/**
 * The table [lanes] of the configuration file.
 *
 *   [lanes]
 *   default = "bulk"
 *   immediate = 8
 *   bulk = 4
 *   deferred = 1
 *   reserve = 0.1
 *   immediate_priority = 1
 *   bulk_priority = -1
 */
import { z } from 'zod';
import { DEFAULT_LANES, type LaneSettings } from '../message/lane-settings.js';

const MAX_WEIGHT = 1000;
const MAX_RESERVE = 0.5;

function whole(least: number, most: number, standard: number) {
  const message = `allowed: a whole number from ${least} to ${most}`;
  return z.int(message).min(least, message).max(most, message).default(standard);
}

const weight = (standard: number) => whole(1, MAX_WEIGHT, standard);
const reserve = `allowed: a number from 0 to ${MAX_RESERVE}`;
const shape = {
  default: z.enum(['immediate', 'bulk'], { error: 'allowed: "immediate" or "bulk"' }).default(DEFAULT_LANES.default),
  immediate: weight(DEFAULT_LANES.immediate),
  bulk: weight(DEFAULT_LANES.bulk),
  deferred: weight(DEFAULT_LANES.deferred),
  reserve: z.number(reserve).min(0, reserve).max(MAX_RESERVE, reserve).default(DEFAULT_LANES.reserve),
  immediate_priority: whole(-9, 9, DEFAULT_LANES.immediatePriority),
  bulk_priority: whole(-9, 9, DEFAULT_LANES.bulkPriority),
};

export const lanesTable = z
  .strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `allowed: ${Object.keys(shape).join(', ')}`
        : 'allowed: one table of lanes, [lanes]',
  })
  .transform(
    ({ immediate_priority, bulk_priority, ...same }): LaneSettings => ({
      ...same,
      immediatePriority: immediate_priority,
      bulkPriority: bulk_priority,
    }),
  )
  .superRefine(({ immediatePriority, bulkPriority }, context) => {
    if (bulkPriority < immediatePriority) return;
    context.addIssue({
      code: 'custom',
      path: ['bulk_priority'],
      message: `allowed: less than immediate_priority (${immediatePriority})`,
    });
  })
  .default(DEFAULT_LANES);
