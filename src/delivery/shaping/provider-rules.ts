/**
 * What large providers are given at most: the shaping rules that are shipped, each for every egress source of its own.
 *
 * Values come from what a provider publishes for senders, where it does; its page is named. What is marked "guess" is
 * ours, on the careful side: orders of magnitude that are common among operators (KumoMTA's shipped shaping was looked
 * at for orientation). What is learnt goes below these limits by itself, never above; an operator who is trusted with
 * more raises them in [[shaping]]. Reply patterns are the providers' published or generally known replies.
 */
import type { Span } from '../../core/span.js';
import type { Action, Rate, ReplyRule, ShapingRule } from './rule.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

interface Shipped {
  readonly connections?: number;
  readonly newConnections?: readonly [number, Span];
  readonly messages?: readonly [number, Span];
  readonly messagesPerConnection?: number;
  readonly recipientsPerMessage?: number;
  readonly replies?: readonly ReplyRule[];
}

function on(match: RegExp, code: number, action: Action, ms: number): ReplyRule {
  return { match, code, action, ms };
}

const PROVIDERS: Readonly<Record<string, Shipped>> = {
  // support.google.com/mail/answer/81126 (Email sender guidelines): no figures, "slowly increase", heed 421 4.7.28.
  // At most 100 recipients a transaction (Google's receiving limits); connections and messages on one: guess.
  'google.com': {
    connections: 10,
    newConnections: [5, 'second'],
    messagesPerConnection: 50,
    recipientsPerMessage: 100,
    replies: [
      // "... unusual rate of unsolicited mail originating from your IP address / SPF domain / DKIM domain / URL"
      on(/^4\.7\.(?:0|26|28|32) .*unusual rate/, 4, 'slow_down', 30 * MINUTE),
      on(/very low reputation of the sending ip/i, 5, 'switch_source', 2 * HOUR),
    ],
  },
  // help.yahoo.com SLN3433: at most 20 messages a connection, then it is closed without a code; connections: "treat our
  // resources with respect", guess. senders.yahooinc.com/smtp-error-codes: [TSnn] and [TSSnn] are about the sender.
  'yahoodns.net': {
    connections: 10,
    newConnections: [5, 'second'],
    messagesPerConnection: 20,
    recipientsPerMessage: 100,
    replies: [
      on(/\[TSS?0[1-7]\]/, 4, 'pause_source', 30 * MINUTE),
      on(/\[TSS?09\]|permanently deferred/i, 0, 'pause_source', 4 * HOUR),
    ],
  },
  // Outlook.com: sendersupport.olc.protection.outlook.com/pm/policies.aspx names no figures any more; guess. Replies:
  // /pm/troubleshooting.aspx and learn.microsoft.com (Exchange Online non-delivery reports).
  'outlook.com': {
    connections: 5,
    newConnections: [2, 'second'],
    messagesPerConnection: 50,
    recipientsPerMessage: 100,
    replies: [
      on(/4\.7\.652|exceeded the maximum number of connections|\(S3115\)/i, 4, 'slow_down', 10 * MINUTE),
      on(/4\.7\.650|temporarily rate limited due to ip reputation/i, 4, 'slow_down', HOUR),
      on(/part of their network is on our block list|\(S31[45]0\)/i, 5, 'switch_source', 4 * HOUR),
    ],
  },
  // Exchange Online: learn.microsoft.com/exchange/mail-flow-best-practices: at most 500 recipients from outside; guess else.
  'office365.com': {
    connections: 10,
    newConnections: [5, 'second'],
    messagesPerConnection: 50,
    recipientsPerMessage: 100,
    replies: [
      on(/4\.7\.500|server busy/i, 4, 'slow_down', 10 * MINUTE),
      on(/maximum number of concurrent connections/i, 4, 'slow_down', 10 * MINUTE),
      on(/temporarily rate limited due to ip reputation/i, 4, 'slow_down', HOUR),
      on(/5\.7\.(?:511|606|607|608|649)\b|banned sending ip/i, 5, 'switch_source', 4 * HOUR),
    ],
  },
  // support.apple.com/102322 (Postmaster information for iCloud Mail): no figures; guess.
  'icloud.com': { connections: 5, newConnections: [2, 'second'], messagesPerConnection: 20, recipientsPerMessage: 100 },
  // postmaster.comcast.net (Avoid blocks): 25 connections for an address, 100 recipients a message. RL...: rate limits.
  'comcast.net': {
    connections: 25,
    messagesPerConnection: 1000,
    recipientsPerMessage: 100,
    replies: [on(/\bRL00\d+/, 4, 'slow_down', HOUR)],
  },
  // postmaster.orange.fr: 2 connections for an address, 100 messages a connection, 100 recipients a message.
  'orange.fr': {
    connections: 2,
    messagesPerConnection: 100,
    recipientsPerMessage: 100,
    replies: [on(/OFR\d+_104/, 4, 'slow_down', 10 * MINUTE), on(/OFR_?999|OFR\d+_999/, 0, 'pause_source', 30 * MINUTE)],
  },
  // Known of senders to it: 2 connections for an address, 100 messages a connection.
  'laposte.net': {
    connections: 2,
    messagesPerConnection: 100,
    recipientsPerMessage: 100,
    replies: [on(/LPN\d+_503/, 4, 'slow_down', 30 * MINUTE)],
  },
  // postmaster.free.fr: blocks addresses for up to 24 hours, no figures; guess.
  'free.fr': { connections: 2, messagesPerConnection: 50 },
  'sfr.fr': { connections: 3, messagesPerConnection: 50 },
  // postmaster.gmx.net, postmaster.web.de: no figures; guess.
  'gmx.net': { connections: 10, messagesPerConnection: 100, recipientsPerMessage: 100 },
  'ionos.com': { connections: 10, messagesPerConnection: 100 },
  // postmaster.t-online.de: known senders only, no figures; guess.
  't-online.de': { connections: 5, messagesPerConnection: 50 },
  'freenet.de': { connections: 5, messagesPerConnection: 50 },
  // Filters in front of many companies; guess, lower than their customers' own servers would take.
  'mimecast.com': { connections: 10, messagesPerConnection: 100 },
  'pphosted.com': { connections: 10, messagesPerConnection: 50 },
  'barracudanetworks.com': { connections: 10, messagesPerConnection: 50 },
  'iphmx.com': { connections: 10, messagesPerConnection: 50 },
  'messagelabs.com': { connections: 10, messagesPerConnection: 50 },
  // Others, where senders know of low limits; guess.
  'att.net': { connections: 5, messagesPerConnection: 50 },
  'charter.net': {
    connections: 5,
    messagesPerConnection: 50,
    // charter.net's documented error codes: E2110 to E2120 are limits of connections and rates.
    replies: [on(/\bE21\d\d\b/, 4, 'slow_down', 30 * MINUTE)],
  },
  'cox.net': { connections: 5, messagesPerConnection: 25 },
  'zoho.com': { connections: 5, messagesPerConnection: 50 },
  'yandex.net': { connections: 5, messagesPerConnection: 20 },
  'mail.ru': { connections: 5, messagesPerConnection: 30 },
  'libero.it': { connections: 5, messagesPerConnection: 50 },
  'seznam.cz': { connections: 5, messagesPerConnection: 50 },
  'wp.pl': { connections: 5, messagesPerConnection: 50 },
  // exmail.qq.com: limits for an address by the minute, hour and day that are not disclosed; guess.
  'qq.com': {
    connections: 2,
    newConnections: [1, 'second'],
    messages: [300, 'minute'],
    messagesPerConnection: 20,
    replies: [on(/frequency limited|connection frequency|domain frequency/i, 0, 'pause_source', 30 * MINUTE)],
  },
  // help.163.com (codes of refusals): these RP: and MI: are limits of an address in a short time or a day; guess else.
  '163.com': {
    connections: 2,
    newConnections: [1, 'second'],
    messages: [300, 'minute'],
    messagesPerConnection: 20,
    replies: [on(/\b(?:RP:(?:CEL|TRC|QRC|DRC)|MI:(?:DMC|STC))\b/, 4, 'slow_down', 30 * MINUTE)],
  },
  'naver.com': { connections: 5, messagesPerConnection: 20 },
  'docomo.ne.jp': { connections: 2, messagesPerConnection: 20 },
  'au.com': { connections: 2, messagesPerConnection: 20 },
  'softbank.jp': { connections: 2, messagesPerConnection: 20 },
};

/** The rules that are shipped. */
export const PROVIDER_RULES: readonly ShapingRule[] = Object.entries(PROVIDERS).map(([site, shipped]) => {
  const rates: Rate[] = [];
  if (shipped.newConnections !== undefined) {
    const [most, span] = shipped.newConnections;
    rates.push({ counted: 'connections', span, most });
  }
  if (shipped.messages !== undefined) {
    const [most, span] = shipped.messages;
    rates.push({ counted: 'messages', span, most });
  }
  return {
    name: `shipped rule of ${site}`,
    site,
    mx: '',
    domain: '',
    upstream: '',
    source: '*',
    tenant: '',
    connections: shipped.connections,
    rates,
    messagesPerConnection: shipped.messagesPerConnection,
    recipientsPerMessage: shipped.recipientsPerMessage,
    replies: shipped.replies ?? [],
  };
});
