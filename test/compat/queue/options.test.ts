import { describe, expect, it } from 'vitest';
import { Fatal } from '../../../src/compat/fatal.js';
import { catRequest, queueRequest, superRequest } from '../../../src/compat/queue/options.js';

function codeOf(run: () => unknown): number {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof Fatal) return thrown.code;
    throw thrown;
  }
  return 0;
}
const words = (text: string) => text.split(' ').filter((word) => word !== '');

describe('the command line of postqueue', () => {
  it.each([
    ['-p', { mode: 'list' }],
    ['-vp', { mode: 'list' }],
    ['-j', { mode: 'json' }],
    ['-f', { mode: 'flush' }],
    ['-i ABC', { mode: 'message', what: 'ABC' }],
    ['-sA.Example', { mode: 'site', what: 'a.example' }],
    ['-s [192.0.2.1]', { mode: 'site', what: '192.0.2.1' }],
  ])('%s', (text, expected) => expect(queueRequest(words(text))).toEqual(expected));
  it.each(['', '-x', '-p -f', '-p x', '-i', '-i N!', '-s a/b'])('refuses %j', (text) =>
    expect(codeOf(() => queueRequest(words(text)))).toBe(69),
  );
});

describe('the command line of postsuper', () => {
  it('keeps the order of what is asked for, and the queues', () => {
    expect(superRequest(words('-h A -d ALL -r - -H B -R C -v deferred incoming'))).toEqual({
      steps: [
        { action: 'hold', what: 'A' },
        { action: 'delete', what: 'ALL' },
        { action: 'retry', what: '-' },
        { action: 'release', what: 'B' },
        { action: 'retry', what: 'C' },
      ],
      queues: ['deferred'],
    });
    expect(superRequest(words('-d ALL')).queues).toEqual(['hold', 'active', 'deferred']);
  });
  it.each(['-z', '-d', '-d ALL nowhere', '-e ALL', '-f A'])('refuses %j', (text) =>
    expect(codeOf(() => superRequest(words(text)))).toBe(1),
  );
});

describe('the command line of postcat', () => {
  it.each([
    ['-q A', { ids: ['A'], envelope: true, header: true, body: true }],
    ['-qb A', { ids: ['A'], envelope: false, header: false, body: true }],
    ['-bh -q A B', { ids: ['A', 'B'], envelope: false, header: true, body: true }],
    ['-ev -q A', { ids: ['A'], envelope: true, header: false, body: false }],
  ])('%s', (text, expected) => expect(catRequest(words(text))).toEqual(expected));
  it.each(['', '-q', '-z A'])('refuses %j', (text) => expect(codeOf(() => catRequest(words(text)))).toBe(1));
});
