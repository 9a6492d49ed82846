/**
 * Providers by name: the right host, port and TLS, and the limits they tell of, as data. A parameter in the URL wins over
 * what stands here.
 *
 * Sources are the providers' own pages, named beside each; limits that depend on an account (SES rates, daily quotas) are
 * not here but are heeded when the provider says so (delivery/throttling.ts).
 */

export interface UpstreamPreset {
  /** Scheme of the URL. */
  readonly scheme: string;
  /** The URL's host part is put in for `{}`; without `{}` the URL has none. */
  readonly host: string;
  /** What the URL's host part is, for people; '' where there is none. */
  readonly part: string;
  readonly port: number;
  /** TLS from the first byte instead of STARTTLS; either way it is required and the certificate verified. */
  readonly implicit: boolean;
  /** The user where the URL names none. */
  readonly user: string;
  /** Most connections, messages on one, recipients in one transaction; 0: as set for all. */
  readonly pool: number;
  readonly messages: number;
  readonly recipients: number;
  /** Where tokens come from: `{}` stands for the value of `oauth=`, and the scope for the client credentials grant. */
  readonly tokenUrl: string;
  readonly scope: string;
}

export const UPSTREAM_PRESETS: readonly UpstreamPreset[] = [
  {
    // docs.aws.amazon.com/ses: "Connecting to an Amazon SES SMTP endpoint" (STARTTLS on 25, 587, 2587; required),
    // "Service quotas in Amazon SES" (50 recipients a message).
    scheme: 'ses',
    host: 'email-smtp.{}.amazonaws.com',
    part: 'region, such as us-east-1',
    port: 587,
    implicit: false,
    user: '',
    pool: 0,
    messages: 0,
    recipients: 50,
    tokenUrl: '',
    scope: '',
  },
  {
    // docs.sendgrid.com: "Integrating with the SMTP API" (user `apikey`, 587 with STARTTLS, 5,000 messages a connection),
    // "Building an SMTP Email" (1,000 recipients a message).
    scheme: 'sendgrid',
    host: 'smtp.sendgrid.net',
    part: '',
    port: 587,
    implicit: false,
    user: 'apikey',
    pool: 0,
    messages: 5000,
    recipients: 1000,
    tokenUrl: '',
    scope: '',
  },
  {
    // mailchimp.com/developer/transactional/docs/smtp-integration (587 with STARTTLS; any user, an API key as password).
    scheme: 'mandrill',
    host: 'smtp.mandrillapp.com',
    part: '',
    port: 587,
    implicit: false,
    user: 'sluice',
    pool: 0,
    messages: 0,
    recipients: 0,
    tokenUrl: '',
    scope: '',
  },
  {
    // learn.microsoft.com: "Throttling limits for SMTP AUTH" (3 connections, 30 messages a minute), "Exchange Online
    // limits" (500 recipients), "Authenticate an IMAP, POP or SMTP connection using OAuth" (token URL, scope).
    scheme: 'exchange-online',
    host: 'smtp.office365.com',
    part: '',
    port: 587,
    implicit: false,
    user: '',
    pool: 3,
    messages: 0,
    recipients: 500,
    tokenUrl: 'https://login.microsoftonline.com/{}/oauth2/v2.0/token',
    scope: 'https://outlook.office365.com/.default',
  },
  {
    // support.google.com/a: "Send email from a printer, scanner or app" (465), "Gmail sending limits" (100 recipients a
    // message by SMTP), developers.google.com/identity: "Using OAuth 2.0 for Web Server Applications" (token URL).
    scheme: 'gmail',
    host: 'smtp.gmail.com',
    part: '',
    port: 465,
    implicit: true,
    user: '',
    pool: 10,
    messages: 100,
    recipients: 100,
    tokenUrl: 'https://oauth2.googleapis.com/token',
    scope: '',
  },
];
