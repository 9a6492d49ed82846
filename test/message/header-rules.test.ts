import { describe, expect, it } from 'vitest';
import { SluiceError } from '../../src/core/errors.js';
import { NO_HEADER_RULES, parseHeaderRules, rewriteEnvelope } from '../../src/message/header-rules.js';

describe('parseHeaderRules', () => {
  it('has no rules where nothing is set', () => {
    expect(parseHeaderRules({})).toEqual(NO_HEADER_RULES);
    expect(parseHeaderRules({ remove: ' , ', add: '', rewriteFields: 'from' })).toEqual(NO_HEADER_RULES);
  });

  it('reads every kind', () => {
    expect(
      parseHeaderRules({
        remove: 'X-Mailer, User-Agent',
        replace: 'Organization: Example: Inc., Ltd.',
        add: 'X-A: 1 | X-B: 2; b',
        rewriteDomains: 'Old.example = new.example, bücher.example=books.example',
        rewriteFields: 'From, return-path',
      }),
    ).toEqual({
      remove: ['X-Mailer', 'User-Agent'],
      replace: [{ name: 'Organization', value: 'Example: Inc., Ltd.' }],
      add: [
        { name: 'X-A', value: '1' },
        { name: 'X-B', value: '2; b' },
      ],
      rewriteFields: ['from', 'return-path'],
      rewriteDomains: [
        { from: 'old.example', to: 'new.example' },
        { from: 'xn--bcher-kva.example', to: 'books.example' },
      ],
    });
  });

  it.each([
    [{ remove: 'X Mailer' }, 'X Mailer'],
    [{ remove: 'Received' }, 'loops'],
    [{ add: 'received: x' }, 'loops'],
    [{ add: 'X-A' }, 'Name: value'],
    [{ add: 'X-A:' }, 'empty'],
    [{ add: 'X-Ä: b' }, 'visible ASCII'],
    [{ add: 'X-A: ä' }, 'encoded word'],
    [{ add: 'X-A: a\rInjected: b' }, 'printable'],
    [{ add: '.X: a' }, 'dot'],
    [{ add: `X-A: ${'a'.repeat(1000)}` }, '998'],
    [{ replace: 'X-A: 1|x-a: 2' }, 'twice'],
    [{ rewriteDomains: 'old.example' }, 'old.example=new.example'],
    [{ rewriteDomains: 'a.example=' }, 'not a domain name'],
    [{ rewriteDomains: 'a b.example=c.example' }, 'not a domain name'],
    [{ rewriteDomains: 'a.example=b.example,A.example=c.example' }, 'twice'],
    [{ rewriteDomains: 'a.example=b.example', rewriteFields: 'to' }, 'from, sender, return-path'],
  ])('refuses %j', (settings, hint) => {
    let thrown: unknown;
    try {
      parseHeaderRules(settings);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(SluiceError);
    expect(thrown).toMatchObject({ code: 'bad-rule', temporary: false });
    expect((thrown as Error).message).toContain(hint);
  });
});

describe('rewriteEnvelope', () => {
  const rules = parseHeaderRules({ rewriteDomains: 'old.example=new.example' });

  it.each([
    ['a@old.example', 'a@new.example'],
    ['"a@old.example"@OLD.example', '"a@old.example"@new.example'],
    ['a@sub.old.example', 'a@sub.old.example'],
    ['postmaster', 'postmaster'],
    ['', ''],
  ])('%j becomes %j', (sender, expected) => {
    expect(rewriteEnvelope(sender, rules)).toBe(expected);
  });

  it('leaves the sender alone where return-path is not among the fields', () => {
    const headerOnly = parseHeaderRules({ rewriteDomains: 'old.example=new.example', rewriteFields: 'from' });
    expect(rewriteEnvelope('a@old.example', headerOnly)).toBe('a@old.example');
  });
});
