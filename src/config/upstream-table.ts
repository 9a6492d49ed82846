/**
 * The table [[upstream]] of the configuration file: groups of next hops that routes send to.
 *
 *   [[upstream]]
 *   name = "ses"
 *   hosts = ["ses://us-east-1?password_file=/etc/sluice/ses", "ses://eu-west-1?password_file=/etc/sluice/ses"]
 *   order = "preference"
 *
 * Hosts are written as in SLUICE_UPSTREAM. They may hold passwords: mistakes in them never quote what was given.
 */
import { z } from 'zod';
import { listOf, word } from '../accounts/account-settings.js';
import { DEFAULT_GROUP, type UpstreamOrder } from '../delivery/routes/route-settings.js';
import { once, tableOf } from './table-types.js';
import { type UpstreamAddress, upstreamAddress } from './upstream-type.js';

/** A group of next hops. */
export interface UpstreamGroup {
  readonly name: string;
  readonly hosts: readonly UpstreamAddress[];
  readonly order: UpstreamOrder;
}

const MAX_GROUPS = 10_000;
const MAX_HOSTS = 256;
const TYPE = upstreamAddress();

/** One next hop as a URL; `bare`: it may be `host:port` without smtp:// too. */
export function nextHop(bare: boolean) {
  const allowed = bare ? `host:port, or ${TYPE.allowed}` : TYPE.allowed;
  return z.string({ error: `allowed: ${allowed}` }).transform((text, context): UpstreamAddress => {
    const parsed = TYPE.parse(bare && !text.includes('://') ? `smtp://${text}` : text);
    if ('value' in parsed) return parsed.value;
    const problem = parsed.problem === '' ? '' : `${parsed.problem}; `;
    context.addIssue({ code: 'custom', message: `${problem}allowed: ${allowed}` });
    return z.NEVER;
  });
}

const ORDER = 'allowed: "balance", "nearest" or "preference"';
const shape = {
  name: word.refine((name) => name !== DEFAULT_GROUP, 'allowed: another name; "default" is SLUICE_UPSTREAM'),
  hosts: listOf(nextHop(false), '["smtp://relay.example:25"]')
    .min(1, 'allowed: one host at least')
    .max(MAX_HOSTS, `allowed: at most ${MAX_HOSTS}`),
  order: z.enum(['balance', 'nearest', 'preference'], { error: ORDER }).default('balance'),
};

/** All groups, each name once. */
export const upstreamTable = z
  .array(
    tableOf('upstream', shape).transform((group): UpstreamGroup => group),
    { error: 'allowed: tables of upstream groups, [[upstream]]' },
  )
  .max(MAX_GROUPS, `allowed: at most ${MAX_GROUPS}`)
  .superRefine(once('upstream'))
  .default([]);
