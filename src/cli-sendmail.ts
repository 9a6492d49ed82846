/**
 * `sendmail` as Postfix has it: takes a message on standard input and hands it to the engine by SMTP, or keeps it in the
 * maildrop where that cannot be done now.
 *
 * Contract: ends with 0 only when every recipient is the engine's or in the maildrop, flushed; with 69 when the engine
 * refused one for good (the others are sent); with 75 for everything else, as Postfix's does.
 */
import { randomBytes } from 'node:crypto';
import { EX_OK, EX_TEMPFAIL, EX_UNAVAILABLE, Fatal } from './compat/fatal.js';
import { type Announcement, type Place, readAnnouncement } from './compat/place.js';
import { addressList, qualified } from './compat/sendmail/address-list.js';
import { compose } from './compat/sendmail/compose.js';
import { handOver } from './compat/sendmail/dialogue.js';
import { isPath } from './compat/sendmail/drop-format.js';
import { type Submission, sendmailRequest } from './compat/sendmail/options.js';
import { type Outgoing, xtext } from './compat/sendmail/outgoing.js';
import { textLines } from './compat/sendmail/text-lines.js';
import { writeDrop } from './compat/sendmail/write-drop.js';
import { type CommandUser, commandUser } from './config/user-environment.js';
import { messageOf } from './core/errors.js';
import { connectLoopback } from './net/connect-loopback.js';

/** Runs it; the exit code. @throws Fatal. */
export async function sendmail(place: Place, args: readonly string[]): Promise<number> {
  const request = sendmailRequest(args);
  for (const warning of request.warnings) process.stderr.write(`sendmail: warning: ${warning}\n`);
  switch (request.mode) {
    case 'nothing':
      return EX_OK;
    case 'speak':
      return speak(place);
    case 'send':
      return send(place, request);
    case 'queue':
      return listOrFlush(place, ['-p']);
    case 'flush':
      return listOrFlush(place, ['-f']);
    case 'flush-site':
      return listOrFlush(place, ['-s', request.what]);
    case 'flush-message':
      return listOrFlush(place, ['-i', request.what]);
  }
}

async function listOrFlush(place: Place, args: readonly string[]): Promise<number> {
  return (await import('./cli-postqueue.js')).postqueue(place, args);
}

async function send(place: Place, submission: Submission): Promise<number> {
  const user = commandUser();
  const engine = readAnnouncement(place.maildrop) ?? place;
  const whole = await outgoing(submission, user, engine.hostname, engine.maxMessageSize);
  // One that is no address keeps nobody else from the message.
  const recipients = whole.recipients.filter((address) => isPath(address, 'forward'));
  const wrong = whole.recipients.filter((address) => !recipients.includes(address));
  const message = { ...whole, recipients };
  const { refused, left } = await toEngine(message, engine);
  if (left.length > 0) {
    if (place.maildrop === '') fail(user, 'the engine does not take it now, and there is no maildrop');
    try {
      writeDrop(place.maildrop, { ...message, recipients: left });
    } catch (thrown) {
      fail(user, `cannot be kept in ${place.maildrop}: ${messageOf(thrown)}`);
    }
  }
  for (const { address, reply } of refused) process.stderr.write(`sendmail: ${address}: ${reply}\n`);
  for (const address of wrong) process.stderr.write(`sendmail: ${address}: not an address\n`);
  return refused.length + wrong.length > 0 ? EX_UNAVAILABLE : EX_OK;
}

async function toEngine(message: Outgoing, { host, port, hostname }: Announcement) {
  const nobody = { accepted: [], refused: [], left: message.recipients };
  if (message.recipients.length === 0 || port === 0) return nobody;
  const stream = await connectLoopback(host, port);
  return stream === null ? nobody : handOver(stream, message, hostname);
}

function fail({ name, uid }: CommandUser, words: string): never {
  throw new Fatal(EX_TEMPFAIL, `${name}(${uid}): ${words}`);
}

async function outgoing(
  submission: Submission,
  user: CommandUser,
  hostname: string,
  maxSize: number,
): Promise<Outgoing> {
  const { fromHeader, notify, ret } = submission;
  const given = submission.sender === null ? user.name : (addressList(submission.sender)[0]?.address ?? '');
  const sender = qualified(given, hostname);
  const text = textLines(await standardInput(user, maxSize), !submission.dotIsText);
  const now = Date.now();
  const composed = compose(text, {
    ...{ hostname, sender, now, gateway: submission.gateway },
    fullName: submission.fullName ?? user.fullName,
    messageId: `${new Date(now).toISOString().slice(0, 19).replace(/\D/g, '')}.${randomBytes(6).toString('hex')}`,
  });
  const named = submission.recipients.flatMap((word) =>
    addressList(word).map(({ address }) => qualified(address, hostname)),
  );
  const recipients = [...new Set([...named, ...(fromHeader ? composed.recipients : [])])];
  if (recipients.length === 0) {
    fail(
      user,
      fromHeader
        ? 'No recipient addresses found in message header'
        : 'Recipient addresses must be specified on the command line or via the -t option',
    );
  }
  if (composed.content.length > maxSize) fail(user, `the message is longer than ${maxSize} bytes`);
  if (!isPath(sender, 'reverse')) fail(user, `-f ${sender}: not an address`);
  const addresses = [sender, ...recipients].join('');
  return {
    ...{ sender, recipients, notify, ret },
    envelopeId: xtext(submission.envelopeId),
    body: submission.body !== '' && !composed.eightBit ? submission.body : composed.eightBit ? '8BITMIME' : '7BIT',
    smtpUtf8: composed.utf8Header || Buffer.byteLength(addresses) > addresses.length,
    content: composed.content,
  };
}

async function standardInput(user: CommandUser, maxSize: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of process.stdin as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxSize) fail(user, `the message is longer than ${maxSize} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts, size);
}

/** SMTP on standard input and output, spoken by the engine. */
async function speak(place: Place): Promise<number> {
  const { host, port } = readAnnouncement(place.maildrop) ?? place;
  const stream = port === 0 ? null : await connectLoopback(host, port);
  if (stream === null) throw new Fatal(EX_TEMPFAIL, 'the engine does not answer');
  process.stdin.pipe(stream);
  stream.pipe(process.stdout);
  return new Promise((resolve) => {
    stream.on('error', () => resolve(EX_TEMPFAIL));
    stream.on('close', () => {
      process.stdin.destroy();
      resolve(EX_OK);
    });
  });
}
