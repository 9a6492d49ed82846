import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DurationHistogram } from '../../src/telemetry/duration-histogram.js';
import { expose, type Metric } from '../../src/telemetry/exposition.js';

const metrics: readonly Metric[] = [
  { name: 'a_total', help: 'Back\\slash\nand line.', type: 'counter', samples: [{ value: 3 }] },
  {
    name: 'b',
    help: 'B.',
    type: 'gauge',
    samples: [
      { labels: { x: 'q"\\\n', y: 'z' }, value: Number.POSITIVE_INFINITY },
      { labels: { x: '', y: 'z' }, value: Number.NaN },
    ],
  },
];

describe('metrics as text', () => {
  it('has the form of Prometheus', () => {
    expect(expose(metrics, false)).toBe(
      [
        '# HELP a_total Back\\\\slash\\nand line.',
        '# TYPE a_total counter',
        'a_total 3',
        '# HELP b B.',
        '# TYPE b gauge',
        'b{x="q\\"\\\\\\n",y="z"} +Inf',
        'b{x="",y="z"} NaN',
        '',
      ].join('\n'),
    );
  });

  it('has the form of OpenMetrics: families of counters without their ending, and an end', () => {
    const lines = expose(metrics, true).split('\n');
    expect(lines.slice(0, 3)).toEqual(['# HELP a Back\\\\slash\\nand line.', '# TYPE a counter', 'a_total 3']);
    expect(lines.slice(-2)).toEqual(['# EOF', '']);
  });

  it('counts every duration once, in all ranges that hold it', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1000, max: 1e9, noNaN: true })), (durations) => {
        const histogram = new DurationHistogram();
        for (const ms of durations) histogram.observe(ms);
        const text = expose([{ name: 'h', help: 'H.', type: 'histogram', histogram }], false);
        const count = (le: string): number => Number(text.split(`h_bucket{le="${le}"} `)[1]!.split('\n')[0]);
        for (const bound of histogram.bounds)
          expect(count(String(bound))).toBe(durations.filter((ms) => Math.max(0, ms) / 1000 <= bound).length);
        expect(count('+Inf')).toBe(durations.length);
        expect(text).toContain(`h_count ${durations.length}\n`);
      }),
    );
  });
});
