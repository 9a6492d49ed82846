/**
 * Rows of the schema about TLS for clients, and what may be wrong between them; schema.ts puts all rows together.
 */
import { setting } from './setting.js';
import { choice, duration, integer, list, text, type ValueType } from './value-type.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const PATH = 'a path; a relative one begins at the working directory';
/**
 * Mozilla's "intermediate" (wiki.mozilla.org/Security/Server_Side_TLS, version 5.7) without its DHE suites, which cost a
 * server many times more than ECDHE and serve no client that has TLS 1.2.
 */
const INTERMEDIATE = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** `sha256:<hex>` (colons between octets may stay in) or `subject:<name>`; lower case. */
function relayClient(): ValueType<string> {
  return {
    allowed: 'sha256:fingerprint or subject:name',
    unit: '',
    parse: (given) => {
      const [, kind = '', rest = ''] = /^(sha256|subject):(.*)$/i.exec(given) ?? [];
      const value = kind.toLowerCase() === 'sha256' ? rest.replaceAll(':', '') : rest.trim();
      if (kind === '') return { problem: 'it begins with neither sha256: nor subject:' };
      if (kind.toLowerCase() === 'sha256' && !/^[0-9a-f]{64}$/i.test(value))
        return { problem: 'a SHA-256 fingerprint has 64 hexadecimal digits' };
      if (value === '' || value.length > 255 || /[\u0000-\u001f\u007f]/.test(value))
        return { problem: 'it has no name' };
      return { value: `${kind}:${value}`.toLowerCase() };
    },
    format: (value) => value,
  };
}

/** Certificates, versions, threads, client certificates. */
export const tlsSettings = {
  tlsCert: setting({
    name: 'SLUICE_TLS_CERT',
    group: 'TLS for clients',
    type: text(PATH),
    default: '',
    defaultNote: 'none; with no SLUICE_TLS_DIR either, a self-signed certificate is made under ./var/tls',
    purpose: 'Certificate and its intermediates (PEM), for clients that name no host or one that no other pair has.',
    trades: 'ECDSA P-256 signs a handshake with about a tenth of the work of RSA-2048.',
  }),
  tlsKey: setting({
    name: 'SLUICE_TLS_KEY',
    group: 'TLS for clients',
    type: text(PATH),
    default: '',
    defaultNote: 'none',
    purpose: 'Private key of SLUICE_TLS_CERT (PEM, not encrypted).',
    trades: 'Only the user that runs Sluice should be able to read it.',
  }),
  tlsDir: setting({
    name: 'SLUICE_TLS_DIR',
    group: 'TLS for clients',
    type: text(PATH),
    default: '',
    defaultNote: 'none',
    purpose: 'Folder with <name>/fullchain.pem and <name>/privkey.pem for each name (certbot: /etc/letsencrypt/live).',
    trades: 'With more than one pair each handshake stops to choose by the name that the client asks for (SNI).',
  }),
  tlsMinVersion: setting({
    name: 'SLUICE_TLS_MIN_VERSION',
    group: 'TLS for clients',
    type: choice(['TLSv1.2', 'TLSv1.3']),
    default: 'TLSv1.2',
    purpose: 'Oldest version of TLS that is taken; 1.0 and 1.1 never are (RFC 8996).',
    trades: 'TLSv1.3 locks out older devices and mail programs, which then may send without TLS.',
  }),
  tlsCiphers: setting({
    name: 'SLUICE_TLS_CIPHERS',
    group: 'TLS for clients',
    type: text('an OpenSSL cipher list', 4096),
    default: INTERMEDIATE,
    defaultNote: 'Mozilla "intermediate" 5.7 without DHE: AEAD with ECDHE only',
    purpose: 'Cipher suites; those of TLS 1.3 begin with TLS_ and stay as they are when none is named.',
    trades: 'DEFAULT takes older clients too (CBC, no forward secrecy); fewer suites lock clients out.',
  }),
  tlsThreads: setting({
    name: 'SLUICE_TLS_THREADS',
    group: 'TLS for clients',
    type: integer({ min: 1, max: 64, zero: 'on the main thread' }),
    default: (machine) => String(Math.min(4, Math.floor(machine.cores / 2))),
    defaultNote: 'half as many as cores, at most 4; 0 on one core',
    purpose: 'Threads that run TLS and the sessions of clients that use it.',
    trades: 'They keep handshakes away from plaintext clients; where cores are few they only take turns with them.',
  }),
  tlsHandshakeTimeout: setting({
    name: 'SLUICE_TLS_HANDSHAKE_TIMEOUT',
    group: 'TLS for clients',
    type: duration({ min: SECOND, max: 10 * MINUTE }),
    default: '30s',
    purpose: 'From the start of TLS to the end of the handshake.',
    trades: 'Shorter ends half handshakes sooner; a client far away and busy may need the time.',
  }),
  tlsClientCa: setting({
    name: 'SLUICE_TLS_CLIENT_CA',
    group: 'TLS for clients',
    type: text(PATH),
    default: '',
    defaultNote: 'none: no certificate is asked for',
    purpose:
      'Authorities (PEM) that client certificates are verified against; without a good one a client has no rights by it.',
    trades: 'Use your own authority: whoever it certifies may pass for a client. Asking makes handshakes larger.',
  }),
  tlsRelayClients: setting({
    name: 'SLUICE_TLS_RELAY_CLIENTS',
    group: 'TLS for clients',
    type: list(
      relayClient(),
      'sha256:fingerprint or subject:name (common name or subjectAltName), several with commas',
    ),
    default: '',
    defaultNote: 'none',
    purpose: 'Client certificates, verified by SLUICE_TLS_CLIENT_CA, that may send to any domain.',
    trades:
      'A fingerprint is one certificate, to be changed at renewal; a name holds for all that the authority signs.',
  }),
};
