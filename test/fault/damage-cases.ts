/**
 * Cases in which the files of a spool with mail in it are damaged while no engine runs.
 *
 * Allowed ends: the start is refused with exit code 74 and one line that names the file and says what to do; or the
 * engine starts, reports what it set aside, and delivers all the rest. Never an empty start, never a death without a
 * word, and never another file changed on a refusal.
 */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { packPlain } from '../../src/spool/envelope-codec.js';
import { MARKER_NAME } from '../../src/spool/generation-marker.js';
import { DATA_NAME } from '../../src/spool/open-spool.js';
import { PID_NAME } from '../../src/spool/spool-lock.js';
import { openTables } from '../../src/spool/tables.js';
import { DidNotStart } from './engine.js';
import { type FaultCase, type FaultReport, pause, within } from './fault-case.js';
import { Stage } from './stage.js';

const PAGE = 4096;
const EX_IOERR = 74;
/** nobody, on most systems; any user that does not own the spool will do. */
const OTHER_USER = 65_534;

interface Damage {
  readonly name: string;
  /** What must come of it; 'either' where it depends on which bytes were hit. */
  readonly end: 'refused' | 'delivered' | 'either';
  readonly user?: number;
  apply(spool: string): void | Promise<void>;
}

function overwrite(path: string, offset: number, bytes: Uint8Array): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, bytes, 0, bytes.length, offset);
  closeSync(fd);
}

function garbleRandomPages(path: string, count: number, from = 2): void {
  const pages = Math.floor(statSync(path).size / PAGE);
  for (let n = 0; n < count; n++) {
    const page = from + Math.floor(Math.random() * (pages - from));
    overwrite(path, page * PAGE, randomBytes(PAGE));
  }
}

/** Writes another format number into the store, as an older or newer Sluice would have left it. */
async function setFormat(spool: string, version: number): Promise<void> {
  const tables = openTables(join(spool, DATA_NAME), 'fsync', 2 ** 32, false);
  await tables.meta.put('format', packPlain({ version }));
  await tables.environment.close();
  const marker = JSON.parse(readFileSync(join(spool, MARKER_NAME), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(spool, MARKER_NAME), JSON.stringify({ ...marker, format: version }));
}

const data = (spool: string): string => join(spool, DATA_NAME);
const size = (spool: string): number => statSync(data(spool)).size;

const DAMAGES: readonly Damage[] = [
  { name: 'untouched', end: 'delivered', apply: () => {} },
  { name: 'half-cut', end: 'refused', apply: (spool) => truncateSync(data(spool), Math.floor(size(spool) / 2)) },
  { name: 'tail-cut', end: 'either', apply: (spool) => truncateSync(data(spool), size(spool) - 3 * PAGE - 100) },
  { name: 'one-page', end: 'refused', apply: (spool) => truncateSync(data(spool), PAGE) },
  { name: 'page-0', end: 'refused', apply: (spool) => overwrite(data(spool), 0, randomBytes(PAGE)) },
  { name: 'pages-0-1', end: 'refused', apply: (spool) => overwrite(data(spool), 0, randomBytes(2 * PAGE)) },
  { name: 'page-0-zeroed', end: 'refused', apply: (spool) => overwrite(data(spool), 0, Buffer.alloc(PAGE)) },
  { name: '200-pages', end: 'either', apply: (spool) => garbleRandomPages(data(spool), 200) },
  { name: '5-pages', end: 'either', apply: (spool) => garbleRandomPages(data(spool), 5) },
  { name: '1-page', end: 'either', apply: (spool) => garbleRandomPages(data(spool), 1) },
  { name: 'length-0', end: 'refused', apply: (spool) => truncateSync(data(spool), 0) },
  { name: 'missing', end: 'refused', apply: (spool) => unlinkSync(data(spool)) },
  {
    name: 'stale-locks',
    end: 'delivered',
    apply: (spool) => {
      writeFileSync(`${data(spool)}-lock`, randomBytes(8192));
      writeFileSync(join(spool, PID_NAME), JSON.stringify({ pid: process.pid, boot: 'an older one', started: '1' }));
    },
  },
  {
    name: 'garbled-pid-file',
    end: 'delivered',
    apply: (spool) => writeFileSync(join(spool, PID_NAME), randomBytes(64)),
  },
  { name: 'marker-gone', end: 'delivered', apply: (spool) => rmSync(join(spool, MARKER_NAME)) },
  {
    name: 'marker-garbled',
    end: 'refused',
    apply: (spool) => writeFileSync(join(spool, MARKER_NAME), randomBytes(50)),
  },
  {
    name: 'marker-of-another',
    end: 'refused',
    apply: (spool) => {
      const marker = JSON.parse(readFileSync(join(spool, MARKER_NAME), 'utf8')) as Record<string, unknown>;
      writeFileSync(join(spool, MARKER_NAME), JSON.stringify({ ...marker, generation: crypto.randomUUID() }));
    },
  },
  { name: 'older-format', end: 'refused', apply: (spool) => setFormat(spool, 0) },
  { name: 'newer-format', end: 'refused', apply: (spool) => setFormat(spool, 99) },
  {
    name: 'wrong-owner',
    end: 'refused',
    user: OTHER_USER,
    apply: (spool) => {
      chownSync(spool, OTHER_USER, OTHER_USER);
      chmodSync(data(spool), 0o600);
    },
  },
  {
    name: 'unreadable-directory',
    end: 'refused',
    user: OTHER_USER,
    apply: (spool) => chmodSync(spool, 0o700),
  },
];

/** What is wrong with a refusal; nothing when it is as it should be. */
function faultsOfRefusal(refusal: DidNotStart, spool: string): string[] {
  const faults: string[] = [];
  if (refusal.ending?.code !== EX_IOERR)
    faults.push(`it ended with ${refusal.ending?.code ?? refusal.ending?.signal ?? 'no end'} and not 74`);
  if (refusal.errors.length !== 1) faults.push(`it wrote ${refusal.errors.length} lines to standard error`);
  const line = refusal.errors.join(' ');
  if (!line.includes(spool)) faults.push(`the line names no file: ${line.slice(0, 300)}`);
  if (!/\b(put|move|stop|start|give|deliver|chown|make|run|belongs)\b/i.test(line))
    faults.push(`the line names no remedy: ${line.slice(0, 300)}`);
  return faults;
}

const damageCase: FaultCase = {
  name: 'damage',
  quick: true,
  purpose: 'a spool with mail is cut, garbled, emptied, of another owner or format: a clear refusal or quarantine',
  run: (context) =>
    Stage.run(context, { sinkDown: true }, async (stage): Promise<FaultReport> => {
      const load = stage.load({ lanes: 8, size: [1000, 60_000], large: 0.03 });
      await within(20_000, () => stage.ledger.acknowledged >= 300);
      await load.stop();
      await stage.engine.terminate();
      const good = join(context.directory, 'good');
      cpSync(stage.spool, good, { recursive: true });
      rmSync(join(good, PID_NAME), { force: true });
      const problems: string[] = [];
      const ends: Record<string, string> = {};
      let acknowledgedPairs = 0;
      for (const { state, recipients } of stage.ledger.entries.values())
        if (state === 'acknowledged') acknowledgedPairs += recipients.length;
      const repeats = context.long ? 5 : 1;
      // Made for this user alone; another one must reach the spool to be refused by it.
      chmodSync(context.directory, 0o755);
      chmodSync(context.memory, 0o777);
      for (const damage of DAMAGES)
        for (let n = 0; n < (damage.end === 'either' ? repeats : 1); n++) {
          if (damage.user !== undefined && process.getuid?.() !== 0) {
            context.note(`SKIPPED ${damage.name}: only root can run the engine as another user`);
            continue;
          }
          rmSync(stage.spool, { recursive: true, force: true });
          cpSync(good, stage.spool, { recursive: true });
          await damage.apply(stage.spool);
          const found = await tryStart(stage, damage, context.memory);
          ends[damage.name] = found.end;
          for (const fault of found.faults) problems.push(`${damage.name}: ${fault}`);
        }
      const facts = { messages: stage.ledger.acknowledged, pairs: acknowledgedPairs, ...ends };
      return { facts, problems };
    }),
};

async function tryStart(stage: Stage, damage: Damage, memory: string): Promise<{ end: string; faults: string[] }> {
  const before = existsSync(data(stage.spool)) ? size(stage.spool) : 0;
  rmSync(join(memory, 'arrivals'), { force: true });
  await stage.sink.start();
  try {
    await stage.startEngine(
      damage.user === undefined
        ? {}
        : // The directories of the harness are for its user only; the control socket is not what this is about.
          { user: damage.user, directory: '/' },
    );
  } catch (error) {
    if (!(error instanceof DidNotStart)) throw error;
    const faults = faultsOfRefusal(error, stage.spool);
    if (damage.end === 'delivered') faults.push(`it was refused: ${error.errors.join(' ').slice(0, 300)}`);
    await stage.sink.kill();
    const after = existsSync(data(stage.spool)) ? size(stage.spool) : 0;
    if (after !== before) faults.push(`the refused file went from ${before} to ${after} bytes`);
    return { end: 'refused', faults };
  }
  const faults: string[] = [];
  let lost = stage.reconcile().lost.length;
  let quiet = 0;
  // Until everything is there, or nothing more has come for two seconds.
  while (lost > 0 && quiet < 40 && !stage.engine.hasEnded) {
    await pause(50);
    const now = stage.reconcile().lost.length;
    quiet = now === lost ? quiet + 1 : 0;
    lost = now;
  }
  const found = stage.reconcile();
  const lostMessages = new Set(found.lost.map((pair) => pair.split(' ')[0])).size;
  const quarantined = stage.engine.count('damaged record set aside in quarantine');
  if (stage.engine.hasEnded) faults.push(`it died: ${JSON.stringify(await stage.engine.ended)}`);
  else await stage.engine.terminate();
  await stage.sink.kill();
  if (damage.end === 'refused') faults.push('it started, and should have been refused');
  if (found.damaged.length > 0) faults.push(`${found.damaged.length} messages arrived damaged`);
  if (found.invented.length > 0) faults.push(`${found.invented.length} messages arrived that were never sent`);
  if (lostMessages > quarantined)
    faults.push(`${lostMessages} messages did not arrive, and only ${quarantined} were reported as set aside`);
  return { end: quarantined > 0 ? `${quarantined}-quarantined` : 'delivered', faults };
}

export const damageCases: readonly FaultCase[] = [damageCase];
