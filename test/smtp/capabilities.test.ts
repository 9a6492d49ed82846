import { describe, expect, it } from 'vitest';
import { NO_CAPABILITIES, parseCapabilities } from '../../src/smtp/capabilities.js';

describe('parseCapabilities', () => {
  it('reads what matters, in any case, and ignores the rest', () => {
    expect(
      parseCapabilities([
        'up.example PIPELINING hello',
        'Size 1000',
        '8bitmime',
        'CHUNKING',
        'BINARYMIME',
        'DSN',
        'smtputf8',
        'ENHANCEDSTATUSCODES',
        'MT-PRIORITY MIXER',
        'LIMITS MAILMAX=10 RCPTMAX=5 JUNK=x',
        'AUTH=LOGIN PLAIN',
        'auth plain scram-sha-256',
        'STARTTLS',
        'RequireTLS',
        'DeliverBy 120',
        '',
        'X-UNKNOWN a b',
      ]),
    ).toEqual({
      pipelining: false,
      eightBitMime: true,
      binaryMime: true,
      chunking: true,
      smtpUtf8: true,
      dsn: true,
      enhancedStatusCodes: true,
      size: true,
      maxSize: 1000,
      mtPriority: true,
      maxRecipients: 5,
      maxMessages: 10,
      startTls: true,
      mechanisms: ['PLAIN', 'LOGIN', 'SCRAM-SHA-256'],
      requireTls: true,
      deliverBy: true,
      minDeliverBy: 120,
    });
  });

  it.each(['LIMITS', 'LIMITS RCPTMAX', 'LIMITS RCPTMAX=', 'LIMITS RCPTMAX=-1', 'SIZE abc', 'SIZE'])(
    'takes %j as no limit',
    (line) => {
      const read = parseCapabilities(['up', line]);
      expect(read.maxRecipients).toBe(0);
      expect(read.maxSize).toBe(0);
    },
  );

  it('knows nothing of a HELO host', () => {
    expect(NO_CAPABILITIES.pipelining || NO_CAPABILITIES.size || NO_CAPABILITIES.dsn).toBe(false);
  });
});
