/**
 * Rows of the schema about listening, relaying and what clients may do; schema.ts puts all rows together.
 */
import { canonicalDomain, domain, network } from './address-type.js';
import { listenAddress } from './listen-type.js';
import { setting } from './setting.js';
import { choice, duration, integer, list, size } from './value-type.js';

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;
const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** Listeners, name, threads. */
export const identitySettings = {
  listen: setting({
    name: 'SLUICE_LISTEN',
    group: 'Listening and identity',
    type: list(
      listenAddress(),
      'smtp://address:port (25), submission:// (587: STARTTLS and AUTH required) or smtps:// (465: TLS from the start, ' +
        'AUTH required), with ?auth= and tls=required, optional or none, proxy=v1 or v2, transparent=redirect or tproxy, ' +
        'lane=immediate or bulk, ' +
        'name=word for rules, messages_per_minute=, recipients_per_minute=, connections= and connections_per_second= ' +
        'as limits of all its clients together; IPv6 as smtp://[::1]:2525; ' +
        'a systemd socket as smtp://fd/3 or smtp://fd/name; several with commas',
      ',',
      64,
    ),
    default: 'smtp://127.0.0.1:2525',
    purpose: 'Where SMTP clients are accepted; port 0 is any free port.',
    trades: 'An address other than loopback opens the relay to a network: read "Who may relay" first.',
  }),
  proxyNetworks: setting({
    name: 'SLUICE_PROXY_NETWORKS',
    group: 'Listening and identity',
    type: list(network(), 'networks such as 10.0.0.0/8 or 2001:db8::/32, several with commas'),
    default: '',
    defaultNote: 'none',
    purpose: 'Balancers whose PROXY header is believed on listeners with ?proxy=; others are cut off there.',
    trades: 'Whoever is in them can claim any address, and with it the right to relay.',
  }),
  hostname: setting({
    name: 'SLUICE_HOSTNAME',
    group: 'Listening and identity',
    type: domain(),
    default: (machine) => canonicalDomain(machine.hostname) ?? 'localhost',
    defaultNote: 'name of the host',
    purpose: 'The name given in the greeting, in EHLO, in Received and in notifications.',
    trades: 'Next hops may refuse a name that does not resolve to this host.',
  }),
  workers: setting({
    name: 'SLUICE_WORKERS',
    group: 'Listening and identity',
    type: integer({ min: 1, max: 64 }),
    default: (machine) => String(Math.min(16, machine.cores)),
    defaultNote: 'as many as cores, at most 16',
    purpose: 'Threads that rewrite headers and sign.',
    trades: 'RSA signing needs them (about 2,000 signatures a second each); unsigned mail needs one.',
  }),
};

/** Who may relay where. */
export const relayingSettings = {
  relayNetworks: setting({
    name: 'SLUICE_RELAY_NETWORKS',
    group: 'Who may relay',
    type: list(
      network(),
      'networks such as 10.0.0.0/8 or 2001:db8::/32, several with commas, !network to take a part out',
    ),
    default: '',
    defaultNote: 'none; 127.0.0.0/8 and ::1 always',
    purpose: 'Clients that may send to any domain, besides those on loopback.',
    trades: 'Every client in them is trusted to send anything to anyone.',
  }),
  relayDomains: setting({
    name: 'SLUICE_RELAY_DOMAINS',
    group: 'Who may relay',
    type: list(domain(), 'domain names, several with commas'),
    default: '',
    defaultNote: 'none',
    purpose: 'Recipient domains accepted from anyone (the engine as a reverse proxy).',
    trades: 'Mail for them is taken unseen: the next hop must be able to refuse it.',
  }),
};

/** What one client may ask for. */
export const limitsSettings = {
  maxMessageSize: setting({
    name: 'SLUICE_MAX_MESSAGE_SIZE',
    group: 'Limits for clients',
    type: size({ min: KIB, max: GIB }),
    default: '64m',
    purpose: 'Largest message, announced with SIZE and enforced while receiving (552).',
    trades: 'One message holds this much of SLUICE_BODY_MEMORY while it comes in.',
  }),
  maxMessagesPerConnection: setting({
    name: 'SLUICE_MAX_MESSAGES_PER_CONNECTION',
    group: 'Limits for clients',
    type: integer({ min: 1, max: 1_000_000_000, zero: 'no limit' }),
    default: '100',
    purpose: 'Messages taken on one connection before 421.',
    trades: 'More saves connections; fewer spreads clients over several relays sooner.',
  }),
  maxRecipients: setting({
    name: 'SLUICE_MAX_RECIPIENTS',
    group: 'Limits for clients',
    type: integer({ min: 100, max: 100_000 }),
    default: '1000',
    purpose: 'Recipients of one message before 452 (RFC 5321 asks for at least 100).',
    trades: 'More stores a body fewer times; memory per transaction grows with it.',
  }),
  maxConnections: setting({
    name: 'SLUICE_MAX_CONNECTIONS',
    group: 'Limits for clients',
    type: integer({ min: 1, max: 1_000_000 }),
    default: '20000',
    purpose: 'Client connections in all before 421.',
    trades: 'Each takes a file descriptor and below 20 KB of memory: raise the descriptor limit with it.',
  }),
  maxConnectionsPerClient: setting({
    name: 'SLUICE_MAX_CONNECTIONS_PER_CLIENT',
    group: 'Limits for clients',
    type: integer({ min: 1, max: 1_000_000, zero: 'no limit' }),
    default: '12000',
    purpose: 'Connections of one client address before 421.',
    trades: 'Below SLUICE_MAX_CONNECTIONS no single client can take every place; lower it where strangers connect.',
  }),
  maxErrors: setting({
    name: 'SLUICE_MAX_ERRORS',
    group: 'Limits for clients',
    type: integer({ min: 1, max: 1_000_000, zero: 'no limit' }),
    default: '20',
    purpose: 'Refused commands on one connection before 421.',
    trades: 'Fewer ends probing sooner; a list with many bad recipients needs more.',
  }),
  maxHeaderSize: setting({
    name: 'SLUICE_MAX_HEADER_SIZE',
    group: 'Limits for clients',
    type: size({ min: 4 * KIB, max: 64 * MIB }),
    default: '1m',
    purpose: 'Largest header of a message (552).',
    trades: 'The header is scanned on a worker thread: a huge one delays its batch.',
  }),
  maxCommandLine: setting({
    name: 'SLUICE_MAX_COMMAND_LINE',
    group: 'Limits for clients',
    type: integer({ min: 512, max: 65_536 }),
    default: '4096',
    purpose: 'Longest command line in bytes, with its CRLF (500).',
    trades: 'RFC 5321 asks for 512, its extensions for about 1,500; each connection may hold this much.',
  }),
  maxTextLine: setting({
    name: 'SLUICE_MAX_TEXT_LINE',
    group: 'Limits for clients',
    type: integer({ min: 998, max: 1_000_000_000, zero: 'any length' }),
    default: '0',
    purpose: 'Longest line of a message in bytes, without its CRLF (500).',
    trades: 'RFC 5321 allows 998; much real mail has longer lines and most next hops take it.',
  }),
  maxHops: setting({
    name: 'SLUICE_MAX_HOPS',
    group: 'Limits for clients',
    type: integer({ min: 10, max: 10_000 }),
    default: '100',
    purpose: 'Received fields at which a message is taken to be in a loop (554).',
    trades: 'Fewer ends loops sooner; RFC 5321 asks for at least 100.',
  }),
  bareNewline: setting({
    name: 'SLUICE_BARE_NEWLINE',
    group: 'Limits for clients',
    type: choice(['reject', 'convert', 'pass']),
    default: 'reject',
    purpose:
      'A CR or LF that stands alone in DATA: refuse it (550), make it CRLF, or pass it from clients that may relay.',
    trades: 'Anything but reject needs next hops that are safe against SMTP smuggling.',
  }),
};

/** How long one client may take. */
export const timesSettings = {
  connectTimeout: setting({
    name: 'SLUICE_CONNECT_TIMEOUT',
    group: 'Times for clients',
    type: duration({ min: SECOND, max: HOUR }),
    default: '30s',
    purpose: 'From the greeting to the first command.',
    trades: 'Shorter frees connections that never speak; a loaded client may need the time.',
  }),
  commandTimeout: setting({
    name: 'SLUICE_COMMAND_TIMEOUT',
    group: 'Times for clients',
    type: duration({ min: SECOND, max: DAY }),
    default: '300s',
    purpose:
      'For one command to arrive inside a transaction or once begun (RFC 5321 section 4.5.3.2 asks for 5 minutes).',
    trades: 'Shorter ends slow clients sooner.',
  }),
  idleTimeout: setting({
    name: 'SLUICE_IDLE_TIMEOUT',
    group: 'Times for clients',
    type: duration({ min: SECOND, max: DAY }),
    default: '600s',
    purpose: 'Between transactions without a command.',
    trades: 'Longer lets clients keep connections for later; each holds a place of SLUICE_MAX_CONNECTIONS.',
  }),
  dataTimeout: setting({
    name: 'SLUICE_DATA_TIMEOUT',
    group: 'Times for clients',
    type: duration({ min: SECOND, max: DAY }),
    default: '300s',
    purpose: 'Without a byte of the message while it is being sent.',
    trades: 'A message under way holds body memory: shorter gives it back sooner.',
  }),
};
