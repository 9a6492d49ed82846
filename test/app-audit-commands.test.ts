/** Commands as they are written down before they are done. */
import { describe, expect, it } from 'vitest';
import { audited } from '../src/app-audit-commands.js';
import type { AuditEvent } from '../src/audit/audit-entry.js';
import type { EngineControl } from '../src/control/engine-control.js';
import { FakeBrain } from './helpers/fake-control.js';

function world(refuse = false) {
  const written: AuditEvent[] = [];
  const brain = new FakeBrain();
  const log = {
    append: async (event: AuditEvent) => {
      if (refuse) throw new Error('the audit log cannot be written');
      written.push(event);
      return { seq: written.length, hash: '' };
    },
  };
  const control = Object.assign(brain, {
    status: () => ({}),
    list: async () => [],
    show: async () => undefined,
    retry: async () => 2,
    hold: async () => 0,
    release: async () => 1,
    remove: async () => Promise.reject(new Error('the spool failed')),
  }) as unknown as EngineControl;
  return { written, brain, control: audited(control, 'uid 7 pid 8', log) };
}

const NOBODY = { domain: '', tenant: '', pool: '', campaign: '' };

describe('a command', () => {
  it('that changes something is written down before and after', async () => {
    const { written, control } = world();
    expect(await control.retry('all')).toBe(2);
    await control.suspend({ ...NOBODY, domain: 'x.example' }, 'why', 5);
    await expect(control.remove('F1')).rejects.toThrow('the spool failed');
    expect(written.map(({ action, details }) => [action, details])).toEqual([
      ['queue.retry', { id: 'all' }],
      ['queue.retry.done', { of: 1, affected: 2 }],
      ['orders.suspend', { domain: 'x.example', reason: 'why', forMs: 5 }],
      ['orders.suspend.done', { of: 3, id: 'o1' }],
      ['queue.delete', { id: 'F1' }],
      ['queue.delete.failed', { of: 5, reason: 'the spool failed' }],
    ]);
    expect(new Set(written.map(({ actor }) => actor))).toEqual(new Set(['uid 7 pid 8']));
  });

  it('that reads is not', async () => {
    const { written, control } = world(true);
    await control.list('', 10);
    await control.why('F1');
    control.orders();
    expect(written).toEqual([]);
  });

  it('is not done where it cannot be written down', async () => {
    const { brain, control } = world(true);
    await expect(control.suppress('', 'x@x.example', '', 0)).rejects.toThrow('cannot be written');
    await expect(control.resume('all', NOBODY)).rejects.toThrow('cannot be written');
    expect(brain.asked).toEqual([]);
  });
});
