/**
 * Rows of the schema about how safely mail is delivered and who hears of it; schema.ts puts all rows together.
 */
import { dnsServer } from './address-type.js';
import { mailbox } from './mailbox-type.js';
import { setting } from './setting.js';
import { choice, integer, list, text } from './value-type.js';

/** TLS to MX hosts, MTA-STS, DANE, TLS reports. */
export const securitySettings = {
  mxTls: setting({
    name: 'SLUICE_MX_TLS',
    group: 'Security of deliveries',
    type: choice(['opportunistic', 'required', 'none']),
    default: 'opportunistic',
    purpose:
      'TLS to MX hosts whose domain has no policy of its own: tried, with any certificate; a must, with any certificate; or never.',
    trades:
      'required holds mail back from hosts without TLS until it expires. DANE and MTA-STS ask for more where a domain has them, whatever stands here.',
  }),
  mxCa: setting({
    name: 'SLUICE_MX_CA',
    group: 'Security of deliveries',
    type: text('the path of a PEM file; a relative one begins at the working directory'),
    default: '',
    defaultNote: 'unset: those of the system',
    purpose: 'Certificate authorities that MX hosts under MTA-STS or REQUIRETLS must have their certificates from.',
    trades: 'For tests and closed networks: it replaces the public authorities. DANE needs none.',
  }),
  mtaSts: setting({
    name: 'SLUICE_MTA_STS',
    group: 'Security of deliveries',
    type: choice(['on', 'off']),
    default: 'on',
    purpose:
      'Whether policies of recipient domains are fetched and kept to (RFC 8461). Known ones are kept in mta-sts.json in SLUICE_SPOOL_DIR.',
    trades:
      'One TXT look-up for each domain and TTL, one fetch over HTTPS where there is a policy. Off, mail to such domains can be read and diverted on the way.',
  }),
  mtaStsPort: setting({
    name: 'SLUICE_MTA_STS_PORT',
    group: 'Security of deliveries',
    type: integer({ min: 1, max: 65_535 }),
    default: '443',
    purpose: 'Port of policy hosts.',
    trades:
      'Other than 443 for tests only: loopback addresses of policy hosts and of places for reports are then let pass.',
  }),
  mtaStsCa: setting({
    name: 'SLUICE_MTA_STS_CA',
    group: 'Security of deliveries',
    type: text('the path of a PEM file; a relative one begins at the working directory'),
    default: '',
    defaultNote: 'unset: those of Node',
    purpose: 'Certificate authorities that policy hosts, and places for reports, must have their certificates from.',
    trades: 'For tests and closed networks: it replaces the public authorities.',
  }),
  dane: setting({
    name: 'SLUICE_DANE',
    group: 'Security of deliveries',
    type: choice(['auto', 'off']),
    default: 'auto',
    purpose:
      'DANE (RFC 7672): certificates of MX hosts are checked against TLSA records where DNSSEC vouches for all of the way there. It takes a resolver that validates (unbound, knot-resolver, bind): its AD flag counts when every DNS server is on loopback or in SLUICE_DNSSEC_SERVERS, and never otherwise.',
    trades:
      'Costs one TLSA look-up for each host of a signed domain. A resolver on loopback that sets AD without validating, or passes on that of a server elsewhere, undoes it.',
  }),
  dnssecServers: setting({
    name: 'SLUICE_DNSSEC_SERVERS',
    group: 'Security of deliveries',
    type: list(dnsServer(), 'addresses of DNS servers, several with commas', ',', 16),
    default: '',
    defaultNote: 'none but those on loopback',
    purpose: 'DNS servers elsewhere whose word for DNSSEC is taken.',
    trades: 'Whoever can change packets on the way to them can forge it: only over a network that is your own.',
  }),
  tlsReports: setting({
    name: 'SLUICE_TLS_REPORTS',
    group: 'Security of deliveries',
    type: choice(['on', 'off']),
    default: 'off',
    purpose:
      'Whether a daily report on TLS goes to each recipient domain that asks for one (RFC 8460). What is counted is kept in tls-reports.json in SLUICE_SPOOL_DIR.',
    trades:
      'Tells domains about failures they cannot see themselves, and that mail was sent there from here. By mail from SLUICE_TLS_REPORT_FROM, whose domain should be signed with DKIM, and by HTTPS.',
  }),
  tlsReportFrom: setting({
    name: 'SLUICE_TLS_REPORT_FROM',
    group: 'Security of deliveries',
    type: mailbox(),
    default: '',
    defaultNote: 'tls-reports@ and SLUICE_HOSTNAME',
    purpose: 'Sender of TLS reports.',
    trades: 'An address whose domain has a DKIM key here: receivers need not look at unsigned reports.',
  }),
  tlsReportContact: setting({
    name: 'SLUICE_TLS_REPORT_CONTACT',
    group: 'Security of deliveries',
    type: text('a mailbox or URL of at most 256 characters', 256),
    default: '',
    defaultNote: 'that of SLUICE_TLS_REPORT_FROM',
    purpose: 'Whom to ask about a TLS report; stands in each.',
    trades: 'A mailbox that somebody reads.',
  }),
  tlsReportOrganization: setting({
    name: 'SLUICE_TLS_REPORT_ORGANIZATION',
    group: 'Security of deliveries',
    type: text('a name of at most 256 characters', 256),
    default: '',
    defaultNote: 'that of SLUICE_HOSTNAME',
    purpose: 'Who reports; stands in each TLS report.',
    trades: 'The name under which domains know you.',
  }),
};
