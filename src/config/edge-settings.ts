/**
 * Rows of the schema about how much mail clients may bring, and how long it is held for them; schema.ts puts all rows
 * together.
 */
import { setting } from './setting.js';
import { choice, duration, integer, size } from './value-type.js';

const SECOND = 1000;
const DAY = 24 * 3600 * SECOND;
const MANY = { min: 1, max: 1_000_000_000, zero: 'no limit' };
const ONE_ADDRESS = 'Many people may share an address (NAT); who is refused gets 451 and when to come back.';

export const edgeSettings = {
  clientMessagesPerMinute: setting({
    name: 'SLUICE_CLIENT_MESSAGES_PER_MINUTE',
    group: 'Limits for clients',
    type: integer(MANY),
    default: '0',
    purpose: 'Messages taken from one client address in any minute.',
    trades: ONE_ADDRESS,
  }),
  clientRecipientsPerMinute: setting({
    name: 'SLUICE_CLIENT_RECIPIENTS_PER_MINUTE',
    group: 'Limits for clients',
    type: integer(MANY),
    default: '0',
    purpose: 'Recipients of messages taken from one client address in any minute.',
    trades: ONE_ADDRESS,
  }),
  clientBytesPerMinute: setting({
    name: 'SLUICE_CLIENT_BYTES_PER_MINUTE',
    group: 'Limits for clients',
    type: size({ min: 1024, max: 2 ** 50, zero: 'no limit' }),
    default: '0',
    purpose: 'Bytes of messages taken from one client address in any minute.',
    trades: 'A message larger than this is never taken (550).',
  }),
  clientNewConnectionsPerSecond: setting({
    name: 'SLUICE_CLIENT_NEW_CONNECTIONS_PER_SECOND',
    group: 'Limits for clients',
    type: integer({ min: 1, max: 1_000_000, zero: 'no limit' }),
    default: '0',
    purpose: 'New connections of one client address in any second before 421.',
    trades: 'Each costs a handshake where TLS is used; good clients send several messages on one.',
  }),
  clientLimits: setting({
    name: 'SLUICE_CLIENT_LIMITS',
    group: 'Limits for clients',
    type: choice(['strangers', 'all']),
    default: 'strangers',
    purpose:
      'Who is held to the SLUICE_CLIENT_ limits: clients that may not relay, or also those that may (loopback, ' +
      'SLUICE_RELAY_NETWORKS, authenticated).',
    trades: 'Who may relay has limits by account, listener and tenant; its address says little.',
  }),
  futureReleaseMax: setting({
    name: 'SLUICE_FUTURE_RELEASE_MAX',
    group: 'Limits for clients',
    type: duration({ min: SECOND, max: 3650 * DAY, zero: 'not offered' }),
    default: '7d',
    purpose: 'Longest time mail is held for clients that may relay (FUTURERELEASE, RFC 4865).',
    trades: 'Held mail takes room in the spool for that long.',
  }),
  decisionTimeout: setting({
    name: 'SLUICE_RECIPIENT_TIMEOUT',
    group: 'Times for clients',
    type: duration({ min: SECOND, max: 600 * SECOND }),
    default: '30s',
    purpose: 'Longest wait for a decision about a recipient that another host is asked about; then 451.',
    trades: 'Clients wait for the reply to RCPT up to 5 minutes (RFC 5321 section 4.5.3.2).',
  }),
};
