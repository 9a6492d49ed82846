/**
 * What a destination's mail meets besides hosts: sources, suspensions, destinations that are the engine itself,
 * reverse-paths of our own; and what operators are told.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { EgressPool, EgressSource } from '../../src/delivery/egress.js';
import { HostState } from '../../src/delivery/host-state.js';
import { OpenSite } from '../../src/delivery/site-control.js';
import type { Outcome } from '../../src/queue/outcome.js';
import type { Suspension } from '../../src/queue/suspensions.js';
import type { Wait } from '../../src/queue/wait.js';
import { hostNamed, hostsOf, NOTHING_LEFT, SiteWorld, type SiteWorldOptions } from './site-world.js';

let world: SiteWorld | null = null;

function build(options: SiteWorldOptions): SiteWorld {
  world = new SiteWorld(options);
  return world;
}

const DELIVERED: Outcome = { kind: 'delivered', reply: 'dropped', enhanced: '2.0.0', host: '', relayed: false };

afterEach(async () => {
  const left = await world?.end();
  world = null;
  vi.restoreAllMocks();
  if (left !== undefined) expect(left).toEqual(NOTHING_LEFT);
});

describe('egress sources', () => {
  const sources: readonly EgressSource[] = [
    { name: 'one', helo: 'one.example', address4: '192.0.2.1', address6: '2001:db8::1', proxy: null },
    { name: 'two', helo: '', address4: '192.0.2.2', address6: '', proxy: null },
  ];

  function poolOf(more: Partial<EgressPool> = {}): EgressPool {
    let turn = 0;
    return {
      name: 'pool',
      reaches: () => true,
      pick: () => sources[turn++ % 2]!,
      admit: () => null,
      pause: () => {},
      describe: () => ({}),
      ...more,
    };
  }

  it('give each connection its address and its name in EHLO', async () => {
    const egress = poolOf();
    const here = build({ siteOf: () => ({ ...hostsOf(hostNamed('192.0.2.99')), egress }) });
    for (let n = 0; n < 10; n++) here.send('mx/d');
    await here.settled();
    const from = here.hosts.dials.map((dialled) => dialled.from?.address);
    expect(new Set(from)).toEqual(new Set(['192.0.2.1', '192.0.2.2']));
    for (const { helo, connection } of here.hosts.taken)
      expect(helo).toBe(from[connection] === '192.0.2.1' ? 'one.example' : 'me');
  });

  it('are tried with another address of the host where none has one of its family', async () => {
    const egress = poolOf({
      pick: ({ address }) =>
        address.includes(':')
          ? sources[0]!
          : { kind: 'connections', reason: 'no IPv4 here', until: Number.POSITIVE_INFINITY },
    });
    const host = hostNamed('mx', { address: '192.0.2.9', alternatives: ['192.0.2.8', '2001:db8::9'] });
    const here = build({ siteOf: () => ({ ...hostsOf(host), egress }) });
    here.send('mx/d');
    await here.settled();
    expect(here.hosts.dials).toMatchObject([{ address: '2001:db8::9', from: { address: '2001:db8::1' } }]);
  });

  it('that have no more messages for now leave mail to others, and get it back', async () => {
    let paused = 0;
    const egress = poolOf({
      admit: ({ name }, _site, now): Wait | null =>
        name === 'one' && now < paused ? { kind: 'quota', reason: 'one is warm', until: paused } : null,
    });
    const here = build({ siteOf: () => ({ ...hostsOf(hostNamed('mx')), egress, limit: 2 }) });
    for (let n = 0; n < 20; n++) here.send('mx/d');
    await here.settled();
    const byOne = () => here.hosts.taken.filter(({ helo }) => helo === 'one.example').length;
    const before = byOne();
    paused = Date.now() + 2000;
    for (let n = 0; n < 20; n++) here.send('mx/d');
    await here.settled(1500);
    expect([here.count('delivered'), byOne()]).toEqual([40, before]);
    await vi.advanceTimersByTimeAsync(2000);
    for (let n = 0; n < 20; n++) here.send('mx/d');
    await here.settled();
    expect(byOne()).toBeGreaterThan(before);
  });

  it('that all wait keep the mail, with the reason, until the first may go on', async () => {
    let paused = Number.POSITIVE_INFINITY;
    const wait = (now: number): Wait | null =>
      now < paused ? { kind: 'quota', reason: 'the day is used up', until: paused } : null;
    const egress = poolOf({ pick: (_host, _site, now) => wait(now) ?? sources[0]! });
    paused = 0;
    const here = build({ siteOf: () => ({ ...hostsOf(hostNamed('mx')), egress }) });
    paused = Date.now() + 10_000;
    here.send('mx/d');
    await vi.advanceTimersByTimeAsync(5000);
    expect(here.delivery.waits('mx/d')).toContainEqual({ kind: 'quota', reason: 'the day is used up', until: paused });
    expect(here.ended.size).toBe(0);
    await here.settled(6000);
    expect(here.count('delivered')).toBe(1);
  });
});

describe('suspended mail', () => {
  it('is put off with the reason, without a connection, and the rest of its message goes', async () => {
    const suspension: Suspension = {
      id: 's1',
      selector: { domain: 'held.example', tenant: '', pool: '', campaign: '' },
      reason: 'complaints',
      since: 0,
      until: 0,
      by: 'operator',
    };
    const suspensions = {
      size: 1,
      match: (envelope: { recipients: readonly { address: string }[] }, recipient: number) =>
        envelope.recipients[recipient]!.address.endsWith('@held.example') ? suspension : undefined,
    };
    const here = build({ siteOf: () => hostsOf(hostNamed('mx')), suspensions });
    const began = Date.now();
    here.send('up/s', { recipients: ['a@held.example', 'b@x', 'c@held.example', 'd@x'] });
    here.send('up/s', { recipients: ['e@held.example'] });
    await here.settled();
    expect(here.hosts.taken.map(({ recipients }) => recipients)).toEqual([['b@x', 'd@x']]);
    const held = here.ended.get('1/0')!;
    expect(held).toMatchObject({
      kind: 'deferred',
      enhanced: '4.3.2',
      reply: 'suspended by an operator: complaints',
      host: '',
    });
    expect(held.putOff).toBeGreaterThanOrEqual(began + 900_000);
    expect([here.ended.get('1/2')?.putOff !== undefined, here.count('deferred'), here.doubled]).toEqual([true, 3, []]);
  });

  it('is looked at again when the suspension ends before that', async () => {
    const until = { at: 0 };
    const suspensions = {
      size: 1,
      match: (): Suspension => ({
        id: 's',
        selector: { domain: '', tenant: '', pool: '', campaign: '' },
        reason: '',
        since: 0,
        until: until.at,
        by: 'rule',
      }),
    };
    const here = build({ siteOf: () => hostsOf(hostNamed('mx')), suspensions });
    until.at = Date.now() + 60_000;
    here.send('mx/d');
    await here.settled();
    expect(here.ended.get('1/0')).toMatchObject({ putOff: until.at, reply: 'suspended by a rule' });
  });
});

describe('a local destination', () => {
  it('is given its jobs, a few at once, and what it says is the outcome', async () => {
    let now = 0;
    let most = 0;
    const here = build({
      siteOf: () => ({
        kind: 'local',
        expires: Number.POSITIVE_INFINITY,
        deliver: async (job) => {
          most = Math.max(most, ++now);
          await new Promise((resolve) => setTimeout(resolve, 5));
          now--;
          return job.recipients.map(() => DELIVERED);
        },
      }),
    });
    for (let n = 0; n < 100; n++) here.send('discard/d', { recipients: ['a', 'b'] });
    await here.settled();
    expect([here.count('delivered'), most, here.hosts.dials.length]).toEqual([200, 8, 0]);
    expect(here.queues.size).toBe(0);
  });

  it('that fails, or does not say what became of each, defers', async () => {
    const here = build({
      siteOf: (key) => ({
        kind: 'local',
        expires: Number.POSITIVE_INFINITY,
        deliver: async () => {
          if (key === 'local/broken') throw new Error('no room');
          return [];
        },
      }),
    });
    here.send('local/broken');
    here.send('local/silent');
    await here.settled();
    expect([...here.ended.values()].map(({ kind, reply }) => `${kind} ${reply}`)).toEqual([
      'deferred no room',
      'deferred no outcome for each recipient',
    ]);
  });
});

describe('reverse-paths of our own', () => {
  it('have one recipient in each transaction, with its own', async () => {
    const here = build({
      siteOf: () => hostsOf(hostNamed('mx')),
      returnPath: {
        appliesTo: ({ sender }) => sender !== 'plain@example.com',
        of: (_envelope, recipient) => `bounce+${recipient}@example.com`,
      },
    });
    here.send('mx/d', { recipients: ['a@x', 'b@x', 'c@x'] });
    here.send('mx/d', { recipients: ['a@x', 'b@x'], more: { sender: 'plain@example.com' } });
    await here.settled();
    const sent = here.hosts.taken.map(({ sender, recipients }) => `${sender} ${recipients.join()}`).sort();
    expect(sent).toEqual([
      'bounce+0@example.com a@x',
      'bounce+1@example.com b@x',
      'bounce+2@example.com c@x',
      'plain@example.com a@x,b@x',
    ]);
  });
});

describe('operators are told', () => {
  it('what mail waits for: all connections busy, with what is kept for immediate mail', async () => {
    const here = build({
      siteOf: () => ({ ...hostsOf(hostNamed('mx')), limit: 4 }),
      temper: () => ({ answer: (stage) => (stage === 'RCPT' ? 'hang' : undefined) }),
    });
    for (let n = 0; n < 10; n++) here.send('mx/d');
    await vi.advanceTimersByTimeAsync(100);
    expect(here.delivery.waits('mx/d').map(({ kind, reason }) => `${kind} ${reason}`)).toEqual([
      'connections mx/d: all connections it may have are in use (3 of 4, 1 for immediate mail only)',
    ]);
    expect(here.delivery.waits('mx/other')).toEqual([]);
  });

  it('what mail waits for: hosts being found out, a host that is paused', async () => {
    const here = build({
      siteOf: () => hostsOf(hostNamed('mx')),
      temper: () => ({ answer: (stage) => (stage === 'dot' ? '451 4.7.0 throttling failure: too fast' : undefined) }),
    });
    here.send('mx/d');
    expect(here.delivery.waits('mx/d')).toMatchObject([{ kind: 'resolving' }]);
    await here.settled();
    here.send('mx/d');
    await vi.advanceTimersByTimeAsync(10);
    const [wait] = here.delivery.waits('mx/d');
    expect(wait).toMatchObject({ kind: 'throttled' });
    expect(wait!.reason).toContain('host mx (mx) is given no mail: 451 4.7.0 throttling failure');
    expect(wait!.until).toBeGreaterThan(Date.now());
    await here.settled();
  });

  it('facts of destinations: site, connections, hosts with what they said last, limits; as JSON', async () => {
    const control = Object.assign(new OpenSite('provider'), { describe: () => ({ rate: 'ten a second' }) });
    let answer: string | undefined = '550 5.1.1 nobody';
    const here = build({
      siteOf: () => hostsOf(hostNamed('mx1'), hostNamed('mx2')),
      controlOf: () => control,
      temper: () => ({ answer: (stage) => (stage === 'RCPT' ? answer : undefined) }),
    });
    here.send('mx/a');
    await here.settled();
    answer = undefined;
    here.send('mx/a');
    await here.settled();
    const facts = here.delivery.describe('mx/a');
    expect(JSON.parse(JSON.stringify(facts))).toMatchObject([
      {
        destination: 'mx/a',
        site: 'provider',
        connections: 1,
        siteConnections: 1,
        hosts: [
          {
            name: 'mx1',
            state: 'closed',
            lastReply: { reply: expect.stringContaining('250') },
            refusals: [{ reply: '550 5.1.1 nobody' }],
          },
          { name: 'mx2', lastReply: null, refusals: [] },
        ],
        limits: { connections: 10, siteConnections: null, rate: 'ten a second' },
        waits: [],
      },
    ]);
    expect([here.delivery.describe().length, here.delivery.describe('mx/b')]).toEqual([1, []]);
  });
});

describe('hosts are told of each transaction once', () => {
  it('that it began and that it ended, whatever becomes of it', async () => {
    const began = vi.spyOn(HostState.prototype, 'transactionBegan');
    const ended = vi.spyOn(HostState.prototype, 'transactionEnded');
    const stages = ['MAIL', 'RCPT', 'DATA', 'dot'];
    const deeds = ['hang', 'close', '421 4.3.2 bye', '451 4.3.0 later', '550 5.0.0 no', 'junk'];
    let turn = 0;
    const here = build({
      siteOf: () => ({ ...hostsOf(hostNamed('mx')), limit: 3 }),
      temper: () => {
        const n = turn++;
        return {
          answer: (stage) =>
            stage === stages[n % stages.length] && n % 3 > 0 ? deeds[Math.floor(n / 4) % deeds.length] : undefined,
        };
      },
      messagesPerConnection: 2,
      hostRest: 1,
    });
    for (let n = 0; n < 150; n++) {
      here.send('mx/d');
      if (n % 5 === 0) await vi.advanceTimersByTimeAsync(20);
    }
    await here.settled();
    expect([here.ended.size, here.doubled]).toEqual([150, []]);
    expect(began.mock.calls.length).toBeGreaterThan(100);
    expect(ended.mock.calls.length).toBe(began.mock.calls.length);
  });
});
