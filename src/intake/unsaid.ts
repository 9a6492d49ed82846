/**
 * What SMTP could say of a message and nobody said: the rest of a transaction of mail that came another way.
 */
export const UNSAID = {
  ret: '',
  envelopeId: '',
  priority: 0,
  helo: '',
  tls: '',
  account: '',
  requireTls: false,
  holdFor: 0,
  deliverBy: null,
} as const;
