/**
 * The soak (long run only): ten minutes and more of good and bad next hops and clients, with memory, descriptors and
 * connections sampled; the slope of each over the second half is what counts.
 */
import { BadCrowd, describeCrowd } from './crowd.js';
import { type FaultCase, type FaultReport, pause, within } from './fault-case.js';
import { Stage } from './stage.js';

const MINUTE = 60_000;
/** How long it takes, ms; the length of its samples; what may be slow growth of nothing, bytes and descriptors an hour. */
const LENGTH = 11 * MINUTE;
const SAMPLE = 5_000;
const MEMORY_PER_HOUR = 120 * 1024 * 1024;
const DESCRIPTORS_PER_HOUR = 60;

interface Sample {
  /** Hours since the start. */
  readonly at: number;
  readonly resident: number;
  readonly descriptors: number;
  readonly upstream: number;
  readonly queued: number;
}

/** Slope by least squares. */
function slope(samples: readonly Sample[], value: (sample: Sample) => number): number {
  const n = samples.length;
  const meanAt = samples.reduce((sum, sample) => sum + sample.at, 0) / n;
  const mean = samples.reduce((sum, sample) => sum + value(sample), 0) / n;
  let above = 0;
  let below = 0;
  for (const sample of samples) {
    above += (sample.at - meanAt) * (value(sample) - mean);
    below += (sample.at - meanAt) ** 2;
  }
  return below === 0 ? 0 : above / below;
}

async function play(stage: Stage): Promise<FaultReport> {
  const crowd = new BadCrowd(stage.port);
  stage.atEnd(() => crowd.kill());
  crowd.begin({ dripHello: 30, dripData: 30, silent: 20, vanish: 2, junk: 2, junkData: 1, endlessLine: 1, flood: 1 });
  const load = stage.load({ lanes: 12, rate: 150, size: [1000, 40_000], large: 0.005 });
  const began = Date.now();
  const samples: Sample[] = [];
  const manners = [{}, { refuse: 0.2 }, { drop: 0.1 }, { slow: 200 }, { refuse: 0.05, drop: 0.02, slow: 5 }];
  for (let n = 0; Date.now() - began < LENGTH; n++) {
    // Another next hop every half minute; now and then none at all.
    if (n % 6 === 0) stage.sink.behave(manners[(n / 6) % manners.length]!);
    if (n % 30 === 29) {
      stage.ledger.fault();
      await stage.sink.kill();
      await pause(1500);
      await stage.sink.start();
    }
    await pause(SAMPLE);
    const { resident, descriptors } = stage.engine.figures();
    const status = await stage.engine.status();
    const { upstreamConnections: upstream, queued } = status;
    samples.push({ at: (Date.now() - began) / 3_600_000, resident, descriptors, upstream, queued });
  }
  const bad = await crowd.end();
  stage.sink.behave({});
  await stage.settle(120_000);
  const half = samples.slice(Math.floor(samples.length / 2));
  const memory = slope(half, (sample) => sample.resident);
  const descriptors = slope(half, (sample) => sample.descriptors);
  const problems: string[] = [];
  if (memory > MEMORY_PER_HOUR) problems.push(`resident memory grows by ${Math.round(memory / 1048576)} MB an hour`);
  if (descriptors > DESCRIPTORS_PER_HOUR) problems.push(`${Math.round(descriptors)} descriptors more an hour`);
  const quiet = async (): Promise<boolean> => {
    const status = await stage.engine.status();
    return status.serverConnections === 0 && status.upstreamConnections === 0 && status.queued === 0;
  };
  // Idle upstream connections are closed after the time set below.
  if (!(await within(30_000, quiet)))
    problems.push(
      `at rest it has ${JSON.stringify(await stage.engine.status())} and should have nothing open or queued`,
    );
  const most = Math.max(...samples.map((sample) => sample.resident));
  const report = await stage.finish(
    {
      minutes: Math.round((Date.now() - began) / MINUTE),
      memoryMbPerHour: Math.round(memory / 1048576),
      descriptorsPerHour: Math.round(descriptors),
      mostRssMb: Math.round(most / 1048576),
      p99Ms: load.percentile(0.99),
      crowd: describeCrowd(bad),
    },
    problems,
  );
  // A next hop that drops the connection instead of answering has taken nothing: it writes nothing down either.
  return report;
}

const soakCase: FaultCase = {
  name: 'soak',
  quick: false,
  purpose: 'eleven minutes of good and bad next hops and clients: flat memory and descriptors',
  run: (context) =>
    Stage.run(
      context,
      {
        environment: {
          SLUICE_COMMAND_TIMEOUT: '20s',
          SLUICE_CONNECT_TIMEOUT: '20s',
          SLUICE_DATA_TIMEOUT: '20s',
          SLUICE_UPSTREAM_IDLE: '5s',
          SLUICE_LOG_LEVEL: 'error',
        },
      },
      play,
    ),
};

export const soakCases: readonly FaultCase[] = [soakCase];
