/**
 * Pools that share a site: its limits, its connections, the share for immediate mail.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { SiteHosts } from '../../src/delivery/site.js';
import { OpenSite, type SiteControl } from '../../src/delivery/site-control.js';
import type { Wait } from '../../src/queue/wait.js';
import { hostNamed, hostsOf, NOTHING_LEFT, SiteWorld, type SiteWorldOptions } from './site-world.js';

let world: SiteWorld | null = null;

function build(options: SiteWorldOptions): SiteWorld {
  world = new SiteWorld(options);
  return world;
}

/** A control like that of a site without limits, but for what is given. */
function controlWith(more: Partial<SiteControl>): SiteControl {
  return Object.assign(new OpenSite('provider'), more);
}

const oneHost = (limit = 10): Extract<SiteHosts, { kind: 'hosts' }> => hostsOf(hostNamed('mx1', { limit }));

afterEach(async () => {
  const left = await world?.end();
  world = null;
  if (left !== undefined) expect(left).toEqual(NOTHING_LEFT);
});

describe('domains of one provider', () => {
  it('share its connections: mail of one goes over the connection that another has made', async () => {
    const control = controlWith({});
    const here = build({ siteOf: () => oneHost(3), controlOf: () => control });
    for (let round = 0; round < 5; round++) for (let n = 0; n < 200; n++) here.send(`mx/d${n}`);
    await here.settled();
    expect([here.count('delivered'), here.hosts.taken.length]).toEqual([1000, 1000]);
    // Two for bulk: the third is for immediate mail.
    expect(here.hosts.dials.length).toBe(2);
    await vi.advanceTimersByTimeAsync(10_000);
    expect([control.connections, here.queues.size]).toEqual([0, 0]);
  });

  it('come to their turn one after the other', async () => {
    const control = controlWith({ connectionLimit: () => 1 });
    const here = build({ siteOf: () => oneHost(), controlOf: () => control });
    for (let n = 0; n < 30; n++) here.send('mx/many', { recipients: ['many@x'] });
    for (const name of ['a', 'b', 'c']) here.send(`mx/${name}`, { recipients: [`${name}@x`] });
    await here.settled();
    const order = here.hosts.taken.map(({ recipients }) => recipients[0]);
    for (const name of ['a', 'b', 'c']) expect(order.indexOf(`${name}@x`)).toBeLessThanOrEqual(6);
  });

  it('that cannot use the connections of others get their place after a few messages', async () => {
    const control = controlWith({ connectionLimit: () => 1 });
    const here = build({ siteOf: (key) => hostsOf(hostNamed(`host-of-${key}`)), controlOf: () => control });
    for (let n = 0; n < 200; n++) here.send('mx/many');
    here.send('mx/other');
    await here.settled();
    expect(here.count('delivered')).toBe(201);
    expect(here.hosts.mostOpen).toBe(1);
    const at = here.hosts.taken.findIndex(({ address }) => address === 'host-of-mx/other');
    expect(at).toBeGreaterThan(0);
    expect(at).toBeLessThan(50);
  });

  it('get the place of a connection that rests and that they cannot use', async () => {
    const control = controlWith({ connectionLimit: () => 1 });
    const here = build({
      siteOf: (key) => hostsOf(hostNamed(`host-of-${key}`)),
      controlOf: () => control,
      idleTime: 600_000,
    });
    here.send('mx/first');
    await here.settled();
    here.send('mx/second');
    await here.settled(1000);
    expect([here.count('delivered'), here.hosts.mostOpen, here.hosts.dials.length]).toEqual([2, 1, 2]);
  });

  it('with other demands on TLS or from another source do not share', async () => {
    const control = controlWith({});
    const stricter = { ...hostNamed('mx1').tls, names: ['other'] };
    const here = build({
      siteOf: (key) => (key === 'mx/strict' ? hostsOf(hostNamed('mx1', { tls: stricter })) : oneHost()),
      controlOf: () => control,
    });
    here.send('mx/plain');
    await here.settled();
    here.send('mx/strict');
    await here.settled();
    expect(here.hosts.dials.length).toBe(2);
  });

  it('are not tried at a host that failed for another', async () => {
    const control = controlWith({});
    const here = build({
      siteOf: () => oneHost(),
      controlOf: () => control,
      temper: () => ({ connect: 'refuse' }),
      hostRest: 20_000,
    });
    here.send('mx/first');
    await here.settled(1000);
    for (let n = 0; n < 20; n++) here.send(`mx/d${n}`);
    await here.settled(1000);
    expect([here.count('deferred'), here.hosts.dials.length]).toEqual([21, 1]);
  });
});

describe('the limit of a site', () => {
  it('holds over all pools, whatever it becomes, and hinders nothing for good', async () => {
    let limit = 4;
    const control = controlWith({ connectionLimit: () => limit });
    const here = build({ siteOf: (key) => hostsOf(hostNamed(`host-of-${key}`)), controlOf: () => control });
    let over = 0;
    here.hosts.changed = (by) => {
      if (by > 0 && here.hosts.open > limit) over++;
    };
    for (let n = 0; n < 300; n++) here.send(`mx/d${n % 30}`);
    await vi.advanceTimersByTimeAsync(30);
    limit = 0;
    await vi.advanceTimersByTimeAsync(3000);
    expect([here.hosts.open, control.connections]).toEqual([0, 0]);
    expect(here.ended.size).toBeLessThan(300);
    limit = 7;
    await here.settled();
    expect([here.count('delivered'), over]).toEqual([300, 0]);
  });

  it('of messages keeps them in the queue until the time it names, without a spin', async () => {
    let asked = 0;
    let allowed = 0;
    const admitJob = (_job: unknown, _source: string, now: number): Wait | null => {
      asked++;
      if (now >= allowed) {
        allowed = now + 100;
        return null;
      }
      return { kind: 'rate', reason: 'ten a second', until: allowed };
    };
    const control = controlWith({ admitJob });
    const here = build({ siteOf: () => oneHost(), controlOf: () => control });
    const began = Date.now();
    for (let n = 0; n < 40; n++) here.send(`mx/d${n % 20}`);
    await here.settled();
    expect(here.count('delivered')).toBe(40);
    expect(Date.now() - began).toBeGreaterThanOrEqual(3900);
    expect(Date.now() - began).toBeLessThan(4500);
    // Each of 40 turns asks some that wait for the same.
    expect(asked).toBeLessThan(40 * 25);
  });

  it('of connections in a time does not hinder those that stand', async () => {
    let dials = 0;
    const admitConnection = (_host: unknown, _source: string, now: number): Wait | null =>
      dials++ === 0 ? null : { kind: 'rate', reason: 'one only', until: now + 60_000 };
    const control = controlWith({ admitConnection });
    const here = build({ siteOf: () => oneHost(), controlOf: () => control });
    for (let n = 0; n < 50; n++) here.send(`mx/d${n % 5}`);
    await here.settled(2000);
    expect([here.count('delivered'), here.hosts.dials.length]).toEqual([50, 1]);
    expect(dials).toBeLessThan(200);
  });

  it('of messages on a connection and recipients in a transaction is kept', async () => {
    const control = controlWith({ maxMessages: 3, maxRecipients: 2 });
    const here = build({ siteOf: () => ({ ...oneHost(), limit: 1 }), controlOf: () => control });
    here.send('mx/d', { recipients: ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => `${name}@x`) });
    await here.settled();
    expect(here.hosts.taken.map(({ recipients }) => recipients.length)).toEqual([2, 2, 2, 1]);
    expect(here.hosts.taken.map(({ connection }) => connection)).toEqual([0, 0, 0, 1]);
    expect([here.count('delivered'), here.doubled]).toEqual([7, []]);
  });

  it('gets back what it booked for mail of which nothing was sent', async () => {
    let booked = 0;
    const control = controlWith({
      admitJob: () => {
        booked++;
        return null;
      },
      refund: () => booked--,
    });
    let turn = 0;
    const here = build({
      siteOf: () => ({ ...oneHost(), limit: 1 }),
      controlOf: () => control,
      temper: () => ({ answer: (stage) => (stage === 'MAIL' && ++turn % 3 === 0 ? '421 4.3.2 enough' : undefined) }),
    });
    for (let n = 0; n < 30; n++) here.send('mx/d');
    await here.settled();
    // What remains are the transactions that ended in an outcome, one for each message.
    expect([here.ended.size, booked]).toEqual([30, 30]);
  });
});

describe('the share for immediate mail', () => {
  const hanging = (_address: string) => {
    return {
      answer: (stage: string, line: string) => {
        if (stage === 'RCPT' && line.includes('bulk')) return 'hang';
        return undefined;
      },
    };
  };

  it.each([3, 10, 50])('of %d connections: it goes at once while every bulk transaction hangs', async (limit) => {
    const here = build({
      siteOf: () => ({ ...oneHost(limit), limit }),
      temper: hanging,
      connection: {
        hostname: 'me',
        connectTimeout: 500,
        replyTimeout: 600_000,
        dataTimeout: 600_000,
        tlsTimeout: 500,
      },
    });
    for (let n = 0; n < 500; n++) here.send('mx/d', { recipients: ['bulk@x'] });
    await vi.advanceTimersByTimeAsync(500);
    expect(here.ended.size).toBe(0);
    for (let n = 0; n < 20; n++) here.send('mx/d', { lane: 'immediate', recipients: ['now@x'] });
    await vi.advanceTimersByTimeAsync(500);
    expect(here.count('delivered')).toBe(20);
    expect(here.hosts.mostOpen).toBeLessThanOrEqual(limit);
  });

  it('holds over the pools of a site and its hosts', async () => {
    const control = controlWith({ connectionLimit: () => 20 });
    const here = build({
      siteOf: () => ({ ...hostsOf(hostNamed('mx1', { limit: 8 }), hostNamed('mx2', { limit: 8 })), limit: 20 }),
      controlOf: () => control,
      temper: hanging,
      connection: {
        hostname: 'me',
        connectTimeout: 500,
        replyTimeout: 600_000,
        dataTimeout: 600_000,
        tlsTimeout: 500,
      },
    });
    for (let n = 0; n < 500; n++) here.send(`mx/d${n % 50}`, { recipients: ['bulk@x'] });
    await vi.advanceTimersByTimeAsync(500);
    for (let n = 0; n < 50; n++) here.send(`mx/d${n}`, { lane: 'immediate', recipients: ['now@x'] });
    await vi.advanceTimersByTimeAsync(1000);
    expect(here.count('delivered')).toBe(50);
  });

  it('can be none', async () => {
    const here = build({ siteOf: () => ({ ...oneHost(3), limit: 3 }), reserveShare: 0 });
    for (let n = 0; n < 50; n++) here.send('mx/d');
    await here.settled();
    expect(here.hosts.mostOpen).toBe(3);
  });
});
