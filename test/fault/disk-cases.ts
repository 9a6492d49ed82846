/**
 * Cases about the disk: it is full, its power is cut, its syncs are slow, its writes fail.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { between, type FaultCase, type FaultContext, pause, SkipCase, within } from './fault-case.js';
import { execute, LoopDisk, mountTmpfs, need, unmount } from './machine.js';
import { SmtpClient } from './smtp-client.js';
import { Stage } from './stage.js';

function needMounts(context: FaultContext): void {
  if (!context.mounts) throw new SkipCase('unshare -m and mount are not permitted here (they need root)');
}

/** The reply to MAIL with a declared size, on a connection of its own. */
async function answerToMail(port: number, bytes: number): Promise<string> {
  const client = await SmtpClient.open(port);
  const reply = await client.command(`MAIL FROM:<probe@client.example> SIZE=${bytes}`);
  client.close();
  return reply.text;
}

const fullCase: FaultCase = {
  name: 'full',
  quick: true,
  purpose: 'a small tmpfs fills with mail, and then by another program: 452 4.3.1, drains, goes on by itself',
  run: async (context) => {
    needMounts(context);
    const disk = join(context.directory, 'disk');
    mountTmpfs(disk, '48m');
    const options = { spool: join(disk, 'spool'), sinkDown: true };
    try {
      return await Stage.run(context, options, async (stage) => {
        const problems: string[] = [];
        const load = stage.load({ lanes: 8, size: [4000, 60_000], large: 0.02, rest: 100 });
        const full = (): boolean => (load.refusals.get('452 4.3.1') ?? 0) >= 20;
        if (!(await within(30_000, full))) problems.push('the spool never became full');
        const queued = (await stage.engine.status()).queued;
        const probe = await answerToMail(stage.port, 40_000_000);
        if (!probe.startsWith('452 4.3.1')) problems.push(`MAIL with SIZE=40000000 was answered: ${probe}`);
        await pause(1000);
        // Now it can drain, and mail is taken again, without a hand on the engine.
        await stage.sink.start();
        const before = stage.ledger.acknowledged;
        const again = (): boolean => stage.ledger.acknowledged > before + 100;
        if (!(await within(40_000, again))) problems.push('no mail was taken again after the queue could drain');
        // Another program takes all the space there is.
        const filler = join(disk, 'filler');
        const refusedBefore = load.refusals.get('452 4.3.1') ?? 0;
        try {
          for (;;) writeFileSync(filler, Buffer.alloc(256 * 1024), { flag: 'a' });
        } catch {
          // Full to the last page.
        }
        const refusedNow = (): boolean => (load.refusals.get('452 4.3.1') ?? 0) > refusedBefore + 10;
        if (!(await within(20_000, refusedNow)))
          problems.push('a disk that another program filled was not answered 452');
        await pause(1500);
        rmSync(filler);
        const resumed = stage.ledger.acknowledged;
        const goesOn = (): boolean => stage.ledger.acknowledged > resumed + 100;
        if (!(await within(40_000, goesOn))) problems.push('no mail was taken again after the space came back');
        for (const code of load.refusals.keys())
          if (!code.startsWith('452 4.3.1')) problems.push(`a refusal was ${code}, ${load.refusals.get(code)} times`);
        return stage.finish({ refused452: load.refusals.get('452 4.3.1') ?? 0, queuedWhenFull: queued }, problems);
      });
    } finally {
      await unmount(disk);
    }
  },
};

const powerCase: FaultCase = {
  name: 'power',
  quick: true,
  purpose: 'power cut: the ext4 below the spool is shut down without a flush, kill -9, journal replay, new boot id',
  run: async (context) => {
    needMounts(context);
    const disk = new LoopDisk(context.directory, 256 * 1024 * 1024);
    const rounds = Math.min(context.rounds, context.long ? 30 : 4);
    try {
      return await Stage.run(context, { spool: join(disk.mount, 'spool') }, async (stage) => {
        stage.load({ lanes: 8, large: 0.01 });
        for (let round = 0; round < rounds; round++) {
          // What is delivered at once cannot be lost any more: most of it must wait in the spool.
          stage.sink.behave({ refuse: 0.7 });
          await pause(between(300, 2000));
          stage.ledger.fault();
          await disk.cut();
          stage.ledger.fault();
          await stage.engine.kill();
          stage.ledger.fault();
          await disk.powerUp();
          await stage.startEngine();
        }
        await pause(500);
        stage.sink.behave({});
        return stage.finish({ cuts: rounds });
      });
    } finally {
      await disk.close();
    }
  },
};

const pulledCase: FaultCase = {
  name: 'pulled',
  quick: true,
  purpose: 'the disk fails under the running engine (every operation gives EIO): 451, and all is there after a restart',
  run: async (context) => {
    needMounts(context);
    const disk = new LoopDisk(context.directory, 256 * 1024 * 1024);
    try {
      return await Stage.run(context, { spool: join(disk.mount, 'spool') }, async (stage) => {
        const problems: string[] = [];
        const load = stage.load({ lanes: 8, rest: 100 });
        await pause(1500);
        stage.ledger.fault();
        await disk.cut();
        stage.ledger.fault();
        await pause(200);
        const before = stage.ledger.acknowledged;
        await pause(3000);
        if (stage.ledger.acknowledged > before)
          problems.push(`${stage.ledger.acknowledged - before} messages were acknowledged on a disk that is gone`);
        const codes = [...load.refusals.keys()];
        if (codes.some((code) => !/^4(51|52|21)/.test(code))) problems.push(`refusals were ${codes.join(', ')}`);
        if (!stage.engine.output.some((line) => line.includes('spool')))
          problems.push('the log does not say that the spool failed');
        await stage.engine.kill();
        stage.ledger.fault();
        await disk.powerUp();
        await stage.startEngine();
        await pause(1000);
        return stage.finish({ refusals: [...load.refusals].join(' ') || 'none' }, problems);
      });
    } finally {
      await disk.close();
    }
  },
};

/** strace attached to all threads of a process, injecting a fault; `end` lets go of it. */
class Injection {
  private readonly child: ChildProcess;
  private readonly gone: Promise<void>;

  private constructor(pid: number, calls: string, fault: string) {
    const filter = ['-e', `trace=${calls}`, '-e', `inject=${calls}:${fault}`];
    this.child = spawn('strace', ['-f', '-qq', '-o', '/dev/null', ...filter, '-p', String(pid)], { stdio: 'ignore' });
    this.gone = new Promise((resolve) => this.child.once('exit', () => resolve()));
  }

  static async begin(pid: number, calls: string, fault: string): Promise<Injection> {
    const injection = new Injection(pid, calls, fault);
    await pause(300);
    return injection;
  }

  async end(): Promise<void> {
    this.child.kill('SIGINT');
    await this.gone;
  }
}

function needStrace(): void {
  need('strace', 'no fault can be injected into system calls');
  try {
    execute('strace', '-qq', '-o', '/dev/null', '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO', 'true');
  } catch (error) {
    throw new SkipCase(`strace cannot inject here: ${String(error).slice(0, 160)}`);
  }
}

const slowCase: FaultCase = {
  name: 'slow-sync',
  quick: true,
  purpose: 'every sync takes half a second longer (strace): slower, nothing lost, nothing refused for good',
  run: (context) => {
    needStrace();
    return Stage.run(context, {}, async (stage) => {
      const load = stage.load({ lanes: 16 });
      await pause(1000);
      const before = stage.ledger.acknowledged;
      const injection = await Injection.begin(stage.engine.pid, 'fdatasync,fsync', 'delay_enter=500000');
      await pause(4000);
      const during = stage.ledger.acknowledged - before;
      await injection.end();
      const after = stage.ledger.acknowledged;
      const problems: string[] = [];
      if (!(await within(10_000, () => stage.ledger.acknowledged > after + 200)))
        problems.push('it did not come back to speed');
      for (const code of load.refusals.keys()) if (!code.startsWith('4')) problems.push(`a refusal was ${code}`);
      return stage.finish({ acknowledgedBefore: before, acknowledgedWhileSlow: during }, problems);
    });
  },
};

function failingCase(name: string, calls: string, quick: boolean): FaultCase {
  return {
    name,
    quick,
    purpose: `${calls} gives EIO for some seconds (strace): 451, the spool is opened again, nothing lost`,
    run: (context) => {
      needStrace();
      return Stage.run(context, {}, async (stage) => {
        const problems: string[] = [];
        const load = stage.load({ lanes: 8, rest: 100, rate: 300 });
        await pause(1000);
        const { pid } = stage.engine;
        stage.ledger.fault();
        const injection = await Injection.begin(pid, calls, 'error=EIO');
        // Only commits that were past their sync when strace took hold may still be answered 250.
        await pause(300);
        const before = stage.ledger.acknowledged;
        for (let n = 0; n < 8; n++) {
          await pause(500);
          stage.ledger.fault();
        }
        const during = stage.ledger.acknowledged - before;
        await injection.end();
        stage.ledger.fault();
        if (during > 0) problems.push(`${during} messages were acknowledged while every ${calls} failed`);
        const after = stage.ledger.acknowledged;
        if (!(await within(45_000, () => stage.ledger.acknowledged > after + 100)))
          problems.push('no mail was taken again after the cause was gone');
        if (stage.engine.hasEnded) problems.push(`the engine ended: ${stage.engine.errors.slice(-2).join(' | ')}`);
        for (const code of load.refusals.keys()) if (!/^4[25]1/.test(code)) problems.push(`a refusal was ${code}`);
        return stage.finish({ refusals: [...load.refusals].join(' ') || 'none' }, problems);
      });
    },
  };
}

export const diskCases: readonly FaultCase[] = [
  fullCase,
  powerCase,
  pulledCase,
  slowCase,
  failingCase('eio-sync', 'fdatasync,fsync', true),
  failingCase('eio-write', 'pwrite64,pwritev', false),
];
