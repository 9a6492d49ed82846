/**
 * The files for operators: what they name must be there, and what is generated must be what its source says now.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { engineMetrics } from '../../src/app-metrics.js';
import { COMMANDS } from '../../src/cli-commands.js';
import { manualPage } from '../../src/cli-man.js';
import { schema } from '../../src/config/schema.js';
import { systemClock } from '../../src/core/clock.js';
import { EngineEvents } from '../../src/telemetry/engine-events.js';
import { expose } from '../../src/telemetry/exposition.js';
import { Kpi } from '../../src/telemetry/kpi.js';
import { createLog } from '../../src/telemetry/log.js';
import { MailEvents } from '../../src/telemetry/mail-event.js';

const { version: VERSION } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string };
const read = (name: string): string => readFileSync(`src/packaging/${name}`, 'utf8');

/** Every name that a scrape of the engine has. */
function metricNames(): Set<string> {
  const text = expose(
    engineMetrics({
      status: {
        ...{ version: '', pid: 1, startedAt: 0, accepted: 0, delivered: 0, deferred: 0, failed: 0, queued: 0 },
        ...{ flushes: 0, serverConnections: 0, upstreamConnections: 0, suppressed: 0, kpis: {} },
        tls: { clientsFailed: 0, secured: 0, clear: 0, failed: 0, policyFailures: 0, certificateExpires: 0 },
        returned: { bounces: 0, complaints: 0, other: 0 },
      },
      kpis: new Kpi().report(0),
      events: new EngineEvents(createLog({ level: 'silent', format: 'json' }), systemClock, new MailEvents()),
      lanes: { bulk: 0 },
      history: null,
      queues: [],
      spool: { fileBytes: 0, availableBytes: 0 },
    }),
    false,
  );
  return new Set(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name, type]) =>
      type === 'histogram' ? [name!, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name!],
    ),
  );
}

/** Names of metrics in an expression: words that are no function, keyword, label or text. */
function namesIn(expression: string): string[] {
  return [...expression.replace(/"[^"]*"/g, '').matchAll(/\b(?:sluice|process|nodejs)_\w+/g)].map(([name]) => name);
}

describe('the metrics that files name', () => {
  const known = metricNames();

  it('of alerts exist', () => {
    const text = read('prometheus/alerts.yml').replace(/^ *#.*$/gm, '');
    const names = namesIn(text.replace(/^ +(?:summary|description):.*$/gm, ''));
    expect(names.length).toBeGreaterThan(10);
    expect(names.filter((name) => !known.has(name))).toEqual([]);
    // Also those that texts send people to.
    expect(namesIn(text).filter((name) => !known.has(name))).toEqual([]);
  });

  it('of the dashboard exist, and it shows most of what there is', () => {
    const dashboard = JSON.parse(read('grafana/dashboard.json')) as {
      readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
    };
    const names = new Set(dashboard.panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => namesIn(expr))));
    expect([...names].filter((name) => !known.has(name))).toEqual([]);
    const shown = [...known].filter((name) => name.startsWith('sluice_') && names.has(name));
    expect(shown.length).toBeGreaterThan(20);
    expect(new Set(dashboard.panels.map(({ title }) => title)).size).toBe(dashboard.panels.length);
  });
});

describe('the settings that files name', () => {
  const known = new Set(Object.values(schema).map(({ name }) => name));

  it.each(['systemd/sluice.service', 'systemd/sluice.socket', 'docker/Dockerfile', 'prometheus/alerts.yml'])(
    'of %s exist',
    (file) => {
      const names = [...read(file).matchAll(/\bSLUICE_[A-Z0-9_]+/g)].map(([name]) => name.replace(/_FILE$/, ''));
      expect(names.filter((name) => !known.has(name))).toEqual([]);
    },
  );
});

describe('the manual page', () => {
  it('is the one of the help: run `npm run docs` when it is not', () => {
    expect(read('man/sluice.1')).toBe(manualPage(VERSION));
  });

  it('has every command with its exit codes', () => {
    for (const { help } of COMMANDS)
      expect(read('man/sluice.1')).toContain(`\n.SS ${help.name.replaceAll('-', '\\-')}\n`);
  });

  it('is set without a warning', (ctx) => {
    const set = spawnSync('groff', ['-man', '-Tutf8', '-ww', '-z', 'src/packaging/man/sluice.1'], { encoding: 'utf8' });
    if (set.error !== undefined) {
      console.warn(`SKIPPED: ${ctx.task.name}: no groff here`);
      ctx.skip('no groff');
    }
    expect([set.status, set.stderr]).toEqual([0, '']);
  });
});

describe('the units of systemd', () => {
  it('are taken by systemd-analyze, and the service is well closed off', (ctx) => {
    const units = ['src/packaging/systemd/sluice.service', 'src/packaging/systemd/sluice.socket'];
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], { encoding: 'utf8' });
    if (verified.error !== undefined) {
      console.warn(`SKIPPED: ${ctx.task.name}: no systemd-analyze here`);
      ctx.skip('no systemd-analyze');
    }
    // The program is not where the unit expects it on this machine.
    const complaints = verified.stderr
      .split('\n')
      .filter((line) => line !== '' && !/not executable|No such file/.test(line));
    expect(complaints).toEqual([]);
    const closed = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=20', units[0]!]);
    expect(closed.status).toBe(0);
  });
});
