/**
 * Listening sockets that were opened before this process began: systemd's socket activation (sd_listen_fds(3)).
 *
 * LISTEN_FDS descriptors from number 3 on are ours when LISTEN_PID is this process; LISTEN_FDNAMES names them in order.
 * Several may have one name. Duplicates of them are given away and the originals stay open, so that listening can begin
 * again in the same process, and clients wait in the kernel meanwhile.
 */
import { fstatSync } from 'node:fs';
import { SluiceError } from '../core/errors.js';
import { loadDuplicator } from './descriptor.js';

/** What the environment says, as it stands there; '' for what is not set. */
export interface InheritedEnvironment {
  /** LISTEN_FDS */
  readonly fds: string;
  /** LISTEN_FDNAMES, with colons between names. */
  readonly names: string;
  /** LISTEN_PID */
  readonly pid: string;
}

/** SD_LISTEN_FDS_START */
const FIRST = 3;
/** More is a mistake, not a set of listeners. */
const MAX_SOCKETS = 1024;

export class InheritedSockets {
  private readonly environment: InheritedEnvironment;
  private readonly ownPid: number;

  /** `ownPid`: of this process. */
  constructor(environment: InheritedEnvironment, ownPid: number) {
    this.environment = environment;
    this.ownPid = ownPid;
  }

  /**
   * Descriptors for a number or name, at least one; the caller owns them. Where nothing can be duplicated they are the
   * originals, and listening on them works once.
   * @throws SluiceError `cannot-listen`, naming what is missing and how to mend it.
   */
  descriptorsOf(wanted: string): number[] {
    const descriptors = this.all().filter(({ fd, name }) => wanted === (/^\d+$/.test(wanted) ? String(fd) : name));
    if (descriptors.length === 0) {
      const there = this.all().map(({ fd, name }) => (name === '' ? `fd/${fd}` : `fd/${fd} (${name})`));
      throw cannotListen(wanted, `there is no such inherited socket; there are: ${there.join(', ')}`);
    }
    for (const { fd } of descriptors) {
      if (!isSocket(fd)) throw cannotListen(wanted, `descriptor ${fd} is not an open socket; look at the .socket unit`);
    }
    const duplicator = loadDuplicator();
    if (typeof duplicator === 'string') return descriptors.map(({ fd }) => fd);
    return descriptors.map(({ fd }) => {
      const duplicate = duplicator.duplicate(fd);
      if (duplicate < 0) throw cannotListen(wanted, 'no descriptor is left; raise the limit of open files (ulimit -n)');
      return duplicate;
    });
  }

  private all(): Array<{ fd: number; name: string }> {
    const { fds, names, pid } = this.environment;
    if (fds === '')
      throw cannotListen('', 'no sockets were inherited: start it by a systemd .socket unit (LISTEN_FDS)');
    if (pid !== String(this.ownPid))
      throw cannotListen(
        '',
        `the inherited sockets are for process ${pid === '' ? '(LISTEN_PID is not set)' : pid}, this one is ` +
          `${this.ownPid}: start node itself in ExecStart, without npm or a shell before it`,
      );
    const count = /^\d{1,4}$/.test(fds) ? Number(fds) : 0;
    if (count < 1 || count > MAX_SOCKETS) throw cannotListen('', `LISTEN_FDS is not a number from 1 to ${MAX_SOCKETS}`);
    const named = names.split(':');
    return Array.from({ length: count }, (_, i) => ({ fd: FIRST + i, name: named[i] ?? '' }));
  }
}

function cannotListen(wanted: string, why: string): SluiceError {
  const at = wanted === '' ? 'on inherited sockets' : `on fd/${wanted}`;
  return new SluiceError('cannot-listen', `cannot listen ${at}: ${why}`, { temporary: false });
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    return false;
  }
}
