/**
 * Prepares an accepted message for its way: rules, Received, missing fields, signatures (RFC 5321 section 4.4, RFC 6409
 * section 8, RFC 6376).
 *
 * Pure computation without I/O, for one thread at a time: worker threads run it where there is a body to hash, the main
 * thread where there is not (see `mayHash`). The content is read where it lies and never changed; the answer says with
 * what its beginning is replaced. New fields go on top: signatures, Received, then others. While nothing in the header
 * itself changes, the whole original content stays as it is behind them.
 */
import type {
  CapturedFields,
  PrepareConfig,
  PreparedMessage,
  PrepareRequest,
  PrepareStatus,
} from '../../workers/contract.js';
import { FieldCapture } from './captured-fields.js';
import type { ContentMemory } from './content-memory.js';
import { DkimSigner, type SignerOptions } from './dkim/signer.js';
import { HeaderEditor } from './header-edit.js';
import { FieldName, HeaderScan, readHeader } from './header-scan.js';
import { mailDate } from './mail-date.js';
import { headerSafeName, receivedField } from './received.js';

export interface Preparer {
  /** Whether preparing this message may hash and sign, so that a worker thread should do it. */
  mayHash(request: PrepareRequest): boolean;
  /** `memory` holds the segments that the request names. Never throws for anything that is in the content. */
  prepare(request: PrepareRequest, memory: ContentMemory): PreparedMessage;
}

const RECEIVED = new FieldName('Received');
const DATE = new FieldName('Date');
const MESSAGE_ID = new FieldName('Message-ID');
const TLS_REQUIRED = new FieldName('TLS-Required');
const NOTHING = new Uint8Array(0);

function refused(status: PrepareStatus): PreparedMessage {
  return { status, header: NOTHING, resumeAt: 0 };
}

/**
 * Compiles a configuration. Only submissions are signed: mail that others send through us is not ours to vouch for.
 * @throws SluiceError `bad-dkim-key`.
 */
export function createPreparer(config: PrepareConfig, signing: SignerOptions = {}): Preparer {
  const { rules, maxHops, maxHeaderSize } = config;
  const hostname = headerSafeName(config.hostname);
  const editor = new HeaderEditor(rules);
  const signer = new DkimSigner(config.keys, signing);
  const capture = new FieldCapture(config.captured ?? []);
  const named = (fields: readonly string[], name: FieldName) =>
    fields.some((field) => field.toLowerCase() === name.lower);
  const addedNames = rules.add.map(({ name }) => name);
  // A field that the rules take out or put in themselves is not made up beside theirs, or is made up anew.
  const [addsDate, addsMessageId] = [named(addedNames, DATE), named(addedNames, MESSAGE_ID)];
  const [dropsDate, dropsMessageId] = [named(rules.remove, DATE), named(rules.remove, MESSAGE_ID)];
  const added = rules.add.map(({ name, value }) => `${name}: ${value}\r\n`).join('');
  const original = new HeaderScan();
  const edited = new HeaderScan();
  const top = new HeaderScan();

  return {
    mayHash: (request) => request.submission && signer.active,

    prepare(request, memory) {
      if (!readHeader(original, memory, request, maxHeaderSize)) return refused('header-too-large');
      let hops = 0;
      let hasDate = addsDate;
      let hasMessageId = addsMessageId;
      let tlsOptional = false;
      for (let i = 0; i < original.count; i++) {
        const hash = original.hashes[i]!;
        if (hash === RECEIVED.hash) {
          if (original.is(i, RECEIVED)) hops++;
        } else if (hash === DATE.hash) hasDate ||= !dropsDate && original.is(i, DATE);
        else if (hash === MESSAGE_ID.hash) hasMessageId ||= !dropsMessageId && original.is(i, MESSAGE_ID);
        else if (hash === TLS_REQUIRED.hash && original.is(i, TLS_REQUIRED))
          tlsOptional ||= /^\s*no\s*$/i.test(original.value(i));
      }
      if (hops >= maxHops) return refused('too-many-hops');

      const captured = capture.capture(original, request.submission);
      const changed = editor.edit(original, request.submission);
      let fields = receivedField(hostname, request.id, request.origin, request.forRecipient, request.date);
      if (request.submission) {
        if (!hasDate) fields += `Date: ${mailDate(request.date)}\r\n`;
        if (!hasMessageId) fields += `Message-ID: <${request.date.toString(36)}.${request.id}@${hostname}>\r\n`;
      }
      fields += added;

      if (request.submission && signer.active) {
        top.scan(Buffer.from(fields, 'latin1'), true);
        if (changed !== undefined) edited.scan(changed, true);
        const unstuff = request.form === 'wire' && request.dotLines > 0;
        const headers = [top, changed === undefined ? original : edited];
        const seconds = Math.floor(request.date / 1000);
        fields = signer.sign(request.dkimKey, headers, memory, request, original.bodyStart, unstuff, seconds) + fields;
      }
      if (changed === undefined) return answer(Buffer.from(fields, 'latin1'), 0, tlsOptional, captured);
      const header = Buffer.allocUnsafe(fields.length + changed.length);
      header.write(fields, 0, 'latin1');
      header.set(changed, fields.length);
      return answer(header, original.headerEnd, tlsOptional, captured);
    },
  };
}

function answer(
  header: Uint8Array,
  resumeAt: number,
  tlsOptional: boolean,
  fields: CapturedFields | undefined,
): PreparedMessage {
  return fields === undefined
    ? { status: 'ok', header, resumeAt, tlsOptional }
    : { status: 'ok', header, resumeAt, tlsOptional, fields };
}
