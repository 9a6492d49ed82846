/**
 * The rule table of bounce classification: which words of a reply mean what, and what is left to the codes.
 *
 * Written from what providers and programs document of their own replies. Contract: rules are tried in order, the first
 * that matches decides, so precise ones (a provider's own code) stand before general ones (a word). They are matched
 * against the reply in lower case, those of PHRASES with the addresses in it taken out: an address may hold any word.
 * Limits: no rule backtracks beyond the length of a reply, which is bounded (reply-parser.ts).
 */
import type { BounceCategory } from './bounce-category.js';

export type BounceRule = readonly [BounceCategory, RegExp];

/** Codes and names that one provider or program alone uses. */
export const PROVIDER_RULES: readonly BounceRule[] = [
  // Our own doing.
  ['suppressed', /\bon the suppression list\b/],
  ['operator', /\bby the operator\b/],
  // Whatever else is said with these codes is about us (RFC 4954), not about a recipient.
  ['relaying-denied', /^53[05] (?!.*(?:tls|ssl|encrypt))/],
  ['relaying-denied', /\brcpthosts\b/],
  [
    'policy',
    /\byour (?:\S+ ){0,2}account\b(?!.*recipient)|sending (?:\S+ ){0,3}(?:is |has been )?(?:paused|suspended|disabled)/,
  ],
  // A mailbox that is "unavailable" for a reason of policy is there.
  ['policy', /^5\d\d[ -]5\.7\.\d+ (?:requested action not taken: )?mailbox unavailable/],
  // Gmail, "SMTP errors and codes" and "Email sender guidelines".
  ['authentication', /\b[45]\.7\.(?:26|27|30|32|40)\b.*\b(?:gsmtp|gmail|sender|unauthenticated|spf|dkim|dmarc)/],
  ['policy', /\b[45]\.7\.(?:23|25)\b.*(?:ptr|gsmtp|reverse)/],
  ['tls-required', /\b[45]\.7\.29\b.*(?:tls|gsmtp)/],
  ['rate-limited', /\b4\.7\.28\b|receiving mail (?:too quickly|at a rate)|peak smtp relay limit/],
  ['spam-block', /\b5\.7\.28\b|unusual rate of unsolicited/],
  ['quota', /daily (?:smtp relay|user) sending (?:limit|quota)|\b5\.4\.5\b.*(?:daily|sending (?:limit|quota))/],
  ['spam-content', /message is likely (?:unsolicited|suspicious)/],
  ['content', /presents a potential security issue/],
  ['inactive-mailbox', /\b5\.2\.1\b.*(?:disabled|inactive|gsmtp)/],
  ['mailbox-full', /out of storage space|\b5\.2\.2\b.*over ?quota/],
  // Exchange Online and Outlook.com, "Email non-delivery reports and SMTP errors in Exchange Online".
  [
    'bad-mailbox',
    /\b5\.4\.1 +(?:\S+ )?recipient address(?:es)? rejected ?: access denied|recipientnotfound|resolver\.adr\.(?:ex)?recipnotfound|resolver\.adr\.recipientnotfound/,
  ],
  [
    'spam-block',
    /\b5\.7\.(?:60[6-9]|6[1-4]\d)\b|banned sending ip|\bs(?:3140|3150|844)\b.*outlook|block list \(s\d+\)/,
  ],
  ['spam-block', /\b5\.7\.(?:50[1-4]|51[1-3])\b|\b5\.7\.7(?:05|08|09|50)\b|spam abuse detected/],
  [
    'rate-limited',
    /\b4\.7\.(?:5\d\d|6\d\d)\b|\b4\.7\.650\b|temporarily rate limited due to ip reputation|tempfail due to ip reputation/,
  ],
  ['authentication', /\b5\.7\.(?:509|515)\b|does not meet the required authentication level/],
  ['quota', /submissionquotaexceeded|\b5\.1\.90\b|\b5\.7\.233\b|external recipient rate limit/],
  ['rate-limited', /storedrv\.[a-z]+; ?(?:recipient|sender) thread limit|concurrent connections? limit exceeded/],
  ['mailbox-full', /storedrv\.deliver.*(?:quotaexceeded|mailbox full)|quotaexceededexception/],
  [
    'policy',
    /\b5\.7\.(?:12[0-9]|13[0-9])\b|resolver\.rst\.(?:notauthorized|restrictedtorecipients|authrequired|senderisnotallowed)/,
  ],
  ['message-too-large', /resolver\.rst\.(?:sendsizelimit|recipsizelimit)|recipientsizelimit|\bsendsizelimit/],
  ['policy', /transport\.rules\.rejectmessage|\bexchange\b.*rules\.reject/],
  ['routing', /smtpsend\.dns\.|agentgenerated|smtp_?hop_?count|hop count exceeded|\bresolver\.fwd\.loop/],
  // Yahoo, "SMTP error codes": TSS and TS are deferrals by reputation, PH and AUP refusals of content.
  ['rate-limited', /\[tss?\d\d\]|\[ts-?\d+\]|deferred due to (?:user complaints|unexpected volume)/],
  ['spam-content', /\[(?:ph|aup|ao)\d*\]|#aup-|not accepted for policy reasons/],
  ['spam-block', /\[bl\d+\]|\[rs?bl\d*\]|\bbl\d{6}\b/],
  ['bad-mailbox', /this user doesn'?t have an? \S+ account|dd requested mail action aborted, mailbox unavailable/],
  [
    'inactive-mailbox',
    /account (?:that you tried to reach )?(?:has been |is )?(?:disabled|discontinued|suspended|deactivated)/,
  ],
  ['spam-block', /\((?:con|rly|hvu|dyn|rtr):[a-z]\w*\)/],
  // iCloud, "Postmaster information for iCloud Mail".
  ['spam-block', /\[(?:cs|hm|ex)\d\d\]|\bproofpoint\.com\/\?ip=|ipcheck\.proofpoint/],
  // GMX and web.de (mail.gmx.net/postmaster, postmaster.web.de).
  ['policy', /bad dns ptr|reverse dns (?:entry|lookup)|no ptr (?:record|resource)/],
  [
    'spam-block',
    /nemesis esmtp service not available|\btransaction failed\b.*(?:ip address is black ?listed|rbl restriction)/,
  ],
  // T-Online (postmaster.t-online.de).
  ['spam-block', /\bip=\S+ - (?:a problem occurred|none|dialup)|tosa@|postmaster\.t-online\.de/],
  // Orange, SFR, Free, La Poste (postmaster.orange.fr; Vade's codes LPN).
  ['rate-limited', /\bofr_?004_10\d|\bofr_?(?:10[0-9]|999)\b|trop de connexions/],
  ['bad-mailbox', /\bofr_?20\d_41\d|adresse d au moins un destinataire invalide/],
  ['spam-block', /\bofr_?(?:004_3\d\d|50\d)\b|\bofr_?\d{3}_5\d\d\b|\blpn\d{3}_(?:4|51)\d*/],
  ['spam-content', /\blpn\d{3}_\d+|spam d\S{1,4}tect/],
  // Comcast, Cox, AT&T, Spectrum: their block codes.
  [
    'spam-block',
    /\bbl00\d{4}|\bfblw\d\d|\b(?:cxthrt|cxmxrt|cxsnd|cxmj|cxcnct)\b|att-bl|\baup#(?:in-|out-)?(?:1[0-4]\d\d|bl)|aup#o-/,
  ],
  // Mimecast, "Mimecast SMTP error codes".
  ['greylisted', /internal resources? (?:is |are )?temporarily unavailable/],
  ['authentication', /header based anti-?spoofing|anti-?spoofing policy/],
  ['bad-mailbox', /invalid recipient - https:\/\/community\.mimecast/],
  ['policy', /administrative prohibition|envelope blocked|user email address is marked as invalid/],
  // Barracuda, Proofpoint, Cisco, Trend Micro, Sophos, Symantec (now Broadcom): appliances in front of many domains.
  ['spam-block', /barracuda(?:central|networks)?\.(?:com|org)|barracudanetworks|cloudmark\.com\/reset|csi\.cloudmark/],
  [
    'spam-block',
    /poor (?:ip |sender |domain )?reputation|senderbase|talosintelligence|mail-abuse\.com|ers\.trendmicro|symantec\.com.*(?:ip|reput)/,
  ],
];

/** What replies say in words, whoever says it. */
export const PHRASES: readonly BounceRule[] = [
  ['virus', /\bvirus|malware|infected|trojan|phish(?:ing)? (?:attempt|url|detected)|heuristics\.|clamav/],
  [
    'greylisted',
    /gr[ae]y-?list|try again in \d+ ?(?:s|m|sec|second|min)|\bin \d+ seconds\b.*again|first (?:time )?(?:sender|contact)|temporarily delayed.*unknown/,
  ],
  [
    'authentication',
    /\bspf\b|sender policy framework|openspf|\bdkim\b|\bdmarc\b|\barc (?:seal|chain|validation)|unauthenticated (?:email|mail|message|sender)|sender id \(pra\)|not permitted sender|is not (?:allowed|authori[sz]ed) to send (?:mail |e-?mail )?(?:from|for|on behalf)|sender authentication|email spoof|forged sender|authentication (?:checks?|results?) fail/,
  ],
  [
    'tls-required',
    /\btls (?:is )?(?:required|needed|mandatory)|(?:must|requires?|needs?|issue a) (?:use |using |issue (?:an? )?)?(?:starttls|tls|ssl|encryption|an encrypted)|encryption (?:is )?(?:required|needed)|not? (?:encrypted|secure) connection|requiretls|session encryption is required/,
  ],
  [
    'quota',
    /(?:daily|hourly|monthly|sending|per[- ]day) (?:\S+ ){0,3}(?:quota|allowance) (?:\S+ ){0,2}(?:exceed|reached|used)|throttling failure: daily|maximum credits|sending (?:limit|quota) (?:\S+ ){0,3}(?:exceed|reached)|(?:exceeded|reached) (?:\S+ ){0,4}(?:daily|hourly|monthly|sending) (?:\S+ ){0,2}(?:limit|quota|allowance|rate)/,
  ],
  [
    'mailbox-full',
    /over[- ]?quota|quota (?:exceed|is full|has been|reached|full|violat)|exceed(?:s|ed|ing)? (?:\S+ ){0,4}(?:storage|(?:mailbox|disk|user|recipient|account)(?:'s)? ?(?:quota|space|limit|allocation))|mail(?:box|folder|store)? (?:\S+ ){0,2}(?:is |are )?(?:full|exceeds)|mailbox (?:\S+ )?(?:has )?(?:exceeded|size limit)|inbox (?:is )?(?:full|out of)|storage (?:limit|quota|space|allocation)|not enough (?:disk |storage )?space.*(?:mailbox|user|recipient)|disk quota|speichervolumen|too many messages on the server|mailbox_?full|bo[iî?]te (?:\S+ ){0,2}pleine|no more (?:storage|space).*(?:user|mailbox)/,
  ],
  [
    'message-too-large',
    /(?:message|mail|e-?mail|attachments?|data|content) (?:\S+ ){0,5}(?:too (?:large|big|long)|size (?:exceeds|limit))|(?:exceeds?|exceeded|over|larger than|above) (?:\S+ ){0,5}(?:maximum|max\.?|fixed|size|limit) ?(?:\S+ ){0,2}(?:message |mail )?size|size (?:\S+ ){0,3}(?:exceeds|exceeded|too (?:large|big)|limit exceeded)|message header (?:size|is too large)|max(?:imum)? message size|message of \d+ bytes is over/,
  ],
  [
    'rate-limited',
    /rate[- ]?limit|too (?:many|much) (?:\S+ ){0,4}(?:connection|session|mail|message|e-?mail|request|command|error|recipient|concurrent|simultaneous|transaction)|throttl|slow(?:ing)? down|(?:connection|message|mail|sending|delivery|recipient) (?:rate|frequency|limit) (?:\S+ ){0,3}(?:exceed|reached|too)|too fast|exceeded (?:\S+ ){0,3}(?:connections?|messages? per)|(?:max(?:imum)?|limit of) (?:\S+ ){0,3}(?:connections?|sessions?|recipients?) (?:\S+ ){0,3}(?:exceed|reached)|send(?:ing)? (?:\S+ ){0,2}(?:too quickly|less)|volume of (?:mail|messages)|please wait (?:a while|before)/,
  ],
  [
    'spam-block',
    /black ?-?list|block ?-?list|den[yi](?:ed|list) (?:list|by (?:rbl|dnsbl))|\bd?n?s?rbl\b|\bdnsbl\b|spamhaus|spamcop|sorbs|surbl|uceprotect|invaluement|abusix|abuseat|\bcbl\b|(?<!not )listed (?:at|in|on|by) |client host .{0,80}blocked|\b(?:ip|host|address|server|network|domain|sender|you|mail from \S+) (?:\S+ ){0,4}(?:is|are|has been|was|have been) (?:\S+ ){0,2}(?:block|banned|blocked)|blocked (?:using|for (?:spam|abuse)|by (?:\S+ ){0,3}(?:reputation|rbl|list))|reputation|banned|bad sender|known spam(?:mer)? (?:source|host)|spam(?:ming)? (?:source|host|server)|dynamic ip|dial-?up|residential ip|generic (?:ptr|reverse|rdns)|connections? (?:from your (?:ip|host)|refused) (?:\S+ ){0,4}(?:abuse|block|reject)|refused by (?:local )?(?:rbl|blocklist)/,
  ],
  // A recipient's host may look for the sender's mailbox, domain or host, and say of it what others say of recipients.
  [
    'policy',
    /sender(?:'s)? (?:\S+ ){0,3}(?:reject|refus|verif|not (?:found|accepted|allowed|exist|valid)|invalid|unknown|does not|doesn't|user unknown)|(?:invalid|unknown|bad|unverified|forged|unresolvable) (?:\S+ ){0,2}sender|(?:domain|mx|record|address) (?:\S+ ){0,2}(?:of|for) (?:\S+ ){0,2}send(?:er|ing)|(?:verif\S+|callout) (?:\S+ ){0,3}sender|return[- ]path|envelope[- ]from|mail from(?:\S* ){1,3}(?:reject|invalid|unknown|does not)|reverse[- ]path|\bhelo\b|\behlo\b|reverse (?:dns|lookup|host)|\bptr\b|\br ?dns\b|fcrdns|client host|your (?:\S+ )?(?:domain|host|hostname|server|ip)\b(?!.*(?:recipient|user unknown|mailbox))/,
  ],
  [
    'bad-domain',
    /no such domain|domain (?:\S+ ){0,3}(?:does not exist|doesn't exist|not found|unknown|is invalid|isn't in my list)|unknown domain|host (?:unknown|not found)|unrouteable (?:mail )?domain|(?:bad|invalid) (?:destination )?(?:domain|host)|name service error|nullmx|null mx|does not (?:accept|receive|take) (?:e-?)?mail(?! from)|no mx (?:record|found)|no mail (?:exchanger|host|server)s? (?:\S+ )?(?:for|found)|domain (?:\S+ )?not (?:hosted|handled)|nxdomain|no such host|couldn'?t find any host|domain has no (?:mx|mail)|mail for .{0,60} loops back|accepts no mail|delivers? no mail/,
  ],
  [
    'inactive-mailbox',
    /(?:mailbox|account|user|recipient|address|inbox)(?: \S+){0,3} (?:is |has been |was |currently )?(?:temporarily )?(?:disabled|inactive|deactivated|suspended|expired|closed|locked|not active|frozen|dormant|terminated|archived|blocked (?:for|due to) inactivity)|(?:disabled|inactive|suspended|expired|closed|deactivated|deleted|locked) (?:mailbox|account|user|recipient)|not accepting (?:any )?(?:new )?(?:messages|mail)(?! from)|no longer (?:active|available|in use|valid|accept|used|here|employed|with|on server|works?)|mailbox (?:is )?inactivity|been inactive|user (?:has )?(?:moved|left)|account (?:closed|terminated)|abandoned/,
  ],
  [
    'bad-mailbox',
    /(?:user|mailbox|recipient|account|address|mail ?address|e-?mail|inbox|alias|local[- ]?part|mail drop|person)(?: \S+){0,6} (?:is |was |are )?(?:unknown|not (?:a )?(?:found|known|exist|valid|listed|recogni[sz]ed|existing|local|here)|(?:does not|doesn'?t|do not|didn'?t|did not) exist|nonexistent|non-existent|invalid|undeliverable|unrouteable|unroutable|could not be (?:found|verified))|(?:unknown|invalid|bad|nonexistent|non-existent|no such|not a valid|unrouteable|unroutable|illegal|not a known|undeliverable|wrong) (?:\S+ ){0,3}(?:user|mailbox|recipient|account|address|alias|local[- ]?part|person|mail ?box|e-?mail|destination)|no (?:such )?(?:mailbox|user|account|recipient|person|address)(?: \S+){0,2} (?:here|by that name|with that|named|at this)|no mailbox (?:here|by)|not (?:our|my) customer|user unknown|(?:recipient|mailbox|account|address) not found|mailbox unavailable|mailbox (?:is )?not available|benutzer (?:nicht bekannt|unbekannt)|destinataire (?:inconnu|invalide)|utilisateur inconnu|usuario (?:desconocido|no existe)|destinatario|empf(?:\S{1,4})nger (?:unbekannt|existiert nicht)|dosn't exist|delivery to the following recipients? failed|recipient verification (?:failed|problem)|vdeliver: invalid|not (?:present )?in (?:our )?(?:directory|domino directory)|unknown or illegal alias|can'?t? (?:create|find) (?:user|output)|no account by that name|that address is not/,
  ],
  [
    'relaying-denied',
    /relay(?:ing)? (?:\S+ ){0,3}(?:denied|not (?:permitted|allowed)|prohibited|is not|refused|forbidden|through|to)|(?:not|unable|cannot|will not|no|denied|unauthori[sz]ed) (?:\S+ ){0,2}(?:to )?relay|rcpthosts|we do not relay|open relay|not (?:a )?(?:local|permitted) (?:domain|recipient) (?:\S+ )?relay|authentication (?:is )?required|client was not authenticated|must (?:be )?(?:authenticate|log ?in)|(?:pop|smtp) (?:before|authentication)|not (?:gateway|authenticated)|invalid sender domain and/,
  ],
  [
    'spam-content',
    /\bspam\b|\bspammy|unsolicited|junk|\bbulk (?:mail|e-?mail)|\buce\b|\bube\b|looks like (?:spam|junk)|spam ?(?:score|assassin|filter|detect|message|content)|(?:classified|identified|considered|detected|marked|flagged|rejected|recogni[sz]ed) as (?:\S+ ){0,2}(?:spam|junk|bulk|phish)|phishing|suspicious|cloudmark|high-?probability|bad ?score|content (?:rejected|refused).*spam|low reputation (?:of )?(?:url|link|content)/,
  ],
  [
    'content',
    /(?:attachment|file ?name|file type|extension|executable|macro|archive|zip)(?: \S+){0,4} (?:not (?:allowed|accepted|permitted)|blocked|forbidden|prohibited|banned|rejected|denied)|(?:blocked|forbidden|banned|prohibited|disallowed|illegal) (?:attachment|file|extension|content)|message (?:content|body|header)s? (?:\S+ ){0,3}(?:reject|refus|not (?:allowed|acceptable|accepted))|content (?:reject|refus|filter|violat|policy|not)|(?:missing|invalid|multiple|bad|malformed|duplicate|no|mandatory) (?:\S+ ){0,3}(?:header|from:|subject|message-id|date:)|not rfc ?\d* ?-?compliant|rfc ?-?(?:5322|2822|822) |bare (?:lf|cr|newline)|8-?bit|mime (?:error|structure)|malformed|internationali[sz]ed|url(?:\(s\))? (?:\S+ ){0,4}(?:in|is|are) |line (?:is )?too long|header (?:is )?(?:too long|not)|non-?ascii/,
  ],
  [
    'no-answer',
    /connect(?:ion)? (?:\S+ ){0,4}(?:timed? ?-?out|refused|reset|lost|dropped|closed|failed)|timed? ?-?out|no answer|network (?:is )?unreachable|no route to host|host (?:is )?(?:down|unreachable)|closed the connection|server (?:is )?(?:busy|unavailable|down|too busy|overloaded|not responding)|service (?:is )?(?:temporarily )?(?:unavailable|not available|busy)|(?:temporar|local)\S* (?:\S+ ){0,3}(?:problem|error|failure|unavailable)|insufficient (?:system )?(?:resources|storage)|system (?:is )?(?:busy|overload|load|not accepting|resources)|out of (?:memory|disk)|high load|load average|overload|shutting down|maintenance|try (?:again )?later|internal (?:server )?error|queue file|unable to (?:connect|contact|reach)|could not (?:connect|be reached)|not (?:be )?reach|couldn'?t connect|establish an smtp connection|tls handshake|no host to deliver/,
  ],
  [
    'expired',
    /message (?:has )?expired|(?:delivery|retry|retention|queue) (?:time|timeout|period|lifetime) (?:\S+ ){0,3}(?:expired|exceeded|exhausted)|too (?:long|old) in (?:the )?queue|undeliverable for \d+|could not be delivered (?:\S+ ){0,4}for \d+|giving up/,
  ],
  [
    'routing',
    /mail loop|loop(?:s|ing)? (?:\S+ ){0,3}(?:back|detected)|too many (?:hops|received)|hop ?count|routing (?:loop|error|problem)|unable to route|no (?:valid )?route|cannot route|misconfigured|configuration (?:error|problem)/,
  ],
  [
    'policy',
    /polic(?:y|ies)|(?:not|isn'?t) (?:allowed|authori[sz]ed|permitted)|access (?:is )?(?:denied|rejected|not)|reject(?:ed)? (?:by|due|for|because)|administrative|prohibit|restrict|refus|denied|denies|blocked|forbidden|(?:sender|mail from|from) (?:\S+ ){0,4}(?:reject|verif|denied|does not exist|not accepted)|helo|ehlo|reverse (?:dns|lookup)|rdns|\bptr\b|fcrdns|cannot find your (?:hostname|reverse)|not welcome|not wanted|undesirable|only accepts? (?:mail|messages) from|members? (?:only|of)|moderat|whitelist|allow ?-?list/,
  ],
  [
    'protocol',
    /protocol|syntax|command|unrecogni[sz]ed|not implemented|out of sequence|bad sequence|pipelin|parameter|argument|unsupported|unexpected/,
  ],
];

/** What an enhanced code means when no word decides (RFC 3463, RFC 4468, RFC 7372, RFC 7505, RFC 8616 and the registry). */
export const BY_ENHANCED: Readonly<Record<string, BounceCategory>> = {
  '1.0': 'bad-mailbox',
  '1.1': 'bad-mailbox',
  '1.2': 'bad-domain',
  '1.3': 'bad-mailbox',
  '1.4': 'bad-mailbox',
  '1.6': 'bad-mailbox',
  '1.7': 'policy',
  '1.8': 'policy',
  '1.9': 'relaying-denied',
  '1.10': 'bad-domain',
  '2.0': 'other',
  '2.1': 'inactive-mailbox',
  '2.2': 'mailbox-full',
  '2.3': 'message-too-large',
  '2.4': 'routing',
  '3.0': 'no-answer',
  '3.1': 'no-answer',
  '3.2': 'no-answer',
  '3.3': 'protocol',
  '3.4': 'message-too-large',
  '3.5': 'routing',
  '4.0': 'no-answer',
  '4.1': 'no-answer',
  '4.2': 'no-answer',
  '4.3': 'routing',
  '4.4': 'bad-domain',
  '4.5': 'no-answer',
  '4.6': 'routing',
  '4.7': 'expired',
  '5.0': 'protocol',
  '5.1': 'protocol',
  '5.2': 'protocol',
  '5.3': 'rate-limited',
  '5.4': 'protocol',
  '5.5': 'protocol',
  '6.0': 'content',
  '6.1': 'content',
  '6.2': 'content',
  '6.3': 'content',
  '6.4': 'content',
  '6.5': 'content',
  '6.6': 'content',
  '6.7': 'content',
  '6.9': 'content',
  '7.0': 'policy',
  '7.1': 'policy',
  '7.2': 'policy',
  '7.4': 'tls-required',
  '7.5': 'tls-required',
  '7.8': 'relaying-denied',
  '7.10': 'tls-required',
  '7.13': 'inactive-mailbox',
  '7.17': 'bad-mailbox',
  '7.18': 'bad-domain',
  '7.20': 'authentication',
  '7.21': 'authentication',
  '7.22': 'authentication',
  '7.23': 'authentication',
  '7.24': 'authentication',
  '7.25': 'policy',
  '7.26': 'authentication',
  '7.27': 'bad-domain',
  '7.28': 'rate-limited',
  '7.29': 'authentication',
  '7.30': 'tls-required',
};

/** What a code alone means (RFC 5321 section 4.2.3), where the enhanced code says nothing either. */
export const BY_CODE: Readonly<Record<number, BounceCategory>> = {
  421: 'no-answer',
  432: 'rate-limited',
  450: 'other',
  451: 'no-answer',
  452: 'no-answer',
  454: 'tls-required',
  500: 'protocol',
  501: 'protocol',
  502: 'protocol',
  503: 'protocol',
  504: 'protocol',
  521: 'policy',
  523: 'message-too-large',
  530: 'relaying-denied',
  535: 'relaying-denied',
  538: 'tls-required',
  551: 'bad-mailbox',
  552: 'mailbox-full',
  553: 'policy',
  556: 'bad-domain',
  571: 'policy',
};
