/** Settings of traces, and the standard variables of OpenTelemetry that stand for them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { describeSettings } from '../../src/config/describe-settings.js';
import { loadSettings } from '../../src/config/load-settings.js';
import { schema } from '../../src/config/schema.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-otel-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const load = (env: Record<string, string>) => loadSettings(env, folder);

describe('settings of traces', () => {
  it('are off unless a collector is named', () => {
    expect(load({}).settings).toMatchObject({ otlpEndpoint: '', traces: 0.01, otlpMetrics: 60_000 });
  });

  it('take the standard variables where they are not given themselves', () => {
    const standard = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20abc%3D',
      OTEL_TRACES_SAMPLER_ARG: '0.5',
      OTEL_SERVICE_NAME: 'relay',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=prod,team=mail',
    };
    const { settings, sources, problems } = load({ ...standard, SLUICE_TRACES: '1' });
    expect(problems).toEqual([]);
    expect(settings).toMatchObject({
      otlpEndpoint: 'http://collector:4318',
      otlpHeaders: [['authorization', 'Bearer abc=']],
      traces: 1,
      otlpService: 'relay',
      otlpResource: [
        ['deployment.environment', 'prod'],
        ['team', 'mail'],
      ],
    });
    expect(sources.get('SLUICE_OTLP_SERVICE')).toBe('OTEL_SERVICE_NAME, environment');
    expect(describeSettings(schema, { settings, sources }).join('\n')).not.toContain('abc');
    expect(load({ ...standard, OTEL_SDK_DISABLED: 'true' }).settings.otlpEndpoint).toBe('');
  });

  it.each([
    [{ SLUICE_TRACES: '1.5' }, /SLUICE_TRACES: "1.5" is not allowed; allowed: a number from 0 to 1/],
    [{ SLUICE_OTLP_HEADERS: 'secret-token' }, /^SLUICE_OTLP_HEADERS: the given value \(not shown\) is not allowed/],
    [{ OTEL_TRACES_SAMPLER_ARG: 'all' }, /SLUICE_TRACES: "all".*it came from OTEL_TRACES_SAMPLER_ARG, environment/],
    [{ SLUICE_OTLP_ENDPOINT: 'collector:4317' }, /SLUICE_OTLP_ENDPOINT/],
  ])('name a mistake: %j', (env, line) => {
    const { problems } = load(env as Record<string, string>);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(line);
    expect(problems[0]).not.toContain('secret-token');
  });

  it('warn of a protocol that is not spoken', () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
    expect(load(env).warnings.join('\n')).toMatch(/grpc is not spoken/);
  });
});
