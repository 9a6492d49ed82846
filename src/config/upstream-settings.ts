/**
 * Rows of the schema about the security of connections to next hops; schema.ts puts all rows together.
 */
import { setting } from './setting.js';
import { upstreamLogin } from './upstream-type.js';
import { choice, duration, list, text } from './value-type.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

export const upstreamSettings = {
  upstreamUser: setting({
    name: 'SLUICE_UPSTREAM_USER',
    group: 'Security of deliveries',
    type: text('a user name', 320),
    default: '',
    defaultNote: 'none',
    purpose: 'The user at every next hop of SLUICE_UPSTREAM whose URL names none.',
    trades: 'With a user, TLS with a verified certificate is required unless the URL says otherwise.',
  }),
  upstreamPassword: setting({
    name: 'SLUICE_UPSTREAM_PASSWORD',
    group: 'Security of deliveries',
    type: text('a password', 4096),
    default: '',
    defaultNote: 'none',
    purpose: 'The password at every next hop of SLUICE_UPSTREAM that has a user and no password of its own.',
    trades: 'As a file it does not show in the environment of the process.',
    secret: true,
  }),
  upstreamLogins: setting({
    name: 'SLUICE_UPSTREAM_LOGINS',
    group: 'Security of deliveries',
    type: list(upstreamLogin(), 'lines of `host user:password`', '\n', 256),
    default: '',
    defaultNote: 'none',
    purpose:
      'Users and passwords by the host names of next hops, for those whose URL has none; before SLUICE_UPSTREAM_USER.',
    trades: 'One file for the secrets of several next hops; the URLs stay free of them.',
    secret: true,
  }),
  upstreamTlsTimeout: setting({
    name: 'SLUICE_UPSTREAM_TLS_TIMEOUT',
    group: 'Security of deliveries',
    type: duration({ min: 100, max: 10 * MINUTE }),
    default: '30s',
    purpose: 'For the TLS handshake with a next hop after STARTTLS.',
    trades: 'Shorter passes hosts that hang sooner; where TLS is not required, mail then goes in the clear.',
  }),
  upstreamTlsMinVersion: setting({
    name: 'SLUICE_UPSTREAM_TLS_MIN_VERSION',
    group: 'Security of deliveries',
    type: choice(['tlsv1.2', 'tlsv1.3']),
    default: 'tlsv1.2',
    purpose: 'The oldest TLS version to use with the next hops of SLUICE_UPSTREAM.',
    trades: 'tlsv1.3 shuts out hosts of before 2018.',
  }),
};
