/**
 * What a host's verdicts on a transaction say about the host itself.
 */
import type { Verdict } from '../../smtp/client-host.js';
import type { TransactionResult } from '../host-state.js';
import { throttlingOf } from '../throttling.js';

/** 421: "service not available, closing transmission channel" (RFC 5321 section 3.8): about the host, at any stage. */
const CLOSING = 421;

/** The worst that befell: what a host says about one recipient is said about itself only where it is a deferral. */
export function resultOf(verdicts: readonly Verdict[]): TransactionResult {
  let result: TransactionResult = 'delivered';
  for (const { reply } of verdicts) {
    if (reply.code < 400) continue;
    if (reply.code === CLOSING || throttlingOf(reply) !== null) return 'busy';
    if (reply.code < 500) result = 'deferred';
    else if (result === 'delivered') result = 'failed';
  }
  return result;
}
