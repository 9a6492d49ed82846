import { describe, expect, it } from 'vitest';
import { parseConfigFile } from '../../src/config/config-file.js';
import { type TenantFacts, Tenants } from '../../src/message/tenant.js';
import { addressSet } from '../../src/net/address-set.js';

const tenants = new Tenants(
  parseConfigFile(
    `
    [[tenant]]
    name = "one"
    accounts = ["ann", "@one.example"]
    senders = ["@*.one.example"]
    [[tenant]]
    name = "two"
    header = "two"
    senders = ["@two.example", "Boss@one.example"]
    clients = ["10.2.0.0/16", "!10.2.2.2"]
    listeners = ["in"]
    [[tenant]]
    name = "three"
    senders = ["@two.example"]
    listeners = ["in"]
    `,
    'x.toml',
  ).tenant,
  addressSet,
);

const nothing: TenantFacts = {
  relays: true,
  account: '',
  header: '',
  sender: '',
  senderDomain: '',
  client: '192.0.2.1',
  listener: '',
};
const of = (facts: Partial<TenantFacts>) => tenants.of({ ...nothing, ...facts })?.name ?? null;

describe('tenants', () => {
  it.each<[Partial<TenantFacts>, string | null]>([
    [{}, null],
    [{ account: 'ann' }, 'one'],
    [{ account: 'bob' }, null],
    [{ account: 'bob@one.example' }, 'one'],
    [{ account: 'bob@x.one.example' }, null],
    [{ header: 'two' }, 'two'],
    [{ header: 'one' }, null],
    [{ account: 'ann', header: 'two' }, 'one'],
    [{ sender: 'x@a.one.example', senderDomain: 'a.one.example' }, 'one'],
    [{ sender: 'x@one.example', senderDomain: 'one.example' }, null],
    [{ sender: 'BOSS@One.example', senderDomain: 'one.example' }, 'two'],
    [{ sender: 'x@two.example', senderDomain: 'two.example' }, 'two'],
    [{ header: 'two', sender: 'x@a.one.example', senderDomain: 'a.one.example' }, 'two'],
    [{ client: '10.2.1.1' }, 'two'],
    [{ client: '10.2.2.2' }, null],
    [{ listener: 'in' }, 'two'],
    [{ client: '10.2.1.1', account: 'ann' }, 'one'],
  ])('%j is mail of %s', (facts, expected) => {
    expect(of(facts)).toBe(expected);
  });

  it('are not named by strangers', () => {
    const stranger = { relays: false };
    expect(of({ ...stranger, header: 'two' })).toBeNull();
    expect(of({ ...stranger, sender: 'x@two.example', senderDomain: 'two.example' })).toBeNull();
    expect(of({ ...stranger, sender: 'x@two.example', senderDomain: 'two.example', listener: 'in' })).toBe('two');
  });
});
