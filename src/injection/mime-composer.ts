/**
 * Composes with nodemailer's MailComposer what the direct composer leaves: HTML, attachments, anything beyond ASCII.
 *
 * Contract: the whole message with CRLF, 7-bit but for addresses that are not (RFC 6532). Loaded when first needed.
 * Attachments and long texts are handed over in pieces with a turn of the event loop between them, so that mail goes on
 * meanwhile: a piece of PIECE bytes costs about a millisecond. One message at a time.
 */
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Letter, LetterFile } from './letter.js';
import type { Mailbox } from './mailbox.js';

/** Bytes, or characters of a text, between two turns. */
const PIECE = 96 * 1024;
/** Texts up to here are encoded at once, whichever way is shorter; longer ones as base64 in pieces. */
const SHORT_TEXT = 32 * 1024;

let loaded: Promise<typeof import('nodemailer/lib/mail-composer').default> | undefined;
let last: Promise<unknown> = Promise.resolve();

/** Resolves to the message. */
export function composeMime(letter: Letter): Promise<Buffer> {
  const turn = last.then(() => compose(letter));
  last = turn.catch(() => undefined);
  return turn;
}

async function compose(letter: Letter): Promise<Buffer> {
  loaded ??= import('nodemailer/lib/mail-composer').then((module) => module.default);
  const MailComposer = await loaded;
  const { from, to, cc, replyTo, subject, text, html, headers, attachments } = letter;
  const node = new MailComposer({
    from: mailbox(from),
    ...(to.length === 0 ? {} : { to: to.map(mailbox) }),
    ...(cc.length === 0 ? {} : { cc: cc.map(mailbox) }),
    ...(replyTo.length === 0 ? {} : { replyTo: replyTo.map(mailbox) }),
    subject,
    ...(text === undefined && html !== undefined ? {} : { text: content(text ?? '') }),
    ...(html === undefined ? {} : { html: content(html) }),
    headers: headers.map(([key, value]) => ({ key, value })),
    attachments: attachments.map(attached),
    newline: 'windows',
    disableFileAccess: true,
    disableUrlAccess: true,
  }).compile();
  return await node.build();
}

function mailbox({ name, address }: Mailbox): { name: string; address: string } {
  return { name, address };
}

function content(text: string) {
  if (text.length <= SHORT_TEXT) return canonical(text);
  return { content: Readable.from(textPieces(text), { objectMode: false }), contentTransferEncoding: 'base64' };
}

/** Lines of a text end with CRLF whatever encodes them (RFC 2045 section 6.8). */
function canonical(text: string): string {
  return text.replace(/\r\n|\r|\n/g, '\r\n');
}

function attached({ filename, contentType, content: bytes, cid, disposition }: LetterFile) {
  return {
    content: bytes.length <= PIECE ? bytes : Readable.from(pieces(bytes), { objectMode: false }),
    filename: filename ?? false,
    ...(contentType === undefined ? {} : { contentType }),
    ...(cid === undefined ? {} : { cid }),
    ...(disposition === undefined ? {} : { contentDisposition: disposition }),
    contentTransferEncoding: 'base64',
  } as const;
}

async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE) {
    yield bytes.subarray(at, at + PIECE);
    await nextTurn();
  }
}

async function* textPieces(text: string): AsyncGenerator<Buffer> {
  for (let at = 0; at < text.length; ) {
    let end = Math.min(text.length, at + PIECE);
    // Neither CRLF nor a surrogate pair is cut.
    if (end < text.length && /[\r\ud800-\udbff]/.test(text[end - 1]!)) end++;
    yield Buffer.from(canonical(text.slice(at, end)));
    at = end;
    await nextTurn();
  }
}
