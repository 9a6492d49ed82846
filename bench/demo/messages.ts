/**
 * The messages of a demo run: like those of high-volume senders, and the same in every run.
 *
 * Everything about a message follows from its number. The number stands in the return path (as bulk senders put it there,
 * VERP) and each recipient's place in its local part, so that the sink knows what has arrived without looking inside.
 */

/** Domains of the senders; each has a key when the run signs. */
export const SENDER_DOMAINS = ['shop.example', 'news.example', 'bank.example'] as const;
const RECIPIENT_DOMAINS = ['mail.example.org', 'post.example.net', 'firma.example.com', 'uni.example.edu'] as const;
const GIVEN_NAMES = ['ana', 'bo', 'chen', 'dana', 'emeka', 'fatima', 'goran', 'hana', 'ines', 'jun'] as const;
const SUBJECTS = ['Your order has been sent', 'The week in short', 'Statement for November', 'Confirm your address'];

/** Bytes and how many of a hundred messages have about that size. Mean: about 12 KB. */
const SIZE_MIX: readonly (readonly [bytes: number, share: number])[] = [
  [2_000, 45],
  [9_000, 35],
  [30_000, 17],
  [120_000, 3],
];
/** Bodies made once for each size of the mix; messages share them. */
const VARIANTS = 8;

export interface DemoMessage {
  /** `MAIL FROM:<...>` with its line end. */
  readonly mail: string;
  /** `RCPT TO:<...>` each. */
  readonly recipients: readonly string[];
  /** Header with the empty line. */
  readonly header: string;
  /** Body with the end of data. */
  readonly body: Buffer;
}

/** Spreads numbers evenly over 32 bits (the finalizer of MurmurHash3), so that neighbours differ in everything. */
function scramble(value: number): number {
  let h = value + 0x9e3779b9;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** How many recipients a message has: 1 mostly, never more than MAX_RECIPIENTS. */
export function recipientCount(message: number): number {
  const dice = scramble(message * 3 + 1) % 100;
  return dice < 85 ? 1 : dice < 95 ? 2 : 4;
}

/** The number of the message that a MAIL command speaks of, -1 when it is none of ours. */
export function messageOfMail(line: string): number {
  const match = /^MAIL FROM:<bounce\+(\d{1,9})@/i.exec(line);
  return match === null ? -1 : Number(match[1]);
}

/** The recipient that an RCPT command speaks of, -1 when it is none of ours. */
export function recipientOfRcpt(line: string): number {
  const match = /^RCPT TO:<[a-z]+\+\d+\.(\d)@/i.exec(line);
  return match === null ? -1 : Number(match[1]);
}

/** A body of about `bytes` bytes in lines of 76 characters, with the end of data. */
function makeBody(bytes: number, variant: number): Buffer {
  const words =
    'lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore'.split(' ');
  const lines: string[] = [];
  let length = 0;
  let line = '';
  for (let i = variant * 7919; length < bytes; i++) {
    const word = words[scramble(i) % words.length]!;
    if (line.length + word.length > 75) {
      lines.push(line);
      length += line.length + 2;
      line = word;
    } else line += line === '' ? word : ` ${word}`;
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n.\r\n`, 'latin1');
}

export class DemoMessages {
  private readonly bodies: Buffer[][];
  private readonly shares: number[] = [];
  private readonly run: string;

  /** `size`: bytes of every message, 0 for the mix; `run`: a word that no other run has. */
  constructor(size: number, run: string) {
    this.run = run;
    const mix = size === 0 ? SIZE_MIX : ([[Math.max(100, size - 450), 100]] as const);
    this.bodies = mix.map(([bytes]) => Array.from({ length: VARIANTS }, (_, variant) => makeBody(bytes, variant)));
    for (const [at, [, share]] of mix.entries()) for (let i = 0; i < share; i++) this.shares.push(at);
  }

  make(message: number): DemoMessage {
    const dice = scramble(message);
    const domain = SENDER_DOMAINS[dice % SENDER_DOMAINS.length]!;
    const variants = this.bodies[this.shares[(dice >>> 8) % this.shares.length]!]!;
    const addresses: string[] = [];
    for (let i = recipientCount(message) - 1; i >= 0; i--) {
      const other = scramble(message * 5 + i);
      const name = GIVEN_NAMES[other % GIVEN_NAMES.length]!;
      addresses.unshift(`${name}+${message}.${i}@${RECIPIENT_DOMAINS[(other >>> 8) % RECIPIENT_DOMAINS.length]}`);
    }
    const header =
      `From: Customer service <service@${domain}>\r\n` +
      `To: ${addresses.map((address) => `<${address}>`).join(',\r\n ')}\r\n` +
      `Subject: ${SUBJECTS[(dice >>> 16) % SUBJECTS.length]} (${message})\r\n` +
      `Date: ${new Date().toUTCString().replace('GMT', '+0000')}\r\n` +
      `Message-ID: <${this.run}.${message}@${domain}>\r\n` +
      `List-Unsubscribe: <https://${domain}/u/${this.run}/${message}>\r\n` +
      'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n';
    return {
      mail: `MAIL FROM:<bounce+${message}@${domain}>\r\n`,
      recipients: addresses.map((address) => `RCPT TO:<${address}>\r\n`),
      header,
      body: variants[(dice >>> 24) % VARIANTS]!,
    };
  }
}
