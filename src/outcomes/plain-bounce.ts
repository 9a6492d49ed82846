/**
 * Bounces for people, of programs that do not write RFC 3464: qmail (QSBMF), older Exim, Exchange and gateways that just
 * quote the reply.
 *
 * Careful rather than complete: it must say that it is a bounce (who it is from, its subject, X-Failed-Recipients), and
 * a recipient is taken only with an address, a reply or a status beside it. Texts are from outside and bounded.
 */
import type { ReportedRecipient, ReturnedHeader } from './report.js';
import { addressesIn, type Fields, first, readHeader } from './report-fields.js';

export interface PlainMail {
  readonly header: Fields;
  readonly text: string;
}

export interface PlainBounce {
  readonly recipients: readonly ReportedRecipient[];
  readonly returned: ReturnedHeader;
}

const MAX_TEXT = 32 * 1024;
const MAX_RECIPIENTS = 50;
const DAEMON = /mailer-?daemon|postmaster|mail(?: |-)?delivery|mailerdaemon|mail-?administrator/i;
const SUBJECT =
  /undeliver|returned (?:mail|to sender)|delivery (?:status|failure|failed|notification|problem|report|has failed)|failure notice|mail (?:system )?(?:error|failure)|could not be delivered|non[- ]?delivery|unzustellbar|not delivered|rejected|echec|message delayed|delayed mail/i;
const DELAYED =
  /delay|warning|still (?:being )?tr(?:ied|ying)|will (?:be )?(?:retr|keep trying)|not (?:yet )?been delivered yet/i;
/** What stands before the returned message or its header. */
const RETURNED =
  /^-{2,}[ \t]*(?:below this line is a copy|this is a copy of|begin(?:ning of)? (?:original )?(?:message|header)|original message|the header of|(?:the )?(?:original )?message (?:header|follows)|returned message|undelivered message)[^\n]*$/im;
/** All but the line feed. */
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/g;
const REPLY = /(?<![\w.@])([45]\d\d)[ -](?:#?([45]\.\d{1,3}\.\d{1,3}))?/;
const STATUS = /(?<![\w.])#?([45]\.\d{1,3}\.\d{1,3})(?![\w.])/;

/** What a bounce without a report part says; null when it is none. */
export function readPlainBounce({ header, text }: PlainMail): PlainBounce | null {
  const failed = (header.get('x-failed-recipients') ?? []).flatMap(addressesIn);
  const subject = first(header, 'subject');
  const fromDaemon = DAEMON.test(first(header, 'from')) || /^<?>?$/.test(first(header, 'return-path') || 'none');
  if (failed.length === 0 && !(fromDaemon && SUBJECT.test(subject))) return null;
  const whole = text.slice(0, MAX_TEXT).replace(/\r\n/g, '\n').replace(CONTROL, ' ');
  const cutAt = RETURNED.exec(whole);
  const said = cutAt === null ? whole : whole.slice(0, cutAt.index);
  const rest = cutAt === null ? '' : whole.slice(cutAt.index + cutAt[0].length);
  const recipients = failed.length > 0 ? failed.map((address) => about(address, said)) : quoted(said);
  if (recipients.length === 0) return null;
  const delayed = DELAYED.test(subject) && !/undeliver|fail|return/i.test(subject);
  return {
    recipients: recipients
      .slice(0, MAX_RECIPIENTS)
      .map((one) => (delayed ? { ...one, action: 'delayed' as const } : one)),
    returned: readHeader(rest),
  };
}

/** What the text says of an address: the paragraph that it stands in, and the one behind it. */
function about(address: string, said: string): ReportedRecipient {
  const at = said.toLowerCase().indexOf(address.toLowerCase());
  const words = at < 0 ? said : said.slice(at + address.length, at + address.length + 1500);
  return recipientOf([address], words.replace(/^[>:\s]+/, ''));
}

/** `<ann@example.com>:` with what was said behind it (qmail), else the one reply that is quoted somewhere. */
function quoted(said: string): ReportedRecipient[] {
  const found: ReportedRecipient[] = [];
  for (const paragraph of said.split(/\n[ \t]*\n/)) {
    const match = /^\s*<?([^\s<>@]{1,64}@[^\s<>]{1,255}?)>?:?[ \t]*(?:\n|[ \t]|$)/.exec(paragraph);
    if (match === null) continue;
    const one = recipientOf([match[1]!], paragraph.slice(match[0].length));
    if (one.diagnostic !== '' || one.status !== '') found.push(one);
    if (found.length >= MAX_RECIPIENTS) break;
  }
  if (found.length > 0) return found;
  const reply = REPLY.exec(said);
  if (reply === null) return [];
  // Whoever is meant stands in front of the reply or in it.
  const nearby = said.slice(Math.max(0, reply.index - 500), reply.index + 500);
  return [recipientOf(addressesIn(nearby), said.slice(reply.index))];
}

function recipientOf(addresses: readonly string[], words: string): ReportedRecipient {
  const paragraph = words
    .split(/\n[ \t]*\n/, 1)[0]!
    .replace(/\s+/g, ' ')
    .trim();
  const reply = REPLY.exec(paragraph);
  const status = reply?.[2] ?? STATUS.exec(paragraph)?.[1] ?? '';
  const diagnostic = (reply === null ? paragraph : paragraph.slice(reply.index))
    .replace(/^(\d{3})-/, '$1 ')
    .slice(0, 1000);
  return { action: 'failed', status, diagnostic, addresses };
}
