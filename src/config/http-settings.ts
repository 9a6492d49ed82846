/**
 * Rows of the schema about the operator's HTTP plane, and what may be wrong between them; schema.ts puts all rows
 * together.
 */
import { canonicalAddress, canonicalDomain, formatHostPort } from './address-type.js';
import type { Settings } from './schema.js';
import { setting } from './setting.js';
import { duration, integer, size, text, type ValueType } from './value-type.js';

/** Where HTTP is listened on. */
export interface HttpAddress {
  /** An address, or `localhost`. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly tls: boolean;
}

const SECOND = 1000;
const KIB = 1024;
const MIB = 1024 * KIB;
const PATH = 'a path; a relative one begins at the working directory';
const OFF = 'off';
const DEFAULT_PORT = 8025;
/** Characters of a token at least: nobody guesses 16 random ones. */
const MIN_TOKEN = 16;

/** `http://host:port` or `https://host:port`; null for `off`. */
export function httpAddress(): ValueType<HttpAddress | null> {
  return {
    allowed: 'http://address:port or https://address:port, or off',
    unit: '',
    parse: (given) => {
      if (given.toLowerCase() === OFF) return { value: null };
      const match = /^(https?):\/\/(?:\[([^\]]+)\]|([^:/?#@]+))(?::(\d{1,5}))?\/?$/i.exec(given);
      if (match === null) return { problem: 'it is not of that form' };
      const host = canonicalAddress(match[2] ?? match[3]!) ?? canonicalDomain(match[3] ?? '');
      if (host === undefined) return { problem: 'it names no host' };
      const port = match[4] === undefined ? DEFAULT_PORT : Number(match[4]);
      if (port > 65_535) return { problem: 'the port is not 0 to 65535' };
      return { value: { host, port, tls: match[1]!.toLowerCase() === 'https' } };
    },
    format: (value) =>
      value === null ? OFF : `${value.tls ? 'https' : 'http'}://${formatHostPort(value.host, value.port)}`,
  };
}

/** A token that may stand in an Authorization header (RFC 6750 section 2.1). */
function bearerToken(): ValueType<string> {
  return {
    allowed: `at least ${MIN_TOKEN} letters, digits and - . _ ~ + /`,
    unit: '',
    hidden: true,
    parse: (given) => {
      const token = given.trim();
      if (token === '') return { value: '' };
      if (token.length < MIN_TOKEN) return { problem: `it is shorter than ${MIN_TOKEN} characters` };
      if (token.length > 1024) return { problem: 'it is longer than 1024 characters' };
      return /^[A-Za-z0-9\-._~+/]+=*$/.test(token) ? { value: token } : { problem: 'it has another character' };
    },
    format: (value) => value,
  };
}

/** Whether only this machine reaches an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d+){3}$/.test(host);
}

export const httpSettings = {
  http: setting({
    name: 'SLUICE_HTTP',
    group: 'HTTP',
    type: httpAddress(),
    default: `http://127.0.0.1:${DEFAULT_PORT}`,
    purpose: 'Where operators reach health, metrics and the queue over HTTP. A port that is taken stops no mail.',
    trades: 'Beyond loopback it needs SLUICE_HTTP_TOKEN or SLUICE_HTTP_CLIENT_CA, and should be https.',
  }),
  httpToken: setting({
    name: 'SLUICE_HTTP_TOKEN',
    group: 'HTTP',
    type: bearerToken(),
    default: '',
    defaultNote: 'none: whoever is on this machine may',
    purpose:
      'What requests must bring as `Authorization: Bearer ...`; only /healthz, /readyz and the files of the dashboard need none.',
    trades: 'Whoever has it can read and delete queued mail.',
    secret: true,
  }),
  httpTlsCert: setting({
    name: 'SLUICE_HTTP_TLS_CERT',
    group: 'HTTP',
    type: text(PATH),
    default: '',
    defaultNote: 'SLUICE_TLS_CERT',
    purpose: 'Certificate and its intermediates (PEM) for https; read again when they change.',
    trades: 'A renewed one counts for new connections; those under way go on.',
  }),
  httpTlsKey: setting({
    name: 'SLUICE_HTTP_TLS_KEY',
    group: 'HTTP',
    type: text(PATH),
    default: '',
    defaultNote: 'SLUICE_TLS_KEY',
    purpose: 'Private key of that certificate (PEM, not encrypted).',
    trades: 'Only the user that runs Sluice should be able to read it.',
  }),
  httpClientCa: setting({
    name: 'SLUICE_HTTP_CLIENT_CA',
    group: 'HTTP',
    type: text(PATH),
    default: '',
    defaultNote: 'none: no certificate is asked for',
    purpose:
      'Authorities (PEM) for https: clients without a certificate of theirs get 403 for everything, /healthz and /readyz too, on loopback too.',
    trades: 'Use your own authority: whoever it certifies is an operator. With SLUICE_HTTP_TOKEN both are asked for.',
  }),
  httpMaxBody: setting({
    name: 'SLUICE_HTTP_MAX_BODY',
    group: 'HTTP',
    type: size({ min: KIB, max: 1024 * MIB }),
    default: '1m',
    purpose: 'Longest body of a request; beyond it 413.',
    trades: 'So much memory for each connection at most.',
  }),
  httpTimeout: setting({
    name: 'SLUICE_HTTP_TIMEOUT',
    group: 'HTTP',
    type: duration({ min: 100, max: 600 * SECOND }),
    default: '10s',
    purpose: 'From the head of a request to the end of its body; beyond it 408.',
    trades: 'A client that sends less than 16 KiB in 10 s is cut off whatever is set.',
  }),
  httpMaxConnections: setting({
    name: 'SLUICE_HTTP_MAX_CONNECTIONS',
    group: 'HTTP',
    type: integer({ min: 1, max: 100_000 }),
    default: '100',
    purpose: 'Connections at once beside listeners of events; further ones are closed.',
    trades: 'Each is an open file.',
  }),
  httpListeners: setting({
    name: 'SLUICE_HTTP_LISTENERS',
    group: 'HTTP',
    type: integer({ min: 0, max: 100_000 }),
    default: '10000',
    purpose: 'WebSockets that listen to /v1/events at once; further ones get 503.',
    trades: 'Each is an open file (`ulimit -n`); with thousands events come every second or two instead of at once.',
  }),
  httpListenerTimeout: setting({
    name: 'SLUICE_HTTP_LISTENER_TIMEOUT',
    group: 'HTTP',
    type: duration({ min: 8 * SECOND, max: 960 * SECOND }),
    default: '2m',
    purpose: 'A WebSocket that is silent so long is gone; it is sent a ping before.',
    trades: 'Short ones ping much, long ones keep dead connections.',
  }),
};

/** The certificate in use for https, '' for none. */
export function httpCertificate(settings: Settings): { readonly cert: string; readonly key: string } {
  if (settings.httpTlsCert !== '') return { cert: settings.httpTlsCert, key: settings.httpTlsKey };
  return { cert: settings.tlsCert, key: settings.tlsKey };
}

/** Problems that keep the engine from starting. */
export function httpProblems(settings: Settings): string[] {
  const { http, httpToken, httpTlsCert, httpTlsKey, httpClientCa } = settings;
  const problems: string[] = [];
  if ((httpTlsCert === '') !== (httpTlsKey === ''))
    problems.push('SLUICE_HTTP_TLS_CERT: it goes with SLUICE_HTTP_TLS_KEY; allowed: both or neither');
  if (http === null) return problems;
  const shown = httpAddress().format(http);
  if (http.tls && httpCertificate(settings).cert === '')
    problems.push(
      `SLUICE_HTTP: ${shown} has no certificate; set SLUICE_HTTP_TLS_CERT and SLUICE_HTTP_TLS_KEY, or use http://`,
    );
  if (!http.tls && httpClientCa !== '')
    problems.push(`SLUICE_HTTP_CLIENT_CA: ${shown} asks for no certificates; use https://, or leave it out`);
  if (!isLoopback(http.host) && httpToken === '' && httpClientCa === '')
    problems.push(
      `SLUICE_HTTP: ${shown} can be reached from other machines, and nobody is asked who they are; ` +
        'set SLUICE_HTTP_TOKEN or SLUICE_HTTP_TOKEN_FILE, SLUICE_HTTP_CLIENT_CA, or listen on 127.0.0.1',
    );
  return problems;
}

/** Things that work and are most likely not meant. */
export function httpWarnings({ http }: Settings): string[] {
  if (http === null || http.tls || isLoopback(http.host)) return [];
  return [`SLUICE_HTTP: the token goes over the network in the clear (${httpAddress().format(http)}); use https://`];
}
