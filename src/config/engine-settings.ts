/**
 * Rows of the schema about the spool, memory, rewriting, signing and operation; schema.ts puts all rows together.
 */
import { domainRewrites, fieldNames, fieldTexts } from './header-rule-type.js';
import { setting } from './setting.js';
import { choice, duration, flag, list, size, text } from './value-type.js';

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** The spool and the memory beside it. */
export const storageSettings = {
  spoolDir: setting({
    name: 'SLUICE_SPOOL_DIR',
    group: 'Spool and memory',
    type: text('a path; a relative one begins at the working directory'),
    default: './var/spool',
    purpose: 'Where accepted mail is kept. One engine per directory.',
    trades: 'The flush time of this disk bounds the time of each 250: local SSD, no network file system.',
  }),
  spoolAllowTmpfs: setting({
    name: 'SLUICE_SPOOL_ALLOW_TMPFS',
    group: 'Spool and memory',
    type: flag(),
    default: 'no',
    purpose: 'Lets the spool be in memory (tmpfs, ramfs), where the engine does not start otherwise.',
    trades: 'A restart of the machine or the container loses all queued mail.',
  }),
  durability: setting({
    name: 'SLUICE_DURABILITY',
    group: 'Spool and memory',
    type: choice(['fsync', 'commit']),
    default: 'fsync',
    purpose:
      'What a 250 promises: on disk (survives a power cut), or committed (survives a crash of the process only).',
    trades: 'commit saves the flush and can lose acknowledged mail when the power fails.',
  }),
  spoolMapSize: setting({
    name: 'SLUICE_SPOOL_MAP_SIZE',
    group: 'Spool and memory',
    type: size({ min: 64 * MIB, max: 1024 * GIB }),
    default: '64g',
    purpose: 'Address space of the spool: the largest its file can grow to. Beyond it clients get 452.',
    trades: 'Costs address space only, but a limit on virtual memory (ulimit -v) must leave room for it.',
  }),
  spoolMinFree: setting({
    name: 'SLUICE_SPOOL_MIN_FREE',
    group: 'Spool and memory',
    type: size({ min: MIB, max: 1024 * GIB, zero: 'chosen by the disk size' }),
    default: '0',
    purpose: 'Free disk below which new mail gets 452 while the queue drains.',
    trades: 'Deleting needs pages too: too small a reserve and a full queue drains slowly.',
  }),
  bodyMemory: setting({
    name: 'SLUICE_BODY_MEMORY',
    group: 'Spool and memory',
    type: size({ min: MIB, max: 64 * GIB }),
    default: (machine) => String(Math.min(256 * MIB, Math.max(64 * MIB, MIB * Math.floor(machine.memory / 4 / MIB)))),
    defaultNote: '256m, at most a quarter of memory, at least 64m',
    purpose: 'Shared memory for messages that are being received, in all. Beyond it clients get 452.',
    trades: 'Touched only where used; must hold at least one message of SLUICE_MAX_MESSAGE_SIZE.',
  }),
  segmentSize: setting({
    name: 'SLUICE_SEGMENT_SIZE',
    group: 'Spool and memory',
    type: size({ min: 4 * KIB, max: MIB }),
    default: '16k',
    purpose: 'The piece in which that memory is given out, in whole KiB.',
    trades: 'Smaller wastes less on small mail, larger costs less per big message.',
  }),
  queueMemory: setting({
    name: 'SLUICE_QUEUE_MEMORY',
    group: 'Spool and memory',
    type: size({ min: MIB, max: 64 * GIB, zero: 'keep none' }),
    default: '64m',
    purpose: 'Bodies of accepted mail kept in memory until they are delivered; the rest is read from the spool.',
    trades: 'More keeps bursts off the disk reads; it is resident memory.',
  }),
};

/** What is changed in a message, and signing. */
export const rewritingSettings = {
  dkimDir: setting({
    name: 'SLUICE_DKIM_DIR',
    group: 'Rewriting and signing',
    type: text('a path; a relative one begins at the working directory'),
    default: '',
    defaultNote: 'unset: no signing',
    purpose: 'Signing keys as <domain>/<selector>.pem, read at start and on SIGHUP.',
    trades: 'RSA-2048 costs about 0.4 ms of a core per message, Ed25519 a tenth of it.',
  }),
  dkimCanonicalization: setting({
    name: 'SLUICE_DKIM_CANONICALIZATION',
    group: 'Rewriting and signing',
    type: choice(['relaxed/relaxed', 'relaxed/simple', 'simple/relaxed', 'simple/simple']),
    default: 'relaxed/relaxed',
    purpose: 'How header and body are prepared for signing (RFC 6376 section 3.4).',
    trades: 'simple is faster and breaks when a later hop folds a header or trims a line.',
  }),
  headerRemove: setting({
    name: 'SLUICE_HEADER_REMOVE',
    group: 'Rewriting and signing',
    type: fieldNames(),
    default: '',
    defaultNote: 'none',
    purpose: 'Header fields taken out of every message.',
    trades: 'Removing a signed field breaks signatures made before.',
  }),
  headerAdd: setting({
    name: 'SLUICE_HEADER_ADD',
    group: 'Rewriting and signing',
    type: fieldTexts('add'),
    default: '',
    defaultNote: 'none',
    purpose: 'Header fields put into every message.',
    trades: 'Bytes on every message.',
  }),
  headerReplace: setting({
    name: 'SLUICE_HEADER_REPLACE',
    group: 'Rewriting and signing',
    type: fieldTexts('replace'),
    default: '',
    defaultNote: 'none',
    purpose: 'Header fields whose value is replaced where they occur.',
    trades: 'Replacing a signed field breaks signatures made before.',
  }),
  rewriteDomains: setting({
    name: 'SLUICE_REWRITE_DOMAINS',
    group: 'Rewriting and signing',
    type: domainRewrites(),
    default: '',
    defaultNote: 'none',
    purpose: 'Domains replaced in the addresses of the fields of SLUICE_REWRITE_FIELDS.',
    trades: 'Done before signing, so the key of the new domain signs.',
  }),
  rewriteFields: setting({
    name: 'SLUICE_REWRITE_FIELDS',
    group: 'Rewriting and signing',
    type: list(choice(['from', 'sender', 'return-path']), 'from, sender, return-path, several with commas', ',', 3),
    default: 'from,sender,return-path',
    purpose: 'The fields in which SLUICE_REWRITE_DOMAINS applies; return-path is the envelope sender.',
    trades: 'Leaving return-path out keeps bounces going to the old domain.',
  }),
};

/** Shutdown, logs, control. */
export const operationSettings = {
  shutdownTimeout: setting({
    name: 'SLUICE_SHUTDOWN_TIMEOUT',
    group: 'Operation',
    type: duration({ min: 100, max: HOUR }),
    default: '30s',
    purpose: 'For transactions and deliveries under way to finish after SIGTERM.',
    trades: 'Keep it below the kill timeout of the service manager. Nothing acknowledged is lost either way.',
  }),
  controlSocket: setting({
    name: 'SLUICE_CONTROL_SOCKET',
    group: 'Operation',
    type: text('a path; a relative one begins at the working directory'),
    default: '',
    defaultNote: 'control.sock in SLUICE_SPOOL_DIR',
    purpose: 'The Unix socket for `sluice queue` and `sluice status`, for the user of the engine only.',
    trades: 'Whoever can open it can delete queued mail.',
  }),
};
