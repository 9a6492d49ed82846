/**
 * Lane, tenant, tags and times of a message: what wins over what, who is believed, and that nothing is made of nothing.
 */
import { describe, expect, it } from 'vitest';
import { type HandlingRules, MessageHandling } from '../../src/intake/handling.js';
import { type Lane, PLAIN_HANDLING } from '../../src/message/envelope.js';
import { DEFAULT_LANES } from '../../src/message/lane-settings.js';
import { type TenantSettings, Tenants } from '../../src/message/tenant.js';
import { addressSet } from '../../src/net/address-set.js';
import type { Transaction } from '../../src/smtp/server-host.js';
import type { CapturedFields } from '../../workers/contract.js';
import { facts, recipient } from '../helpers/mail.js';
import { NO_RULES } from './handling-rules.js';

const NOW = 1_000_000;

function tenant(name: string, changes: Partial<TenantSettings> = {}): TenantSettings {
  return {
    name,
    accounts: [],
    senders: [],
    listeners: [],
    clients: [],
    header: '',
    egress: '',
    weight: 1,
    limits: [],
    suppression: null,
    verp: '',
    lane: null,
    tags: [],
    history: 0,
    ...changes,
  };
}

const transaction = (changes: Partial<Transaction>): Transaction => ({
  sender: 'a@x.example',
  recipients: [recipient('b@y.example')],
  bodyType: '7BIT',
  smtpUtf8: false,
  ret: '',
  envelopeId: '',
  priority: 0,
  helo: 'c',
  tls: '',
  account: '',
  requireTls: false,
  holdFor: 0,
  deliverBy: null,
  protocol: 'ESMTP',
  content: facts({}),
  body: { length: 0, append: () => true, release: () => {} },
  ...changes,
});

function made(
  rules: Partial<HandlingRules>,
  given: { fields?: CapturedFields; relays?: boolean; listener?: string } & Partial<Transaction> = {},
) {
  const ignored: string[] = [];
  const { fields, relays = true, listener = 'smtp', ...changes } = given;
  const handling = new MessageHandling({
    ...NO_RULES,
    ignored: (client, field, value) => ignored.push(`${client} ${field}: ${value}`),
    ...rules,
  });
  const result = handling.of({ address: '192.0.2.1', relays, listener }, transaction(changes), fields, NOW);
  return { ...result, ignored, result, again: handling };
}

const lane = (value: string): CapturedFields => ({ 'x-sluice-lane': value });

describe('the lane', () => {
  const tenants = new Tenants([tenant('t', { listeners: ['smtp'], lane: 'immediate' })], addressSet);
  const bulkDefault = { lanes: DEFAULT_LANES };
  const rule = (said: Lane | null) => ({ traitsOf: () => ({ lane: said, tags: ['ruled'] }) });
  const ofListener = (said: Lane) => ({ listenerLanes: new Map([['smtp', said]]) });
  const ofAccount = (said: Lane | null) => ({ account: () => ({ lane: said, tags: [] }) });

  it.each<[string, Partial<HandlingRules>, Parameters<typeof made>[1], Lane]>([
    ['default', bulkDefault, {}, 'bulk'],
    ['another default', { lanes: { ...DEFAULT_LANES, default: 'immediate' } }, {}, 'immediate'],
    ['tenant over default', { tenants }, {}, 'immediate'],
    ['listener over tenant', { tenants, ...ofListener('bulk') }, {}, 'bulk'],
    ['account over listener', { ...ofListener('bulk'), ...ofAccount('immediate') }, { account: 'ann' }, 'immediate'],
    ['an account that says nothing', { ...ofListener('immediate'), ...ofAccount(null) }, { account: 'a' }, 'immediate'],
    ['priority over account', ofAccount('bulk'), { account: 'ann', priority: 1 }, 'immediate'],
    ['negative priority over account', ofAccount('immediate'), { account: 'ann', priority: -1 }, 'bulk'],
    ['rule over priority', rule('bulk'), { priority: 9 }, 'bulk'],
    ['a rule that says nothing', rule(null), { priority: 9 }, 'immediate'],
    ['header over rule', rule('bulk'), { fields: lane('Immediate') }, 'immediate'],
    ['header over all', { ...rule('immediate'), ...ofListener('immediate') }, { fields: lane('bulk') }, 'bulk'],
    ['no stranger by header', {}, { relays: false, fields: lane('immediate') }, 'bulk'],
    ['no stranger by priority', {}, { relays: false, priority: 9 }, 'bulk'],
    ['a stranger that is modest', ofListener('immediate'), { relays: false, priority: -1 }, 'bulk'],
    ['thresholds', { lanes: { ...DEFAULT_LANES, immediatePriority: 5 } }, { priority: 4 }, 'bulk'],
    ['above thresholds', { lanes: { ...DEFAULT_LANES, immediatePriority: 5 } }, { priority: 5 }, 'immediate'],
  ])('by %s', (_, rules, given, expected) => {
    expect(made(rules, given).lane).toBe(expected);
  });

  it('by a rule comes with its tags', () => {
    expect(made(rule(null), {}).tags).toEqual(['ruled']);
  });

  it('is not what a header says that says nothing', () => {
    expect(made({}, { fields: lane('fast') })).toMatchObject({
      lane: 'bulk',
      ignored: ['192.0.2.1 X-Sluice-Lane: fast'],
      result: PLAIN_HANDLING,
    });
    expect(made({}, { fields: lane('fast'), relays: false }).ignored).toEqual([]);
  });
});

describe('the tenant', () => {
  const acme = tenant('acme', { accounts: ['ann'], header: 'Acme', tags: ['vip'] });
  const bee = tenant('bee', { header: 'bee', senders: ['@x.example'] });
  const tenants = new Tenants([acme, bee], addressSet);
  const named = (value: string) => ({ fields: { 'x-sluice-tenant': value } });

  it.each<[string, Parameters<typeof made>[1], string, number]>([
    ['the account', { account: 'ann', ...named('bee') }, 'acme', 1],
    ['the header', named('Acme'), 'acme', 0],
    ['the sender where the header names nobody', named('nobody'), 'bee', 1],
    ['the sender', {}, 'bee', 0],
    ['nobody for strangers', { relays: false, ...named('Acme') }, '', 0],
  ])('is that of %s', (_, given, name, ignored) => {
    const result = made({ tenants }, given);
    expect([result.tenant, result.ignored.length]).toEqual([name, ignored]);
  });

  it('may be any word where no table names one', () => {
    expect(made({}, named('acme')).tenant).toBe('acme');
    expect(made({}, named('a b'))).toMatchObject({ tenant: '', ignored: ['192.0.2.1 X-Sluice-Tenant: a b'] });
    expect(made({}, { relays: false, ...named('acme') }).result).toBe(PLAIN_HANDLING);
  });

  it('has tags, with those of account and header, each once', () => {
    const account = () => ({ lane: null, tags: ['news', 'b'] });
    const fields = { 'x-sluice-tags': 'a,b  c/d', 'x-sluice-tenant': 'Acme' };
    expect(made({ tenants, account }, { account: 'ann', fields })).toMatchObject({
      tags: ['news', 'b', 'vip', 'a'],
      ignored: ['192.0.2.1 X-Sluice-Tags: a,b  c/d'],
    });
  });

  it('has those of rules, which are told of the others', () => {
    const traitsOf = ({ tags }: { tags: readonly string[] }) => ({ lane: null, tags: [`after-${tags.length}`, 'a'] });
    expect(made({ traitsOf }, { fields: { 'x-sluice-tags': 'a b' } }).tags).toEqual(['a', 'b', 'after-2']);
  });

  it('takes 16 tags of a header', () => {
    const words = Array.from({ length: 20 }, (_, i) => `t${i}`);
    const result = made({}, { fields: { 'x-sluice-tags': words.join(' ') } });
    expect([result.tags, result.ignored.length]).toEqual([words.slice(0, 16), 1]);
  });
});

describe('handling', () => {
  it('of a message about which nothing is said is one object for all', () => {
    expect(made({}).result).toBe(PLAIN_HANDLING);
    expect(made({}, { account: 'ann' }).result).toBe(PLAIN_HANDLING);
    expect(made({ traitsOf: () => null }).result).toBe(PLAIN_HANDLING);
    const { again } = made({ keepsListener: true, listenerLanes: new Map([['in', 'immediate']]) });
    const of = (listener: string) => again.of({ address: '', relays: true, listener }, transaction({}), undefined, NOW);
    expect(of('in')).toEqual({ ...PLAIN_HANDLING, lane: 'immediate', listener: 'in' });
    expect(of('in')).toBe(of('in'));
    expect(of('smtp').listener).toBe('smtp');
  });

  it('keeps fields that rules look at, and none by which it was said', () => {
    const fields = { 'x-campaign': 'spring', ...lane('bulk') };
    expect(made({}, { fields }).fields).toEqual({ 'x-campaign': 'spring' });
    expect(made({}, { fields, relays: false }).fields).toEqual({ 'x-campaign': 'spring' });
  });

  it('has times of the engine; a message that is held is to be there that long after its release', () => {
    const deliverBy = { within: 5000, mode: 'R', trace: true } as const;
    expect(made({}, { holdFor: 7000 }).holdUntil).toBe(NOW + 7000);
    expect(made({}, { deliverBy }).deliverBy).toEqual({ at: NOW + 5000, mode: 'R', trace: true });
    expect(made({}, { holdFor: 7000, deliverBy }).deliverBy!.at).toBe(NOW + 12_000);
  });
});
