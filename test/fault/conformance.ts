/**
 * The crash drivers of the conformance folder, run against the engine: ledger.py (kill, TERM, power cut) and ackorder.py
 * (a sync ends before each 250). They are other people's programs and judge by their own rules; this file only starts
 * them and reads their verdict. Where the folder is absent, the cases are skipped.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type FaultCase, type FaultContext, type FaultReport, pause, SkipCase } from './fault-case.js';
import { Load } from './load.js';
import { LoopDisk, need } from './machine.js';
import { freePort } from './smtp-client.js';
import { Stage } from './stage.js';

const ENTRY = fileURLToPath(new URL('../../src/main.js', import.meta.url));

interface Finished {
  readonly code: number | null;
  readonly output: string;
}

function finish(child: ChildProcess): Promise<Finished> {
  let output = '';
  const take = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-20_000);
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
}

function needDrivers(context: FaultContext): void {
  if (context.drivers === '') throw new SkipCase('the conformance folder (--drivers DIR) is not here');
  need('python3', 'the drivers are written in it');
}

/** Settings as the protocol of the drivers has them, as words of a command line. */
function engineCommand(spool: string): (port: number, sinkPort: number) => string {
  return (port, sinkPort) =>
    `env SLUICE_LISTEN=smtp://127.0.0.1:${port} SLUICE_UPSTREAM=smtp://127.0.0.1:${sinkPort} SLUICE_SPOOL_DIR=${spool} ` +
    'SLUICE_SPOOL_ALLOW_TMPFS=yes SLUICE_RETRY_MIN=1s SLUICE_RETRY_MAX=5s SLUICE_RELAY_DOMAINS=accept.example SLUICE_LOG_LEVEL=warn ' +
    `${process.execPath} ${ENTRY}`;
}

/** Runs ledger.py on a relay with raw-sink.py as its next hop; the verdict is left to the caller. */
async function runLedger(
  context: FaultContext,
  command: (port: number, sinkPort: number) => string,
  more: readonly string[],
): Promise<Finished & { facts: Record<string, number | string> }> {
  const [port, sinkPort] = [await freePort(), await freePort()];
  const arrivals = join(context.memory, 'sink');
  const sinkProgram = [join(context.drivers, 'wire/raw-sink.py'), String(sinkPort), arrivals];
  const sink = spawn('python3', sinkProgram, { stdio: 'ignore' });
  await pause(700);
  const driver = [join(context.drivers, 'crash/ledger.py'), 'run', '--port', String(port), '--sink', arrivals];
  const own = ['--ledger', join(context.memory, 'ledger'), '--start', command(port, sinkPort)];
  const finished = await finish(
    spawn('python3', [...driver, ...own, ...more], { cwd: context.directory, stdio: ['ignore', 'pipe', 'pipe'] }),
  );
  sink.kill('SIGKILL');
  // The driver only asks the relay to end.
  await pause(2000);
  const verdict = finished.output.split('\n').find((line) => line.startsWith('{'));
  return { ...finished, facts: verdict === undefined ? {} : (JSON.parse(verdict) as Record<string, number | string>) };
}

async function mustPass(
  context: FaultContext,
  command: (port: number, sinkPort: number) => string,
  more: readonly string[],
): Promise<FaultReport> {
  const { code, output, facts } = await runLedger(context, command, more);
  return { facts, problems: code === 0 && facts['verdict'] === 'PASS' ? [] : [output.slice(-1500)] };
}

function ledgerCase(name: string, purpose: string, quick: boolean, quickRounds: number, more: string[]): FaultCase {
  return {
    name,
    quick,
    purpose,
    run: (context) => {
      needDrivers(context);
      const rounds = context.long ? Math.min(context.rounds, 50) : quickRounds;
      return mustPass(context, engineCommand(join(context.directory, 'spool')), ['--rounds', String(rounds), ...more]);
    },
  };
}

const cutCase: FaultCase = {
  name: 'driver-cut',
  quick: false,
  purpose: 'ledger.py: power cuts on a loop mount',
  run: async (context) => {
    needDrivers(context);
    if (!context.mounts) throw new SkipCase('unshare -m and mount are not permitted here (they need root)');
    const disk = new LoopDisk(context.directory, 256 * 1024 * 1024);
    try {
      const image = join(context.directory, 'disk.img');
      const rounds = String(Math.min(context.rounds, 20));
      const command = engineCommand(join(disk.mount, 'spool'));
      return await mustPass(context, command, ['--rounds', rounds, '--cut', `${disk.mount}:${image}`]);
    } finally {
      await disk.close();
    }
  },
};

const orderCase: FaultCase = {
  name: 'driver-order',
  quick: true,
  purpose: 'ackorder.py: by strace, a sync that began after the final dot ends before each 250',
  run: (context) => {
    needDrivers(context);
    need('strace', 'system calls cannot be recorded');
    // io_uring hides system calls from strace.
    return Stage.run(context, { environment: { UV_USE_IO_URING: '0' } }, async (stage) => {
      const trace = join(context.memory, 'trace');
      const calls = 'read,recvfrom,readv,recvmsg,write,writev,sendto,sendmsg,fsync,fdatasync,msync,sync_file_range';
      const how = [
        '-f',
        '-ttt',
        '-yy',
        '-s',
        '8000',
        '-o',
        trace,
        '-e',
        `trace=${calls}`,
        '-p',
        String(stage.engine.pid),
      ];
      const tracer = spawn('strace', how, { stdio: 'ignore' });
      const ended = new Promise((resolve) => tracer.once('exit', resolve));
      await pause(1000);
      const options = { port: stage.port, ledger: stage.ledger, lanes: 1, rate: 25 };
      const load = new Load({ ...options, size: [500, 3000], recipients: [1, 1] });
      await pause(context.long ? 30_000 : 6_000);
      await load.stop();
      tracer.kill('SIGINT');
      await ended;
      const driver = join(context.drivers, 'crash/ackorder.py');
      const { code, output } = await finish(spawn('python3', [driver, trace], { stdio: ['ignore', 'pipe', 'pipe'] }));
      const last = output.trim().split('\n').at(-1) ?? '';
      return stage.finish({ order: last.replaceAll(' ', '-') }, code === 0 ? [] : [output.slice(0, 800)]);
    });
  },
};

/** The drivers' own negative control: a relay that must fail, so that a pass means something. */
const controlCase: FaultCase = {
  name: 'driver-control',
  quick: false,
  purpose: 'badrelay.py, which acknowledges before it stores, must fail ledger.py',
  run: async (context) => {
    needDrivers(context);
    const relay = join(context.drivers, 'crash/badrelay.py');
    const command = (port: number, sinkPort: number): string => `python3 ${relay} ${port} ${sinkPort}`;
    const { code, facts } = await runLedger(context, command, ['--rounds', '3', '--settle', '5']);
    const lost = facts['LOST'] ?? 'none';
    return { facts: { lost }, problems: code === 0 || lost === 0 ? ['a relay that loses mail has passed'] : [] };
  },
};

export const conformanceCases: readonly FaultCase[] = [
  orderCase,
  ledgerCase('driver-kill', 'ledger.py: kill -9 of the engine', true, 3, ['--target', 'main']),
  ledgerCase('driver-term', 'ledger.py: SIGTERM', false, 3, [
    '--target',
    'main',
    '--stop-signal',
    'TERM',
    '--max-dup',
    '0',
  ]),
  cutCase,
  controlCase,
];
