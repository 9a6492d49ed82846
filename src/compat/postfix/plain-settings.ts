/**
 * Parameters of main.cf that are one setting of Sluice each, those that need no counterpart, and those that have none.
 */
import type { Ledger } from './ledger.js';
import type { MainCf } from './main-cf.js';
import type { Output } from './output.js';

type Convert = (value: string) => string;

const same: Convert = (value) => value;
/** Postfix times: a plain number is in `unit`. Sluice has no weeks. */
const time =
  (unit: string): Convert =>
  (value) => {
    const match = /^(\d+)([smhdw]?)$/.exec(value);
    if (match === null) return value;
    return match[2] === 'w' ? `${Number(match[1]) * 7}d` : `${match[1]}${match[2] || unit}`;
  };

/** Parameter, setting, how its value is written there. */
const PLAIN: ReadonlyArray<readonly [string, string, Convert]> = [
  ['myhostname', 'SLUICE_HOSTNAME', same],
  ['smtpd_recipient_limit', 'SLUICE_MAX_RECIPIENTS', same],
  ['smtpd_client_connection_count_limit', 'SLUICE_MAX_CONNECTIONS_PER_CLIENT', same],
  ['smtpd_client_message_rate_limit', 'SLUICE_CLIENT_MESSAGES_PER_MINUTE', same],
  ['smtpd_client_recipient_rate_limit', 'SLUICE_CLIENT_RECIPIENTS_PER_MINUTE', same],
  ['smtpd_hard_error_limit', 'SLUICE_MAX_ERRORS', same],
  ['smtpd_timeout', 'SLUICE_COMMAND_TIMEOUT', time('s')],
  ['hopcount_limit', 'SLUICE_MAX_HOPS', same],
  ['header_size_limit', 'SLUICE_MAX_HEADER_SIZE', same],
  ['maximal_queue_lifetime', 'SLUICE_EXPIRE', time('d')],
  ['minimal_backoff_time', 'SLUICE_RETRY_MIN', time('s')],
  ['maximal_backoff_time', 'SLUICE_RETRY_MAX', time('s')],
  ['delay_warning_time', 'SLUICE_DELAY_WARNING', time('h')],
  ['smtp_connect_timeout', 'SLUICE_UPSTREAM_CONNECT_TIMEOUT', time('s')],
  ['smtp_data_done_timeout', 'SLUICE_UPSTREAM_DATA_TIMEOUT', time('s')],
  ['default_destination_concurrency_limit', 'SLUICE_MX_CONNECTIONS', same],
  ['smtp_destination_concurrency_limit', 'SLUICE_MX_CONNECTIONS', same],
  ['default_destination_recipient_limit', 'SLUICE_UPSTREAM_MAX_RECIPIENTS', same],
  ['smtp_destination_recipient_limit', 'SLUICE_UPSTREAM_MAX_RECIPIENTS', same],
];

const NOT_NEEDED =
  /^(?:compatibility_level|mail_owner|setgid_group|default_privs|biff|mail_version|inet_protocols|mydomain|alias_database|default_database_type|qmgr_.*|debug_.*|debugger_command|.*_(?:directory|path|service_name|cache_database|program)|tls_random_.*|smtpd_tls_loglevel|smtp_tls_loglevel|smtp_tls_note_starttls_offer|smtpd_tls_received_header|smtpd_tls_session_cache_.*|smtp_tls_session_cache_.*|queue_run_delay|disable_vrfy_command|strict_rfc821_envelopes|smtpd_helo_required|unknown_local_recipient_reject_code|mailbox_size_limit|virtual_mailbox_limit|maillog_file.*|default_process_limit|meta_directory|shlib_directory|smtp_sasl_security_options|smtp_sasl_tls_security_options|smtpd_sasl_security_options|smtpd_sasl_tls_security_options|append_dot_mydomain|smtputf8_enable|smtpd_banner|smtp_tls_CApath|smtpd_tls_auth_only)$/;

/** What is gone, by name, and what to do instead. */
const GONE: ReadonlyArray<readonly [RegExp, string]> = [
  [
    /^(?:smtpd_milters|non_smtpd_milters|milter_.*)$/,
    'there are no milters; where OpenDKIM signed, put its keys as <domain>/<selector>.pem into a folder and set SLUICE_DKIM_DIR (`sluice dkim generate` makes new ones)',
  ],
  [/^mynetworks_style$/, 'only clients on loopback relay: name the networks in SLUICE_RELAY_NETWORKS'],
  [
    /^parent_domain_matches_subdomains$/,
    'a domain stands for itself: ".example.org" or "@*.example.org" for all below it',
  ],
  [/^recipient_delimiter$/, 'addresses are passed on as they are, extension and all'],
  [
    /^postscreen_/,
    'there are no such tests of clients; SLUICE_CLIENT_* and SLUICE_MAX_CONNECTIONS_PER_CLIENT limit them',
  ],
  [
    /^(?:.*_destination_rate_delay|.*_destination_concurrency_.*|.*_destination_recipient_limit)$/,
    'limits of sites are [[shaping]] in SLUICE_CONFIG',
  ],
  [/^bounce_queue_lifetime$/, 'returns are tried as long as other mail: SLUICE_EXPIRE'],
  [/^default_transport$/, 'a last [[route]] without recipient takes the mail that no other does'],
  [/^smtpd_sender_login_maps$/, 'senders of an [[account]] in SLUICE_CONFIG'],
  [/^(?:canonical_classes|sender_canonical_classes)$/, 'From, Sender and the reverse-path are rewritten together'],
  [/^content_filter$/, 'there are no content filters; a [[route]] can send mail through one that speaks SMTP'],
  [
    /^(?:virtual_|mailbox_|home_mailbox|local_|alias_maps|mydestination|forward_path|luser_relay|fallback_transport)/,
    'mail is not delivered to mailboxes or aliases on this host; a [[route]] with host = "..." sends it to the server that has them',
  ],
  [/^(?:always_bcc|.*_bcc_maps)$/, 'no copies are made of mail'],
  [
    /^smtpd_sasl_/,
    'accounts are those of SLUICE_AUTH_FILE (`sluice user add`), SLUICE_AUTH_URL or OAuth; listeners submission:// and smtps:// ask for them',
  ],
  [
    /^smtpd_.*_restrictions$/,
    'only clients in SLUICE_RELAY_NETWORKS, on loopback and authenticated ones may relay, others may send to relay domains; see the README for what else can be limited',
  ],
  [/^(?:masquerade_|recipient_canonical_|propagate_)/, 'only whole domains are rewritten, by SLUICE_REWRITE_DOMAINS'],
  [/^(?:body_checks|mime_header_checks|nested_header_checks)$/, 'content is passed unchanged and not looked at'],
  [/^myorigin$/, 'addresses without a domain are not completed'],
  [/^soft_bounce$/, 'there is no such mode'],
  [
    /^smtp_tls_(?:CAfile|cert_file|key_file|chain_files)$/,
    'name it in the URL of the next hop: ?tls=required&ca=, or cert= and key=',
  ],
  [/^smtpd_tls_/, 'set by SLUICE_TLS_CERT, SLUICE_TLS_KEY, SLUICE_TLS_MIN_VERSION and SLUICE_TLS_CIPHERS'],
];

/** Whether a parameter is of Postfix's own files and processes. */
export function isOfPostfix(name: string): boolean {
  return NOT_NEEDED.test(name) || name === 'syslog_name';
}

/** Why a parameter has no counterpart, and what to do; undefined where nothing is known of it. */
export function reasonOf(name: string): string | undefined {
  return GONE.find(([pattern]) => pattern.test(name))?.[1];
}

/** Carries the plain ones. */
export function plainSettings(cf: MainCf, output: Output, ledger: Ledger): void {
  for (const [parameter, setting, convert] of PLAIN) {
    if (!cf.has(parameter)) continue;
    const value = convert(cf.value(parameter));
    const problem = value === '' ? 'it is empty' : output.set(setting, value);
    if (problem === '') ledger.add('carried', cf.place(parameter), parameter, `${setting}=${value}`);
    else ledger.add('left-out', cf.place(parameter), parameter, `${setting} does not take ${value}: ${problem}`);
  }
}

/** Gives every parameter that the ledger says nothing of its end. */
export function tellTheRest(cf: MainCf, ledger: Ledger): void {
  for (const [name] of cf.given) {
    if (ledger.tells(name, cf.place(name))) continue;
    const value = cf.value(name);
    const off = ['', 'no', '0', 'none'].includes(value);
    const system = name === 'smtp_tls_CAfile' && /^\/etc\/(?:ssl|pki)\//.test(value);
    const usual = /^smtpd?_tls_(?:mandatory_)?protocols$/.test(name) && !/^>=?TLSv1\.3$/.test(value);
    if (system) ledger.add('not-needed', cf.place(name), name, 'the authorities of the system are used');
    else if (usual) ledger.add('not-needed', cf.place(name), name, 'TLS 1.2 is the oldest that is spoken');
    else if (NOT_NEEDED.test(name)) ledger.add('not-needed', cf.place(name), name, 'of Postfix itself');
    else if (off) ledger.add('not-needed', cf.place(name), name, 'it is off');
    else ledger.add('left-out', cf.place(name), name, reasonOf(name) ?? 'it has no counterpart');
  }
  for (const { line } of cf.strange) ledger.add('left-out', `main.cf:${line}`, 'line', 'it is no name = value');
}
