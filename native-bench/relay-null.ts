/**
 * Purpose: two yardsticks: a C relay without a disk, and no relay at all (the source straight to the sink).
 * Contract: see relay.ts.
 * Limits: neither is durable, signs, or survives a restart.
 */
import { Child, freePort, programPath } from './programs.js';
import type { Need, RelayDriver, RelayStart, RunningRelay } from './relay.js';

function unfit(need: Need): string | undefined {
  if (need === 'lanes') return 'knows no lanes';
  if (need === 'http') return 'takes no mail over HTTP';
  if (need === 'tls' || need === 'tls-out') return 'speaks no TLS';
  return need === 'idle' ? undefined : 'holds nothing on disk and does not sign';
}

export const nullRelay: RelayDriver = {
  name: 'null',
  missing: () => undefined,
  unfit,
  async start(options: RelayStart): Promise<RunningRelay> {
    const began = performance.now();
    const wanted = await freePort();
    const child = new Child(
      options.account.command([
        ...(options.prefix ?? []),
        programPath('null-relay'),
        ...['--port', String(wanted), '--upstream-port', String(options.sinkPort)],
      ]),
    );
    options.account.addRoot(child.pid);
    const port = Number(await child.waitFor(/port (\d+)/));
    return { port, startMilliseconds: performance.now() - began, stop: () => child.stop() };
  },
};

export const noRelay: RelayDriver = {
  name: 'direct',
  missing: () => undefined,
  // The sink itself speaks TLS (see session.ts).
  unfit: (need: Need) => (need === 'tls' ? undefined : unfit(need)),
  start: async (options: RelayStart) => ({ port: options.sinkPort, startMilliseconds: 0, stop: async () => {} }),
};
