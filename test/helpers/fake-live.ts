/**
 * What a fake engine shows of itself while it runs: one interval, one site, one tenant.
 */
import type { FiguresReport, LiveControl, Span, TenantReport, UpstreamReport } from '../../src/control/live-reports.js';
import { FIGURES } from '../../src/telemetry/figures.js';

export class FakeLive implements LiveControl {
  /** Said by a host. */
  static readonly HOSTILE = '451 4.7.0 \u001b[31mslow down <script>alert(1)</script>';
  readonly looked: unknown[] = [];

  figures(span: Span, after: number): FiguresReport {
    this.looked.push(['figures', span, after]);
    const at = [1_700_000_000_000].filter((one) => one > after);
    const series = Object.fromEntries(FIGURES.map((name, i) => [name, at.map(() => (name === 'lag' ? null : i))]));
    return { span, step: 1000, points: 300, at, series: series as unknown as FiguresReport['series'] };
  }

  upstreams(after: string, limit: number, busiest: boolean): UpstreamReport[] {
    this.looked.push(['upstreams', after, limit, busiest]);
    const report: UpstreamReport = {
      site: 'upstream ses',
      connections: 3,
      limits: { learnt: [{ source: '', messagesPerSecond: 12.5, whyRate: FakeLive.HOSTILE }] },
      hosts: [
        {
          ...{ name: 'ses.example', address: '192.0.2.1', port: 587, state: 'ejected', reason: FakeLive.HOSTILE },
          ...{ until: Date.now() + 5000, connections: 3, idle: 1, outstanding: 2, limit: 20, expectedMs: 42 },
          ...{ failureShare: 0.25, defersAbove: null, planned: null, quotaLeft: null, distanceMs: 1.5, region: '' },
          ...{ weight: 1, cost: 0, lastReply: { at: Date.now(), reply: FakeLive.HOSTILE }, refusals: [] },
        },
      ],
    };
    return [report].filter(({ site }) => busiest || site > after).slice(0, limit);
  }

  tenants(span: Span, limit: number): TenantReport[] {
    this.looked.push(['tenants', span, limit]);
    const figures = { queued: 4, delivered: 90, deferred: 5, bounced: 10, complained: 0 };
    return [{ tenant: 'acme\u001b[31m', ...figures, bounceShare: 0.1, inTimeShare: null }].slice(0, limit);
  }
}
