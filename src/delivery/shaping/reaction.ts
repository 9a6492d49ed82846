/**
 * What a reply asks of us: by the operator's patterns, then by those of the provider, then by the words that all use.
 */
import type { PeerReply } from '../../smtp/reply-parser.js';
import { throttlingOf } from '../throttling.js';
import type { ReplyRule, ShapingRule } from './rule.js';

export type Reaction =
  /** A pattern of a rule, with what it says is to be done. */
  | { readonly kind: 'rule'; readonly rule: ShapingRule; readonly reply: ReplyRule }
  /** Too many connections, or too many messages in a time; a quota of a day. */
  | { readonly kind: 'connections' | 'rate' | 'quota' }
  /** It breaks off and does not say why. */
  | { readonly kind: 'closing' };

const CONNECTIONS: Reaction = { kind: 'connections' };
const RATE: Reaction = { kind: 'rate' };
const QUOTA: Reaction = { kind: 'quota' };
const CLOSING: Reaction = { kind: 'closing' };

/**
 * Words of many servers: Postfix's anvil and Exim ("too many connections from", "too many concurrent SMTP connections"),
 * Exchange ("maximum number of concurrent connections"), Sendmail ("Too many open connections").
 */
const TOO_MANY_CONNECTIONS =
  /too many (?:(?:concurrent|simultaneous|open|smtp|tcp) )*(?:connections?|sessions?)|(?:maximum|max) (?:number of )?(?:concurrent |simultaneous )?connections?|concurrent connections? (?:limit|count)|connection limit|trop de connexions/i;

/** Words of many servers for too much in a time (Postfix: "Connection rate limit exceeded", "message delivery request rate"). */
const TOO_FAST =
  /rate[ -]?limit|(?:connection|message|mail|delivery|sending)(?: delivery)?(?: request)? rate|too (?:many|much) (?:messages|mails?|e-?mails?|requests)|sending too (?:fast|quickly)|slow(?:ing)? down|throttl|temporarily deferred due to (?:unexpected|excessive) volume|frequency limit/i;

/** A connection that only ran out, or had its share: nothing is said about our pace. */
const RAN_OUT = /idle|time(?:d)? ?out|inactiv|per (?:session|connection)|in this (?:session|connection)|shutting down/i;

/** About one mailbox, not about us: the user that is contacted "is receiving mail too quickly" (450 with 4.2.1). */
const OF_MAILBOX = /^4\.[12]\.\d|user you are trying to contact|mailbox|recipient/i;

/** Patterns of operators see no more than this of a reply, so that none takes long. */
const LOOKED_AT = 512;

/** What a refusal asks for, null: nothing. `rules`: that fit the site, source and tenant, in their order. */
export function reactionTo(reply: PeerReply, rules: readonly ShapingRule[]): Reaction | null {
  const text = reply.text.length > LOOKED_AT ? reply.text.slice(0, LOOKED_AT) : reply.text;
  for (const rule of rules)
    for (const found of rule.replies)
      if (hasCode(reply.code, found.code) && found.match.test(text)) return { kind: 'rule', rule, reply: found };
  const known = throttlingOf(reply);
  if (known !== null) return known === 'quota' ? QUOTA : TOO_MANY_CONNECTIONS.test(reply.text) ? CONNECTIONS : RATE;
  if (reply.code >= 500 || reply.code < 400) return null;
  if (TOO_MANY_CONNECTIONS.test(reply.text)) return CONNECTIONS;
  if (TOO_FAST.test(reply.text)) return OF_MAILBOX.test(reply.text) ? null : RATE;
  return reply.code === 421 && !RAN_OUT.test(reply.text) ? CLOSING : null;
}

function hasCode(code: number, asked: number): boolean {
  return asked === 0 || code === asked || Math.floor(code / 100) === asked || Math.floor(code / 10) === asked;
}

/** The reply within a reason for which a connection failed (`the host refused us: 421 4.7.0 Too many ...`), if there is one. */
export function replyIn(reason: string): PeerReply | null {
  const match = /(?:^|[ :])([45]\d\d)[ -](.*)$/s.exec(reason);
  return match === null ? null : { code: Number(match[1]), text: match[2]!, lines: [match[2]!] };
}
