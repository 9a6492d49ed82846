/**
 * Cases in which the system gives the engine too little, or its surroundings fail: descriptors, memory, name servers,
 * the clock.
 */
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { startDnsServer, type Zone } from '../helpers/dns-server.js';
import { type FaultCase, pause, SkipCase, within } from './fault-case.js';
import { descriptorsOf, execute, MemoryGroup, need } from './machine.js';
import { Stage } from './stage.js';

/** Clients that connect and say nothing; those that are refused try again, as a crowd does. */
class Crowd {
  private readonly sockets = new Set<net.Socket>();
  private readonly port: number;
  private here = true;

  constructor(port: number, size: number) {
    this.port = port;
    for (let n = 0; n < size; n++) this.join();
  }

  leave(): void {
    this.here = false;
    for (const socket of this.sockets) socket.destroy();
  }

  private join(): void {
    const socket = net.connect(this.port, '127.0.0.1');
    this.sockets.add(socket);
    socket.resume();
    socket.on('error', () => {});
    socket.on('close', () => {
      this.sockets.delete(socket);
      if (this.here) setTimeout(() => this.here && this.join(), 1000);
    });
  }
}

/** Share of one CPU that a process uses over `ms`, from 0 on. */
async function cpuShare(stage: Stage, ms: number): Promise<number> {
  const before = stage.engine.figures().cpu;
  await pause(ms);
  return (stage.engine.figures().cpu - before) / ms;
}

/** Limit of open files: what loading the program needs at once, and no room for the crowd. */
const FEW = 256;

function descriptorCase(name: string, whileRunning: boolean): FaultCase {
  return {
    name,
    quick: true,
    purpose: `${whileRunning ? 'few descriptors left, set while it runs' : `${FEW} descriptors`}: no spin, deliveries go on`,
    run: (context) => {
      need('prlimit', 'the limit of descriptors cannot be set');
      const options = {
        ...(whileRunning ? {} : { wrap: ['prlimit', `--nofile=${FEW}`] }),
        // Each message needs a new descriptor, so that what the crowd takes is missed.
        environment: { SLUICE_CONNECT_TIMEOUT: '10s', SLUICE_MESSAGES_PER_UPSTREAM_CONNECTION: '1' },
      };
      return Stage.run(context, options, async (stage) => {
        const problems: string[] = [];
        const { pid } = stage.engine;
        const base = stage.engine.figures().descriptors;
        const load = stage.load({ lanes: 4, rate: 100, recipients: [1, 1] });
        await within(10_000, () => stage.ledger.acknowledged > 20);
        if (whileRunning) {
          execute('prlimit', `--nofile=${stage.engine.figures().descriptors + 16}:`, '--pid', String(pid));
          // It looks at its limit once a second.
          await pause(1200);
        }
        const crowd = new Crowd(stage.port, 200);
        stage.atEnd(() => crowd.leave());
        await pause(500);
        // A trickle only, so that what CPU is used is what the crowd costs.
        const share = await cpuShare(stage, 2500);
        if (share > 0.5)
          problems.push(`it used ${Math.round(share * 100)} % of a CPU with nothing but waiting clients`);
        const found = await waitForArrivals(stage, 15_000);
        if (!found) {
          problems.push('what was acknowledged was not delivered while the crowd held every descriptor');
          context.note(`open: ${descriptorsOf(pid).toSorted().join(' ')}`);
        }
        crowd.leave();
        const before = stage.ledger.acknowledged;
        if (!(await within(15_000, () => stage.ledger.acknowledged > before + 20)))
          problems.push('no mail was taken again after the crowd had left');
        if (whileRunning) execute('prlimit', '--nofile=4096:', '--pid', String(pid));
        await load.stop();
        if (!(await within(20_000, () => stage.engine.figures().descriptors <= base + 12)))
          problems.push(`${stage.engine.figures().descriptors} descriptors are open at the end, ${base} at the start`);
        if (stage.engine.hasEnded) problems.push('the engine ended');
        return stage.finish({ cpuPercent: Math.round(share * 100), base, p99Ms: load.percentile(0.99) }, problems);
      });
    },
  };
}

/** Everything acknowledged until now arrives within `limit` ms. */
async function waitForArrivals(stage: Stage, limit: number): Promise<boolean> {
  const now = new Set<string>();
  for (const [id, { state }] of stage.ledger.entries) if (state === 'acknowledged') now.add(id);
  return within(limit, () => !stage.reconcile().lost.some((pair) => now.has(pair.split(' ')[0]!)));
}

const memoryCase: FaultCase = {
  name: 'memory',
  quick: true,
  purpose: 'a memory limit of 300 MB and messages of 10 MB at once: 4xx, not killed; if killed, nothing lost',
  run: async (context) => {
    const group = new MemoryGroup(300 * 1024 * 1024);
    try {
      return await Stage.run(context, { wrap: group.wrap }, async (stage) => {
        const load = stage.load({ lanes: 16, size: [9_000_000, 11_000_000], recipients: [1, 1], rest: 200 });
        const end = Date.now() + (context.long ? 60_000 : 10_000);
        let deaths = 0;
        while (Date.now() < end && stage.ledger.entries.size < 100) {
          await pause(200);
          if (!stage.engine.hasEnded) continue;
          deaths++;
          stage.ledger.fault();
          await stage.startEngine();
        }
        await load.stop();
        const problems: string[] = [];
        if (deaths > 0) problems.push(`it was killed ${deaths} times`);
        for (const code of load.refusals.keys()) if (!code.startsWith('4')) problems.push(`a refusal was ${code}`);
        const facts = { deaths, peakMb: Math.round(group.peak / 1048576), refusals: [...load.refusals].join(' ') };
        return stage.finish(facts, problems);
      });
    } finally {
      await pause(200);
      group.close();
    }
  },
};

/** Domains of the name server in these cases; each message goes to one of them. */
const DOMAINS = 400;

const dnsCase: FaultCase = {
  name: 'dns',
  quick: true,
  purpose: 'name servers silent and then failing for some seconds: deferred with 4.4.3, no bounce, all arrives after',
  run: async (context) => {
    const zone: Zone = {};
    for (let n = 0; n < DOMAINS; n++) {
      zone[`d${n}.example`] = { MX: [[10, 'mx.example']], ttl: 1 };
      zone['mx.example'] = { A: ['127.0.0.1'], ttl: 1 };
    }
    const server = await startDnsServer(zone);
    try {
      const environment = { SLUICE_DNS_SERVERS: server.address, SLUICE_LOG_LEVEL: 'info' };
      return await Stage.run(context, { byMx: true, environment: environment }, async (stage) => {
        const problems: string[] = [];
        let deferrals = 0;
        let others = 0;
        // A new domain now and then, so that answers must be asked for.
        const load = stage.load({ lanes: 4, rate: 60, recipients: [1, 1], domain: (n) => `d${n % DOMAINS}.example` });
        await pause(2000);
        if (stage.reconcile().delivered === 0) problems.push('nothing was delivered before the outage');
        server.silent = true;
        await pause(context.long ? 30_000 : 4000);
        server.silent = false;
        for (const node of Object.values(zone)) node.servfail = true;
        await pause(context.long ? 10_000 : 3000);
        for (const node of Object.values(zone)) node.servfail = false;
        const cpu = await cpuShare(stage, 500);
        await load.stop();
        const began = Date.now();
        await stage.settle(60_000);
        for (const [message, count] of stage.engine.counts) {
          if (message === 'deferred 4.4.3') deferrals += count;
          else if (message.startsWith('deferred')) others += count;
        }
        if (deferrals === 0) problems.push('the log has no deferral with 4.4.3');
        if (others > 0) problems.push(`${others} deferrals have another status than 4.4.3`);
        const facts = { deferrals, caughtUpAfterMs: Date.now() - began, cpuPercent: Math.round(cpu * 100) };
        return stage.finish(facts, problems);
      });
    } finally {
      await server.close();
    }
  },
};

const clockCase: FaultCase = {
  name: 'clock',
  quick: true,
  purpose: 'the wall clock jumps by three days and back by two hours: no early bounce, no spin, retries as before',
  run: (context) => {
    if (context.libfaketime === '')
      throw new SkipCase('libfaketime is not installed (Debian: apt install libfaketime; or --libfaketime PATH)');
    const file = join(context.memory, 'clock');
    writeFileSync(file, '+0');
    const environment = {
      LD_PRELOAD: context.libfaketime,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
    return Stage.run(context, { environment, sinkDown: true }, async (stage) => {
      const problems: string[] = [];
      const load = stage.load({ lanes: 4, rate: 50 });
      for (const jump of context.long ? ['+3d', '-2h', '+6d', '+0'] : ['+6d', '-2h']) {
        await pause(1000);
        writeFileSync(file, jump);
        const share = await cpuShare(stage, 1500);
        if (share > 0.6) problems.push(`after a jump of ${jump} it used ${Math.round(share * 100)} % of a CPU`);
      }
      await stage.sink.start();
      const up = Date.now();
      if (!(await within(15_000, () => stage.reconcile().delivered > 0)))
        problems.push('nothing was delivered within 15 s of the return of the next hop');
      const resumedAfterMs = Date.now() - up;
      const refused = load.refusals.size;
      if (refused > 0) problems.push(`clients were refused: ${[...load.refusals].join(' ')}`);
      return stage.finish({ resumedAfterMs }, problems);
    });
  },
};

export const limitCases: readonly FaultCase[] = [
  descriptorCase('descriptors', false),
  descriptorCase('descriptors-set', true),
  memoryCase,
  dnsCase,
  clockCase,
];
