import { describe, expect, it } from 'vitest';
import { FailureShare } from '../../../src/delivery/health/failure-share.js';
import { Forecast } from '../../../src/delivery/health/forecast.js';
import { PeakLatency } from '../../../src/delivery/health/peak-latency.js';

const SECOND = 1000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** One transaction a second from one time to another. */
function run(
  forecast: Forecast,
  from: number,
  to: number,
  ms: (now: number) => number,
  failed = (_now: number) => false,
) {
  for (let now = from; now < to; now += SECOND) forecast.observe(ms(now), failed(now), now);
}

describe('a forecast', () => {
  it('runs ahead of a latency that grows, and not of one that stands', () => {
    const steady = new Forecast();
    run(steady, 0, 300 * SECOND, () => 100);
    expect(steady.latencySoon(300 * SECOND)).toBeCloseTo(100);
    const growing = new Forecast();
    run(growing, 0, 300 * SECOND, (now) => 100 + now / SECOND);
    // The last whole step had 385 ms in the middle.
    expect(growing.latencySoon(300 * SECOND)).toBeGreaterThan(380);
  });

  it('runs ahead of deferrals that become more, from 0 to 1 at most', () => {
    const forecast = new Forecast();
    run(
      forecast,
      0,
      200 * SECOND,
      () => 100,
      (now) => (now / SECOND) % 10 < now / (20 * SECOND),
    );
    expect(forecast.failuresSoon(200 * SECOND)).toBeGreaterThan(0.85);
    expect(forecast.failuresSoon(200 * SECOND)).toBeLessThanOrEqual(1);
    // What is soon over is not known for long.
    expect(forecast.failuresSoon(300 * SECOND)).toBeNaN();
  });

  it('learns what an hour of the day is usually like, slowly', () => {
    const forecast = new Forecast();
    const rush = (now: number) => Math.floor(now / HOUR) % 24 === 17;
    const day = (n: number) =>
      run(
        forecast,
        n * DAY,
        (n + 1) * DAY,
        (now) => (rush(now) ? 400 : 100),
        (now) => rush(now) && now % (2 * SECOND) === 0,
      );
    day(0);
    const [calm, busy] = [9.5 * HOUR, 17.5 * HOUR];
    const first = forecast.usualFailuresAt(DAY + busy);
    expect(first).toBeLessThan(0.2);
    for (let n = 1; n < 6; n++) day(n);
    expect(forecast.usualFailuresAt(6 * DAY + busy)).toBeGreaterThan(0.4);
    expect(forecast.usualFailuresAt(6 * DAY + calm)).toBe(0);
    expect(forecast.usualLatencyAt(6 * DAY + busy)).toBeGreaterThan(2 * forecast.usualLatencyAt(6 * DAY + calm));
  });

  it('an hour with hardly any mail teaches nothing', () => {
    const forecast = new Forecast();
    for (let n = 0; n < 40; n++) forecast.observe(100, true, n * SECOND);
    forecast.observe(100, true, HOUR);
    expect(forecast.usualFailuresAt(0)).toBe(0);
  });
});

describe('a latency', () => {
  it('rises soon and falls slowly', () => {
    const latency = new PeakLatency();
    for (let now = 0; now < 10_000; now += 100) latency.observe(100, now);
    for (let now = 10_000; now < 12_000; now += 100) latency.observe(1000, now);
    expect(latency.mean).toBeGreaterThan(800);
    for (let now = 12_000; now < 14_000; now += 100) latency.observe(100, now);
    expect(latency.mean).toBeGreaterThan(700);
    for (let now = 14_000; now < 60_000; now += 100) latency.observe(100, now);
    expect(latency.mean).toBeLessThan(110);
  });

  it('is not ruled by its first sample', () => {
    const latency = new PeakLatency();
    latency.observe(1000, 0);
    for (let n = 1; n < 10; n++) latency.observe(10, n);
    expect(latency.mean).toBeLessThan(150);
  });
});

describe('a share of failures', () => {
  it('says little after one failure, is forgotten, and begins with what is usual', () => {
    const share = new FailureShare();
    expect(share.share(0)).toBe(0);
    expect(share.share(0, 0.3)).toBeCloseTo(0.3);
    share.observe(true, 0);
    expect(share.share(0)).toBeCloseTo(1 / 3);
    for (let n = 0; n < 97; n++) share.observe(false, 0);
    expect(share.share(0)).toBeCloseTo(0.01);
    expect(share.share(300_000)).toBe(0);
    for (let n = 0; n < 200; n++) share.observe(false, 300_000);
    expect(share.share(300_000, 0.3)).toBeLessThan(0.03);
  });
});
