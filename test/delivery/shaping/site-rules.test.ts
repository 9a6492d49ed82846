/** Which rule stands: the operator's, the shipped ones, and for which site, source and tenant. */
import { describe, expect, it } from 'vitest';
import { type ShapingRule, wordsOf } from '../../../src/delivery/shaping/rule.js';
import { Scopes } from '../../../src/delivery/shaping/scopes.js';
import { type SiteFacts, SiteRules } from '../../../src/delivery/shaping/site-rules.js';
import { rule, START } from './shaping-world.js';

const GOOGLE: SiteFacts = { site: 'google.com', host: 'aspmx.l.google.com', domain: '', upstream: '' };
const SES: SiteFacts = { site: 'upstream ses', host: '', domain: '', upstream: 'ses' };

const shipped = rule({
  name: 'shipped rule of google.com',
  site: 'google.com',
  source: '*',
  connections: 10,
  rates: [
    { counted: 'messages', span: 'minute', most: 300 },
    { counted: 'connections', span: 'second', most: 5 },
  ],
  messagesPerConnection: 50,
  recipientsPerMessage: 100,
});

function perMinute(most: number): ShapingRule['rates'] {
  return [{ counted: 'messages', span: 'minute', most }];
}

/** All limits in words, for a source and a tenant. */
function limits(
  own: readonly Partial<ShapingRule>[],
  { facts = GOOGLE, source = '', tenant = '' }: { facts?: SiteFacts; source?: string; tenant?: string } = {},
): string[] {
  const rules = new SiteRules(facts, own.map(rule), [shipped]);
  const scopes = rules.scopesFor(source, tenant, new Scopes(() => START).of);
  return scopes.flatMap((scope) => scope.describe(START).map(({ limit }) => String(limit)));
}

describe('limits of a site', () => {
  it('are those that are shipped where the operator says nothing, for each source', () => {
    expect(limits([])).toEqual([
      'site google.com: 10 connections',
      'site google.com: 300 messages a minute',
      'site google.com: 5 new connections a second',
    ]);
    expect(limits([], { source: 'ip1' })).toContain('site google.com, source ip1: 10 connections');
    expect(limits([], { facts: SES })).toEqual([]);
  });

  it('are overridden key by key, whatever the scope', () => {
    const own = [{ mx: 'google.com', rates: perMinute(1000) }];
    expect(limits(own, { source: 'ip1' })).toEqual([
      'site google.com: 1000 messages a minute',
      'site google.com, source ip1: 10 connections',
      'site google.com, source ip1: 5 new connections a second',
    ]);
  });

  it('that are shipped hold for all mail beside a limit for one tenant', () => {
    const own = [{ mx: 'google.com', tenant: 'acme', rates: perMinute(1000) }];
    expect(limits(own, { tenant: 'acme' })).toContain('site google.com: 300 messages a minute');
  });

  it('are lifted by 0', () => {
    const own = [{ site: 'google.com', connections: 0, rates: perMinute(0) }];
    expect(limits(own)).toEqual(['site google.com: 5 new connections a second']);
  });

  it('are of the first of the tables that says something', () => {
    const own = [
      { site: 'google.com', source: 'ip1', connections: 3 },
      { site: 'google.com', source: '*', connections: 7, rates: perMinute(70) },
      { site: 'google.com', source: '*', connections: 8 },
    ];
    expect(limits(own, { source: 'ip1' }).slice(0, 2)).toEqual([
      'site google.com, source ip1: 3 connections',
      'site google.com, source ip1: 70 messages a minute',
    ]);
    expect(limits(own, { source: 'ip2' })[0]).toBe('site google.com, source ip2: 7 connections');
  });

  it('for all sites stand behind those that are shipped, and beside them in another scope', () => {
    expect(limits([{ site: '*', source: '*', connections: 50, rates: [] }])[0]).toBe('site google.com: 10 connections');
    expect(limits([{ site: '*', source: '*', connections: 50 }], { facts: { ...GOOGLE, site: 'mx.test' } })).toEqual([
      'site mx.test: 50 connections',
    ]);
    expect(limits([{ site: '*', rates: perMinute(20) }])).toContain('site google.com: 20 messages a minute');
  });

  it('ask for all that is given', () => {
    const own = [{ mx: 'google.com', tenant: 'acme', source: 'ip1', rates: perMinute(9) }];
    const words = 'site google.com, source ip1, tenant acme: 9 messages a minute';
    expect(limits(own, { source: 'ip1', tenant: 'acme' })).toContain(words);
    expect(limits(own, { source: 'ip1', tenant: 'other' })).not.toContain(words);
    expect(limits(own, { source: 'ip2', tenant: 'acme' })).not.toContain(words);
    expect(limits(own, { facts: SES, source: 'ip1', tenant: 'acme' })).toEqual([]);
  });

  it('of a tenant or a source wherever its mail goes leave those of sites as they are', () => {
    const own = [
      { tenant: '*', rates: perMinute(40) },
      { source: 'ip1', rates: perMinute(60), connections: 5 },
    ];
    const found = limits(own, { source: 'ip1', tenant: 'acme' });
    expect(found.sort()).toEqual([
      'site google.com, source ip1: 10 connections',
      'site google.com, source ip1: 300 messages a minute',
      'site google.com, source ip1: 5 new connections a second',
      'source ip1: 5 connections',
      'source ip1: 60 messages a minute',
      'tenant acme: 40 messages a minute',
    ]);
    // Mail that is nobody's is no tenant's.
    expect(limits([{ tenant: '*', rates: perMinute(40) }], { facts: SES })).toEqual([]);
  });

  it('go by the name of the mail host at a dot only', () => {
    expect(limits([{ mx: 'oogle.com', connections: 1 }])[0]).toBe('site google.com: 10 connections');
    expect(limits([{ mx: 'l.google.com', connections: 1 }])[0]).toBe('site google.com: 1 connection');
  });

  it('of upstreams go by their group', () => {
    const own = [{ upstream: 'ses', connections: 14, rates: [] }];
    expect(limits(own, { facts: SES })).toEqual(['upstream ses: 14 connections']);
    expect(limits([{ upstream: '*', connections: 2 }])).toEqual(limits([]));
  });

  it('of a domain are counted for it, and those of the provider for all', () => {
    const facts = { ...GOOGLE, domain: 'example.org' };
    expect(limits([{ domain: 'example.org', rates: perMinute(5) }], { facts })).toEqual([
      'domain example.org: 5 messages a minute',
      'site google.com: 10 connections',
      'site google.com: 5 new connections a second',
    ]);
  });
});

describe('what is asked of a site as a whole', () => {
  it('is the first word on it', () => {
    const rules = (own: readonly Partial<ShapingRule>[]) => new SiteRules(GOOGLE, own.map(rule), [shipped]);
    expect([rules([]).maxMessages, rules([]).maxRecipients, rules([]).adaptive]).toEqual([50, 100, null]);
    const own = rules([{ mx: 'google.com', messagesPerConnection: 0, recipientsPerMessage: 20, adaptive: false }]);
    expect([own.maxMessages, own.maxRecipients, own.adaptive]).toEqual([0, 20, false]);
  });

  it('keeps transactions to what a window has room for', () => {
    const own = [rule({ tenant: 'acme', rates: [{ counted: 'recipients', span: 'minute', most: 30 }] })];
    expect(new SiteRules(GOOGLE, own, [shipped]).maxRecipients).toBe(30);
  });
});

describe('words', () => {
  it('are those of an operator', () => {
    expect(wordsOf({ counted: 'connections', span: 'hour', most: 5 })).toBe('5 new connections an hour');
    expect(wordsOf({ counted: 'bytes', span: 'day', most: 1024 })).toBe('1024 bytes a day');
    expect(wordsOf({ counted: 'messages', span: 'second', most: 1 })).toBe('1 message a second');
  });
});
