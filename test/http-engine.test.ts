/** HTTP of a whole engine. */
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { FiguresReport, UpstreamReport } from '../src/control/live-reports.js';
import { type EngineProcess, startEngine } from './helpers/engine.js';
import { exchange, request } from './helpers/http-client.js';
import { SmtpTestClient } from './helpers/smtp-client.js';
import { startSink } from './helpers/smtp-sink.js';
import { uwsProblem } from './helpers/uws-here.js';

const TOKEN = 'correct-horse-battery';
const PASSWORD = 'hunter2-of-the-upstream';
let engine: EngineProcess | undefined;
afterEach(async () => {
  await engine?.stop();
  engine = undefined;
});

async function start(settings: Readonly<Record<string, string>>): Promise<number> {
  engine = await startEngine({ settings: { SLUICE_HTTP: 'http://127.0.0.1:0', ...settings } });
  return Number(/:(\d+)$/.exec(String(engine.logged('HTTP is listened for')[0]?.['address']))?.[1] ?? 0);
}

describe('HTTP of an engine', () => {
  it('that cannot be had stops no mail, and one line says why', async () => {
    const taken = net.createServer();
    await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done));
    const { port } = taken.address() as net.AddressInfo;
    try {
      await start({ SLUICE_HTTP: `http://127.0.0.1:${port}` });
      const lines = engine!.logged((line) => line.msg.includes('HTTP'));
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatchObject({ level: 40, msg: 'no HTTP: mail flows without it' });
      expect(String(lines[0]!['reason'])).toMatch(uwsProblem === '' ? /is taken/ : /does not load/);
    } finally {
      taken.close();
    }
  });

  it('is off where it is off', async () => {
    await start({ SLUICE_HTTP: 'off' });
    expect(engine!.logged((line) => line.msg.includes('HTTP'))).toEqual([]);
  });

  it('beyond loopback needs a token', async () => {
    await expect(start({ SLUICE_HTTP: 'http://0.0.0.0:0' })).rejects.toThrow(/SLUICE_HTTP_TOKEN_FILE/);
    await expect(start({ SLUICE_HTTP_TOKEN: 'short' })).rejects.toThrow(
      /SLUICE_HTTP_TOKEN: the given value \(not shown\)/,
    );
  });

  it.skipIf(uwsProblem !== '')(`counts mail, lists it and shows no secret ${uwsProblem}`, async () => {
    const port = await start({
      SLUICE_HTTP_TOKEN: TOKEN,
      SLUICE_UPSTREAM: `smtp://user:${PASSWORD}@127.0.0.1:1?tls=none&auth=plain`,
      SLUICE_RELAY_NETWORKS: '127.0.0.0/8',
    });
    const get = (path: string, headers = {}) =>
      exchange(port, [request('GET', path, undefined, { Authorization: `Bearer ${TOKEN}`, ...headers })]);
    expect((await get('/readyz')).body).toBe('ready\n');
    const client = await SmtpTestClient.open(engine!.port);
    expect((await client.send('<a@a.example>', ['<b@b.example>'], 'Subject: s\r\n\r\nt\r\n')).code).toBe(250);
    await client.quit();
    const { items } = (await get('/v1/queue')).json() as { items: { id: string; sender: string }[] };
    expect(items).toMatchObject([{ sender: 'a@a.example' }]);
    expect((await get(`/v1/queue/${items[0]!.id}/why`)).status).toBe(200);
    const metrics = await get('/metrics');
    for (const name of [
      'sluice_accepted_total 1',
      'sluice_delivered_total 0',
      'sluice_deferred_total',
      'sluice_bounced_total 0',
      'sluice_queue_messages{lane="bulk"}',
      'sluice_delivery_seconds_bucket{le="+Inf"} 0',
      'sluice_spool_flushes_total',
      'sluice_connections{side="server"}',
      'process_resident_memory_bytes',
      'sluice_kpi_target{promise="latency"} 0.95',
    ])
      expect(metrics.body).toContain(`\n${name}`);
    const accept = { Accept: 'application/openmetrics-text' };
    expect((await get('/metrics', accept)).body.endsWith('# EOF\n')).toBe(true);
    const config = (await get('/v1/config')).json() as { items: { name: string; value: string; source: string }[] };
    expect(config.items).toContainEqual({ name: 'SLUICE_HTTP_TOKEN', value: '***', source: 'environment' });
    for (const path of ['/v1/config', '/v1/status', '/v1/queue', '/v1/destinations', '/metrics', '/v1/orders']) {
      const { body } = await get(path);
      expect(body, path).not.toContain(PASSWORD);
      expect(body, path).not.toContain(TOKEN);
    }
    expect(engine!.transcript()).not.toContain(TOKEN);
  });

  it.skipIf(uwsProblem !== '')(
    `shows figures, next hops and tenants, and the page that draws them ${uwsProblem}`,
    async () => {
      const sink = await startSink();
      try {
        const port = await start({ SLUICE_UPSTREAM: `${sink.url}?tls=none`, SLUICE_RELAY_NETWORKS: '127.0.0.0/8' });
        const get = async (path: string) => (await exchange(port, [request('GET', path)])).json() as never;
        const client = await SmtpTestClient.open(engine!.port);
        const content = 'X-Sluice-Tenant: acme\r\nSubject: s\r\n\r\nt\r\n';
        expect((await client.send('<a@a.example>', ['<b@b.example>'], content)).code).toBe(250);
        await client.quit();
        await sink.waitFor(1);
        const settled = async <T>(look: () => Promise<T>, good: (found: T) => boolean): Promise<T> => {
          for (const end = Date.now() + 10_000; ; ) {
            const found = await look();
            if (good(found) || Date.now() > end) return found;
            await new Promise((resolve) => setTimeout(resolve, 100));
          }
        };
        const sum = (list: readonly (number | null)[]): number =>
          list.reduce((all: number, one) => all + (one ?? 0), 0);
        const figures = await settled<FiguresReport>(
          () => get('/v1/figures'),
          ({ series }) => sum(series.delivered) > 0,
        );
        expect(sum(figures.series.accepted)).toBeGreaterThan(0);
        expect(sum(figures.series.latencyP95)).toBeGreaterThan(0);
        expect(figures.at).toHaveLength(figures.series.lag.length);
        const later: FiguresReport = await get(`/v1/figures?after=${figures.at.at(-1)}`);
        expect(later.at.every((end) => end > figures.at.at(-1)!)).toBe(true);
        const upstreams = await settled<{ items: UpstreamReport[] }>(
          () => get('/v1/upstreams'),
          ({ items }) => items[0]?.hosts[0]?.lastReply !== null,
        );
        expect(upstreams.items).toHaveLength(1);
        expect(upstreams.items[0]!.hosts).toMatchObject([
          { address: '127.0.0.1', port: sink.port, state: 'closed', lastReply: { reply: '250 2.0.0 stored' } },
        ]);
        const tenants = await get('/v1/tenants');
        expect(tenants).toMatchObject({
          items: [{ tenant: 'acme', queued: 0, delivered: 1, bounced: 0, bounceShare: 0 }],
        });
        expect((await exchange(port, [request('GET', '/')])).body).toContain('<title>Sluice</title>');
        // The command line says the same.
        const [line] = (await engine!.command(['upstreams', '--json'])).out.split('\n');
        expect(JSON.parse(line!)).toMatchObject({ site: upstreams.items[0]!.site, hosts: [{ state: 'closed' }] });
        expect((await engine!.command(['tenants'])).out).toMatch(/^acme +0 +1 +0 +0 +0\.0%/m);
        expect((await engine!.command(['figures', '--limit', '0'])).out).toMatch(/^\d\d:\d\d:\d\d +\d/m);
      } finally {
        await sink.close();
      }
    },
  );
});
