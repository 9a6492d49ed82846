/**
 * A TLS report as a document (RFC 8460 section 4.4) and as mail (section 5.3).
 */
import { gzipSync } from 'node:zlib';
import { mailDate } from '../message/mail-date.js';
import { DAY, type PolicyResults } from './tls-results.js';

/** Who reports. */
export interface Reporter {
  readonly organization: string;
  /** How to reach us about a report. */
  readonly contact: string;
  /** Mailbox that reports by mail come from. */
  readonly from: string;
  /** Our host name. */
  readonly hostname: string;
}

/** One report, ready to be sent. */
export interface TlsReport {
  readonly id: string;
  readonly domain: string;
  /** The JSON document, gzip. */
  readonly compressed: Buffer;
  /** `submitter!domain!begin!end.json.gz` (section 5.1). */
  readonly fileName: string;
}

/** The document of one domain and day. The same results make the same id, so that a report sent again is known as such. */
export function reportDocument(
  reporter: Reporter,
  domain: string,
  day: number,
  results: readonly PolicyResults[],
): object {
  return {
    'organization-name': reporter.organization,
    'date-range': {
      'start-datetime': new Date(day * DAY).toISOString().replace('.000Z', 'Z'),
      'end-datetime': new Date((day + 1) * DAY - 1000).toISOString().replace('.000Z', 'Z'),
    },
    'contact-info': reporter.contact,
    'report-id': reportId(reporter, domain, day),
    policies: results.map(({ policy, succeeded, failed, details }) => ({
      policy: {
        'policy-type': policy.type,
        ...(policy.text.length > 0 ? { 'policy-string': policy.text } : {}),
        'policy-domain': policy.domain,
        ...(policy.mx.length > 0 ? { 'mx-host': policy.mx } : {}),
      },
      summary: { 'total-successful-session-count': succeeded, 'total-failure-session-count': failed },
      ...(details.length > 0 ? { 'failure-details': details.map(failureDetail) } : {}),
    })),
  };
}

function failureDetail(detail: PolicyResults['details'][number]): object {
  return {
    'result-type': detail.kind,
    ...(detail.host === '' ? {} : { 'receiving-mx-hostname': detail.host }),
    ...(detail.address === '' ? {} : { 'receiving-ip': detail.address }),
    'failed-session-count': detail.count,
    'failure-reason-code': detail.reason,
  };
}

function reportId(reporter: Reporter, domain: string, day: number): string {
  return `${new Date(day * DAY).toISOString().slice(0, 10)}_${domain}@${reporter.hostname}`;
}

/** Builds the report of one domain and day. */
export function tlsReport(
  reporter: Reporter,
  domain: string,
  day: number,
  results: readonly PolicyResults[],
): TlsReport {
  const document = reportDocument(reporter, domain, day, results);
  const [begin, end] = [(day * DAY) / 1000, ((day + 1) * DAY) / 1000 - 1];
  return {
    id: reportId(reporter, domain, day),
    domain,
    compressed: gzipSync(JSON.stringify(document)),
    fileName: `${reporter.hostname}!${domain}!${begin}!${end}.json.gz`,
  };
}

/**
 * The report as a message to one address. `wall`: ms since the epoch. It asks to be sent on whatever TLS policies say
 * (RFC 8689 section 5), since what it reports may be that they fail. ASCII, lines of at most 78 characters.
 */
export function reportMail(reporter: Reporter, report: TlsReport, to: string, wall: number): Buffer {
  const boundary = `tlsrpt-${report.id.replace(/[^A-Za-z0-9]/g, '-').slice(0, 60)}`;
  const { domain, fileName } = report;
  const lines = [
    `From: ${reporter.from}`,
    `To: ${to}`,
    `Date: ${mailDate(wall)}`,
    `Message-ID: <${report.id}>`,
    `Subject: Report Domain: ${domain}`,
    ` Submitter: ${reporter.hostname}`,
    ` Report-ID: <${report.id}>`,
    `TLS-Report-Domain: ${domain}`,
    `TLS-Report-Submitter: ${reporter.hostname}`,
    'TLS-Required: No',
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type="tlsrpt";',
    `\tboundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=us-ascii',
    '',
    'This is an aggregate report of TLS sessions (RFC 8460) with the mail hosts of',
    `${domain}.`,
    '',
    `--${boundary}`,
    'Content-Type: application/tlsrpt+gzip',
    'Content-Transfer-Encoding: base64',
    'Content-Disposition: attachment;',
    `\tfilename="${fileName}"`,
    '',
    ...(report.compressed.toString('base64').match(/.{1,76}/g) ?? []),
    `--${boundary}--`,
    '',
  ];
  return Buffer.from(lines.join('\r\n'), 'latin1');
}
