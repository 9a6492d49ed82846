/**
 * All in-process benchmarks. A file of bench/ adds its tasks to a bench; what it returns, where it opened something, is
 * called when they have run. Names of tasks begin with the name of their suite and stay the same from commit to commit:
 * comparisons go by them.
 */
import type { Bench } from 'tinybench';
import { addDataScannerTasks } from './data-scanner.js';
import { addDkimTasks } from './dkim.js';
import { addHistoryTasks } from './history.js';
import { addLogLineTasks } from './log-lines.js';
import { addPrepareTasks } from './prepare.js';
import { addReplyParserTasks } from './reply-parser.js';
import { addSchedulerTasks } from './scheduler.js';
import { addSegmentTasks } from './segments.js';
import { addServerSessionTasks } from './server-session.js';
import { addSpoolCommitTasks } from './spool-commit.js';

export interface Suite {
  /** What the names of its tasks begin with. */
  readonly name: string;
  readonly add: (bench: Bench) => void | Promise<() => Promise<void>>;
}

export const suites: readonly Suite[] = [
  { name: 'session', add: addServerSessionTasks },
  { name: 'replies', add: addReplyParserTasks },
  { name: 'scanner', add: addDataScannerTasks },
  { name: 'segments', add: addSegmentTasks },
  { name: 'prepare', add: addPrepareTasks },
  { name: 'dkim', add: addDkimTasks },
  { name: 'spool', add: addSpoolCommitTasks },
  { name: 'scheduler', add: addSchedulerTasks },
  { name: 'log', add: addLogLineTasks },
  { name: 'history', add: addHistoryTasks },
];
