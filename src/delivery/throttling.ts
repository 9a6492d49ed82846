/**
 * Replies by which a provider asks for fewer messages: the mail is good and so is the host, only slower.
 *
 * The table holds the words of providers as they document them; a reply that matches none is judged by its code alone.
 */
import type { PeerReply } from '../smtp/reply-parser.js';

/** `rate`: too many in a short time, over in seconds; `quota`: a day's worth is used up. */
export type Throttling = 'rate' | 'quota';

const PATTERNS: ReadonlyArray<readonly [RegExp, Throttling]> = [
  // Amazon SES, "SMTP response codes returned by Amazon SES": 454 Throttling failure: ...
  [/throttling failure: daily (?:message|sending) quota exceeded/i, 'quota'],
  [/throttling failure/i, 'rate'],
  // Exchange Online, "Throttling limits for SMTP AUTH": 432 4.3.2 and, for the day, 554 5.2.0 with an exception's name.
  [/submissionquotaexceeded/i, 'quota'],
  [/^4\.3\.2 (?:concurrent connections? limit|storedrv\.clientsubmit; sender thread limit) exceeded/i, 'rate'],
  // Gmail, "SMTP errors and codes": 421 4.7.28, 450 4.2.1 Peak SMTP relay limit, 550 5.4.5 Daily ... limit exceeded.
  [
    /daily (?:smtp relay|user) sending (?:limit|quota) exceeded|daily smtp relay (?:limit|sending quota) exceeded/i,
    'quota',
  ],
  [/peak smtp relay limit exceeded/i, 'rate'],
  [/unusual rate of (?:unsolicited )?(?:mail|e-?mail)/i, 'rate'],
  // SendGrid: 451 and 452 where an account's rate or credits are used up.
  [/maximum credits exceeded/i, 'quota'],
  [
    /too many (?:concurrent|simultaneous) (?:smtp )?connections|(?:message|sending|e-?mail) rate (?:limit )?exceeded/i,
    'rate',
  ],
  // Mailchimp Transactional: hourly quota of an account.
  [/hourly (?:sending )?quota|sending quota exceeded/i, 'quota'],
];

/** What a refusal asks for, null when it is no such reply. */
export function throttlingOf(reply: PeerReply): Throttling | null {
  for (const [pattern, kind] of PATTERNS) if (pattern.test(reply.text)) return kind;
  return null;
}
