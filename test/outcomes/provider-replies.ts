/**
 * Replies as providers and programs give them, each with what it means. Shapes follow what they document; addresses,
 * session names and IP addresses are of documentation. `hard`: the address is dead.
 */
import type { BounceCategory } from '../../src/outcomes/bounce-category.js';

export interface KnownReply {
  readonly from: string;
  readonly category: BounceCategory;
  readonly hard: boolean;
  readonly reply: string;
}

const list: KnownReply[] = [];

/** `!` in front of a category: hard. */
function add(from: string, ...rows: readonly (readonly [BounceCategory | `!${BounceCategory}`, string])[]): void {
  for (const [kind, reply] of rows) {
    const hard = kind.startsWith('!');
    list.push({ from, category: (hard ? kind.slice(1) : kind) as BounceCategory, hard, reply });
  }
}

add(
  'Gmail',
  [
    '!bad-mailbox',
    "550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos or unnecessary spaces. For more information, go to https://support.google.com/mail/?p=NoSuchUser a1-20020a05600c000100b003f0 - gsmtp",
  ],
  [
    '!inactive-mailbox',
    '550 5.2.1 The email account that you tried to reach is disabled. For more information, go to https://support.google.com/mail/?p=DisabledUser d9443c01a7336-1f6 - gsmtp',
  ],
  [
    '!inactive-mailbox',
    '550 5.2.1 The email account that you tried to reach is inactive. For more information, go to https://support.google.com/mail/?p=DisabledUser - gsmtp',
  ],
  [
    'mailbox-full',
    "452 4.2.2 The recipient's inbox is out of storage space. Please direct the recipient to https://support.google.com/mail/?p=OverQuotaTemp 5b1f17b1804b1 - gsmtp",
  ],
  [
    'mailbox-full',
    "552 5.2.2 The recipient's inbox is out of storage space and inactive. Please direct the recipient to https://support.google.com/mail/?p=OverQuotaPerm - gsmtp",
  ],
  [
    'rate-limited',
    '450 4.2.1 The user you are trying to contact is receiving mail too quickly. Please resend your message at a later time. https://support.google.com/mail/?p=ReceivingRate - gsmtp',
  ],
  [
    'rate-limited',
    '421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address. To protect our users from spam, mail sent from your IP address has been temporarily rate limited. https://support.google.com/mail/?p=UnsolicitedRateLimitError - gsmtp',
  ],
  [
    'spam-block',
    '550 5.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your SPF domain [example.org]. To protect our users from spam, mail sent from your domain has been blocked. - gsmtp',
  ],
  [
    'authentication',
    '550 5.7.26 This mail has been blocked because the sender is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM. Authentication results: DKIM = did not pass SPF [example.org] with ip: [192.0.2.1] = did not pass - gsmtp',
  ],
  [
    'authentication',
    "550 5.7.26 Unauthenticated email from example.org is not accepted due to domain's DMARC policy. Please contact the administrator of example.org domain if this was a legitimate mail. - gsmtp",
  ],
  [
    'authentication',
    '421 4.7.32 Your email has been rate limited because the From: header (RFC5322) in this message is not aligned with either the authenticated SPF or DKIM organizational domain. - gsmtp',
  ],
  [
    'policy',
    '550 5.7.25 The IP address sending this message does not have a PTR record setup, or the corresponding forward DNS entry does not point to the sending IP. As a policy, Gmail does not accept messages from IPs with missing PTR records. - gsmtp',
  ],
  [
    'tls-required',
    '421 4.7.29 Your email has been rate limited because this message was not sent over a TLS connection. Gmail requires all bulk email senders to use TLS/SSL for SMTP connections. - gsmtp',
  ],
  [
    'spam-content',
    '550 5.7.1 Our system has detected that this message is likely unsolicited mail. To reduce the amount of spam sent to Gmail, this message has been blocked. https://support.google.com/mail/?p=UnsolicitedMessageError - gsmtp',
  ],
  [
    'spam-content',
    '550 5.7.1 [192.0.2.1 12] Our system has detected that this message is likely suspicious due to the very low reputation of the sending domain. https://support.google.com/mail/answer/188131 - gsmtp',
  ],
  [
    'content',
    '552 5.7.0 This message was blocked because its content presents a potential security issue. Please visit https://support.google.com/mail/?p=BlockedMessage to review our message content and attachment content guidelines. - gsmtp',
  ],
  [
    'message-too-large',
    "552 5.3.4 Your message exceeded Google's message size limits. For more information, visit https://support.google.com/mail/?p=MaxSizeError - gsmtp",
  ],
  [
    'quota',
    '550 5.4.5 Daily user sending limit exceeded. For more information on Gmail sending limits go to https://support.google.com/a/answer/166852 - gsmtp',
  ],
  [
    'quota',
    '550 5.4.5 Daily SMTP relay sending limit exceeded for customer. https://support.google.com/a/answer/6140680 - gsmtp',
  ],
  ['no-answer', '421 4.3.0 Temporary System Problem. Try again later (10). 5614622812f47 - gsmtp'],
  ['no-answer', '421 4.4.5 Server busy, try again later. - gsmtp'],
  [
    'content',
    '550 5.7.1 Messages missing a valid address in the From: header, or having no From: header, are not accepted. https://support.google.com/mail/?p=RfcMessageNonCompliant - gsmtp',
  ],
  ['policy', '550 5.7.1 This message violates example.com email policy. - gcdp 006d021491bc7 - gsmtp'],
);

add(
  'Exchange Online and Outlook.com',
  [
    '!bad-mailbox',
    '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ann@example.com not found by SMTP address lookup',
  ],
  [
    '!bad-mailbox',
    '550 5.4.1 Recipient address rejected: Access denied. For more information see https://aka.ms/EXOSmtpErrors [DB5EUR03FT012.eop-EUR03.prod.protection.outlook.com]',
  ],
  [
    '!bad-mailbox',
    '550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). [AM7EUR06FT045.eop-eur06.prod.protection.outlook.com]',
  ],
  [
    'spam-block',
    '550 5.7.606 Access denied, banned sending IP [192.0.2.1]. To request removal from this list please visit https://sender.office.com/ and follow the directions. [VE1EUR02FT044.eop-EUR02.prod.protection.outlook.com]',
  ],
  [
    'spam-block',
    '550 5.7.511 Access denied, banned sender[192.0.2.1]. To request removal from this list please forward this message to delist@messaging.microsoft.com. [HE1EUR01FT031.eop-EUR01.prod.protection.outlook.com]',
  ],
  [
    'spam-block',
    "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150). [DB8EUR06FT050.eop-eur06.prod.protection.outlook.com]",
  ],
  [
    'spam-block',
    "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140). You can also refer your provider to http://mail.live.com/mail/troubleshooting.aspx#errors.",
  ],
  [
    'rate-limited',
    '451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation. For e-mail delivery information, see https://postmaster.live.com (S775) [AM1EUR02FT003.eop-EUR02.prod.protection.outlook.com]',
  ],
  [
    'rate-limited',
    '451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719) [DB3EUR04FT054.eop-eur04.prod.protection.outlook.com]',
  ],
  [
    'authentication',
    "550 5.7.515 Access denied, sending domain EXAMPLE.ORG does not meet the required authentication level. The sender's domain in the 5322.From address doesn't meet the authentication requirements defined for the sender.",
  ],
  [
    'authentication',
    '550 5.7.509 Access denied, sending domain example.org does not pass DMARC verification and has a DMARC policy of reject. [AM0EUR02FT064.eop-EUR02.prod.protection.outlook.com]',
  ],
  [
    'authentication',
    '550 5.7.23 The message was rejected because of Sender Policy Framework violation -> 550 5.7.23 SPF validation error',
  ],
  [
    'mailbox-full',
    '554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; Failed to process message due to a permanent exception with message The delivery was aborted because the mailbox quota was exceeded',
  ],
  [
    'policy',
    '550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction check failed because the sender was not authenticated when sending to this group',
  ],
  ['policy', '550 5.7.124 RESOLVER.RST.SenderNotInGroup; not authorized; Delivery restriction check failed'],
  ['policy', '550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy'],
  [
    'relaying-denied',
    '530 5.7.57 Client was not authenticated to send anonymous mail during MAIL FROM [AM6PR0732BE0065.eurprd07.prod.outlook.com]',
  ],
  [
    'relaying-denied',
    '550 5.7.64 TenantAttribution; Relay Access Denied [HE1EUR01FT048.eop-EUR01.prod.protection.outlook.com]',
  ],
  [
    'spam-block',
    '550 5.7.705 Access denied, tenant has exceeded threshold. Please refer to https://go.microsoft.com/fwlink/?linkid=2116001. [VI1PR04MB1234.eurprd04.prod.outlook.com]',
  ],
  ['quota', "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients"],
  [
    'quota',
    '554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to a permanent exception [Hostname=VI1PR04MB1234.eurprd04.prod.outlook.com]',
  ],
  [
    'rate-limited',
    '432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information. [Hostname=AM6PR10CA0001.EURPRD10.PROD.OUTLOOK.COM]',
  ],
  ['rate-limited', '432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded'],
  ['message-too-large', '550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient'],
  [
    'routing',
    '554 5.4.14 Hop count exceeded - possible mail loop ATTR34 [DB5EUR01FT019.eop-EUR01.prod.protection.outlook.com]',
  ],
  ['expired', '550 4.4.7 QUEUE.Expired; message expired'],
);

add(
  'Yahoo and AOL',
  [
    '!bad-mailbox',
    "554 delivery error: dd This user doesn't have a yahoo.com account (ann@yahoo.com) [0] - mta4001.mail.bf1.yahoo.com",
  ],
  ['!bad-mailbox', '552 1 Requested mail action aborted, mailbox not found'],
  [
    '!inactive-mailbox',
    '554 delivery error: dd Sorry your message to ann@yahoo.com cannot be delivered. This account has been disabled or discontinued [#102]. - mta1234.mail.ne1.yahoo.com',
  ],
  [
    'rate-limited',
    '421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes',
  ],
  [
    'rate-limited',
    '421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred; Retrying will NOT succeed. See https://postmaster.yahooinc.com/error-codes',
  ],
  [
    'spam-content',
    '554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes',
  ],
  [
    'spam-content',
    '554 Message not allowed - [PH01] Email not accepted for policy reasons. Please visit https://postmaster.yahooinc.com/error-codes [120]',
  ],
  [
    'authentication',
    '554 5.7.9 Message not accepted, the sender failed DMARC checks. See https://postmaster.yahooinc.com/error-codes',
  ],
  [
    'spam-block',
    "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list; see http://postmaster.yahoo.com/550-bl23.html",
  ],
  ['mailbox-full', '552 5.2.2 Mailbox is over quota - mta4123.mail.gq1.yahoo.com'],
  ['rate-limited', '451 4.3.2 Too many connections from your host, please slow down - mta.yahoo.com'],
);

add(
  'iCloud',
  ['!bad-mailbox', '550 5.1.1 <ann@icloud.com>: user does not exist'],
  ['mailbox-full', '552 5.2.2 <ann@icloud.com>: user is over quota'],
  ['spam-block', '550 5.7.0 Blocked - see https://support.proofpoint.com/dnsbl-lookup.cgi?ip=192.0.2.1'],
  [
    'spam-block',
    '554 5.7.1 [CS01] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137',
  ],
  [
    'spam-block',
    '554 5.7.1 [HM08] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137',
  ],
  ['!inactive-mailbox', '550 5.1.6 recipient no longer on server: ann@me.com'],
  ['authentication', '550 5.7.1 Your email was rejected because it failed DMARC: the policy of example.org is reject'],
);

add(
  'GMX, web.de, T-Online, Freenet',
  ['!bad-mailbox', '550 5.1.1 <ann@gmx.de>... User is unknown {mx-eu001}'],
  ['!inactive-mailbox', '550 5.2.1 <ann@gmx.net>... User is inactive'],
  [
    '!bad-mailbox',
    '550 Requested action not taken: mailbox unavailable For explanation visit https://postmaster.gmx.net/en/error-messages?ip=192.0.2.1&c=hi',
  ],
  [
    'mailbox-full',
    '552 Requested mail action aborted: exceeded storage allocation For explanation visit https://postmaster.web.de/error-messages?c=quota',
  ],
  ['mailbox-full', '550 Benutzer hat das Speichervolumen ueberschritten. / User has exhausted allowed storage space.'],
  ['!bad-mailbox', '550 Benutzer nicht bekannt/User unknown'],
  [
    'policy',
    '554-web.de (mxweb012) Nemesis ESMTP Service not available 554-No SMTP service 554-Bad DNS PTR resource record. 554 For explanation visit https://postmaster.web.de/error-messages?ip=192.0.2.1&c=rdns',
  ],
  [
    'spam-block',
    '554 Transaction failed Reject due to policy restrictions: IP address is black listed For explanation visit https://postmaster.gmx.net/en/error-messages?ip=192.0.2.1&c=bip',
  ],
  ['spam-block', '421 gmx.net (mxgmx016) Nemesis ESMTP Service not available Service closing transmission channel'],
  ['!bad-mailbox', '550 5.1.1 user unknown - mailin25.mgt.mul.t-online.de'],
  ['mailbox-full', '552 5.2.2 Over STORAGE quota'],
  [
    'spam-block',
    '554 IP=192.0.2.1 - A problem occurred. (Ask your postmaster for help or to contact tosa@rx.t-online.de to clarify.) (BL)',
  ],
  [
    'spam-block',
    '554 IP=192.0.2.1 - None/bad reputation. Ask your postmaster for help or to contact tosa@rx.t-online.de for reset. (NOWL)',
  ],
  ['!bad-mailbox', '550 unrouteable address'],
);

add(
  'French providers',
  [
    'rate-limited',
    '421 mwinf5c04 ME Trop de connexions, veuillez verifier votre configuration. Too many connections, slow down. OFR004_104 [104]',
  ],
  [
    'rate-limited',
    '421 mwinf5c20 ME Service refuse. Veuillez essayer plus tard. Service refused, please try later. OFR_999 [999]',
  ],
  ['!bad-mailbox', '550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR204_416 [416]'],
  ['spam-block', '550 5.2.0 Mail rejete. Mail rejected. OFR_506 [506]'],
  ['mailbox-full', '552 5.1.1 Boite du destinataire pleine. Recipient overquota. OFR_417 [417]'],
  ['spam-block', '550 5.7.1 Service refuse. Votre IP est en liste noire. OFR004_305'],
  ['spam-content', '550 5.7.1 Spam d?tect? par le filtre. LPN007_550'],
  ['!inactive-mailbox', '550 5.2.1 Compte suspendu, user account disabled'],
  ['!bad-mailbox', '550 5.1.1 <ann@free.fr>: utilisateur inconnu'],
);

add(
  'American providers',
  [
    'spam-block',
    '554 resimta-c1p-023470.sys.comcast.net resimta-c1p-023470.sys.comcast.net 192.0.2.1 found on one or more DNSBLs, see http://postmaster.comcast.net/smtp-error-codes.php#BL000001',
  ],
  [
    'spam-block',
    '421 4.1.0 192.0.2.1 Throttled - try again later. Please see https://postmaster.xfinity.com/block-removalrequest#BL000010',
  ],
  ['!bad-mailbox', '550 5.1.1 Not our Customer'],
  [
    'spam-block',
    '554 cxr.smtp.a.cloudfilter.net cox 192.0.2.1 rejected - no rDNS. Refer to Error Codes section at https://www.cox.com CXCNCT',
  ],
  [
    'spam-block',
    '553 5.3.0 flph829 DNSBL:ATTRBL 521< 192.0.2.1 >_is_blocked. For assistance forward this email to abuse_rbl@abuse-att.net',
  ],
  ['spam-block', '550 5.7.1 Connection refused - AUP#1310 Please see the documentation of Spectrum'],
  ['!inactive-mailbox', '550 5.1.1 <ann@example.net> account is disabled'],
  ['rate-limited', '452 4.1.0 ... temporary failure, message rate limit exceeded, please slow down'],
);

add(
  'Mimecast',
  ['!bad-mailbox', '550 Invalid Recipient - https://community.mimecast.com/docs/DOC-1369#550 [k1XnZ0y6OyOZQ5Rr.uk123]'],
  [
    'greylisted',
    '451 Internal resource temporarily unavailable - https://community.mimecast.com/docs/DOC-1369#451 [abc.us12]',
  ],
  [
    'authentication',
    '550 Rejected by header based Anti-Spoofing policy: ann@example.org - https://community.mimecast.com/docs/DOC-1369#550',
  ],
  [
    'policy',
    '550 Administrative prohibition - envelope blocked - https://community.mimecast.com/docs/DOC-1369#550 [def.de21]',
  ],
  [
    'policy',
    '554 Email rejected due to security policies - https://community.mimecast.com/docs/DOC-1369#554 [ghi.za2]',
  ],
  ['spam-block', '550 csi.mimecast.org Poor Reputation Sender. - https://community.mimecast.com/docs/DOC-1369#550'],
  ['virus', '554 Email rejected due to Malware or virus. https://community.mimecast.com/docs/DOC-1369#554'],
);

add(
  'Proofpoint, Barracuda, Cisco and others in front',
  ['spam-block', '554 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1'],
  ['spam-content', '550 5.7.1 Message rejected as spam by Content Filtering.'],
  [
    'spam-block',
    '554 Service unavailable; Client host [mx.example.org] blocked using Barracuda Reputation; http://www.barracudanetworks.com/reputation/?r=1&ip=192.0.2.1',
  ],
  [
    'spam-block',
    'Connection dropped: 550 mail.example.net: see http://www.barracudacentral.org/rbl/removal-request/192.0.2.1',
  ],
  [
    'spam-block',
    "554 Your access to this mail system has been rejected due to the sending MTA's poor reputation. If you believe that this failure is in error, please contact the intended recipient via alternate means.",
  ],
  ['spam-block', '550 5.7.1 Mail from 192.0.2.1 refused by blackhole site: see http://talosintelligence.com/'],
  ['!bad-mailbox', '550 #5.1.0 Address rejected. ann@example.com unknown recipient'],
  [
    'spam-block',
    '550 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using Trend Micro Email Reputation Service. Please see http://www.mail-abuse.com/cgi-bin/lookup?192.0.2.1',
  ],
  ['virus', '554 5.7.1 The message was rejected because it contains a virus (Win.Trojan.Agent-1234)'],
  ['content', '554 5.7.1 Attachment name invoice.exe not allowed here'],
  ['spam-content', '550 5.7.350 Remote server returned message detected as spam -> 554 5.7.1 rejected as SPAM'],
  ['spam-block', '550 5.7.1 Email blocked by SURBL - https://www.surbl.org/surbl-analysis'],
);

add(
  'Postfix',
  ['!bad-mailbox', '550 5.1.1 <ann@example.com>: Recipient address rejected: User unknown in virtual mailbox table'],
  ['!bad-mailbox', '550 5.1.1 <ann@example.com>: Recipient address rejected: User unknown in local recipient table'],
  [
    '!bad-mailbox',
    '550 5.1.1 <ann@example.com>: Recipient address rejected: undeliverable address: host 192.0.2.9[192.0.2.9] said: 550 5.1.1 User unknown (in reply to RCPT TO command)',
  ],
  [
    'bad-mailbox',
    '450 4.1.1 <ann@example.com>: Recipient address rejected: unverified address: Address lookup failed, user unknown',
  ],
  [
    'greylisted',
    '450 4.2.0 <ann@example.com>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.com.html',
  ],
  ['greylisted', '451 4.7.1 Greylisting in action, please come back later'],
  ['relaying-denied', '554 5.7.1 <ann@example.com>: Relay access denied'],
  [
    'spam-block',
    '554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1',
  ],
  ['message-too-large', '552 5.3.4 Message size exceeds fixed limit'],
  ['message-too-large', '552 5.3.4 Message file too big'],
  ['policy', '450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]'],
  ['policy', '504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname'],
  ['bad-domain', '450 4.1.2 <ann@nowhere.example>: Recipient address rejected: Domain not found'],
  ['policy', '550 5.1.8 <bob@example.org>: Sender address rejected: Access denied'],
  ['tls-required', '530 5.7.0 Must issue a STARTTLS command first'],
  ['tls-required', '450 4.7.1 <mx.example.org[192.0.2.1]>: Client host rejected: Session encryption is required'],
  ['no-answer', '451 4.3.0 <ann@example.com>: Temporary lookup failure'],
  ['no-answer', '452 4.3.1 Insufficient system storage'],
  ['no-answer', '451 4.3.0 Error: queue file write error'],
  ['rate-limited', '421 4.7.0 mx.example.net Error: too many connections from 192.0.2.1'],
  ['rate-limited', '450 4.7.1 Error: too much mail from 192.0.2.1'],
  ['mailbox-full', '552 5.2.2 <ann@example.com>: Recipient address rejected: Mailbox is full / Quota exceeded'],
  ['mailbox-full', '452 4.2.2 <ann@example.com> Quota exceeded (mailbox for user is full)'],
  [
    '!bad-domain',
    '556 5.1.10 <ann@example.com>: Recipient address rejected: Domain example.com does not accept mail (nullMX)',
  ],
  ['routing', '554 5.4.6 Error: too many hops'],
);

add(
  'Exim',
  ['!bad-mailbox', '550 Unrouteable address'],
  ['!bad-mailbox', '550 No such user here'],
  ['policy', '550-Verification failed for <bob@example.org> 550-No Such User Here 550 Sender verify failed'],
  ['relaying-denied', '550 relay not permitted'],
  ['greylisted', '451 Temporary local problem, greylisted for 300 seconds'],
  ['no-answer', '451 Temporary local problem - please try later'],
  [
    'spam-block',
    '550 JunkMail rejected - mx.example.org [192.0.2.1] is in an RBL, see http://www.spamhaus.org/query/bl?ip=192.0.2.1',
  ],
  ['spam-content', '550 This message was classified as SPAM and may not be delivered'],
  ['mailbox-full', '552 Mailbox quota exceeded for this recipient'],
  ['virus', '550 This message contains malware (Eicar-Test-Signature)'],
  ['message-too-large', '552 Message size exceeds maximum permitted'],
  ['policy', '550 Access denied - Invalid HELO name (See RFC2821 4.1.1.1)'],
);

add(
  'Sendmail, qmail, Domino, others',
  ['!bad-mailbox', '550 5.1.1 <ann@example.com>... User unknown'],
  ['!bad-domain', '550 5.1.2 <ann@nowhere.example>... Host unknown (Name server: nowhere.example: host not found)'],
  ['relaying-denied', '550 5.7.1 <ann@example.com>... Relaying denied. Proper authentication required.'],
  ['policy', '553 5.1.8 <bob@nowhere.example>... Domain of sender address bob@nowhere.example does not exist'],
  ['relaying-denied', "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"],
  ['!bad-mailbox', '554 Sorry, no mailbox here by that name. (#5.1.1)'],
  ['!bad-mailbox', '550 sorry, no mailbox here by that name (#5.1.1 - chkuser)'],
  ['mailbox-full', '452 4.2.2 The user mailbox is full (#4.2.2)'],
  ['!bad-mailbox', '550 ann@example.com... No such user'],
  ['!bad-mailbox', '550 User ann@example.com not listed in Domino Directory'],
  ['!inactive-mailbox', '550 5.2.1 Mailbox disabled for this recipient'],
  ['!inactive-mailbox', '550 5.7.13 Account ann@example.com suspended'],
  ['!bad-mailbox', '553 5.3.0 <ann@example.com>... No such user here'],
  ['!bad-mailbox', '511 sorry, no mailbox here by that name (#5.1.1 - chkuser)'],
  ['routing', '554 5.4.6 Too many hops 27 (25 max): from <bob@example.org>'],
  ['no-answer', '451 4.3.2 Please try again later'],
  ['no-answer', '421 4.3.2 The maximum load average has been exceeded'],
  ['!bad-mailbox', '550 5.1.1 RCPT TO:<ann@example.com> usuario desconocido'],
  ['mailbox-full', '550 5.2.2 Mailbox size limit exceeded'],
  ['mailbox-full', '550 5.1.1 Cuenta con quota exceeded'],
  ['!inactive-mailbox', '550 5.1.1 This mailbox is no longer in use'],
);

add(
  'Sending services and relays',
  ['rate-limited', '454 Throttling failure: Maximum sending rate exceeded.'],
  ['quota', '454 Throttling failure: Daily message quota exceeded.'],
  [
    'policy',
    '554 Message rejected: Email address is not verified. The following identities failed the check in region EU-WEST-1: bob@example.org',
  ],
  ['quota', '451 Authentication failed: Maximum credits exceeded'],
  ['rate-limited', '421 Service not available, closing transmission channel: too many concurrent SMTP connections'],
  ['relaying-denied', '530 5.7.1 Authentication required'],
  ['quota', '550 5.7.1 Hourly sending quota exceeded for this account'],
);

add(
  'SPF, DKIM, DMARC in words',
  ['authentication', '550 5.7.23 SPF validation failed for example.org'],
  [
    'authentication',
    '550 SPF: 192.0.2.1 is not allowed to send mail from example.org. Please see http://www.openspf.org/Why',
  ],
  ['authentication', '550 5.7.20 No passing DKIM signature found'],
  ['authentication', '550 5.7.1 Email rejected per DMARC policy for example.org'],
  ['authentication', '451 4.7.24 SPF validation error, DNS lookup failed'],
);

add(
  'About the sender, in the words that are used of recipients',
  ['policy', '550 5.1.0 <bob@example.org>: Sender address rejected: User unknown in virtual mailbox table'],
  ['policy', '450 4.1.8 <bob@example.org>: Sender address rejected: Domain not found'],
  ['policy', '553 5.1.8 Sender domain does not exist'],
  ['policy', '550 Sender verify failed: no such mailbox'],
  ['relaying-denied', '535 5.7.8 Authentication failed: unknown user'],
  ['relaying-denied', '535 5.7.8 Username and Password not accepted'],
  ['policy', '550 5.7.1 Your sender is not allowed here: unknown account type'],
);

add(
  'Not about the recipient, whatever the words',
  ['policy', '550 5.7.1 Invalid sender address'],
  ['policy', '550 5.5.2 Invalid host name in HELO'],
  ['policy', '550 Host unknown: reverse lookup of 192.0.2.1 failed'],
  ['policy', '550 No MX record found for domain of sender'],
  ['policy', '550 MX record not found for your domain'],
  ['policy', '550 Your account has been suspended, contact support'],
  ['policy', '554 Sending paused for this account. For more information, please check the inbox of the email address'],
  ['policy', '550 5.7.1 User ann@example.com is not accepting mail from this sender'],
  ['policy', '550 This domain does not accept mail from 192.0.2.1: denied'],
  ['policy', '550 5.7.1 Requested action not taken: mailbox unavailable'],
  ['policy', '550 5.7.60 Client does not have permissions to send as this sender'],
  ['policy', '554 5.7.1 <mx.example.org[192.0.2.1]>: Client host rejected: Access denied'],
  ['spam-block', '521 5.2.1 :  (CON:B1)  connection is refused'],
  ['rate-limited', '550 Too many invalid recipients, try again later'],
  [
    '!bad-mailbox',
    '550 5.4.1 All recipient addresses rejected : Access denied. [DB5EUR03FT012.eop-EUR03.prod.protection.outlook.com]',
  ],
);

add(
  'More, of many',
  ['!bad-mailbox', '550 5.1.1 The email account does not exist'],
  ['!bad-mailbox', '550 mailbox not found'],
  ['!bad-mailbox', '550 5.1.1 ann@example.com: Email address could not be found, or was misspelled (G8)'],
  ['!bad-mailbox', '550 5.1.1 Recipient unknown'],
  ['!bad-mailbox', '550 Invalid recipient ann@example.com (Mode: normal)'],
  ['!bad-mailbox', '550 5.1.1 No such person at this address'],
  ['!bad-mailbox', '550 no mailbox by that name is currently available'],
  ['!bad-mailbox', '554 5.1.1 <ann@example.com> Destination address unknown'],
  ['!inactive-mailbox', '554 30 Sorry, your message cannot be delivered. This mailbox is disabled (554.30).'],
  ['!inactive-mailbox', '550 5.7.1 account expired'],
  ['!inactive-mailbox', '550 5.2.1 Mailbox has been inactive for too long'],
  ['mailbox-full', '550 5.7.1 ann@example.com: recipient mailbox is full'],
  ['mailbox-full', '522 5.2.2 mailbox full'],
  ['mailbox-full', '452 4.2.2 <ann@example.com>: user is over quota'],
  ['greylisted', '450 4.7.1 Graylisted, please try again in 60 seconds'],
  ['greylisted', '451 4.7.1 Please try again in 5 minutes'],
  ['rate-limited', '421 4.7.0 Too many concurrent SMTP connections; please try again later.'],
  ['rate-limited', '452 4.5.3 Too many recipients this session'],
  ['rate-limited', '450 4.7.1 Message rate limit exceeded for this sender'],
  ['spam-block', '550 5.7.1 Your IP 192.0.2.1 has been blacklisted'],
  ['spam-block', '554 5.7.1 Rejected: 192.0.2.1 listed at bl.spamcop.net'],
  ['spam-block', '550 5.7.1 Client host blocked by our blocklist, see https://check.spamhaus.org/'],
  ['spam-content', '554 5.7.1 Spam message rejected'],
  ['spam-content', '550 High probability of spam'],
  ['spam-content', '552 5.2.0 Message looks like spam and was refused'],
  ['virus', '550 5.7.1 Virus found: Eicar-Test-Signature'],
  ['content', '554 5.6.0 Message contains a bare LF'],
  ['content', '552 5.7.0 Blocked file extension: .exe'],
  ['tls-required', '550 5.7.10 Encryption is required to send mail to this domain'],
  ['tls-required', '451 4.7.5 TLS required by the recipient domain'],
  ['message-too-large', '552 5.2.3 Data size exceeds maximum permitted'],
  ['message-too-large', '523 5.3.4 The message is too large'],
  ['!bad-domain', '550 5.1.2 Domain does not exist: nowhere.example'],
  ['relaying-denied', '550 5.7.1 Unable to relay for ann@example.com'],
  ['relaying-denied', '571 5.7.1 Relaying denied'],
  ['no-answer', '451 4.4.0 Temporary server error. Please try again later'],
  ['no-answer', '421 4.4.2 mx.example.net Error: timeout exceeded'],
  ['no-answer', '451 4.3.5 Server is busy, please retry'],
  ['protocol', '503 5.5.1 Bad sequence of commands'],
  ['protocol', '501 5.5.4 Syntax error in parameters or arguments'],
);

add(
  'Without words or codes',
  ['!bad-mailbox', '551 5.1.6 moved'],
  ['policy', '571'],
  ['protocol', '500 5.5.1'],
  ['mailbox-full', '552'],
  ['no-answer', '421'],
  ['!bad-mailbox', '553 5.1.3'],
  ['tls-required', '550 5.7.10'],
  ['policy', '550 5.7.1'],
);

add(
  'Reasons of our own',
  ['no-answer', 'no host to deliver to'],
  ['no-answer', 'the host closed the connection while waiting for the reply to MAIL'],
  ['no-answer', 'connect ECONNREFUSED 192.0.2.1:25: connection refused'],
  ['message-too-large', "message of 31457280 bytes is over the next hop's limit of 10485760"],
  ['tls-required', 'REQUIRETLS, and the next hop does not offer TLS'],
  ['content', 'internationalized address, and the next hop does not take SMTPUTF8'],
);

export const PROVIDER_REPLIES: readonly KnownReply[] = list;
