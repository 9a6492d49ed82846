/**
 * The operator's promises: spans, shares and targets, bounds.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Kpi, LATENCY_LIMIT, OTHER } from '../../src/telemetry/kpi.js';
import { DELIVERED, KPI_SPANS, KpiSeries } from '../../src/telemetry/kpi-series.js';
import { SiteNames, siteOf } from '../../src/telemetry/site-name.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** A time that begins a bucket of every span. */
const START = 20_000 * 24 * HOUR;

describe('KpiSeries', () => {
  it('counts exactly what fell into a span and the bucket under way, in any order of times', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 3 * HOUR }), { maxLength: 60 }), (steps) => {
        const series = new KpiSeries();
        const times: number[] = [];
        let now = START;
        for (const step of steps) {
          now += step;
          series.add(DELIVERED, now);
          times.push(now);
          KPI_SPANS.forEach(({ bucket, buckets }, span) => {
            const from = (Math.floor(now / bucket) - buckets) * bucket;
            expect(series.sum(span, DELIVERED, now)).toBe(times.filter((time) => time >= from).length);
          });
        }
      }),
    );
  });

  it('takes a time that went back for the newest it knows', () => {
    const series = new KpiSeries();
    series.add(DELIVERED, START + HOUR);
    series.add(DELIVERED, START);
    expect(series.sum(0, DELIVERED, START + HOUR)).toBe(2);
  });

  it('merges without losing anything', () => {
    const [one, two] = [new KpiSeries(), new KpiSeries()];
    one.add(DELIVERED, START);
    two.add(DELIVERED, START + 2 * HOUR);
    one.merge(two, START + 2 * HOUR);
    expect([0, 1, 2].map((span) => one.sum(span, DELIVERED, START + 2 * HOUR))).toEqual([1, 1, 2]);
    expect(one.isIdle(START + 26 * HOUR)).toBe(false);
    expect(one.isIdle(START + 48 * HOUR)).toBe(true);
  });
});

describe('Kpi', () => {
  it('tells shares and whether the promises are kept', () => {
    const kpi = new Kpi();
    for (let i = 0; i < 98; i++) kpi.outcome('delivered', 'acme', 'example.com', 1000, START);
    kpi.outcome('delivered', 'acme', 'example.com', LATENCY_LIMIT + 1, START);
    kpi.outcome('failed', 'acme', 'example.com', 0, START);
    for (let i = 0; i < 200; i++) kpi.connection('example.com', i > 0, START);
    const { all, tenants, sites, targets } = kpi.report(START + 1000);
    expect(targets).toEqual({ latencyMs: 300_000, latency: 0.95, bounces: 0.02, connections: 0.995 });
    expect(all['5m']).toMatchObject({
      delivered: 99,
      bounced: 1,
      latency: { share: 98 / 99, met: true },
      bounces: { share: 0.01, met: true },
      connections: { share: 0.995, met: true },
    });
    expect(tenants['acme']?.['1h']?.connections).toEqual({ share: null, met: null });
    expect(sites['example.com']?.['1d']?.connections.share).toBe(0.995);
    kpi.outcome('expired', 'acme', 'example.com', 0, START);
    kpi.cameBack('acme', 'example.com', START);
    expect(kpi.report(START).all['5m']).toMatchObject({
      bounced: 3,
      cameBack: 1,
      bounces: { share: 3 / 101, met: false },
    });
    expect(JSON.parse(JSON.stringify(kpi.report(START)))).toEqual(kpi.report(START));
  });

  it('forgets what is older than the span', () => {
    const kpi = new Kpi();
    kpi.outcome('failed', '', 'example.com', 0, START);
    kpi.complained('', 'example.com', START);
    const later = kpi.report(START + 6 * MINUTE).all;
    expect(later['5m']?.bounces).toEqual({ share: null, met: null });
    expect(later['1h']).toMatchObject({ bounced: 1, complained: 1 });
    expect(kpi.report(START + 26 * HOUR).sites).toEqual({});
  });

  it('keeps a bounded number of subjects and loses no count', () => {
    const kpi = new Kpi(10, 10);
    let count = 0;
    for (let round = 0; round < 5; round++)
      for (let turn = 0; turn < 100; turn++) {
        // Who has much mail is soon among those who come after room was made.
        const tenant = round === 0 ? turn : 99 - turn;
        const weight = tenant === 99 ? 50 : 1;
        for (let i = 0; i < weight; i++, count++)
          kpi.outcome('delivered', `t${tenant}`, `s${tenant}.example`, 0, START + round * 2 * MINUTE);
      }
    const report = kpi.report(START + 10 * MINUTE, 10);
    for (const subjects of [report.tenants, report.sites]) {
      expect(Object.keys(subjects).length).toBeLessThanOrEqual(11);
      const counted = Object.values(subjects).reduce((sum, spans) => sum + spans['1d']!.delivered, 0);
      expect(counted).toBe(count);
    }
    // One with much mail that came late has made its way in.
    expect(report.tenants['t99']?.['1d']?.delivered).toBeGreaterThanOrEqual(50);
    expect(Object.keys(kpi.report(START + 10 * MINUTE, 2).tenants).at(-1)).toBe(OTHER);
  });
});

describe('siteOf', () => {
  it('puts the hosts of a provider under one name', () => {
    expect(
      [
        'aspmx.l.google.com',
        'ALT1.gmail-smtp-in.l.google.com.',
        'mx1.example.co.uk',
        'example.de',
        '192.0.2.1',
        '[::1]',
        'relay',
      ].map(siteOf),
    ).toEqual(['google.com', 'google.com', 'example.co.uk', 'example.de', '192.0.2.1', '[::1]', 'relay']);
    const names = new SiteNames();
    expect(names.of('mx.example.org', 'ann@example.com')).toBe('example.org');
    expect(names.of('', 'ann@Sub.Example.com')).toBe('example.com');
  });
});
