import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RouteFacts } from '../../../src/delivery/routes/compiled-route.js';
import type { RouteSettings } from '../../../src/delivery/routes/route-settings.js';
import { Routes } from '../../../src/delivery/routes/routes.js';
import { type Envelope, type Handling, PLAIN_HANDLING } from '../../../src/message/envelope.js';
import { addressSet } from '../../../src/net/address-set.js';
import { envelope, recipient } from '../../helpers/mail.js';
import { OPEN_ROUTE } from './open-route.js';

function routes(settings: readonly Partial<RouteSettings>[], fallback: 'mx' | 'upstream' = 'mx', pools = {}): Routes {
  const tenantPools = new Map(Object.entries<string>(pools));
  return new Routes({
    routes: settings.map((given, place) => ({ ...OPEN_ROUTE, name: `route-${place + 1}`, ...given })),
    fallback,
    egressOf: (tenant) => tenantPools.get(tenant) ?? '',
    tenantsHaveEgress: tenantPools.size > 0,
    addressSet,
  });
}

const group = (name: string) => ({ target: { kind: 'upstream', group: name } }) as const;

interface Mail extends Partial<Pick<Envelope, 'sender' | 'account' | 'tlsOptional'>>, Partial<Handling> {
  readonly to?: string;
  readonly client?: string;
}

function mailOf({ to = 'r@dest.example', client = '192.0.2.1', sender = 's@source.example', ...more }: Mail): Envelope {
  const plain = envelope(1, [to], { sender });
  const { account = '', tlsOptional = false, ...handling } = more;
  return {
    ...plain,
    account,
    tlsOptional,
    origin: { ...plain.origin, clientAddress: client },
    handling: { ...PLAIN_HANDLING, ...handling },
  };
}

function keyOf(table: Routes, mail: Mail = {}): string {
  const message = mailOf(mail);
  return table.destinationOf(message.recipients[0]!, message);
}

const REFUSE = { kind: 'refuse', code: 550, enhanced: '5.7.1', text: 'No' } as const;

describe('destinations', () => {
  it('are the upstreams or the mail hosts of the domain without routes', () => {
    expect(keyOf(routes([], 'upstream'))).toBe('upstream/default');
    expect(keyOf(routes([], 'upstream'), { tlsOptional: true })).toBe('upstream/default');
    expect(keyOf(routes([]), { to: 'R@BÜCHER.example' })).toBe('mx/xn--bcher-kva.example');
    expect(keyOf(routes([]), { tlsOptional: true })).toBe('mx/dest.example!');
    expect(keyOf(routes([]), { to: 'r@[192.0.2.1]' })).toBe('mx/[192.0.2.1]');
  });

  it('follow the target, its pool, and that of the tenant', () => {
    const table = routes(
      [
        { recipients: ['@up.example'], ...group('ses'), egress: 'warm' },
        { recipients: ['@host.example'], target: { kind: 'host', name: '[::1]:25' } },
        { recipients: ['@gone.example'], target: { kind: 'discard' }, name: 'gone' },
        { recipients: ['@no.example'], target: REFUSE },
        { recipients: ['@mx.example'], egress: 'cold' },
      ],
      'upstream',
      { acme: 'own' },
    );
    expect(keyOf(table, { to: 'a@up.example' })).toBe('upstream/ses@warm');
    expect(keyOf(table, { to: 'a@up.example', tenant: 'acme' })).toBe('upstream/ses@warm');
    expect(keyOf(table, { to: 'a@host.example' })).toBe('host/[::1]:25');
    expect(keyOf(table, { to: 'a@host.example', tenant: 'acme' })).toBe('host/[::1]:25@own');
    expect(keyOf(table, { to: 'a@gone.example', tenant: 'acme' })).toBe('discard/gone');
    expect(keyOf(table, { to: 'a@no.example' })).toBe('refuse/route-4');
    expect(keyOf(table, { to: 'a@mx.example', tlsOptional: true })).toBe('mx/mx.example@cold!');
    expect(keyOf(table, { tenant: 'acme' })).toBe('upstream/default@own');
    expect(keyOf(table, { tenant: 'other' })).toBe('upstream/default');
  });
});

describe('conditions', () => {
  const fits = (condition: Partial<RouteSettings>, mail: Mail): boolean =>
    keyOf(routes([{ ...condition, ...group('hit') }]), mail) === 'upstream/hit';

  it.each<[Partial<RouteSettings>, Mail, boolean]>([
    [{ recipients: ['ann@dest.example'] }, { to: 'Ann@DEST.example' }, true],
    [{ recipients: ['ann@dest.example'] }, { to: 'bob@dest.example' }, false],
    [{ recipients: ['@dest.example'] }, { to: 'x@dest.example' }, true],
    [{ recipients: ['@dest.example'] }, { to: 'x@sub.dest.example' }, false],
    [{ recipients: ['@*.dest.example'] }, { to: 'x@a.b.dest.example' }, true],
    [{ recipients: ['@*.dest.example'] }, { to: 'x@dest.example' }, false],
    [{ recipients: ['@*.dest.example'] }, { to: 'x@otherdest.example' }, false],
    [{ recipients: ['/^list-\\d+@/'] }, { to: 'LIST-7@dest.example' }, true],
    [{ recipients: ['/^list-\\d+@/'] }, { to: 'list-x@dest.example' }, false],
    [{ recipients: ['@no.example', '@dest.example'] }, {}, true],
    [{ senders: [''] }, { sender: '' }, true],
    [{ senders: [''] }, {}, false],
    [{ senders: ['@source.example'] }, { sender: '' }, false],
    [{ senders: ['/./'] }, { sender: '' }, false],
    [{ senders: ['@source.example'] }, { sender: 'x@Source.example' }, true],
    [{ accounts: ['ann'] }, { account: 'ann' }, true],
    [{ accounts: ['ann'] }, {}, false],
    [{ accounts: ['@acme.example'] }, { account: 'bob@acme.example' }, true],
    [{ accounts: ['@*.acme.example'] }, { account: 'bob@acme.example' }, false],
    [{ tenants: ['acme'] }, { tenant: 'acme' }, true],
    [{ tenants: ['acme'] }, {}, false],
    [{ listeners: ['in'] }, { listener: 'in' }, true],
    [{ listeners: ['in'] }, { listener: 'out' }, false],
    [{ fields: [{ name: 'x-campaign', glob: 'Spring*7?' }] }, { fields: { 'x-campaign': 'spring 2071' } }, true],
    [{ fields: [{ name: 'x-campaign', glob: 'spring' }] }, { fields: { 'x-campaign': 'spring 1' } }, false],
    [{ fields: [{ name: 'x-campaign', glob: '*' }] }, {}, false],
    [{ fields: [{ name: 'constructor', glob: '*' }] }, {}, false],
    [
      {
        fields: [
          { name: 'a', glob: '*' },
          { name: 'b', glob: '*' },
        ],
      },
      { fields: { a: '' } },
      false,
    ],
    [{ tags: ['x', 'news'] }, { tags: ['news'] }, true],
    [{ tags: ['x'] }, { tags: ['news'] }, false],
    [{ clients: [{ network: '192.0.2.0/24', excluded: false }] }, {}, true],
    [{ clients: [{ network: '192.0.2.0/24', excluded: false }] }, { client: '::ffff:192.0.2.9' }, true],
    [{ clients: [{ network: '0.0.0.0/0', excluded: false }] }, { client: '' }, false],
    [{ lane: 'immediate' }, { lane: 'immediate' }, true],
    [{ lane: 'immediate' }, {}, false],
    [{ recipients: ['@dest.example'], tenants: ['acme'] }, { tenant: 'acme' }, true],
    [{ recipients: ['@dest.example'], tenants: ['acme'] }, {}, false],
  ])('%j for %j: %s', (condition, mail, expected) => {
    expect(fits(condition, mail)).toBe(expected);
  });
});

describe('the first route that fits', () => {
  it('is the same as a loop over all of them would find', () => {
    const domains = ['a.example', 'b.a.example', 'c.b.a.example', 'd.example'];
    const locals = ['x', 'y'];
    const one = <T>(...items: readonly T[]) => fc.constantFrom(...items);
    const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null, freq: 2 });
    const pattern = fc.oneof(
      fc.tuple(one(...locals), one(...domains)).map(([local, domain]) => `${local}@${domain}`),
      one(...domains).map((domain) => `@${domain}`),
      one(...domains).map((domain) => `@*.${domain}`),
      one('/^x@/', '/a\\.example$/'),
    );
    const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { minLength: 1, maxLength: 3 });
    const route = fc.record({
      recipients: maybe(list(pattern)),
      senders: maybe(list(fc.oneof(pattern, one('')))),
      tenants: maybe(list(one('t', 'u'))),
      tags: maybe(list(one('p', 'q'))),
      lane: maybe(one('immediate' as const, 'bulk' as const)),
      fields: fc.array(fc.record({ name: one('f', 'g'), glob: one('*', 'v', 'w*') }), { maxLength: 1 }),
    });
    const address = fc.tuple(one(...locals), one(...domains, 'other.example')).map((parts) => parts.join('@'));
    const mail = fc.record({
      to: address,
      sender: fc.oneof(address, one('')),
      tenant: one('', 't', 'u'),
      tags: fc.subarray(['p', 'q']),
      lane: one('immediate' as const, 'bulk' as const),
      fields: one<Record<string, string>>({}, { f: 'v' }, { f: 'wx', g: 'v' }),
    });
    fc.assert(
      fc.property(
        fc.array(route, { maxLength: 12 }),
        fc.array(mail, { minLength: 1, maxLength: 8 }),
        (given, mails) => {
          const settings = given.map((each, place) => ({ ...each, ...group(`g${place}`) }));
          const table = routes(settings);
          for (const each of mails) {
            const place = settings.findIndex((candidate) => naiveFit({ ...OPEN_ROUTE, ...candidate }, each));
            const domain = each.to.slice(each.to.indexOf('@') + 1);
            expect(keyOf(table, each)).toBe(place < 0 ? `mx/${domain}` : `upstream/g${place}`);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is found among ten thousand domains without asking each', () => {
    const table = routes([
      ...Array.from({ length: 10_000 }, (_, i) => ({ recipients: [`@d${i}.example`], ...group(`g${i}`) })),
      group('rest'),
    ]);
    const asked = countFits(table);
    expect(keyOf(table, { to: 'x@d9999.example' })).toBe('upstream/g9999');
    expect(keyOf(table, { to: 'x@none.example' })).toBe('upstream/rest');
    expect(asked()).toBe(2);
  });
});

const FACTS: RouteFacts = {
  sender: 's@source.example',
  account: '',
  tenant: '',
  listener: 'in',
  client: '192.0.2.1',
  lane: null,
  tags: null,
  fields: null,
};

describe('at the door', () => {
  it('a recipient is refused, asked for, or taken', () => {
    const table = routes([
      { recipients: ['bad@dest.example'], target: REFUSE },
      { recipients: ['@dest.example'], target: { kind: 'host', name: 'h:25' }, verify: true },
      { senders: ['@evil.example'], target: { ...REFUSE, code: 450, enhanced: '4.7.1' } },
    ]);
    expect(table.edgeDecision('Bad@dest.example', FACTS)).toMatchObject({ code: 550, enhanced: '5.7.1', text: 'No' });
    expect(table.edgeDecision('ann@dest.example', FACTS)).toBe('verify');
    expect(table.edgeDecision('ann@other.example', FACTS)).toBeNull();
    expect(table.edgeDecision('ann@other.example', { ...FACTS, sender: 'x@evil.example' })).toMatchObject({
      code: 450,
    });
  });

  it('waits for the content where a route before looks at it', () => {
    const table = routes([
      { fields: [{ name: 'x-pass', glob: 'yes' }], ...group('a') },
      { recipients: ['@dest.example'], target: REFUSE },
    ]);
    expect(table.edgeDecision('ann@dest.example', FACTS)).toBeNull();
    expect(table.contentDecision(mailOf({}))).toMatchObject({ code: 550 });
    expect(table.contentDecision(mailOf({ fields: { 'x-pass': 'yes' } }))).toBeNull();
    expect(table.fields).toEqual(['x-pass']);
  });

  it('refuses a whole message only when each recipient is refused, for good only when each is', () => {
    const table = routes([
      { recipients: ['@no.example'], target: REFUSE },
      { recipients: ['@later.example'], target: { ...REFUSE, code: 450 } },
    ]);
    const message = (...to: string[]) => envelope(1, to);
    expect(table.contentDecision(message('a@no.example', 'b@ok.example'))).toBeNull();
    expect(table.contentDecision(message('a@no.example', 'b@no.example'))).toMatchObject({ code: 550 });
    expect(table.contentDecision(message('a@no.example', 'b@later.example'))).toMatchObject({ code: 450 });
  });

  it('knows the domains that are taken from anyone', () => {
    const table = routes([
      { recipients: ['@in.example', '@*.in.example'], relay: true },
      { recipients: ['@x.example'] },
    ]);
    expect(table.relayDomains).toEqual(['in.example', '.in.example']);
  });
});

describe('lane and tags', () => {
  const mail = (...to: string[]) => ({
    ...FACTS,
    clientAddress: FACTS.client,
    tags: [],
    fields: {},
    recipients: to.map((address) => recipient(address)),
  });

  it('are those that the routes of the recipients say', () => {
    const table = routes([
      { recipients: ['@fast.example'], setLane: 'immediate', addTags: ['a'] },
      { recipients: ['@slow.example'], setLane: 'bulk', addTags: ['a', 'b'] },
    ]);
    expect(table.handles).toBe(true);
    expect(table.traitsOf(mail('x@other.example'))).toBeNull();
    expect(table.traitsOf(mail('x@other.example', 'x@fast.example', 'x@slow.example'))).toEqual({
      lane: 'immediate',
      tags: ['a', 'b'],
    });
    expect(table.traitsOf(mail('x@slow.example', 'x@fast.example'))).toMatchObject({ lane: 'bulk' });
  });

  it('are not looked for where no route says any', () => {
    const table = routes([{ recipients: ['@fast.example'] }]);
    expect(table.handles).toBe(false);
    expect(table.traitsOf(mail('x@fast.example'))).toBeNull();
  });
});

/** What the conditions mean, word for word. */
function naiveFit(
  route: RouteSettings,
  mail: Required<Pick<Mail, 'to' | 'sender' | 'tenant' | 'tags' | 'lane' | 'fields'>>,
): boolean {
  const isOne = (patterns: readonly string[], address: string): boolean =>
    patterns.some((pattern) => {
      if (pattern === '' || address === '') return pattern === address;
      if (pattern.startsWith('/')) return new RegExp(pattern.slice(1, -1), 'i').test(address);
      if (pattern.startsWith('@*')) return address.endsWith(pattern.slice(2));
      return pattern.startsWith('@') ? address.endsWith(pattern) : address === pattern;
    });
  const value = (name: string): string | undefined => mail.fields[name];
  return (
    (route.recipients === null || isOne(route.recipients, mail.to)) &&
    (route.senders === null || isOne(route.senders, mail.sender)) &&
    (route.tenants === null || route.tenants.includes(mail.tenant)) &&
    (route.tags === null || route.tags.some((tag) => mail.tags.includes(tag))) &&
    (route.lane === null || route.lane === mail.lane) &&
    route.fields.every(({ name, glob }) => {
      const given = value(name);
      if (given === undefined) return false;
      return glob === '*' || (glob.endsWith('*') ? given.startsWith(glob.slice(0, -1)) : given === glob);
    })
  );
}

/** Counts how often routes are asked whether they fit. */
function countFits(table: Routes): () => number {
  let count = 0;
  const { index } = table as unknown as { index: { routes: { fits: (...given: unknown[]) => unknown }[] } };
  for (const route of index.routes) {
    const fits = route.fits.bind(route);
    route.fits = (...given) => {
      count++;
      return fits(...given);
    };
  }
  return () => count;
}
