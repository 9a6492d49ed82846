import { describe, expect, it } from 'vitest';
import { Fatal } from '../../../src/compat/fatal.js';
import { type Submission, sendmailRequest } from '../../../src/compat/sendmail/options.js';

const line = (text: string) => sendmailRequest(text === '' ? [] : text.split(' '));

function fatal(text: string): [number, string] {
  try {
    line(text);
  } catch (thrown) {
    if (thrown instanceof Fatal) return [thrown.code, thrown.message];
    throw thrown;
  }
  return [0, ''];
}

const PLAIN: Submission = {
  ...{ mode: 'send', sender: null, fullName: null, fromHeader: false, gateway: false, dotIsText: false },
  ...{ notify: [], ret: '', envelopeId: '', body: '', recipients: [] },
};

describe('the command line of sendmail', () => {
  it.each<[string, Partial<Submission>]>([
    ['', {}],
    ['-t', { fromHeader: true }],
    ['-ti', { fromHeader: true, dotIsText: true }],
    ['-t -oi', { fromHeader: true, dotIsText: true }],
    ['-G', { gateway: true }],
    ['-i -f ann@a.example bob', { dotIsText: true, sender: 'ann@a.example', recipients: ['bob'] }],
    ['-fann@a.example -- -t', { sender: 'ann@a.example', recipients: ['-t'] }],
    ['-r <> x', { sender: '<>', recipients: ['x'] }],
    ['bob -t', { recipients: ['bob', '-t'] }],
    ['-FAnn -F Bob', { fullName: 'Bob' }],
    ['-N success,delay', { notify: ['SUCCESS', 'DELAY'] }],
    ['-N never', { notify: ['NEVER'] }],
    ['-R hdrs -V id=1', { ret: 'HDRS', envelopeId: 'id=1' }],
    ['-B 8BITMIME', { body: '8BITMIME' }],
    [
      '-bm -U -m -n -v -c -e m -h 5 -L x -Am -Ac -C /x -O a=b -o7 -o8 -om -oem -odb -p ESMTP:x a',
      { recipients: ['a'] },
    ],
  ])('%s', (text, expected) => {
    const { warnings, ...request } = line(text);
    expect(request).toEqual({ ...PLAIN, ...expected });
    expect(warnings).toEqual([]);
  });

  it.each([
    ['-bp', { mode: 'queue' }],
    ['-q', { mode: 'flush' }],
    ['-q30m', { mode: 'nothing' }],
    ['-qIABC', { mode: 'flush-message', what: 'ABC' }],
    ['-qRa.example', { mode: 'flush-site', what: 'a.example' }],
    ['-bs', { mode: 'speak' }],
    ['-bi', { mode: 'nothing' }],
    ['-I', { mode: 'nothing' }],
    ['-bh', { mode: 'nothing' }],
  ])('%s', (text, expected) => expect(line(text)).toEqual({ ...expected, warnings: [] }));

  it.each([
    ['-Z', 'usage: sendmail [options]'],
    ['-f', 'usage: sendmail [options]'],
    ['-bx', 'unsupported: -bx'],
    ['-XV', 'unsupported: -XV (see SLUICE_VERP)'],
    ['-B 9BIT', '-B option needs 8BITMIME or 7BIT'],
    ['-bp a', 'display queue mode requires no recipient'],
    ['-q a', 'flush queue mode requires no recipient'],
    ['-qIA a', 'flush queue_id requires no recipient'],
    ['-bp -t', '-t can be used only in delivery mode'],
    ['-qX', '-qX is not implemented'],
    ['-oA', '-oA requires pathname'],
  ])('%s ends as Postfix does', (text, words) => expect(fatal(text)).toEqual([75, words]));

  it.each([
    ['-N sometimes', "bad -N option value: 'sometimes' -- ignored"],
    ['-N never,delay', "bad -N option value: 'never,delay' -- ignored"],
    ['-R all', 'bad -R option value -- ignored'],
    [`-V ${'x'.repeat(101)}`, 'too long -V option value -- ignored'],
    ['-V ü', 'bad syntax in -V option value -- ignored'],
  ])('%s is ignored with a word', (text, words) => expect(line(text)).toEqual({ ...PLAIN, warnings: [words] }));
});
