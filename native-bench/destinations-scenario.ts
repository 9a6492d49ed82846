/**
 * Purpose: what a backlog over many destinations costs Sluice's queue: `backlog-destinations`.
 * Contract: see scenarios.ts. Runs the program of `npm run bench:backlog`, which fills a spool and delivers from it in
 *   processes of its own, once for each number of destinations.
 * Limits: the queue and the spool, without the network: 50,000 next hops are more than a machine has to offer. For Sluice
 *   only. CPU times are of all threads of the process.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Measured, Scenario } from './scenarios.js';

const DESTINATIONS = [1_000, 10_000, 50_000] as const;
const PROGRAM = 'dist/bench/backlog.js';

interface Row {
  readonly destinations: number;
  readonly messages: number;
  readonly deliverMicroseconds: number;
  readonly fullMb: number;
  readonly startSeconds: number;
}

const backlogDestinations: Scenario = {
  name: 'backlog-destinations',
  purpose: 'CPU of the queue and memory with a backlog over 1,000, 10,000 and 50,000 destinations, on a real spool',
  needs: ['lanes'],
  async measure(_relay, plan): Promise<Measured> {
    const wanted = ['--messages', String(plan.startUpMessages), '--destinations', DESTINATIONS.join(',')];
    const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, ...wanted, '--json']);
    const [few, more, most] = JSON.parse(stdout) as [Row, Row, Row];
    return {
      figures: {
        backlog: most.messages,
        micros1000: few.deliverMicroseconds,
        micros10000: more.deliverMicroseconds,
        micros50000: most.deliverMicroseconds,
        anonMb1000: few.fullMb,
        anonMb10000: more.fullMb,
        anonMb50000: most.fullMb,
        startSeconds: most.startSeconds,
      },
      remarks: [],
    };
  },
};

export const destinationsScenarios: readonly Scenario[] = [backlogDestinations];
