/**
 * The command line of sendmail(1) as Postfix takes it.
 *
 * What Postfix ignores is ignored; what it refuses is refused with its words. A refusal ends with 75 and not 64: Postfix's
 * sendmail turns every fatal error into EX_TEMPFAIL before it exits (tempfail() in sendmail.c), and callers know it so.
 */
import { EX_TEMPFAIL, Fatal } from '../fatal.js';
import { getopt } from '../getopt.js';

/** NOTIFY of RFC 3461 as keywords in the order of the RFC; empty: not said. */
export type Notify = readonly ('NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY')[];

/** A message to be taken from standard input. */
export interface Submission {
  readonly mode: 'send';
  /** As given with -f or -r; null: who runs the command. */
  readonly sender: string | null;
  readonly fullName: string | null;
  readonly fromHeader: boolean;
  /** Of another host: its header is left as it is. */
  readonly gateway: boolean;
  /** A line of one dot is text. */
  readonly dotIsText: boolean;
  readonly notify: Notify;
  readonly ret: '' | 'FULL' | 'HDRS';
  /** Not encoded. */
  readonly envelopeId: string;
  readonly body: '' | '7BIT' | '8BITMIME';
  /** As given; each may hold several addresses. */
  readonly recipients: readonly string[];
}

export type SendmailRequest = (
  | Submission
  | { readonly mode: 'queue' | 'flush' | 'nothing' | 'speak' }
  | { readonly mode: 'flush-site' | 'flush-message'; readonly what: string }
) & { readonly warnings: readonly string[] };

const LETTERS = 'A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:r:q:tvx';
const MAX_ENVELOPE_ID = 100;
const NOTIFY_WORDS = { never: 'NEVER', success: 'SUCCESS', failure: 'FAILURE', delay: 'DELAY' } as const;
type Mode = 'send' | 'queue' | 'flush' | 'nothing' | 'speak' | 'aliases';

const NO_RECIPIENT: Readonly<Record<Exclude<Mode, 'send' | 'nothing'>, string>> = {
  queue: 'display queue mode requires no recipient',
  flush: 'flush queue mode requires no recipient',
  speak: 'stand-alone mode requires no recipient',
  aliases: 'alias initialization mode requires no recipient',
};

function refuse(words: string): never {
  throw new Fatal(EX_TEMPFAIL, words);
}

/** Reads the arguments. @throws Fatal as Postfix would end. */
export function sendmailRequest(args: readonly string[]): SendmailRequest {
  const { options, words, problem } = getopt(args, LETTERS, ['-q']);
  const warnings: string[] = [];
  let mode: Mode = 'send';
  let [site, id, interval] = ['', '', false];
  let sender: string | null = null;
  let fullName: string | null = null;
  let fromHeader = false;
  let gateway = false;
  let dotIsText = false;
  let notify: Notify = [];
  let ret: Submission['ret'] = '';
  let envelopeId = '';
  let body: Submission['body'] = '';
  for (const { letter, value } of options) {
    switch (letter) {
      case 'B':
        if (value !== '7BIT' && value !== '8BITMIME') refuse('-B option needs 8BITMIME or 7BIT');
        body = value;
        break;
      case 'F':
        fullName = value;
        break;
      case 'G':
        gateway = true;
        break;
      case 'I':
        mode = 'aliases';
        break;
      case 'N':
        notify = notifyOf(value);
        if (notify.length === 0) warnings.push(`bad -N option value: '${value}' -- ignored`);
        break;
      case 'R':
        ret = value.toLowerCase() === 'full' ? 'FULL' : value.toLowerCase() === 'hdrs' ? 'HDRS' : '';
        if (ret === '') warnings.push('bad -R option value -- ignored');
        break;
      case 'V':
        if (value.length > MAX_ENVELOPE_ID) warnings.push('too long -V option value -- ignored');
        else if (!/^[\t\x20-\x7e]+$/.test(value)) warnings.push('bad syntax in -V option value -- ignored');
        else envelopeId = value;
        break;
      case 'X':
        // -X file of other sendmails would write a log; -XV is the envelope sender of each recipient by itself.
        refuse(value.startsWith('V') ? 'unsupported: -XV (see SLUICE_VERP)' : `unsupported: -X${value.slice(0, 1)}`);
        break;
      case 'b':
        mode = modeOf(value);
        break;
      case 'f':
      case 'r':
        sender = value;
        break;
      case 'i':
        dotIsText = true;
        break;
      case 'o':
        if (value.startsWith('i')) dotIsText = true;
        else if (value === 'A') refuse('-oA requires pathname');
        break;
      case 'q':
        if (value === '') mode = 'flush';
        else if (/^\d/.test(value)) interval = true;
        else if (value.startsWith('R')) site = value.slice(1) || refuse('specify: -qRsitename');
        else if (value.startsWith('I')) id = value.slice(1) || refuse('specify: -qIqueueid');
        else refuse(`-q${value[0]} is not implemented`);
        break;
      case 't':
        fromHeader = true;
        break;
    }
  }
  if (problem !== '') refuse('usage: sendmail [options]');
  if (fromHeader && mode !== 'send') refuse('-t can be used only in delivery mode');
  if (site !== '' && mode !== 'send') refuse('-qR can be used only in delivery mode');
  if (id !== '' && mode !== 'send') refuse('-qI can be used only in delivery mode');
  if (interval || mode === 'nothing') return { mode: 'nothing', warnings };
  if (mode !== 'send') {
    if (words.length > 0) refuse(NO_RECIPIENT[mode]);
    return { mode: mode === 'aliases' ? 'nothing' : mode, warnings };
  }
  if (site !== '' || id !== '') {
    if (words.length > 0) refuse(`flush ${site === '' ? 'queue_id' : 'site'} requires no recipient`);
    return site === '' ? { mode: 'flush-message', what: id, warnings } : { mode: 'flush-site', what: site, warnings };
  }
  return {
    ...{
      mode,
      sender,
      fullName,
      fromHeader,
      gateway,
      dotIsText,
      notify,
      ret,
      envelopeId,
      body,
      recipients: words,
      warnings,
    },
  };
}

function modeOf(value: string): Mode {
  switch (value[0]) {
    case 'm':
      return 'send';
    case 'p':
      return 'queue';
    case 's':
      return 'speak';
    case 'i':
      return 'aliases';
    case 'h':
    case 'H':
      return 'nothing';
    case 'd':
    case 'l':
      return refuse('the engine is started with: sluice start');
    case 'v':
      return refuse('unsupported: -bv (see: sluice route <sender> <recipient>)');
    default:
      return refuse(`unsupported: -b${value[0]}`);
  }
}

/** Empty where the value is not one, as with Postfix: words of RFC 3461, NEVER by itself. */
function notifyOf(value: string): Notify {
  const words = value.toLowerCase().split(/[\s,]+/);
  if (!words.every((word): word is keyof typeof NOTIFY_WORDS => Object.hasOwn(NOTIFY_WORDS, word))) return [];
  if (words.includes('never') && words.length > 1) return [];
  return [...new Set(words.map((word) => NOTIFY_WORDS[word]))];
}
