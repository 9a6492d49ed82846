/**
 * Erasure of an address, tied together: queue, history, suppression list and what else of the engine's files has it.
 *
 * Contract: one after another, in the background; each step may be done again, so one that was cut short by a restart is
 * begun anew with the next start (PENDING in the folder of the history holds the address until then). What the engine
 * still tells of mail from before is forgotten for FORGET_FOR. Free pages of the spool are not overwritten: LMDB uses
 * them for the next mail.
 */
import { join } from 'node:path';
import type { ErasureOrder, ErasureReport } from './control/message-reports.js';
import { messageOf, SluiceError } from './core/errors.js';
import { erase, forgetting } from './history/erasure.js';
import type { Files } from './history/files.js';
import { spellings } from './history/find-messages.js';
import type { History } from './history/history.js';
import { folded } from './history/key-filter.js';
import type { Envelope } from './message/envelope.js';
import type { RecipientSelect } from './queue/mass-command.js';

/** What an erasure does beside the history. */
export interface ErasureActions {
  /** Takes queued recipients away without telling anybody. The number of messages. */
  removeQueued(concerned: RecipientSelect): Promise<number>;
  unsuppress(tenant: string, address: string): Promise<number>;
  /** Names of all tenants. */
  tenants(): readonly string[];
}

export interface ErasureParts {
  readonly files: Files;
  readonly folder: string;
  /** null: there is none. */
  readonly history: History | null;
  /** Takes the address out of log files of the engine's own. The number of lines. */
  eraseFromLogs(address: string): Promise<number>;
  /** Runs `work` when no other upkeep of the history runs. */
  alone<T>(work: () => Promise<T>): Promise<T>;
  ended(report: ErasureReport): void;
}

const PENDING = 'erasing';
const KEPT_REPORTS = 100;
const MAX_WAITING = 100;
/** Attempts under way and their settlement end within this, ms. */
const FORGET_FOR = 3_600_000;

type Mutable = { -readonly [K in keyof ErasureReport]: ErasureReport[K] };

export class Erasures {
  private readonly parts: ErasureParts;
  /** The last first. */
  private reports: Mutable[] = [];
  private count = 0;

  constructor(parts: ErasureParts) {
    this.parts = parts;
  }

  list(): ErasureReport[] {
    return this.reports.map((report) => ({ ...report }));
  }

  /** Begins one. Rejects with `too-many-erasures`, and where it cannot be made sure that a restart goes on with it. */
  async begin(order: ErasureOrder, actions: ErasureActions): Promise<ErasureReport> {
    if (this.reports.filter(({ state }) => state === 'running').length >= MAX_WAITING)
      throw new SluiceError('too-many-erasures', `${MAX_WAITING} erasures wait already; ask again`, {
        temporary: true,
      });
    const { address, tenant, suppression } = order;
    const report: Mutable = {
      ...{ id: `e${++this.count}`, address, tenant, suppression, state: 'running', problem: '' },
      ...{ startedAt: Date.now(), endedAt: 0, partsDone: 0, parts: 0 },
      ...{ messages: 0, events: 0, suppressions: 0, logLines: 0 },
    };
    this.reports = [report, ...this.reports].filter((one, i) => i < KEPT_REPORTS || one.state === 'running');
    await this.savePending();
    void this.parts.alone(() => this.run(report, actions));
    return { ...report };
  }

  /** Goes on with those that the last process did not end. */
  async resume(actions: ErasureActions): Promise<void> {
    for (const order of await this.readPending()) await this.begin(order, actions);
  }

  private async run(report: Mutable, actions: ErasureActions): Promise<void> {
    const { history, files, ended } = this.parts;
    const { address, tenant } = report;
    if (history !== null) {
      const remember = history.forget(forgetting({ address, tenant }, report.startedAt));
      setTimeout(remember, FORGET_FOR).unref();
    }
    try {
      report.messages = await actions.removeQueued(concerned(report));
      if (history !== null)
        report.events = await erase(files, history, { address, tenant }, (done, of) => {
          [report.partsDone, report.parts] = [done, of];
        });
      if (report.suppression)
        for (const owner of tenant === '' ? ['', ...actions.tenants()] : [tenant])
          report.suppressions += await actions.unsuppress(owner, address);
      // Lines do not say whose they are.
      if (tenant === '') report.logLines = await this.parts.eraseFromLogs(address);
      report.state = 'done';
    } catch (error) {
      report.state = 'failed';
      report.problem = messageOf(error);
    }
    report.endedAt = Date.now();
    await this.savePending().catch(() => undefined);
    ended({ ...report });
  }

  private async savePending(): Promise<void> {
    const { files, folder, history } = this.parts;
    if (history === null) return;
    const path = join(folder, PENDING);
    const orders = this.reports
      // One that failed counts until it was done again.
      .filter((one, i) => one.state !== 'done' && !this.reports.slice(0, i).some((later) => isSame(one, later)))
      .map(({ address, tenant, suppression }) => ({ address, tenant, suppression }));
    const file = await files.open(`${path}.new`, 'create');
    try {
      await file.write(Buffer.from(JSON.stringify(orders)), 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await files.rename(`${path}.new`, path);
  }

  private async readPending(): Promise<ErasureOrder[]> {
    const { files, folder, history } = this.parts;
    if (history === null) return [];
    const file = await files.open(join(folder, PENDING), 'read').catch(() => null);
    if (file === null) return [];
    try {
      return JSON.parse((await file.read(0, await file.size())).toString()) as ErasureOrder[];
    } catch {
      return [];
    } finally {
      await file.close();
    }
  }
}

function isSame(one: ErasureOrder, other: ErasureOrder): boolean {
  return one.address === other.address && one.tenant === other.tenant;
}

/** Mail to the address, and all mail from it. */
function concerned({ address, tenant }: ErasureOrder): RecipientSelect {
  const all = spellings(address);
  return ({ sender, recipients, handling }: Envelope, index) =>
    (tenant === '' || handling.tenant === tenant) &&
    (all.includes(folded(recipients[index]!.address)) || all.includes(folded(sender)));
}
