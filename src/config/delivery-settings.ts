/**
 * Rows of the schema about delivery, retries and notifications; schema.ts puts all rows together.
 */
import { dnsServer } from './address-type.js';
import { setting } from './setting.js';
import { region } from './upstream-choice.js';
import { upstreamAddress } from './upstream-type.js';
import { duration, integer, list, text } from './value-type.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Where mail goes and how the connections there are used. */
export const deliverySettings = {
  upstream: setting({
    name: 'SLUICE_UPSTREAM',
    group: 'Delivery',
    type: list(
      upstreamAddress(),
      'smtp://host:port?pool=50&weight=1, smtps://user:password@host or a preset such as ses://us-east-1, several with commas',
      ',',
      256,
    ),
    inFile: true,
    default: '',
    defaultNote: 'unset: to the MX hosts of each domain',
    purpose:
      'Next hops for all mail: the one that is expected to be done first, about equal ones by weight; one that fails is passed over.',
    trades:
      'pool is the most connections to that hop: more hides its latency, too many crowd it. weight shares the mail while there is a choice; when every connection is busy, the one that is free first takes the next message.',
  }),
  region: setting({
    name: 'SLUICE_REGION',
    group: 'Delivery',
    type: region(),
    default: '',
    defaultNote: 'unset: not known',
    purpose: 'Where this engine stands, for a first guess of which upstream with `region=` is the nearest.',
    trades: 'Connect times as measured soon take the place of the guess.',
  }),
  geoipFile: setting({
    name: 'SLUICE_GEOIP_FILE',
    group: 'Delivery',
    type: text('a path'),
    default: '',
    defaultNote: 'unset: none',
    purpose:
      'Database of places by address (MaxMind format, with cities): the guess for upstreams whose `region=` says nothing.',
    trades: 'It is read into memory at the start: about 60 to 130 MB. Needs SLUICE_REGION.',
  }),
  dnsServers: setting({
    name: 'SLUICE_DNS_SERVERS',
    group: 'Delivery',
    type: list(dnsServer(), 'address or address:port, several with commas, IPv6 as [::1]:53', ',', 16),
    default: '',
    defaultNote: 'those of the system',
    purpose: 'DNS servers for MX and address look-ups.',
    trades: 'A caching resolver on the same host keeps look-ups off the delivery time.',
  }),
  mxPort: setting({
    name: 'SLUICE_MX_PORT',
    group: 'Delivery',
    type: integer({ min: 1, max: 65_535 }),
    default: '25',
    purpose: 'Port of MX hosts.',
    trades: 'Other than 25 for tests only.',
  }),
  mxConnections: setting({
    name: 'SLUICE_MX_CONNECTIONS',
    group: 'Delivery',
    type: integer({ min: 1, max: 1000 }),
    default: '20',
    purpose: 'Most connections to one destination domain.',
    trades: 'Large providers answer too many with 421.',
  }),
  messagesPerUpstreamConnection: setting({
    name: 'SLUICE_MESSAGES_PER_UPSTREAM_CONNECTION',
    group: 'Delivery',
    type: integer({ min: 1, max: 1_000_000_000, zero: 'no limit' }),
    default: '100',
    purpose: 'Messages sent on one connection before it is replaced.',
    trades: 'More saves connections; many next hops end one after 100.',
  }),
  upstreamConnectionAge: setting({
    name: 'SLUICE_UPSTREAM_CONNECTION_AGE',
    group: 'Delivery',
    type: duration({ min: SECOND, max: DAY, zero: 'no limit' }),
    default: '10m',
    purpose: 'Age at which a connection is replaced.',
    trades: 'Shorter follows changes of DNS and load balancers sooner.',
  }),
  upstreamIdle: setting({
    name: 'SLUICE_UPSTREAM_IDLE',
    group: 'Delivery',
    type: duration({ min: 100, max: HOUR }),
    default: '60s',
    purpose: 'Time without mail after which a connection is closed with QUIT.',
    trades: 'Longer spares the next message a connection; the peer holds a place for it.',
  }),
  upstreamConnectTimeout: setting({
    name: 'SLUICE_UPSTREAM_CONNECT_TIMEOUT',
    group: 'Delivery',
    type: duration({ min: 100, max: 10 * MINUTE }),
    default: '30s',
    purpose: 'For a connection to be made, for each address tried.',
    trades: 'Shorter passes dead hosts sooner.',
  }),
  upstreamReplyTimeout: setting({
    name: 'SLUICE_UPSTREAM_REPLY_TIMEOUT',
    group: 'Delivery',
    type: duration({ min: 100, max: HOUR }),
    default: '300s',
    purpose: 'For the greeting and for the reply to each command (RFC 5321 section 4.5.3.2: 5 minutes).',
    trades: 'Shorter frees connections to hosts that hang, and gives up on slow ones.',
  }),
  upstreamDataTimeout: setting({
    name: 'SLUICE_UPSTREAM_DATA_TIMEOUT',
    group: 'Delivery',
    type: duration({ min: 100, max: HOUR }),
    default: '600s',
    purpose: 'For the reply to the end of the message (RFC 5321 section 4.5.3.2.6: 10 minutes).',
    trades: 'Shorter makes duplicates: the peer may have taken the message.',
  }),
  upstreamMaxRecipients: setting({
    name: 'SLUICE_UPSTREAM_MAX_RECIPIENTS',
    group: 'Delivery',
    type: integer({ min: 1, max: 10_000 }),
    default: '100',
    purpose: 'Recipients in one transaction to a next hop; fewer where it announces fewer (RFC 9422).',
    trades: 'More sends a body fewer times; RFC 5321 makes peers take 100.',
  }),
};

/** When a message that was put off is tried again, and what its sender hears. */
export const retrySettings = {
  retryMin: setting({
    name: 'SLUICE_RETRY_MIN',
    group: 'Retries and notifications',
    type: duration({ min: 100, max: DAY }),
    default: '60s',
    purpose: 'About the time from the first failed attempt to the second; each later wait is longer.',
    trades: 'Shorter gets past greylisting sooner and tries dead hosts more often.',
  }),
  retryMax: setting({
    name: 'SLUICE_RETRY_MAX',
    group: 'Retries and notifications',
    type: duration({ min: 100, max: 7 * DAY }),
    default: '4h',
    purpose: 'Longest time between two attempts.',
    trades: 'Shorter finds a host that is back sooner.',
  }),
  expire: setting({
    name: 'SLUICE_EXPIRE',
    group: 'Retries and notifications',
    type: duration({ min: SECOND, max: 60 * DAY }),
    default: '5d',
    purpose: 'Age at which a message is given up and its sender told (RFC 5321 section 4.5.4.1: 4 to 5 days at least).',
    trades: 'Shorter tells the sender sooner and keeps the queue smaller.',
  }),
  delayWarning: setting({
    name: 'SLUICE_DELAY_WARNING',
    group: 'Retries and notifications',
    type: duration({ min: SECOND, max: 60 * DAY, zero: 'none' }),
    default: '0',
    purpose: 'Age at which the sender of an undelivered message gets one notice of the delay.',
    trades: 'More mail to senders whenever a next hop is down for long.',
  }),
};
