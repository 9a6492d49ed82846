/** The routing as the engine builds it: sites of every kind of destination, reload, orders of operators, explanations. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Egress } from '../src/app-egress.js';
import { explainRoute } from '../src/app-explain-route.js';
import { recipientPolicy, recipientVerifier } from '../src/app-recipients.js';
import { type Routing, type RoutingParts, routing } from '../src/app-routing.js';
import { type ConfigFile, parseConfigFile } from '../src/config/config-file.js';
import { loadSettings } from '../src/config/load-settings.js';
import type { RouteQuestion } from '../src/control/engine-control.js';
import { systemClock } from '../src/core/clock.js';
import { DeadlineWheel } from '../src/core/deadline-wheel.js';
import type { EgressPool } from '../src/delivery/egress.js';
import type { SiteHosts } from '../src/delivery/site.js';
import { PLAIN_HANDLING } from '../src/message/envelope.js';
import { DEFAULT_LANES } from '../src/message/lane-settings.js';
import { withOriginalDestination } from '../src/message/original-destination.js';
import { dial } from '../src/net/dial.js';
import { QueuedMessage } from '../src/queue/queued-message.js';
import { envelope, inlineContent } from './helpers/mail.js';
import { startSink } from './helpers/smtp-sink.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.reverse()) await close();
  closers.length = 0;
});

/** A suppression list without entries, and no bounce addresses. */
const NOTHING_LISTED = { askRecipients: () => false, refusalOf: () => null, isBounceAddress: () => false };

const tables = (text: string): ConfigFile => parseConfigFile(text, 'x.toml');

function egressOf(poolOf: Egress['poolOf']): Egress {
  const nothing = { prepare: () => () => {}, describe: () => [], pause: () => {} };
  return { ...nothing, poolOf, open: async () => {}, close: async () => {} };
}

function built(text: string, env: Record<string, string> = {}, parts: Partial<RoutingParts> = {}): Routing {
  const { settings } = loadSettings({ SLUICE_UPSTREAM: 'smtp://127.0.0.1:2525', ...env }, '/');
  const route = routing(settings, tables(text), systemClock, {
    ports: () => [],
    host: { policyFailed: () => {}, log: () => {}, submitReport: async () => {} },
    egress: egressOf(() => null),
    local: () => undefined,
    ...parts,
  });
  closers.push(() => route.close());
  return route;
}

/** What becomes of one job of two recipients at a destination that the engine deals with itself. */
async function outcomesAt(route: Routing, destination: string) {
  const found = await route.siteOf(destination).resolve();
  if (found.kind !== 'local') throw new Error(`it is ${JSON.stringify(found)}`);
  const message = new QueuedMessage(envelope(1, ['a@x.example', 'b@x.example']), inlineContent('x'), null);
  return found.deliver({ message, destination, recipients: [0, 1], requeued: 0 });
}

const hostsOf = (found: SiteHosts) =>
  found.kind === 'hosts' ? found.hosts.map(({ name, port }) => `${name}:${port}`) : found;

const GROUPS = `
  [[upstream]]
  name = "pair"
  hosts = ["smtp://127.0.0.2:26?pool=3", "smtps://127.0.0.3"]
  order = "preference"
  [[route]]
  recipient = "@pair.example"
  upstream = "pair"
  [[route]]
  recipient = "@fixed.example"
  host = "127.0.0.4:27?pool=5"
  [[route]]
  name = "hole"
  recipient = "@hole.example"
  discard = true
  [[route]]
  name = "shut"
  recipient = "@shut.example"
  reply = "550 5.7.1 Not here"
  [[route]]
  name = "later"
  recipient = "@later.example"
  reply = "451 4.7.1 Not now"
`;

describe('sites', () => {
  it('are groups in their order, fixed hosts, and SLUICE_UPSTREAM', async () => {
    const route = built(GROUPS);
    expect(await route.siteOf('upstream/pair').resolve()).toMatchObject({
      order: 'preference',
      limit: 53,
      hosts: [
        { address: '127.0.0.2', port: 26, limit: 3, foundSecurely: true },
        { address: '127.0.0.3', port: 465, tls: { mode: 'required', implicit: true } },
      ],
    });
    expect(await route.siteOf('host/127.0.0.4:27').resolve()).toMatchObject({ limit: 5, hosts: [{ port: 27 }] });
    expect(await route.siteOf('upstream/default').resolve()).toMatchObject({
      order: 'balance',
      hosts: [{ port: 2525 }],
      expires: Number.POSITIVE_INFINITY,
    });
  });

  it('that discard deliver to nobody, those that refuse fail or defer as their reply says', async () => {
    const route = built(GROUPS);
    const discarded = {
      kind: 'delivered',
      reply: 'discarded by route hole',
      enhanced: '2.0.0',
      host: '',
      relayed: false,
    };
    expect(await outcomesAt(route, 'discard/hole')).toEqual([discarded, discarded]);
    expect((await outcomesAt(route, 'refuse/shut'))[0]).toMatchObject({
      kind: 'failed',
      reply: ['550', '5.7.1', 'Not here'].join(' '),
      enhanced: '5.7.1',
    });
    expect((await outcomesAt(route, 'refuse/later'))[0]).toMatchObject({ kind: 'deferred', enhanced: '4.7.1' });
  });

  it('that are gone after a reload put mail off', async () => {
    const route = built(GROUPS);
    const [pair, hole] = [route.siteOf('upstream/pair'), 'discard/hole'];
    route.configure(tables('[[route]]\nname = "hole"\nupstream = "default"'));
    expect(await pair.resolve()).toMatchObject({ kind: 'failed', temporary: true, forbidden: true });
    const [outcome] = await outcomesAt(route, hole);
    expect(outcome).toMatchObject({ kind: 'deferred' });
    expect(outcome!.putOff).toBeGreaterThan(systemClock.now());
  });

  it('follow a changed group, and keep what did not change', async () => {
    const route = built(GROUPS);
    const site = route.siteOf('upstream/pair');
    const before = await site.resolve();
    expect(before).toMatchObject({ kind: 'hosts', expires: expect.any(Number) });
    expect((before as { expires: number }).expires).toBeLessThanOrEqual(systemClock.now() + 60_000);
    route.configure(tables(GROUPS.replace('127.0.0.2:26', '127.0.0.9:29')));
    expect(hostsOf(await site.resolve())).toEqual(['127.0.0.9:29', '127.0.0.3:465']);
    expect(hostsOf(await route.siteOf('host/127.0.0.4:27').resolve())).toEqual(['127.0.0.4:27']);
  });

  it('go out from their pool of egress sources, and not at all when that is gone', async () => {
    const pool = { name: 'warm', reaches: (_address: string) => true } as EgressPool;
    const route = built(GROUPS, {}, { egress: egressOf((name) => (name === 'warm' ? pool : null)) });
    expect(await route.siteOf('upstream/pair@warm').resolve()).toMatchObject({ kind: 'hosts', egress: pool });
    expect(await route.siteOf('upstream/pair').resolve()).not.toHaveProperty('egress');
    expect(await route.siteOf('upstream/pair@cold').resolve()).toMatchObject({ kind: 'failed', temporary: true });
  });

  it('of tables that cannot be used keep the old ones', async () => {
    const route = built(GROUPS);
    const bad = '[[upstream]]\nname = "pair"\nhosts = ["smtps://h.example?ca=/nowhere"]';
    expect(() => route.configure(tables(bad))).toThrow('[[upstream]] pair: h.example:465: /nowhere cannot be read');
    expect(hostsOf(await route.siteOf('upstream/pair').resolve())).toEqual(['127.0.0.2:26', '127.0.0.3:465']);
  });
});

describe('orders of an operator', () => {
  it('name targets as destinations are named', () => {
    const route = built(GROUPS);
    for (const good of ['mx', 'discard', 'upstream/pair', 'upstream/default', 'host/relay.example:25', 'host/[::1]:25'])
      expect(route.targetProblem(good)).toBe('');
    expect(route.targetProblem('upstream/none')).toBe('there is no upstream group none');
    expect(route.targetProblem('host/relay.example')).toContain('host/NAME:PORT');
    expect(route.targetProblem('host/h:25?tls=none')).toContain('host/NAME:PORT');
    expect(route.targetProblem('host/h:99999')).toContain('port');
    expect(route.targetProblem('elsewhere')).toContain('upstream/NAME');
  });

  it('send mail there, from the pool it would have left from', async () => {
    const route = built(GROUPS);
    const message = envelope(1, ['x@Pair.example'], { tlsOptional: true });
    const redirect = (to: string) => route.redirect(to, 'upstream/pair@warm', message.recipients[0]!, message);
    expect(redirect('host/relay.example:25')).toBe('host/relay.example:25@warm');
    expect(redirect('upstream/default')).toBe('upstream/default@warm');
    expect(redirect('mx')).toBe('mx/pair.example@warm!');
    expect(redirect('discard')).toBe('discard/*');
    expect(await outcomesAt(route, redirect('discard'))).toMatchObject([{ kind: 'delivered' }, { kind: 'delivered' }]);
    expect(hostsOf(await route.siteOf('host/127.0.0.7:25').resolve())).toEqual(['127.0.0.7:25']);
  });
});

describe('explanations', () => {
  const ask = (route: Routing, question: Partial<RouteQuestion>) =>
    explainRoute(
      {
        sender: '',
        recipient: 'r@dest.example',
        account: '',
        tenant: '',
        listener: '',
        client: '',
        lane: '',
        tags: [],
        fields: {},
        ...question,
      },
      {
        routes: route.routes(),
        tenants: route.tenants(),
        lanes: DEFAULT_LANES,
        siteOf: route.siteOf,
        elsewhere: (own) => own,
      },
    );

  it('name route, destination, tenant, lane and hosts', async () => {
    const route = built(
      `
      [[egress]]
      name = "a"
      helo = "a.example"
      pool = "own"
      [[tenant]]
      name = "acme"
      senders = ["@acme.example"]
      egress = "own"
      [[upstream]]
      name = "ses"
      hosts = ["smtp://127.0.0.2:26"]
      [[route]]
      name = "spring"
      header = { "X-Campaign" = "spring*" }
      upstream = "ses"
      set_lane = "immediate"
    `,
      {},
      { egress: egressOf((name) => ({ name, reaches: (_address: string) => true }) as EgressPool) },
    );
    expect(await ask(route, { sender: 'x@acme.example', fields: { 'x-campaign': 'Spring 7' } })).toMatchObject({
      route: 'spring',
      destination: 'upstream/ses@own',
      egress: 'own',
      tenant: 'acme',
      lane: 'immediate',
      hosts: [{ name: '127.0.0.2', address: '127.0.0.2', port: 26, tls: 'opportunistic' }],
      problem: '',
    });
    expect(await ask(route, {})).toMatchObject({
      route: '',
      destination: 'upstream/default',
      tenant: '',
      lane: 'bulk',
      problem: '',
    });
  });

  it('say what becomes of mail that has no host', async () => {
    const route = built(GROUPS);
    expect(await ask(route, { recipient: 'x@hole.example' })).toMatchObject({
      hosts: [],
      problem: 'discarded by route hole',
    });
    const { problem } = await ask(route, { recipient: 'x@shut.example' });
    expect(problem).toBe(['refused by route shut:', '550', '5.7.1', 'Not here'].join(' '));
  });
});

describe('recipients', () => {
  it('are refused, taken, or asked for at the target', async () => {
    const sink = await startSink({
      reply: (moment, line) => (moment === 'RCPT' && !line.includes('ann') ? '550 5.1.1 Unknown' : undefined),
    });
    closers.push(() => sink.close());
    const wheel = new DeadlineWheel(() => systemClock.now(), 10, 20);
    closers.push(() => wheel.stop());
    const { settings } = loadSettings({ SLUICE_UPSTREAM: 'smtp://127.0.0.1:2525' }, '/');
    const route = built(`
      [[tenant]]
      name = "acme"
      clients = ["192.0.2.0/24"]
      [[route]]
      recipient = "bad@dest.example"
      reply = "550 5.7.1 Go away"
      [[route]]
      tenant = "acme"
      recipient = "@dest.example"
      host = "127.0.0.1:${sink.port}"
      verify = true
      [[route]]
      recipient = "@down.example"
      host = "127.0.0.1:1"
      verify = true
    `);
    const connection = {
      hostname: 'me',
      connectTimeout: 2000,
      replyTimeout: 2000,
      dataTimeout: 2000,
      tlsTimeout: 2000,
    };
    const verifier = recipientVerifier(settings, route, { clock: systemClock, wheel, dial, connection });
    closers.push(() => verifier.close());
    const policy = recipientPolicy(NOTHING_LISTED, route, verifier, 'defer');
    const client = { address: '192.0.2.9', relays: false, account: '', listener: 'in', sender: 's@source.example' };
    const ask = async (address: string, from = client) => (await policy(from, address))?.code ?? null;
    expect(await ask('bad@dest.example')).toBe(550);
    expect(await ask('ann@dest.example')).toBeNull();
    expect(await ask('bob@dest.example')).toBe(550);
    expect(await ask('bob@dest.example', { ...client, address: '198.51.100.1' })).toBeNull();
    expect(await ask('ann@other.example')).toBeNull();
    expect(await ask('ann@down.example')).toBe(450);
    expect(await recipientPolicy(NOTHING_LISTED, route, verifier, 'accept')(client, 'ann@down.example')).toBeNull();
    expect(sink.commands.filter((line) => line.startsWith('RCPT'))).toHaveLength(2);
  });
});

describe('mail of a transparent listener', () => {
  it('goes on to the host it was going to, from the pool of its tenant, whatever the routes say', async () => {
    const text = `
      [[egress]]
      name = "a"
      helo = "a.example"
      pool = "warm"
      [[tenant]]
      name = "acme"
      egress = "warm"
      [[route]]
      mx = true
    `;
    const route = built(text);
    const going = (to: string, tenant = '') => {
      const handling = withOriginalDestination({ ...PLAIN_HANDLING, tenant }, to);
      const message = envelope(1, ['ann@x.example'], { handling });
      return route.destinationOf(message.recipients[0]!, message);
    };
    expect([going(''), going('192.0.2.7:25'), going('[2001:db8::7]:2525', 'acme')]).toEqual([
      'mx/x.example',
      'host/192.0.2.7:25',
      'host/[2001:db8::7]:2525@warm',
    ]);
    for (const to of ['192.0.2.7:25', '[2001:db8::7]:2525'])
      expect(await route.siteOf(going(to)).resolve()).toMatchObject({
        kind: 'hosts',
        hosts: [{ address: to.replace(/:\d+$/, '').replace(/[[\]]/g, ''), port: Number(/\d+$/.exec(to)![0]) }],
      });
  });
});
