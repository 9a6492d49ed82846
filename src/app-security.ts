/**
 * The security of deliveries to MX hosts, put together: policies of domains, and reports on what became of them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from './config/schema.js';
import type { Clock } from './core/clock.js';
import { messageOf, SluiceError } from './core/errors.js';
import type { DeliveryEvents } from './delivery/delivery.js';
import type { MxSecurity } from './delivery/mx-security.js';
import type { Intake } from './intake/intake.js';
import { submitLocally } from './intake/local-submission.js';
import type { SegmentPool } from './memory/segment-pool.js';
import type { DnsClient } from './net/dns-client.js';
import { dnsLookup } from './net/dns-lookup.js';
import { HttpRequester } from './net/http-request.js';
import { MxPolicies, type PolicyFailure } from './security/mx-policies.js';
import { StateFile } from './security/state-file.js';
import { StsPolicies } from './security/sts-policies.js';
import { TlsReporter } from './security/tls-reporter.js';
import type { EngineEvents } from './telemetry/engine-events.js';
import type { Log } from './telemetry/log.js';

/** What it tells and asks of the engine. */
export interface SecurityHost {
  /** A policy of a domain could not be kept to, or could not be had. */
  policyFailed(domain: string, failure: PolicyFailure): void;
  log(level: 'info' | 'warn', fields: Record<string, unknown>, line: string): void;
  /** Makes a TLS report durable, to be delivered like any other mail; rejects when that cannot be done now. */
  submitReport(from: string, to: string, content: Buffer): Promise<void>;
}

/** The host that the engine's parts make. `intake` is there by the time a report leaves. */
export function securityHost(
  events: Pick<EngineEvents, 'policyFailed'>,
  log: Log,
  segments: SegmentPool,
  intake: () => Intake,
): SecurityHost {
  return {
    policyFailed: (domain, failure) => events.policyFailed(domain, failure),
    log: (level, fields, line) => log[level](fields, line),
    submitReport: (from, to, content) => submitLocally(intake(), segments, { from, to, content }),
  };
}

export interface DeliverySecurity {
  readonly mx: MxSecurity;
  /** For mail whose sender wants it sent whatever policies of its domains say; the setting of our own holds. */
  readonly mxWithoutPolicies: MxSecurity;
  readonly tlsResult: DeliveryEvents['tlsResult'];
  /** Takes in what an earlier run knew; the spool's directory must be there. Never rejects. */
  open(): Promise<void>;
  close(): Promise<void>;
}

/** How often results for reports are written at most, ms: there may be many. */
const RESULTS_DELAY = 60_000;
const STANDARD_PORT = 443;

/** @throws SluiceError `bad-ca` when SLUICE_MTA_STS_CA or SLUICE_MX_CA cannot be read. */
export function deliverySecurity(
  settings: Settings,
  clock: Clock,
  dns: DnsClient,
  host: SecurityHost,
): DeliverySecurity {
  const ca = readCa('SLUICE_MTA_STS_CA', settings.mtaStsCa);
  const lookup = dnsLookup(dns, settings.mtaStsPort === STANDARD_PORT);
  const http = new HttpRequester({ lookup, ...(ca === '' ? {} : { ca }) });
  const warn = (fields: Record<string, unknown>, line: string): void => host.log('warn', fields, line);

  const sts: StsPolicies | null =
    settings.mtaSts === 'off'
      ? null
      : new StsPolicies({
          dns,
          http,
          port: settings.mtaStsPort,
          clock,
          file: new StateFile({
            path: join(settings.spoolDir, 'mta-sts.json'),
            snapshot: (): unknown => sts?.snapshot(),
            warn,
          }),
          failed: (domain, problem) => warn({ domain, ...problem }, 'an MTA-STS policy could not be fetched'),
        });
  const reporter: TlsReporter | null =
    settings.tlsReports === 'off'
      ? null
      : new TlsReporter({
          clock,
          dns,
          http,
          reporter: reporterOf(settings),
          file: new StateFile({
            path: join(settings.spoolDir, 'tls-reports.json'),
            snapshot: (): unknown => reporter?.snapshot(),
            warn,
            delay: RESULTS_DELAY,
          }),
          random: Math.random,
          submit: host.submitReport,
          log: host.log,
        });
  const common = { dns, port: settings.mxPort, mode: settings.mxTls, ca: readCa('SLUICE_MX_CA', settings.mxCa) };
  const opened = async (part: { open(): Promise<boolean> } | null, file: string): Promise<void> => {
    if ((await part?.open()) === false) warn({ file }, 'remembered state is of no use and was ignored');
  };
  return {
    mx: new MxPolicies({
      ...common,
      sts,
      dane: settings.dane === 'auto' && dns.seesDnssec,
      policyFailed: (domain, policy, failure) => {
        host.policyFailed(domain, failure);
        reporter?.results.policyFailed(domain, policy, failure);
      },
    }),
    mxWithoutPolicies: new MxPolicies({
      ...common,
      sts: null,
      dane: false,
      policyFailed: () => {},
    }),
    tlsResult: (destination, at, result) => reporter?.results.connection(destination, at, result),
    async open() {
      if (settings.dane === 'auto' && settings.dnssecServers.length > 0 && !dns.seesDnssec)
        warn({}, 'DANE is not used: not all DNS servers are on loopback or in SLUICE_DNSSEC_SERVERS');
      await opened(sts, 'mta-sts.json');
      await opened(reporter, 'tls-reports.json');
    },
    async close() {
      await Promise.all([sts?.close(), reporter?.close()]);
      http.close();
    },
  };
}

function reporterOf(settings: Settings) {
  const from = settings.tlsReportFrom || `tls-reports@${settings.hostname}`;
  return {
    organization: settings.tlsReportOrganization || settings.hostname,
    contact: settings.tlsReportContact || from,
    from,
    hostname: settings.hostname,
  };
}

/** The content of a PEM file, '' without one. */
function readCa(name: string, path: string): string {
  if (path === '') return '';
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new SluiceError('bad-ca', `${name}: ${path} cannot be read: ${messageOf(error)}`, {
      temporary: false,
    });
  }
}
