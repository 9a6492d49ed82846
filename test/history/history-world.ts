/**
 * Events to keep, folders to keep them in, and a disk that fails when it is told to.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatQueueId } from '../../src/core/queue-id.js';
import { diskFiles, type Files } from '../../src/history/files.js';
import type { MessageQuery } from '../../src/history/find-messages.js';
import { History } from '../../src/history/history.js';
import { HistoryDesk } from '../../src/history/history-desk.js';
import type { AcceptedMail, RecipientOutcome, ReturnedMail } from '../../src/telemetry/mail-event.js';

export const NOON = 1_795_000_000_000;
export const DAY = 86_400_000;

const FACTS = { sender: 'shop@a.example', tenant: '', tags: [], lane: 'bulk' } as const;

/** The id of a message accepted at a time. */
export function idAt(at: number, place = 0): string {
  return formatQueueId(at * 1000 + place);
}

export function accepted(id: string, at: number, more: Partial<AcceptedMail> = {}): AcceptedMail {
  return {
    ...{ kind: 'accepted', id, at, ...FACTS, recipients: ['ann@b.example'], size: 1000, account: '' },
    ...{ client: '192.0.2.1', protocol: 'ESMTP', tls: '', signed: [], ...more },
  };
}

export function outcome(id: string, at: number, more: Partial<RecipientOutcome> = {}): RecipientOutcome {
  return {
    ...{ kind: 'delivered', id, at, ...FACTS, recipient: 'ann@b.example', reply: '250 2.0.0 ok', dsn: '2.0.0' },
    ...{ category: '', attempts: 1, delay: 20, due: 0 },
    attempt: { host: 'mx.b.example', address: '192.0.2.9:25', tls: 'TLSv1.3 X', ms: 12 },
    ...more,
  };
}

export function complained(id: string, at: number, recipient: string): ReturnedMail {
  return { kind: 'complained', id, at, recipient, tenant: '', reply: '', category: 'abuse', verified: true };
}

export const ANY: MessageQuery = {
  ...{ recipient: '', sender: '', tag: '', tenant: '', since: 0, until: 0, status: '', limit: 50, after: '' },
};

/** A folder and the history in it. */
export class HistoryWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-history-'));
  history!: History;
  desk!: HistoryDesk;
  readonly told: string[] = [];
  now = NOON;
  age = 7 * DAY;
  files: Files = diskFiles;
  size = 64 * 1024 * 1024;

  async open(): Promise<History> {
    const { files, folder, size } = this;
    this.history = await History.open({ files, folder, size, failed: (reason) => this.told.push(reason) });
    const { history } = this;
    this.desk = new HistoryDesk({ files, history, ageOf: () => this.age, now: () => this.now });
    return history;
  }

  async reopen(): Promise<History> {
    await this.history.close();
    return this.open();
  }

  /** Waits for what was begun until now. */
  settled(): Promise<void> {
    return this.history.alone(async () => undefined);
  }

  names(): string[] {
    return readdirSync(this.folder).sort();
  }

  /** All bytes of all files. */
  everything(): string {
    let text = '';
    for (const name of this.names()) text += readFileSync(join(this.folder, name)).toString('latin1');
    return text;
  }

  async ids(query: Partial<MessageQuery>): Promise<string[]> {
    const ids: string[] = [];
    for (let after: string | null = ''; after !== null; ) {
      const page = await this.desk.find({ ...ANY, ...query, after });
      ids.push(...page.items.map(({ id }) => id));
      after = page.next;
    }
    return ids;
  }

  async close(): Promise<void> {
    await this.history?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A disk of which some actions fail while `broken` says so. */
export function failingFiles(broken: (action: string, path: string) => boolean): Files {
  const check = (action: string, path: string): void => {
    if (broken(action, path)) throw Object.assign(new Error(`ENOSPC: no space left, ${action}`), { code: 'ENOSPC' });
  };
  return {
    ...diskFiles,
    rename: async (from, to) => {
      check('rename', from);
      await diskFiles.rename(from, to);
    },
    remove: async (path) => {
      check('remove', path);
      await diskFiles.remove(path);
    },
    open: async (path, how) => {
      check('open', path);
      const file = await diskFiles.open(path, how);
      return {
        ...file,
        read: async (position, length) => {
          check('read', path);
          return file.read(position, length);
        },
        write: async (bytes, position) => {
          if (broken('write', path)) {
            // Half of it comes to the disk.
            await file.write(bytes.subarray(0, bytes.length >> 1), position);
            check('write', path);
          }
          await file.write(bytes, position);
        },
        sync: async () => {
          check('sync', path);
          await file.sync();
        },
      };
    },
  };
}
